"""The reference pages say how things are."""

from __future__ import annotations

import json
import re
import runpy
from pathlib import Path
from typing import Any

import pytest

from firefly_mcp.store.recording import Recording
from firefly_mcp.tasks.model import Task

ROOT = Path(__file__).resolve().parents[2]
PAGES = sorted([*ROOT.glob("*.md"), *(ROOT / "docs").rglob("*.md")])


def documented(page: str) -> dict[str, list[str]]:
    """Names in the first column of each section's table, by the section's title."""
    found: dict[str, list[str]] = {}
    for section in re.split(r"^## ", page, flags=re.MULTILINE)[1:]:
        title = section.splitlines()[0].strip("` ")
        found[title] = re.findall(r"^\| `([^`]+)` \|", section, flags=re.MULTILINE)
    return found


def test_every_table_and_column_of_a_recording_is_documented_and_no_other(tmp_path: Path) -> None:
    with Recording(tmp_path / "r.db", create=True) as recording:
        tables = {
            str(name): [str(column) for (column,) in recording.db.execute("SELECT name FROM pragma_table_info(?)", (name,))]
            for (name,) in recording.db.execute(
                "SELECT name FROM sqlite_schema WHERE type = 'table' AND name NOT LIKE 'sqlite_%'"
            )
        }
    page = documented((ROOT / "docs/reference/recording.md").read_text(encoding="utf-8"))
    assert set(page) == set(tables)
    for table, columns in tables.items():
        if table != "info":  # a list of keys: its table explains those too
            assert page[table] == columns, table


def test_every_key_of_a_task_is_documented_and_the_example_is_a_task() -> None:
    text = (ROOT / "docs/reference/tasks.md").read_text(encoding="utf-8")
    example = re.search(r"```json\n(.*?)```", text, flags=re.DOTALL)
    assert example
    task = Task.model_validate_json(example[1])
    assert set(documented(text)["Keys of a line"]) == set(Task.model_fields)
    assert [node.id for node in task.plan] == ["a", "b"]
    assert {name for proof in task.evidence.values() for name in [proof.node]} <= {node.id for node in task.plan}


def test_the_command_reference_is_what_the_commands_say() -> None:
    made: Any = runpy.run_path(str(ROOT / "docs/make_cli_reference.py"), run_name="reference")["reference"]
    page = (ROOT / "docs/reference/cli.md").read_text(encoding="utf-8")
    # Where lines break is click's affair, and differs between its versions.
    assert page.split() == made().split(), "run 'make docs'"


@pytest.mark.parametrize("page", PAGES, ids=lambda page: str(page.relative_to(ROOT)))
def test_links_lead_somewhere(page: Path) -> None:
    for target in re.findall(r"\]\(([^)#\s]+)[^)]*\)", page.read_text(encoding="utf-8")):
        if not target.startswith(("http:", "https:", "mailto:")):
            assert (page.parent / target).exists(), target


@pytest.mark.parametrize("page", PAGES, ids=lambda page: str(page.relative_to(ROOT)))
def test_json_in_the_pages_is_json(page: Path) -> None:
    for block in re.findall(r"```json\n(.*?)```", page.read_text(encoding="utf-8"), flags=re.DOTALL):
        assert json.loads(block)


def test_commands_that_the_pages_name_exist() -> None:
    from firefly_mcp.cli.main import COMMANDS

    for page in PAGES:
        for name in re.findall(r"(?:^|[`$ (])firefly ([a-z]+)\b", page.read_text(encoding="utf-8"), flags=re.MULTILINE):
            assert name in COMMANDS, f"{page.name}: firefly {name}"
