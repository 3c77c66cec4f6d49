"""Choose the synonyms and antonyms of free-text matching from WordNet 3.0: ``python docs/make_lexicon.py FOLDER``.

FOLDER holds WordNet's ``dict`` files (Debian: package ``wordnet-base``, folder ``usr/share/wordnet``). Two words are synonyms
when they share the *first* sense of both, one of them occurs at least five times in WordNet's tagged texts, and no sense of
theirs is opposed; antonyms are all pairs of single words that WordNet opposes, one of which occurs in the tagged texts.
"""

from __future__ import annotations

import re
import sys
from collections import Counter, defaultdict
from pathlib import Path

TARGET = Path(__file__).parent.parent / "firefly_mcp" / "match"
_FILES = {"noun": "n", "verb": "v", "adj": "a", "adv": "r"}
_WORD = re.compile(r"[a-z]{3,}")
_NUMBERS = frozenset(
    "three four five six seven eight nine ten eleven twelve thirteen fourteen fifteen sixteen seventeen eighteen nineteen"
    " twenty thirty forty fifty sixty seventy eighty ninety hundred thousand million billion dozen sextuplet terzetto thou"
    " couple pair deuce quatern tetrad trio".split()
)
_NOTICE = """\
# {what}
# Chosen from WordNet 3.0 by docs/make_lexicon.py. WordNet's licence asks for this notice:
# WordNet 3.0 Copyright 2006 by Princeton University. All rights reserved. Permission to use, copy, modify and
# distribute this software and database and its documentation for any purpose and without fee or royalty is hereby
# granted, provided that you agree to comply with the following copyright notice and statements, including the
# disclaimer, and that the same appear on ALL copies of the software, database and documentation, including
# modifications that you make for internal use or for distribution. THIS SOFTWARE AND DATABASE IS PROVIDED "AS IS" AND
# PRINCETON UNIVERSITY MAKES NO REPRESENTATIONS OR WARRANTIES, EXPRESS OR IMPLIED. BY WAY OF EXAMPLE, BUT NOT
# LIMITATION, PRINCETON UNIVERSITY MAKES NO REPRESENTATIONS OR WARRANTIES OF MERCHANTABILITY OR FITNESS FOR ANY
# PARTICULAR PURPOSE OR THAT THE USE OF THE LICENSED SOFTWARE, DATABASE OR DOCUMENTATION WILL NOT INFRINGE ANY THIRD
# PARTY PATENTS, COPYRIGHTS, TRADEMARKS OR OTHER RIGHTS. The name of Princeton University or Princeton may not be used
# in advertising or publicity pertaining to distribution of the software and/or database. Title to copyright in this
# software, database and any associated documentation shall at all times remain with Princeton University and LICENSEE
# agrees to preserve same.
"""


def main(folder: Path) -> None:
    """Write both lists anew."""
    senses: dict[tuple[str, str], list[str]] = {}
    words: dict[tuple[str, str], list[str]] = {}
    antonyms: set[tuple[str, str]] = set()
    pointers = []
    for name, pos in _FILES.items():
        for fields in _rows(folder / f"index.{name}"):
            senses[fields[0], pos] = fields[-int(fields[2]) :]
        for fields in _rows(folder / f"data.{name}"):
            count = int(fields[3], 16)
            words[pos, fields[0]] = [re.sub(r"\(.*\)", "", fields[4 + 2 * at]).lower() for at in range(count)]
            rest = fields[5 + 2 * count :]
            pointers += [(pos, fields[0], *rest[at : at + 4]) for at in range(0, 4 * int(fields[4 + 2 * count]), 4)]
    for pos, offset, symbol, other, other_pos, which in pointers:
        if symbol == "!":
            left = words[pos, offset][int(which[:2], 16) - 1]
            right = words["a" if other_pos == "s" else other_pos, other][int(which[2:], 16) - 1]
            antonyms.add((min(left, right), max(left, right)))
    seen: Counter[str] = Counter()
    for key, _, count in (line.split() for line in (folder / "cntlist.rev").read_text().splitlines()):
        seen[key.partition("%")[0]] += int(count)
    synonyms = set()
    for (pos, offset), members in words.items():
        first = sorted({word for word in members if senses.get((word, pos), [""])[0] == offset and _WORD.fullmatch(word)})
        synonyms |= {(a, b) for a in first for b in first if a < b and max(seen[a], seen[b]) >= 5 and not {a, b} & _NUMBERS}
    synonyms -= antonyms
    opposed = {(a, b) for a, b in antonyms if _WORD.fullmatch(a) and _WORD.fullmatch(b) and seen[a] + seen[b] > 0}
    _write("synonyms.txt", "Words and what may stand for them in free text.", synonyms)
    _write("antonyms.txt", "Words and their opposites.", opposed)


def _rows(file: Path) -> list[list[str]]:
    return [line.partition("|")[0].split() for line in file.read_text().splitlines() if not line.startswith(" ")]


def _write(name: str, what: str, pairs: set[tuple[str, str]]) -> None:
    groups: dict[str, list[str]] = defaultdict(list)
    for left, right in sorted(pairs):
        groups[left].append(right)
    lines = [f"{word} {' '.join(others)}\n" for word, others in sorted(groups.items())]
    (TARGET / name).write_text(_NOTICE.format(what=what) + "".join(lines), encoding="utf-8")


if __name__ == "__main__":
    main(Path(sys.argv[1]))
