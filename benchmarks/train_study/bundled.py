"""The set that comes with the study: tasks of :mod:`benchmarks.train_study.learnable` with what proves them."""

from __future__ import annotations

import gzip
from pathlib import Path

from firefly_mcp.exchange.arrival import bring

FOLDER = Path(__file__).parents[1] / "data" / "learnable"


def unpack(folder: Path) -> tuple[Path, Path]:
    """Write the set's tasks and recording into a folder, where they are not there yet; gives the paths of both."""
    folder.mkdir(parents=True, exist_ok=True)
    tasks, store = folder / "tasks.jsonl", folder / "firefly.db"
    if not tasks.exists() or not store.exists():
        tasks.write_bytes(gzip.decompress((FOLDER / "tasks.jsonl.gz").read_bytes()))
        bring(FOLDER / "recording.jsonl.gz", store, form="cassette")
    return tasks, store
