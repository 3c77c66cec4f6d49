"""How often does a matcher answer rightly, wrongly, or not at all? On real calls, changed in ways that matter or do not.

``python -m benchmarks.fidelity`` (minutes; --quick, --count, --seed, --split, --embedder, --json). See benchmarks/README.md.
"""

from __future__ import annotations

import argparse
import json
import sys
import tempfile
import time
from collections import Counter
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from benchmarks import complexfuncbench, matchers, variants, wordings
from benchmarks.complexfuncbench import Recorded
from benchmarks.matchers import Found, Matcher
from benchmarks.variants import Variant, canonical
from firefly_mcp.embed import local_embedder
from firefly_mcp.errors import FireflyError
from firefly_mcp.replay import ReplayIndex
from firefly_mcp.store.recording import Recording
from firefly_mcp.types import MatchKind

TYPED = ("id", "number", "date", "enum", "path")
_KEPT_BACK = ("examples",)  # they hold the data set's own arguments
_SIDES = (("positives", True), ("negatives", False))
EMBEDDING_AT = (0.99, 0.95, 0.9, 0.8)
RATIO_AT = (0.99, 0.95, 0.9, 0.8)


@dataclass
class Score:
    """One matcher's result."""

    name: str
    right: Counter[str] = field(default_factory=Counter)
    wrong: Counter[str] = field(default_factory=Counter)
    missed: Counter[str] = field(default_factory=Counter)
    answered_wrongly: Counter[str] = field(default_factory=Counter)
    """Negatives that got an answer, by kind."""
    kinds: Counter[str] = field(default_factory=Counter)
    examples: list[dict[str, Any]] = field(default_factory=list)
    cpu_ms: float = 0.0

    def take(self, variant: Variant, found: Found, results: dict[str, set[str]]) -> None:
        """Count one answer. Right is the answer of a recorded call with the same arguments, whichever of them that is."""
        self.kinds[found.kind] += 1
        if found.call is None:
            if variant.same:
                self.missed[variant.kind] += 1
            return
        fits = results[canonical(variant.base.tool, variant.base.arguments)]
        good = variant.same and json.dumps(found.call.answer) in fits
        if good:
            self.right[variant.kind] += 1
            return
        (self.wrong if variant.same else self.answered_wrongly)[variant.kind] += 1
        if len(self.examples) < 40:
            self.examples.append({"kind": variant.kind, "asked": variant.arguments, "answered": found.call.arguments})


def score(
    name: str, matcher: Matcher, asked: Sequence[Variant], results: dict[str, set[str]], at: Sequence[float]
) -> list[Score]:
    """Ask a matcher everything; one score for each threshold."""
    scores = [Score(name if len(at) == 1 else f"{name} ≥ {threshold}") for threshold in at]
    begin = time.process_time()
    found = [matcher(variant) for variant in asked]
    spent = (time.process_time() - begin) / max(1, len(asked)) * 1000
    for threshold, one in zip(at, scores, strict=True):
        one.cpu_ms = spent
        for variant, answer in zip(asked, found, strict=True):
            one.take(variant, answer if answer.near >= threshold else matchers.MISS, results)
    return scores


Built = tuple[list[dict[str, Any]], list[Recorded], list[Variant], dict[str, int]]


def build(split: str, count: int, seed: int, same_count: int, own_count: int) -> Built:
    """The tools, the calls to be recorded, what is asked of them, and facts for the report."""
    tools, calls = complexfuncbench.load()
    files = variants.documents(calls)
    places = sorted({str(call.arguments["query"]) for call in calls if call.tool == "Taxi_Search_Location"})
    own, changed = variants.requests(split, own_count, seed, places)
    tools |= {str(tool["name"]): tool for tool in wordings.TOOLS}
    recorded = [*calls, *files, *own]
    same = variants.draw([*calls, *files], variants.positives(split), same_count, seed, tools, True)
    other = variants.draw([*calls, *files], variants.negatives(), count, seed, tools, False)
    other += variants.draw(calls, {"place": variants.other_places(calls)}, count, seed, tools, False)
    facts = {"calls": len(calls), "documents": len(files), "requests": len(own)}
    return list(tools.values()), recorded, [*same, *other, *changed], facts


def run(arguments: argparse.Namespace) -> Iterator[Score]:
    """All scores, ours first."""
    tools, calls, asked, facts = build(
        arguments.split, arguments.count, arguments.seed, arguments.positives, arguments.requests
    )
    arguments.facts = facts | {"positives": sum(v.same for v in asked), "negatives": sum(not v.same for v in asked)}
    arguments.totals = {name: Counter(v.kind for v in asked if v.same is same) for name, same in _SIDES}
    print(arguments.facts, file=sys.stderr)
    results: dict[str, set[str]] = {}
    for call in calls:
        results.setdefault(canonical(call.tool, call.arguments), set()).add(json.dumps(call.answer))
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "fidelity.db"
        complexfuncbench.record(path, tools, calls)
        rungs: list[tuple[str, MatchKind, str | None, bool]] = [
            ("firefly, exact", MatchKind.EXACT, None, True),
            ("firefly, + normalized", MatchKind.NORMALIZED, None, True),
            *((f"firefly, + semantic ({name})", MatchKind.SEMANTIC, name, True) for name in arguments.embedder),
            *((f"semantic without guards ({name})", MatchKind.SEMANTIC, name, False) for name in arguments.embedder),
        ]
        for name, highest, embedder, guarded in rungs:
            with Recording(path) as recording:
                made = None if embedder is None else local_embedder(embedder)
                matcher = matchers.ladder(recording, ReplayIndex(recording), calls, highest, made, guarded)
                yield from score(name, matcher, asked, results, (0.0,))
    if arguments.no_rivals:
        return
    yield from score("whole JSON, letters", matchers.embedding(calls, asked, matchers.Letters()), asked, results, EMBEDDING_AT)
    for name in arguments.embedder:
        if name != "hashing":
            rival = matchers.embedding(calls, asked, local_embedder(name))
            yield from score(f"whole JSON, {name}", rival, asked, results, EMBEDDING_AT)
    yield from score("difflib ratio", matchers.ratio(calls), asked, results, RATIO_AT)


def row(one: Score, totals: dict[str, Counter[str]]) -> str:
    """One line of the table."""
    same, other = totals["positives"], totals["negatives"]
    positives, free = sum(same.values()), sum(count for kind, count in other.items() if kind not in TYPED)
    typed = [str(one.answered_wrongly[kind]) for kind in TYPED]
    text = sum(count for kind, count in one.answered_wrongly.items() if kind not in TYPED)
    right = sum(one.right.values())
    cells = [
        one.name, f"{100 * right / positives:.1f}%", str(sum(one.wrong.values())), str(sum(one.missed.values())), *typed,
        f"{text} ({100 * text / free:.2f}%)", f"{one.cpu_ms:.2f}",
    ]  # fmt: skip
    return f"| {' | '.join(cells)} |"


def main() -> int:
    """Run, print the table, and say whether the bars are met."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--count", type=int, default=1000, help="negatives of each kind")
    parser.add_argument("--positives", type=int, default=400, help="positives of each kind")
    parser.add_argument("--requests", type=int, default=500, help="recorded requests of our own, each asked in several ways")
    parser.add_argument("--quick", action="store_true", help="a tenth of all that")
    parser.add_argument("--seed", type=int, default=2)
    parser.add_argument("--split", choices=["dev", "test"], default="test", help="which wordings; tune on dev only")
    parser.add_argument("--embedder", action="append", default=None, help="hashing, minilm or a folder; may be repeated")
    parser.add_argument("--no-rivals", action="store_true")
    parser.add_argument("--json", type=Path, help="write the result here")
    arguments = parser.parse_args()
    if arguments.quick:
        for name in ("count", "positives", "requests"):
            setattr(arguments, name, getattr(arguments, name) // 10)
    arguments.embedder = arguments.embedder or ["hashing"]
    head = [
        "",
        "positives right",
        "wrong",
        "missed",
        *(f"wrong: {kind}" for kind in TYPED),
        "wrong: free text",
        "CPU ms a call",
    ]
    print(f"| {' | '.join(head)} |\n|{' --- |' * len(head)}", flush=True)
    scores = []
    for one in run(arguments):
        scores.append(one)
        print(row(one, arguments.totals), flush=True)
    if arguments.json:
        told = [{key: value for key, value in vars(one).items() if key not in _KEPT_BACK} for one in scores]
        asked = {name: getattr(arguments, name) for name in ("split", "seed", "count", "facts")}
        document = {**asked, "asked": arguments.totals, "scores": told}
        arguments.json.write_text(json.dumps(document, indent=1, ensure_ascii=False) + "\n", encoding="utf-8")
    best = [one for one in scores if one.name.startswith("firefly, + semantic")]
    for one in best:
        print(f"\n{one.name}: answered by {dict(one.kinds)}")
        print(f"  positives missed: {dict(one.missed)}; wrong: {dict(one.wrong)}")
        print(f"  negatives answered: {dict(one.answered_wrongly)}")
        for example in one.examples:
            print(f"  wrong: {json.dumps(example, ensure_ascii=False)}")
    free = sum(count for kind, count in arguments.totals["negatives"].items() if kind not in TYPED)
    met = all(
        not any(one.answered_wrongly[kind] for kind in TYPED)
        and sum(one.answered_wrongly.values()) <= free / 1000
        and sum(one.right.values()) >= 0.92 * sum(arguments.totals["positives"].values())
        for one in best
    )
    print(f"bars (no changed id, number, date, enum, path; ≤ 0.1% of free text; ≥ 92% right): {'met' if met else 'NOT met'}")
    return 0 if met else 1


if __name__ == "__main__":
    try:
        sys.exit(main())
    except FireflyError as error:
        sys.exit(f"fidelity: {error}")
