"""The data-set card, as the Hugging Face hub shows it: what is in the set, where it comes from, and how it was proven."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence

from firefly_mcp.dataset.contamination import Contamination
from firefly_mcp.dataset.figures import Figures
from firefly_mcp.dataset.sources import ServerSource
from firefly_mcp.tasks.model import Task

_SIZES = ((1_000, "n<1K"), (10_000, "1K<n<10K"), (100_000, "10K<n<100K"), (1_000_000, "100K<n<1M"))
_SPLITS = {
    "train": "to train on",
    "test": "known servers, but sub-DAGs and answering calls that are in no other split",
    "test_server": "every task uses a server of a family that no other split uses",
}
_GATES = {
    "evidence": "each answer field is found at the path that is told, with the value of the label",
    "binding": "each value that goes from a result into an argument could hardly have come from elsewhere",
    "determinacy": "each selection gives exactly one value, by a condition that the request states",
    "completeness": "a slot parser finds in the request every literal that the plan needs, and only those",
    "leakage": "neither the request nor a description of an offered tool holds the answer",
    "necessity": "without any one call the answer cannot be had",
    "stability": "two live observations or more, in fresh sandboxes, agree on every value used",
    "shortcut": "guessing, constants and single calls do not give the answer",
    "execution": "the plan was run twice by an MCP client against the recording and gave the label, exact matches only",
    "uniqueness": "no other task asks nearly the same",
}


def card(tasks: Sequence[Task], figures: Figures, servers: Sequence[ServerSource], found: Contamination, *, title: str) -> str:
    """The text of ``README.md``.

    Args:
        tasks: the tasks.
        figures: their figures.
        servers: where they come from.
        found: what the contamination check found.
        title: the name of the set.
    """
    parts = [_head(figures, title), _about(figures, title), _load(), _counts(figures, found), _gates(tasks), _servers(servers)]
    return "\n".join(part for part in parts) + "\n"


def _head(figures: Figures, title: str) -> str:
    size = next((name for limit, name in _SIZES if figures.tasks < limit), "n>1M")
    files = "".join(f"  - split: {name}\n    path: data/{name}-*.parquet\n" for name in figures.splits)
    return (
        f"---\npretty_name: {json.dumps(title)}\nlanguage:\n- en\nlicense: other\nlicense_name: see-the-table-of-servers\n"
        "task_categories:\n- text-generation\ntags:\n- mcp\n- tool-calling\n- function-calling\n- agents\n"
        f"- reinforcement-learning\nsize_categories:\n- {size}\nconfigs:\n- config_name: default\n  data_files:\n{files}---\n"
    )


def _about(figures: Figures, title: str) -> str:
    return (
        f"# {title}\n\n{figures.tasks:,} tasks for agents that call tools of {len(figures.servers)} MCP servers"
        f" ({figures.tools:,} tools). Each was made backward from what real servers were seen to answer: the label was observed"
        " first, the request was written from the calls that lead to it, and the plan was then executed against the recording"
        " by an MCP client. No label was written by a model.\n"
    )


def _load() -> str:
    return (
        "## How to load it\n\n```python\nimport json\nfrom datasets import load_dataset\n\n"
        'tasks = load_dataset("PATH_OR_NAME")            # this folder, or its name on the hub\n'
        'row = tasks["train"][0]\n'
        'print(row["request"], json.loads(row["answer"]))\n```\n\n'
        "`messages` is the gold conversation in OpenAI's chat form, its tool results as they were recorded; `tools` the tools\n"
        "offered. `answer`, `answer_schema`, `plan`, `evidence` and `tools` are JSON text. To let an agent act, replay the\n"
        "recording with [Firefly MCP](https://pypi.org/project/firefly-mcp/): `firefly serve --tasks tasks.jsonl`.\n"
    )


def _counts(figures: Figures, found: Contamination) -> str:
    shared = ", ".join(f"{name.replace('_', ' ')} {count}" for name, count in found.shared.items())
    return "\n".join(
        (
            "## What is in it\n",
            table(("", ""), [(name, value) for name, value in measures(figures)]),
            "### Splits\n",
            table(
                ("split", "tasks", "what it is"),
                [(name, f"{count:,}", _SPLITS.get(name, "")) for name, count in figures.splits.items()],
            ),
            f"Shared between splits: {shared}; families of held-out servers used elsewhere {len(found.families)}."
            f" {found.wholly_held_out:,} tasks of `test_server` use held-out families only.\n",
            "### Kinds, difficulty, length\n",
            counted("kind", figures.kinds),
            counted("difficulty", figures.difficulties),
            counted("calls of the plan", figures.lengths),
        )
    )


def measures(figures: Figures) -> list[tuple[str, str]]:
    """The figures of the whole set, each with its name."""
    return [
        ("tasks", f"{figures.tasks:,}"),
        ("servers", f"{len(figures.servers):,}"),
        ("tools", f"{figures.tools:,}"),
        ("abstract plans", f"{figures.abstract_plans:,}"),
        ("mean calls of a plan", f"{figures.mean_calls:.2f}"),
        ("tasks over several servers", f"{figures.several_servers:.1%}"),
        ("stateful tasks (a write changes what is read)", f"{figures.stateful:.1%}"),
        ("tasks with no arithmetic tool", f"{figures.without_arithmetic:.1%}"),
        ("largest share of a server", f"{figures.largest_server:.1%}"),
        ("largest share of a tool", f"{figures.largest_tool:.1%}"),
        ("largest share of an abstract plan", f"{figures.largest_plan:.1%}"),
    ]


def _gates(tasks: Sequence[Task]) -> str:
    passed = {verdict.gate for task in tasks for verdict in task.verdicts if verdict.passed}
    rows = [(gate, _GATES.get(gate, "")) for gate in [*_GATES, *sorted(passed - _GATES.keys())] if gate in passed]
    return f"## How it was proven\n\nEvery task has a verdict of every gate.\n\n{table(('gate', 'what it says'), rows)}"


def _servers(servers: Sequence[ServerSource]) -> str:
    return (
        "## Servers and licences\n\nTool descriptions and results come from these published packages, run unchanged; their"
        f" licences are what their registries tell.\n\n{sources_table(servers)}"
    )


def sources_table(servers: Sequence[ServerSource]) -> str:
    """The servers with their packages, versions and licences."""
    rows = [
        (one.name, one.package, one.version, one.licence or "not told", f"{one.tools:,}", f"{one.tasks:,}") for one in servers
    ]
    return table(("server", "package", "version", "licence", "tools", "tasks"), rows)


def counted(name: str, counts: Mapping[str, int] | Mapping[int, int]) -> str:
    """A table of counts."""
    return table((name, "tasks"), [(str(key), f"{count:,}") for key, count in counts.items()])


def table(columns: Sequence[str], rows: Sequence[Sequence[str]]) -> str:
    """A table in Markdown; what would end a cell is escaped."""
    lines = [
        columns,
        ["---"] * len(columns),
        *([str(cell).replace("|", "\\|").replace("\n", " ") for cell in row] for row in rows),
    ]
    return "".join(f"| {' | '.join(line)} |\n" for line in lines)
