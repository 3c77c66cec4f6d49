"""Progress of long stages on stderr: a bar with rate and time left on a terminal, a line per stage elsewhere."""

from __future__ import annotations

import sys
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from types import TracebackType
from typing import Protocol


class Progress(Protocol):
    """Tells a person how far a long job is."""

    def stage(self, name: str, total: int) -> Stage:
        """Begin a stage of ``total`` steps; the context gives a function to call after each."""

    def note(self, message: str) -> None:
        """Say something beside the bars."""


class Stage(Protocol):
    """One stage while it lasts."""

    def __enter__(self) -> Callable[[], None]: ...

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> bool | None: ...


class Silent:
    """Says nothing; for tests and for callers that show progress in their own way."""

    @contextmanager
    def stage(self, name: str, total: int) -> Iterator[Callable[[], None]]:
        """A stage that nobody sees."""
        yield lambda: None

    def note(self, message: str) -> None:
        """Nothing is said."""


class Lines:
    """One line when a stage ends: for logs and pipes."""

    @contextmanager
    def stage(self, name: str, total: int) -> Iterator[Callable[[], None]]:
        """A stage that is reported when it is over."""
        done, started = [0], time.monotonic()

        def step() -> None:
            done[0] += 1

        yield step
        self.note(f"{name}: {done[0]} in {time.monotonic() - started:.1f} s")

    def note(self, message: str) -> None:
        """Print a line on stderr."""
        print(message, file=sys.stderr, flush=True)


@contextmanager
def terminal_progress() -> Iterator[Progress]:
    """Bars where stderr is a terminal, lines where it is not."""
    if not sys.stderr.isatty():
        yield Lines()
        return
    from rich.console import Console
    from rich.progress import BarColumn, MofNCompleteColumn, TextColumn, TimeElapsedColumn, TimeRemainingColumn
    from rich.progress import Progress as RichProgress

    console = Console(stderr=True)
    columns = (TextColumn("{task.description}"), BarColumn(), MofNCompleteColumn(), TimeElapsedColumn(), TimeRemainingColumn())
    with RichProgress(*columns, console=console) as bars:
        yield _Bars(bars, console)


class _Bars:
    def __init__(self, bars: object, console: object) -> None:
        from rich.console import Console
        from rich.progress import Progress as RichProgress

        assert isinstance(bars, RichProgress)
        assert isinstance(console, Console)
        self._bars = bars
        self._console = console

    @contextmanager
    def stage(self, name: str, total: int) -> Iterator[Callable[[], None]]:
        task = self._bars.add_task(name, total=total)
        yield lambda: self._bars.advance(task)
        self._bars.update(task, completed=total)

    def note(self, message: str) -> None:
        self._console.print(message, markup=False, highlight=False)
