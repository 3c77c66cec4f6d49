"""What comes with the package: a sample of proven tasks over published servers, and the part of a recording that they need.

``sample/tasks.jsonl`` and ``sample/recording.jsonl.gz`` (a cassette). ``firefly tasks sample --out DIR`` unpacks them.
"""

from __future__ import annotations

import shutil
from pathlib import Path

from firefly_mcp.errors import ConfigError, UsageError

SAMPLE = Path(__file__).parent / "sample"


def unpack_sample(folder: Path) -> tuple[Path, Path, int]:
    """Write the sample's tasks and recording into a folder, which is made where it is missing.

    Returns:
        The task file, the recording, and how many tasks there are.

    Raises:
        UsageError: the folder holds a recording already.
        ConfigError: the folder cannot be written.
    """
    from firefly_mcp.exchange.arrival import bring

    tasks, store = folder / "tasks.jsonl", folder / "firefly.db"
    if store.exists():
        raise UsageError(f"{store}: is there already; name another folder with --out")
    try:
        folder.mkdir(parents=True, exist_ok=True)
        shutil.copyfile(SAMPLE / "tasks.jsonl", tasks)
    except OSError as error:
        raise ConfigError(f"{folder}: cannot be written ({error.strerror})") from error
    bring(SAMPLE / "recording.jsonl.gz", store, form="cassette")
    return tasks, store, sum(1 for line in tasks.read_bytes().splitlines() if line.strip())
