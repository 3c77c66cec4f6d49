"""The HTML report: one file, nothing fetched, nothing that a server said taken as markup."""

from __future__ import annotations

import base64
import hashlib
import re
from html.parser import HTMLParser
from typing import Any

import pytest

from firefly_mcp.report.html import duration, render_report
from firefly_mcp.report.task_html import selection

EVIL = "</script><script>alert('x')</script><img src=x onerror=alert(1)>\"'&"
REPORT = {
    "servers": 2,
    "tools": 9,
    "calls": 1234,
    "edges": 8,
    "sub_dags": 7,
    "candidates": 20,
    "admitted": 1,
    "rejected": {"evidence": 4, "leakage": 15},
    "replay": {"exact": 30, "miss": 10},
    "seconds": 312.4,
}


def task(**changes: Any) -> dict[str, Any]:
    made: dict[str, Any] = {
        "id": "t-1",
        "request": "Which flight is cheapest?",
        "answer": {"flight": "HAT7", "price": 141},
        "plan": [
            {"id": "a", "server": "air", "tool": "search", "arguments": {"day": "2026-01-02"}, "bindings": [], "call": 17},
            {
                "id": "b",
                "server": "air",
                "tool": "details",
                "arguments": {"flight": None},
                "bindings": [
                    {"argument": "/flight", "from": "a", "select": {"path": "$[*]", "argmin": "$.price", "take": "$.id"}}
                ],
                "result": {"content": [{"type": "text", "text": "HAT7 costs 141 USD"}]},
            },
        ],
        "evidence": {
            "flight": {"node": "a", "select": {"path": "$[*]", "argmin": "$.price", "take": "$.id"}},
            "price": {"node": "b", "select": {"regex": r"costs (\d+)"}},
        },
        "servers": ["air"],
        "difficulty": "easy",
        "verdicts": [{"gate": "evidence", "passed": True, "reason": "found"}],
    }
    return {**made, **changes}


class Page(HTMLParser):
    """Collects tags, attributes and ids, and checks that tags close in order."""

    VOID = frozenset({"meta", "input", "br", "img", "link", "hr"})

    def __init__(self, text: str) -> None:
        super().__init__()
        self.tags: list[str] = []
        self.attributes: list[tuple[str, str]] = []
        self.open: list[str] = []
        self.feed(text)

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.tags.append(tag)
        self.attributes += [(name, value or "") for name, value in attrs]
        if tag not in self.VOID:
            self.open.append(tag)

    def handle_endtag(self, tag: str) -> None:
        assert self.open.pop() == tag


def test_the_page_is_well_formed_and_every_inner_link_leads_somewhere() -> None:
    page = Page(render_report(REPORT, [task(), task(id="t 2/ö")], [{"name": "air", "tools": 9, "calls": 10, "successes": 8}]))
    assert page.open == []
    ids = [value for name, value in page.attributes if name == "id"]
    assert len(ids) == len(set(ids))
    links = [value for name, value in page.attributes if name == "href"]
    assert links
    assert all(link[0] == "#" and link[1:] in ids for link in links)


def test_nothing_is_fetched_and_only_its_own_script_may_run() -> None:
    html = render_report(REPORT, [task()], [])
    assert not re.search(r"https?://|@import|url\(|\bsrc=", html)
    script = re.search(r"<script>(.*?)</script>", html, flags=re.DOTALL)
    assert script
    digest = base64.b64encode(hashlib.sha256(script[1].encode()).digest()).decode()
    assert f"script-src 'sha256-{digest}'" in html
    assert "default-src 'none'" in html


def test_what_servers_and_models_say_is_never_markup() -> None:
    evil = task(
        id=EVIL,
        request=EVIL,
        answer={EVIL: EVIL},
        evidence={EVIL: {"node": EVIL, "select": {"path": EVIL, "where": [{"field": EVIL, "equals": EVIL}]}}},
        servers=[EVIL],
        difficulty=EVIL,
        verdicts=[{"gate": EVIL, "passed": False, "reason": EVIL}],
    )
    evil["plan"][0] |= {
        "id": EVIL,
        "server": EVIL,
        "tool": EVIL,
        "arguments": {EVIL: EVIL},
        "result": {"content": [{"text": EVIL}]},
    }
    page = Page(
        render_report(
            {**REPORT, "rejected": {EVIL: 3}, "replay": {EVIL: 2}}, [evil], [{"name": EVIL}, {"name": EVIL, "error": EVIL}]
        )
    )
    assert page.tags.count("script") == 1
    assert "img" not in page.tags
    assert not [name for name, _ in page.attributes if name.startswith("on")]


def test_each_answer_field_names_the_call_that_proves_it_and_the_value_is_marked_in_its_result() -> None:
    html = render_report(REPORT, [task()], [])
    text = re.sub(r"<[^>]+>", "", html)
    assert "proved by call 1: the smallest of $[*] by $.price, its $.id" in text
    assert "proved by call 2: the match of costs (\\d+)" in text
    assert "flight taken from call 1" in text
    assert "recorded call 17" in text
    assert "costs <mark>141</mark> USD" in html


def test_a_long_result_is_cut_around_what_it_proves() -> None:
    made = task()
    made["plan"][1]["result"] = {"content": [{"type": "text", "text": "x" * 50_000 + " costs 141 USD " + "y" * 50_000}]}
    html = render_report(REPORT, [made], [])
    assert "costs <mark>141</mark> USD" in html
    assert len(html) < 40_000


def test_the_figures_are_those_of_the_report() -> None:
    text = re.sub(
        r"\s+", " ", re.sub(r"<[^>]+>", " ", render_report(REPORT, [task()], [{"name": "air", "calls": 10, "successes": 8}]))
    )
    for said in ("1 proven task", "recorded calls 1,234", "candidates 20", "evidence −4", "leakage −15", "admitted 1"):
        assert said in text
    assert "exact 30 (75.0%)" in text
    assert "miss 10 (25.0%)" in text
    assert "air 0 10 8 80% 0" in text
    assert "5\u00a0min\u00a012\u00a0s" in render_report(REPORT, [task()], [])


def test_a_run_that_proved_nothing_says_so() -> None:
    html = render_report({**REPORT, "admitted": 0}, [], [{"name": "dead", "error": "command not found"}])
    assert "No task was proven" in html
    assert "rejected all 20 candidates" in html
    assert "command not found" in html
    assert "There was no candidate" in render_report({}, [], [])


@pytest.mark.parametrize(
    ("select", "words"),
    [
        ({"path": "$.a", "only": True}, "$.a"),
        ({"path": "$.a[*]", "only": True, "take": "$.b"}, "$.a[*], its $.b"),
        ({"path": "$[*]", "argmax": "$.n", "take": "$"}, "the largest of $[*] by $.n"),
        (
            {"path": "$[*]", "where": [{"field": "$.k", "equals": "v"}], "take": "$.b"},
            "the one of $[*] where $.k equals v, its $.b",
        ),
        ({"path": "$[*]", "first": {"by": "$.d", "desc": True}}, "the last of $[*] in order of $.d"),
        ({"path": "$[*]", "first": {"by": "$"}}, "the first of $[*] in order"),
        ({"regex": "a(b)"}, "the match of a(b)"),
    ],
)
def test_selections_are_told_in_words(select: dict[str, Any], words: str) -> None:
    assert re.sub(r"<[^>]+>", "", selection(select)) == words


def test_durations_read_naturally() -> None:
    assert [duration(seconds) for seconds in (8.44, 59.96, 61, 3599.6, 7440)] == [
        "8.4 s",
        "60.0 s",
        "1 min 01 s",
        "1 h 00 min",
        "2 h 04 min",
    ]
