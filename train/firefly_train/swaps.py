"""Other values for those that a conversation holds: each of the same form, and the same one wherever the value stands."""

from __future__ import annotations

import random
import re
from collections import defaultdict
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property
from typing import Any

from firefly_mcp.jsonio import dumps, loads

_KNOWN = 0.4
"""The share of other words that are words."""
_ALIKE = 0.7
"""How often values that were alike stay alike: a digit, and a word, becomes the same other one everywhere."""
_SWAPPABLE = re.compile(r"[\w .,:@/+&'-]{2,}")
_WORD = re.compile(r"[^\W\d_]{3,}")
_CODE = re.compile(r"(?<![^\W_])[A-Z]{1,3}(?![^\W_])")


@dataclass(frozen=True)
class Swaps:
    """Values as they are written, and what is written in their places."""

    others: Mapping[str, str]

    @cached_property
    def _pattern(self) -> re.Pattern[str]:
        return re.compile("|".join(whole(value).pattern for value in sorted(self.others, key=len, reverse=True)))

    def text(self, said: str) -> str:
        """The text with its values swapped, each only where it stands as a whole."""
        return self._pattern.sub(lambda match: self.others[match[0]], said) if self.others else said

    def json(self, value: Any) -> Any:
        """The value with what it holds swapped; on its JSON text, so that numbers are swapped too, and stay numbers."""
        return loads(self.text(dumps(value).decode()).encode())


def swappable(value: Any) -> bool:
    """Whether a value can be swapped: not what is too short, or written in an odd way."""
    return isinstance(value, str | int | float) and not isinstance(value, bool) and bool(_SWAPPABLE.fullmatch(str(value)))


def whole(value: str) -> re.Pattern[str]:
    """The value where it stands as a whole: not inside a longer word or number, and no name of a field.

    A word of small letters has to stand in quotes; else it could be a word of the request that means itself.
    """
    found = rf"(?<![\w.-]){re.escape(value)}(?![\w-]|\.\d)(?!\\?\"\s*:)"
    return re.compile(rf'(?<="){found}(?=\\?")' if value.isalpha() and value.islower() else found)


class OtherValues:
    """Makes other values out of words."""

    def __init__(self, spoken: Iterable[Any]) -> None:
        """Gather the words of the values given."""
        self._words: list[str] = sorted({word for value in spoken if isinstance(value, str) for word in _WORD.findall(value)})

    def of(self, values: Sequence[str], rng: random.Random, *, ordered: bool = False) -> dict[str, str]:
        """Another value for each; ``ordered``: words of one form, and numbers whose digits are drawn, keep their order."""
        alike = rng.random() < _ALIKE
        digits = dict(zip("123456789", rng.sample("123456789", 9), strict=True)) if alike else None
        words: dict[str, str] = {}
        found: dict[str, str] = {}
        forms: dict[str, list[str]] = defaultdict(list)
        for value in values:
            found[value] = self._other(value, digits, words, rng)
            if ordered and (digits is None or not any(letter.isdigit() for letter in value)):
                forms[_form(value)].append(value)
        for members in forms.values():
            found.update(zip(sorted(members), sorted(found[value] for value in members), strict=True))
        return found

    def _other(self, value: str, digits: Mapping[str, str] | None, words: dict[str, str], rng: random.Random) -> str:
        """Other digits, other words, other codes of one to three capital letters."""

        def number(match: re.Match[str]) -> str:
            run = str(match[0])
            if digits is not None:
                return "".join(digits.get(digit, digit) for digit in run)
            first = "0" if run[0] == "0" else rng.choice("123456789")
            return first + "".join(rng.choice("0123456789") for _ in run[1:])

        def word(match: re.Match[str]) -> str:
            old = str(match[0])
            if digits is None or old not in words:
                words[old] = self._word(rng)
            new = words[old]
            return new.upper() if old.isupper() else new.capitalize() if old[0].isupper() else new.lower()

        def code(match: re.Match[str]) -> str:
            return "".join(rng.choice("ABCDEFGHIJKLMNOPQRSTUVWXYZ") for _ in match[0])

        coded = _CODE.sub(code, value)
        worded = _WORD.sub(word, coded) if self._words and coded == value else coded
        return re.sub(r"[0-9]+", number, worded)

    def _word(self, rng: random.Random) -> str:
        """A word, or as often the beginning of one and the end of another: of words never seen only pieces are known."""
        first = rng.choice(self._words)
        if rng.random() < _KNOWN:
            return first
        second = rng.choice(self._words)
        return first[: rng.randint(1, len(first))] + second[rng.randint(0, len(second) - 2) :]


def _form(value: str) -> str:
    """What two values have in common that are ordered as their words or digits are."""

    def word(match: re.Match[str]) -> str:
        return "A" if match[0].isupper() else "Aa" if match[0][:1].isupper() else "a"

    return _WORD.sub(word, re.sub(r"\d", "0", value))
