"""The page on a data set, in Markdown: its figures beside what was asked for, and the counts behind them."""

from __future__ import annotations

from collections.abc import Callable

from firefly_mcp.dataset.card import counted, measures, sources_table, table
from firefly_mcp.dataset.figures import Figures
from firefly_mcp.dataset.splits import TEST_SERVER
from firefly_mcp.dataset.survey import Survey

_ASKED: dict[str, tuple[str, Callable[[Figures], bool]]] = {
    "tasks": ("more than 5,144", lambda f: f.tasks > 5144),
    "servers": ("more than 90", lambda f: len(f.servers) > 90),
    "tools": ("more than 993", lambda f: f.tools > 993),
    "abstract plans": ("at least 1,500", lambda f: f.abstract_plans >= 1500),
    "mean calls of a plan": ("at least 3", lambda f: f.mean_calls >= 3),
    "tasks over several servers": ("at least 30%", lambda f: f.several_servers >= 0.30),
    "stateful tasks (a write changes what is read)": ("at least 20%", lambda f: f.stateful >= 0.20),
    "tasks with no arithmetic tool": ("at least 25%", lambda f: f.without_arithmetic >= 0.25),
    "largest share of a server": ("at most 8%", lambda f: f.largest_server <= 0.08),
    "largest share of a tool": ("at most 2%", lambda f: f.largest_tool <= 0.02),
    "largest share of an abstract plan": ("at most 1%", lambda f: f.largest_plan <= 0.01),
}
"""What the largest set that was published before has, and the limits that keep a set from being about a few things."""


def page(found: Survey, *, title: str, note: str = "") -> str:
    """The page.

    Args:
        found: what the set is like.
        title: its heading.
        note: a paragraph of the writer's, such as from which recording it was made and when.
    """
    figures = found.figures
    rows = []
    for name, value in measures(figures):
        asked, holds = _ASKED[name]
        rows.append((name, value, asked, "yes" if holds(figures) else "**no**"))
    gates = sum(figures.gates.values())
    return "\n".join(
        (
            f"# {title}\n",
            "<!-- Made by 'firefly tasks figures --out FILE'; do not edit. -->\n",
            *([note + "\n"] if note else []),
            table(("figure", "measured", "asked for", "met"), rows),
            "## Kinds, difficulty, length\n",
            counted("kind", figures.kinds),
            counted("difficulty", figures.difficulties),
            counted("calls of the plan", figures.lengths),
            "## Splits\n",
            counted("split", figures.splits),
            _contamination(found),
            "## Gates\n",
            f"{figures.tasks:,} candidates were admitted by every gate and {gates:,} were rejected, each by the first gate that"
            " spoke against it. `balance` and `split` reject proven tasks: they keep the set from being about a few things, and"
            " its splits apart.\n",
            table(("gate", "rejected"), [(gate, f"{count:,}") for gate, count in figures.gates.items()]),
            "## Beside the plans\n",
            _off_plan(found),
            "## Wording\n",
            "The most frequent frames: four words in a row, of which the writer chose at least three, literals and the servers'"
            " own words masked as `_`.\n",
            table(("frame", "share of the tasks"), [(frame, f"{share:.1%}") for frame, share in found.frames]),
            "## Servers\n",
            sources_table(found.servers),
        )
    )


def _contamination(found: Survey) -> str:
    checked = found.contamination
    shared = ", ".join(f"{name.replace('_', ' ')} {count}" for name, count in checked.shared.items())
    members = found.families.members()
    kin = sum(len(one) > 1 for one in members.values())
    return (
        f"Shared between splits: {shared}, families of held-out servers used elsewhere {len(checked.families)}."
        f" The {sum(map(len, members.values()))} servers are of {len(members)} families, {kin} of them of several servers."
        f" {checked.wholly_held_out:,} of the {checked.splits.get(TEST_SERVER, 0):,} tasks of `{TEST_SERVER}` use held-out"
        " families only. `firefly tasks check` looks at this again.\n"
    )


def _off_plan(found: Survey) -> str:
    told = found.off_plan
    causes = ", ".join(f"{cause} {count}" for cause, count in told["off_plan_causes"].items())
    return (
        f"`off_plan_miss_rate` is {told['off_plan_miss_rate']:.1%}: of {told['off_plan_calls']:,} calls drawn beside the plans"
        f" (one argument changed to another plausible value), replay has no answer for {told['off_plan_missed']:,}"
        f"{f' ({causes})' if causes else ''}.\n"
    )
