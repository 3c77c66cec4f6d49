"""Where something that is imported is put together, beside the recording that it is for: all of it arrives, or nothing."""

from __future__ import annotations

import uuid
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from pathlib import Path

from firefly_mcp.errors import StoreError
from firefly_mcp.store.merge import MergeReport, absorb
from firefly_mcp.store.pages import remove
from firefly_mcp.store.recording import Recording


@dataclass
class Landing:
    """An import on its way. ``recording`` is filled by the reader; ``merged`` says what became of it in an older recording."""

    recording: Recording
    merged: MergeReport | None = None


@contextmanager
def landing(store: Path) -> Iterator[Landing]:
    """A recording to fill; when the block is left it becomes ``store``, or a part of it. An error leaves that alone.

    Raises:
        StoreError: ``store`` is no recording, or cannot be written.
    """
    if not store.parent.is_dir():
        raise StoreError(f"{store}: the folder {store.parent} does not exist")
    part = store.with_name(f".{store.name}.{uuid.uuid4().hex[:8]}.part")
    with ExitStack() as stack:
        stack.callback(remove, part)
        there = store.exists() and store.stat().st_size > 0
        target = stack.enter_context(Recording(store)) if there else None
        with Recording(part, create=True) as recording:
            arriving = Landing(recording)
            yield arriving
            recording.fold_log()
        if target is None and not store.exists():
            part.rename(store)
            return
        if target is None:  # another process was faster
            target = stack.enter_context(Recording(store, create=True))
        with Recording(part) as source:
            arriving.merged = absorb(source, target)
