"""Progress tells how fast it goes and how long it will take."""

from __future__ import annotations

from firefly_agents.progress import Lines


def test_a_line_every_half_minute_tells_rate_and_time_left() -> None:
    now = 0.0
    said: list[str] = []
    lines = Lines(lambda: now, said.append)
    for done in range(61):
        lines.tell("explore", done, 100)
        now += 1.0
    assert said == [
        "firefly: explore 30 of 100, 60.0 a minute, 1 min left at most",
        "firefly: explore 60 of 100, 60.0 a minute, 1 min left at most",
    ]


def test_nothing_is_said_of_a_short_stage() -> None:
    said: list[str] = []
    lines = Lines(lambda: 0.0, said.append)
    lines.tell("confirm", 1, 1)
    assert said == []
