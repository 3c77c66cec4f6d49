"""The semantic rung answers what asks the same in other words, from calls of equal identity, and nothing else."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import apsw
import numpy as np
import pytest

from firefly_mcp.embed import Embedder, Vectors
from firefly_mcp.embed.hashing import HashingEmbedder
from firefly_mcp.match.kinds import ArgumentKind
from firefly_mcp.replay import Answer, Replay, ReplayIndex, ReplayPolicy
from firefly_mcp.replay.rules import Entry, ReplayRules
from firefly_mcp.replay.semantic import SemanticNeighbours
from firefly_mcp.store.recording import Recording
from firefly_mcp.types import MatchKind, params_of

TOOLS: list[dict[str, Any]] = [
    {
        "name": "ask",
        "inputSchema": {
            "type": "object",
            "properties": {"city": {"type": "string"}, "query": {"type": "string"}, "note": {"type": "string"}},
        },
        "annotations": {"readOnlyHint": True},
    }
]
CALLS = [
    {"city": "P1", "query": "cheap hotels near the station"},
    {"city": "P1", "query": "a quiet park with a lake"},
    {"city": "P2", "query": "cheap hotels near the station"},
    {"city": "P1", "query": "flights from Paris to Rome"},
    {"city": "P1", "query": "tickets for 2 children"},
    {"city": "P1", "query": "museums of art", "note": "open on Sunday"},
    {"city": "P1", "query": "museums of art", "note": "with a cafe"},
]
Ask = Callable[..., Answer]


@pytest.fixture
def path(tmp_path: Path) -> Path:
    made = tmp_path / "a.db"
    with Recording(made, create=True) as recording:
        recording.snapshot_tools("guide", TOOLS)
        session = recording.begin_session("record")
        session.connect("guide", {}, origin="proven(x)")
        for call in CALLS:
            number = session.begin_call("guide", "tools/call", params_of("ask", call))
            session.end_call(number, result={"content": [{"type": "text", "text": f"about {call['query']}"}]})
    return made


def asking(recording: Recording, embedder: Embedder | None = None, rules: ReplayRules | None = None) -> Ask:
    index = ReplayIndex(recording, rules=rules)
    neighbours = SemanticNeighbours(recording, index, embedder or HashingEmbedder())
    replay = Replay(recording, ReplayPolicy(match=MatchKind.SEMANTIC), index, neighbours)

    def ask(**arguments: Any) -> Answer:
        return replay.session().answer("guide", "tools/call", params_of("ask", arguments))

    return ask


def served(answer: Answer) -> tuple[str, int | None]:
    return str(answer.kind), answer.call.id if answer.call else None


def test_other_words_are_answered_from_the_nearest_call_of_the_same_identity(path: Path) -> None:
    with Recording(path) as recording:
        ask = asking(recording)
        found = ask(city="P1", query="Could you find inexpensive hotels close to the station?")
        assert served(found) == ("semantic", 1)
        assert 0 < found.provenance()["firefly/distance"] <= HashingEmbedder.threshold
        assert served(ask(city="P2", query="inexpensive hotels near the station")) == ("semantic", 3)
        assert served(ask(city="P1", query="flights to Rome from Paris")) == ("semantic", 4)
        assert served(ask(city="P1", query="tickets for two kids")) == ("semantic", 5)
        assert served(ask(city="P1", query="cheap  hotels near the station")) == ("normalized", 1)
        assert served(ask(city="P1", query="cheap hotels near the station")) == ("exact", 1)


@pytest.mark.parametrize(
    "arguments",
    [
        {"city": "P3", "query": "inexpensive hotels near the station"},
        {"city": "P1", "query": "expensive hotels near the station"},
        {"city": "P1", "query": "cheap hotels not near the station"},
        {"city": "P1", "query": "flights from Rome to Paris"},
        {"city": "P1", "query": "tickets for 3 children"},
        {"city": "P1", "query": "cheap hotels near the airport"},
        {"query": "cheap hotels near the station"},
        {"city": "P1"},
    ],
)
def test_what_asks_something_else_is_a_declared_miss(path: Path, arguments: dict[str, Any]) -> None:
    with Recording(path) as recording:
        assert asking(recording)(**arguments).kind is MatchKind.MISS


def test_of_several_free_texts_each_must_be_near(path: Path) -> None:
    with Recording(path) as recording:
        ask = asking(recording)
        assert served(ask(city="P1", query="art museums", note="having a cafe")) == ("semantic", 7)
        assert served(ask(city="P1", query="art museums", note="open Sunday")) == ("semantic", 6)
        assert served(ask(city="P1", query="art museums", note="closed on Sunday")) == ("miss", None)


def test_a_tools_rules_set_its_threshold_its_kinds_and_how_far_it_goes(path: Path) -> None:
    def rules(**said: Any) -> ReplayRules:
        return ReplayRules((Entry("guide/ask", **said),))

    question = {"city": "P1", "query": "inexpensive hotels near the station"}
    with Recording(path) as recording:
        assert served(asking(recording, rules=rules(threshold=0.9))(**question)) == ("semantic", 1)
    with Recording(path) as recording:
        assert served(asking(recording, rules=rules(threshold=0.001))(**question)) == ("miss", None)
    with Recording(path) as recording:
        identifying = {"/query": ArgumentKind.IDENTIFYING}
        assert served(asking(recording, rules=rules(kinds=identifying))(**question)) == ("miss", None)
    with Recording(path) as recording:
        assert served(asking(recording, rules=rules(side_effects=True))(**question)) == ("miss", None)
    with Recording(path) as recording:
        assert served(asking(recording)(**question)) == ("semantic", 1)


class Counting(HashingEmbedder):
    """Another embedder: the built-in one under another name, that counts what it is asked."""

    name = "counting"

    def __init__(self) -> None:
        self.asked: list[str] = []

    def embed(self, texts: Sequence[str]) -> Vectors:
        self.asked += texts
        return super().embed(texts)


def test_vectors_are_stored_once_for_each_text_and_embedder_and_used_again(path: Path) -> None:
    distinct = {text for call in CALLS for key, text in call.items() if key != "city"}
    with Recording(path) as recording:
        first = Counting()
        asking(recording, first)
        assert sorted(first.asked) == sorted(distinct)
        rows = recording.db.execute("SELECT length(data) FROM vector v JOIN embedder e ON e.id = embedder_id").fetchall()
        assert rows == [(4 * HashingEmbedder.dimensions,)] * len(distinct)
    with Recording(path) as recording:
        again = Counting()
        asking(recording, again)
        assert again.asked == []
        asking_other = HashingEmbedder()
        other = Recording(path)
        asking(other, asking_other)
        names = [str(name) for (name,) in other.db.execute("SELECT name FROM embedder ORDER BY id")]
        assert names == ["counting", "hashing-1"]
        other.close()


def test_a_recording_that_cannot_be_written_is_answered_from_too(path: Path) -> None:
    with Recording(path) as recording:
        recording.db.close()
        recording.db = apsw.Connection(str(path), flags=apsw.SQLITE_OPEN_READONLY)
        ask = asking(recording)
        assert served(ask(city="P1", query="inexpensive hotels near the station")) == ("semantic", 1)
        assert served(ask(city="P1", query="expensive hotels near the station")) == ("miss", None)


def test_stored_vectors_decide_so_that_the_same_recording_gives_the_same_answers(path: Path) -> None:
    with Recording(path) as recording:
        asking(recording)
        away = np.zeros(HashingEmbedder.dimensions, dtype="<f4")
        away[7] = 1
        recording.db.execute("UPDATE vector SET data = ?", (away.tobytes(),))
    with Recording(path) as recording:
        assert served(asking(recording)(city="P1", query="inexpensive hotels near the station")) == ("miss", None)


def test_a_call_that_was_recorded_since_is_found_at_the_next_start(path: Path) -> None:
    with Recording(path) as recording:
        asking(recording)
        session = recording.begin_session("record")
        session.connect("guide", {}, origin="proven(x)")
        number = session.begin_call("guide", "tools/call", params_of("ask", {"city": "P9", "query": "a bar with live jazz"}))
        session.end_call(number, result={"content": []})
    with Recording(path) as recording:
        assert served(asking(recording)(city="P9", query="bar with live jazz")) == ("semantic", number)


def test_many_texts_under_one_identity_are_ranked_too(tmp_path: Path) -> None:
    colours = [
        f"{first}{second}{third}" for first in "abcdefghijklmn" for second in "opqrstuvwxyz" for third in "aeioubcdfghjk"
    ]
    with Recording(tmp_path / "b.db", create=True) as recording:
        recording.snapshot_tools("guide", TOOLS)
        session = recording.begin_session("record")
        session.connect("guide", {}, origin="proven(x)")
        with recording.transaction():
            pass
        for colour in colours:
            number = session.begin_call("guide", "tools/call", params_of("ask", {"query": f"paint the wall in {colour}"}))
            session.end_call(number, result={"content": []})
        ask = asking(recording)
        for at in (0, len(colours) // 2, len(colours) - 1):
            found = ask(query=f"please paint the walls in {colours[at]}")
            assert served(found) == ("semantic", at + 1)
        assert served(ask(query="paint the wall in green")) == ("miss", None)
