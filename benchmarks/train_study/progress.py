"""Progress of a study on the console."""


def say(line: str) -> None:
    """Tell progress, at once."""
    print(line, flush=True)
