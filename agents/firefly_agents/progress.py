"""How far a long stage is: a bar on a terminal, a line now and then elsewhere; with the rate and the time that is left."""

from __future__ import annotations

import sys
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager

from rich.console import Console
from rich.progress import (
    BarColumn,
    MofNCompleteColumn,
    Progress,
    ProgressColumn,
    Task,
    TaskID,
    TextColumn,
    TimeElapsedColumn,
    TimeRemainingColumn,
)
from rich.text import Text

_LINE_SECONDS = 30.0


class RateColumn(ProgressColumn):
    """How many are done in a minute."""

    def render(self, task: Task) -> Text:
        """The rate of the last while."""
        speed = task.finished_speed or task.speed
        return Text("" if speed is None else f"{60 * speed:.1f}/min", style="progress.data.speed")


@contextmanager
def bar() -> Iterator[Callable[[str, int, int], None]]:
    """Yields what is told ``(stage, done, total)``. The bar counts time; where standard error is no terminal, lines do."""
    console = Console(file=sys.stderr)
    if not console.is_terminal:
        yield Lines().tell
        return
    columns = (
        TextColumn("{task.description:<12}"),
        BarColumn(),
        MofNCompleteColumn(),
        RateColumn(),
        TimeElapsedColumn(),
        TimeRemainingColumn(),
    )
    with Progress(*columns, console=console) as progress:
        stages: dict[str, TaskID] = {}

        def tell(stage: str, done: int, total: int) -> None:
            if stage not in stages:
                stages[stage] = progress.add_task(stage, total=total)
            progress.update(stages[stage], completed=done, total=total)

        yield tell


class Lines:
    """Says every half minute how far a stage is."""

    def __init__(self, clock: Callable[[], float] = time.monotonic, say: Callable[[str], None] | None = None) -> None:
        """Count time by ``clock`` and say it by ``say``."""
        self._clock = clock
        self._say = say or (lambda line: print(line, file=sys.stderr, flush=True))
        self._began: dict[str, tuple[float, int]] = {}
        self._last = clock()

    def tell(self, stage: str, done: int, total: int) -> None:
        """Note progress; speaks only when half a minute has passed since it last did."""
        now = self._clock()
        began, at = self._began.setdefault(stage, (now, done))
        if now - self._last < _LINE_SECONDS:
            return
        self._last = now
        rate = (done - at) / (now - began) if now > began else 0.0
        left = f", {(total - done) / rate / 60:.0f} min left at most" if rate else ""
        self._say(f"firefly: {stage} {done} of {total}, {60 * rate:.1f} a minute{left}")
