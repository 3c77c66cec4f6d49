"""The fixture ``firefly_replay``, used by suites of their own as docs/pytest.md says."""

from __future__ import annotations

import json
import re
import shutil
from pathlib import Path

import pytest

from firefly_mcp.exchange.cassette import write_cassette
from firefly_mcp.store.recording import Recording

pytest_plugins = "pytester"
pytestmark = [pytest.mark.slow, pytest.mark.timeout(240)]  # each runs pytest several times, as processes of their own
ROOT = Path(__file__).resolve().parents[2]
EXAMPLE = re.search(r"```python\n# (\S+)\n(.*?)```", (ROOT / "docs/pytest.md").read_text(encoding="utf-8"), flags=re.DOTALL)
INI = "[pytest]\nasyncio_mode = auto\n"
HEAD = """
import sys
import pytest
from mcp import Client
"""


@pytest.fixture
def suite(pytester: pytest.Pytester) -> pytest.Pytester:
    """A project with the notes server in its folder and the documented example among its tests."""
    for name in ("notes.py", "_run.py"):
        shutil.copy(ROOT / "tests/servers" / name, pytester.path)
    assert EXAMPLE is not None
    (pytester.path / "tests").mkdir()
    (pytester.path / EXAMPLE[1]).write_text(EXAMPLE[2])
    pytester.makeini(INI)
    return pytester


def run(suite: pytest.Pytester, *options: str) -> pytest.RunResult:
    return suite.runpytest_subprocess("-p", "no:cacheprovider", "-q", *options)


def header(cassette: Path) -> dict[str, object]:
    return json.loads(cassette.read_text().splitlines()[0])  # type: ignore[no-any-return]


def test_the_documented_example_is_recorded_once_and_then_replayed_without_the_server(suite: pytest.Pytester) -> None:
    run(suite).stdout.fnmatch_lines(["*no such recording; record it once with --firefly-record once*"])
    assert run(suite, "--firefly-record", "once").ret == 0
    cassette = suite.path / "tests/recordings/test_notes.jsonl"
    before = cassette.read_bytes()
    (suite.path / "notes.py").unlink()
    for options in ((), ("--firefly-record", "once"), ("--firefly-record", "new_episodes")):
        assert run(suite, *options).ret == 0
    assert cassette.read_bytes() == before
    assert [path.name for path in cassette.parent.iterdir()] == ["test_notes.jsonl"]


def test_a_miss_fails_a_strict_test_with_its_explanation(suite: pytest.Pytester) -> None:
    assert run(suite, "--firefly-record", "once").ret == 0
    file = suite.path / "tests/test_notes.py"
    file.write_text(file.read_text().replace('"bread"', '"rye"'))
    result = run(suite)
    result.assert_outcomes(failed=1, errors=1)
    result.stdout.fnmatch_lines(["*replay could not answer:*", "*notes/add_note*rye*: never_recorded*bread*"])


def test_tests_of_one_module_are_sessions_of_one_recording(suite: pytest.Pytester) -> None:
    file = suite.path / "tests/test_notes.py"
    file.write_text(file.read_text() + "\n\n" + file.read_text().split("\n\n\n")[1].replace("_listed", "_listed_again"))
    assert run(suite, "--firefly-record", "once", "-k", "not again").ret == 0
    assert run(suite, "--firefly-record", "once").ret == 0
    run(suite).assert_outcomes(passed=2)
    run(suite, "-k", "again").assert_outcomes(passed=1)
    whole = (suite.path / "tests/recordings/test_notes.jsonl").read_text()
    assert len(re.findall(r'^\{"session":', whole, flags=re.MULTILINE)) == 2


def test_new_episodes_ask_the_real_server_what_is_not_recorded(suite: pytest.Pytester) -> None:
    assert run(suite, "--firefly-record", "once").ret == 0
    file = suite.path / "tests/test_notes.py"
    file.write_text(
        file.read_text()
        .replace("listed = await", 'await client.call_tool("add_note", {"title": "rye"})\n        listed = await')
        .replace("== 1", "== 2")
    )
    run(suite).assert_outcomes(failed=1, errors=1)
    assert run(suite, "--firefly-record", "new_episodes").ret == 0
    (suite.path / "notes.py").unlink()
    assert run(suite).ret == 0


def test_a_recording_is_served_from_a_copy_and_its_misses_are_told(suite: pytest.Pytester) -> None:
    with Recording(suite.path / "tests" / "given.db", create=True) as recording:
        recording.snapshot_tools("shop", [{"name": "price", "inputSchema": {"type": "object"}}])
        writer = recording.begin_session("record")
        call = writer.begin_call("shop", "tools/call", {"name": "price", "arguments": {"id": 1}})
        writer.end_call(call, result={"content": [{"type": "text", "text": "5"}]})
        write_cassette(recording, suite.path / "tests" / "given.jsonl")
    before = (suite.path / "tests/given.db").read_bytes()
    (suite.path / "tests/test_notes.py").write_text(
        HEAD
        + """
@pytest.mark.parametrize("_", [
    pytest.param(1, marks=pytest.mark.firefly("given.db")),
    pytest.param(2, marks=pytest.mark.firefly(store="given.jsonl")),
])
async def test_prices(firefly_replay, _):
    async with Client(firefly_replay.url) as client:
        found = await client.call_tool("price", {"id": 1})
        missing = await client.call_tool("price", {"id": 2})
    assert (found.content[0].text, found.is_error, missing.is_error) == ("5", False, True)
    (miss,) = firefly_replay.misses()
    assert (miss.cause, miss.call.arguments) == ("never_recorded", {"id": 2})
    assert [call.match for call in firefly_replay.calls()] == ["exact", "miss"]
    assert not firefly_replay.recording


def test_a_test_without_a_loop_can_use_it(firefly_replay):
    pass


test_a_test_without_a_loop_can_use_it = pytest.mark.firefly("given.db")(test_a_test_without_a_loop_can_use_it)
"""
    )
    run(suite).assert_outcomes(passed=3)
    assert (suite.path / "tests/given.db").read_bytes() == before
    assert header(suite.path / "tests/given.jsonl")["firefly/cassette"] == 1


def test_mistakes_in_the_marker_are_named(suite: pytest.Pytester) -> None:
    (suite.path / "tests/test_notes.py").write_text(
        HEAD
        + """
@pytest.mark.firefly(colour="red")
def test_unknown(firefly_replay): ...

@pytest.mark.firefly(record="all")
def test_no_server(firefly_replay): ...
"""
    )
    result = run(suite)
    result.assert_outcomes(errors=2)
    result.stdout.fnmatch_lines(["*the firefly marker does not know colour*"])
    result.stdout.fnmatch_lines(["*to record it, name the server*"])


def test_the_plugin_imports_nothing_of_firefly_before_it_is_used(suite: pytest.Pytester) -> None:
    (suite.path / "tests/test_notes.py").write_text(
        "import sys\n\ndef test_nothing_is_loaded():\n    assert not {'firefly_mcp', 'mcp', 'apsw'} & sys.modules.keys()\n"
    )
    run(suite).assert_outcomes(passed=1)
