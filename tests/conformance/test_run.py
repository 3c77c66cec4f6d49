"""How the conformance runner judges, and what it says where it cannot run."""

from __future__ import annotations

import contextlib
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.conformance import run
from tests.conformance.suite import SCENARIOS, BrokenError, MissingError, Outcome, Suite


def outcome(*failed: str) -> Outcome:
    return Outcome(dict.fromkeys(("a", "b", "c", "d"), (2, 0)) | dict.fromkeys(failed, (1, 1)))


@contextlib.contextmanager
def nowhere(folder: Path) -> Iterator[str]:
    yield "http://127.0.0.1:9/mcp"


def test_outcomes_count_scenarios_and_checks() -> None:
    assert str(outcome("b", "c")) == "2 of 4 (6/2)"
    assert str(Outcome({"a": (3, 0)}, warnings=2)) == "1 of 1 (3/0, 2 warned)"


@pytest.mark.parametrize(
    ("direct", "through", "said"),
    [
        ((), (), ""),
        (("a",), ("a",), ""),
        ((), ("a",), "w, v: 1 lost: a"),
        (("a",), ("b", "a"), "w, v: 1 lost: b"),
        ((), ("c",), ""),
        ((), ("d", "c", "a"), "w, v: 2 lost: a, d"),
    ],
)
def test_what_fails_directly_or_may_be_lost_is_not_held_against_a_way(
    direct: tuple[str, ...], through: tuple[str, ...], said: str
) -> None:
    way = run.Way("w", nowhere, may_lose={"v": frozenset("c")})
    assert way.lost("v", outcome(*through), outcome(*direct)) == said


def test_some_may_be_lost_whichever_they_are() -> None:
    way = run.Way("w", nowhere, may_lose_any={"v": 1})
    assert way.lost("v", outcome("a"), outcome()) == ""
    assert way.lost("v", outcome("a", "b"), outcome()) == "w, v: 2 lost: a, b"


def test_a_scenario_that_fails_directly_fails_the_run() -> None:
    outcomes = {(name, version): outcome() for way in run.WAYS for name in way.runs() for version in way.versions}
    assert run.losses(outcomes) == []
    outcomes[run.DIRECT.name, run.STATELESS] = outcome("a")
    assert run.losses(outcomes) == [f"{run.DIRECT.name}, {run.STATELESS}: failed: a"]
    outcomes[run.WAYS[1].name, run.HANDSHAKE] = outcome("b")
    assert len(run.losses(outcomes)) == 2


def test_every_run_of_a_way_is_judged_and_has_a_row_of_its_own() -> None:
    outcomes = {(name, version): outcome() for way in run.WAYS for name in way.runs() for version in way.versions}
    replay = run.WAYS[-1]
    first, second = replay.runs()
    assert (first, second) == (replay.name, f"{replay.name}, run 2")
    outcomes[second, run.HANDSHAKE] = outcome("a", "b", "c")
    assert run.losses(outcomes) == [f"{second}, {run.HANDSHAKE}: 3 lost: a, b, c"]
    rows = [line.partition(" | ")[0] for line in run.table(outcomes).splitlines()]
    assert rows[-2:] == [f"| {first}", f"| {second}"]


def test_without_npm_the_run_says_so_and_may_be_skipped(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setenv("PATH", str(tmp_path))
    monkeypatch.setattr(run, "FOLDER", tmp_path / "node")
    with pytest.raises(MissingError, match=r"npm is not installed; it comes with Node\.js"):
        Suite.ready(run.FOLDER)
    for argv, code, said in (([], 2, "cannot run"), (["--optional"], 0, "skipped")):
        monkeypatch.setattr(sys, "argv", ["run", *argv])
        assert run.main() == code
        assert capsys.readouterr().out == f"conformance: {said}: npm is not installed; it comes with Node.js\n"


def test_a_suite_that_comes_to_no_summary_is_no_pass(tmp_path: Path) -> None:
    broken = tmp_path / "index.py"
    broken.write_text("print('=== SUMMARY ===\\n✓ ping: 1 passed, 0 failed\\n')")
    version = next(iter(SCENARIOS))
    with pytest.raises(BrokenError, match=f"1 scenarios of {SCENARIOS[version]} were run"):
        Suite(Path(sys.executable), broken).run("http://127.0.0.1:9/mcp", version, tmp_path / "log")
