"""Opening a recording: what is not ours or is damaged is refused in one line, and not a byte of it is altered."""

from __future__ import annotations

import multiprocessing
import time
from collections.abc import Callable
from concurrent.futures import ProcessPoolExecutor
from pathlib import Path

import apsw
import pytest

from firefly_mcp.errors import StoreError
from firefly_mcp.store import queries
from firefly_mcp.store.migrations import MIGRATIONS
from firefly_mcp.store.recording import Recording


def recorded(path: Path, calls: int = 200) -> Path:
    with Recording(path, create=True) as recording:
        writer = recording.begin_session("record")
        for number in range(calls):
            call = writer.begin_call("srv", "tools/call", {"name": "t", "arguments": {"n": number}})
            writer.end_call(call, result={"content": [{"type": "text", "text": f"result {number} " * 20}]})
    assert not path.with_name(path.name + "-wal").exists()
    return path


def foreign(path: Path) -> Path:
    db = apsw.Connection(str(path))
    db.pragma("journal_mode", "wal")
    db.execute("CREATE TABLE invoice (id INTEGER PRIMARY KEY)")
    db.execute("INSERT INTO invoice VALUES (1)")
    db.close()
    return path


def text(path: Path) -> Path:
    path.write_text("just some notes\n" * 100)
    return path


def truncated(path: Path) -> Path:
    data = recorded(path).read_bytes()
    path.write_bytes(data[: len(data) // 2])
    return path


def header_only(path: Path) -> Path:
    path.write_bytes(recorded(path).read_bytes()[:60])
    return path


def scribbled(path: Path) -> Path:
    data = bytearray(recorded(path).read_bytes())
    for at in range(4096 * 3, len(data), 4096):
        data[at : at + 64] = b"\xff" * 64
    path.write_bytes(bytes(data))
    return path


def from_the_future(path: Path) -> Path:
    recorded(path)
    db = apsw.Connection(str(path))
    db.execute(f"PRAGMA user_version = {len(MIGRATIONS) + 1}")
    db.pragma("journal_mode", "delete")
    db.close()
    return path


@pytest.mark.parametrize("create", [True, False])
@pytest.mark.parametrize(
    ("make", "why"),
    [
        (foreign, "not a Firefly recording"),
        (text, "not an SQLite file"),
        (truncated, "damaged"),
        (header_only, "damaged"),
        (scribbled, "damaged"),
    ],
)
def test_what_is_not_a_sound_recording_is_refused_and_left_alone(
    tmp_path: Path, make: Callable[[Path], Path], why: str, create: bool
) -> None:
    path = make(tmp_path / "it.db")
    before = {file.name: file.read_bytes() for file in tmp_path.iterdir()}
    with pytest.raises(StoreError) as caught:
        Recording(path, create=create)
    assert why in str(caught.value)
    assert str(path) in str(caught.value)
    assert "\n" not in str(caught.value)
    assert {file.name: file.read_bytes() for file in tmp_path.iterdir()} == before


def test_a_recording_of_a_newer_firefly_is_refused_and_its_content_kept(tmp_path: Path) -> None:
    path = from_the_future(tmp_path / "it.db")
    with pytest.raises(StoreError, match=r"newer Firefly.*upgrade"):
        Recording(path)
    db = apsw.Connection(str(path))
    assert db.pragma("user_version") == len(MIGRATIONS) + 1
    assert db.execute("SELECT count(*) FROM call").fetchall() == [(200,)]


def test_a_folder_is_refused(tmp_path: Path) -> None:
    with pytest.raises(StoreError, match="is a folder"):
        Recording(tmp_path, create=True)


def test_a_missing_file_is_refused_unless_it_is_to_be_made(tmp_path: Path) -> None:
    path = tmp_path / "new.db"
    with pytest.raises(StoreError, match="no such recording"):
        Recording(path)
    assert not path.exists()
    Recording(path, create=True).close()
    Recording(path).close()


def test_a_folder_that_is_not_there_is_named(tmp_path: Path) -> None:
    with pytest.raises(StoreError, match=r"the folder .*nowhere does not exist"):
        Recording(tmp_path / "nowhere" / "new.db", create=True)


def test_an_empty_file_becomes_a_recording_only_when_one_may_be_made(tmp_path: Path) -> None:
    path = tmp_path / "empty.db"
    path.touch()
    with pytest.raises(StoreError, match="no such recording"):
        Recording(path)
    assert path.read_bytes() == b""
    with Recording(path, create=True) as recording:
        assert recording.db.pragma("user_version") == len(MIGRATIONS)


def test_a_recording_of_any_older_format_opens_and_keeps_what_it_holds(tmp_path: Path) -> None:
    for version in range(1, len(MIGRATIONS) + 1):
        path = tmp_path / f"v{version}.db"
        db = apsw.Connection(str(path))
        db.execute(
            "PRAGMA application_id = 0x46464C59; CREATE TABLE migration (number INTEGER PRIMARY KEY, applied_at REAL NOT NULL)"
        )
        for number, step in enumerate(MIGRATIONS[:version], 1):
            step(db)
            db.execute("INSERT INTO migration VALUES (?, 0.0)", (number,))
        db.pragma("user_version", version)
        db.execute("INSERT INTO server (name, added_at) VALUES ('kept', 0.0)")
        db.close()
        with Recording(path) as recording:
            assert list(queries.servers(recording)) == ["kept"]
            assert recording.db.pragma("user_version") == len(MIGRATIONS)
            numbers = [number for (number,) in recording.db.execute("SELECT number FROM migration ORDER BY 1")]
            assert numbers == list(range(1, len(MIGRATIONS) + 1))


def test_a_migration_that_fails_leaves_the_file_as_it_was(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    path = recorded(tmp_path / "r.db", calls=3)

    def half(db: apsw.Connection) -> None:
        db.execute("CREATE TABLE half_done (x)")
        raise RuntimeError("power gone")

    monkeypatch.setattr("firefly_mcp.store.migrations.MIGRATIONS", (*MIGRATIONS, half))
    with pytest.raises(RuntimeError):
        Recording(path)
    monkeypatch.undo()
    with Recording(path) as recording:
        assert recording.db.pragma("user_version") == len(MIGRATIONS)
        assert not recording.db.execute("SELECT 1 FROM sqlite_schema WHERE name = 'half_done'").fetchall()
        assert len(list(queries.calls(recording))) == 3


def test_a_recording_opens_in_a_plain_sqlite_shell(tmp_path: Path) -> None:
    path = recorded(tmp_path / "r.db", calls=2)
    db = apsw.Connection(str(path), flags=apsw.SQLITE_OPEN_READONLY)
    rows = db.execute(
        "SELECT s.kind, v.name, c.tool, json_extract(c.params, '$.arguments.n'), json_extract(b.data, '$.content[0].type')"
        " FROM call c JOIN session s ON s.id = c.session_id JOIN server v ON v.id = c.server_id"
        " JOIN blob b ON b.hash = c.result_hash ORDER BY c.id"
    ).fetchall()
    assert rows == [("record", "srv", "t", 0, "text"), ("record", "srv", "t", 1, "text")]


def begun(path: Path, at: float) -> str:
    while time.time() < at:  # not asleep: all are to come within the same microseconds
        pass
    with Recording(path, create=True) as recording:
        recording.begin_session("record")
        return recording.id


def test_processes_that_make_one_recording_at_once_wait_for_each_other(tmp_path: Path) -> None:
    with ProcessPoolExecutor(4, mp_context=multiprocessing.get_context("spawn")) as processes:
        for number in range(30):
            path = tmp_path / f"{number}.db"
            begin = [time.time() + (0.02 if number else 1.0)] * 4
            assert len(set(processes.map(begun, [path] * 4, begin))) == 1
            with Recording(path) as recording:
                assert len(list(queries.sessions(recording))) == 4
