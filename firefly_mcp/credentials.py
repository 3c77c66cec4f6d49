"""What a credential looks like: the names that carry one, and the token forms that vendors document.

Pure data and predicates; :mod:`firefly_mcp.redact` applies them. A name is judged by its words, so that ``access_token``,
``accessToken`` and ``X-Access-Token`` are one, while ``max_tokens``, ``token_count`` and ``next_page_token`` are none.
"""

from __future__ import annotations

import re
from functools import lru_cache
from typing import NamedTuple

_WORDS = re.compile(r"[A-Z]+(?=[A-Z][a-z])|[A-Z]?[a-z]+|[A-Z]+|\d+")

_ALWAYS = {
    "password", "passwd", "passphrase", "passcode", "pwd", "secret", "secrets", "credential", "credentials", "authorization",
    "apikey", "authtoken", "accesstoken", "refreshtoken", "privatekey", "secretkey", "bearer", "otp", "cookie", "sessiontoken",
}  # fmt: skip
_ALWAYS_PAIRS = {
    ("api", "key"), ("access", "key"), ("private", "key"), ("secret", "key"), ("encryption", "key"), ("signing", "key"),
    ("auth", "key"), ("account", "key"), ("subscription", "key"), ("license", "key"), ("seed", "phrase"), ("mnemonic", "phrase"),
    ("pass", "phrase"), ("pass", "word"), ("set", "cookie"), ("session", "cookie"), ("connection", "string"),
}  # fmt: skip
_NOT_BEFORE_TOKEN = {
    "page", "next", "prev", "previous", "continuation", "continue", "cursor", "sync", "delta", "resume", "skip", "start", "stop",
    "begin", "end", "first", "last", "pad", "sep", "mask", "unk", "cls", "eos", "bos", "special", "max", "min", "num", "input",
    "output", "prompt", "completion", "cached", "reasoning", "per", "base", "quote", "sell", "buy", "native", "lp", "reward",
    "pagination", "pager", "paging", "scroll", "marker", "from", "to", "by", "in", "out", "search", "query", "word", "progress",
    "idempotency", "request", "change", "watch", "list",
}  # fmt: skip
_HARMLESS_LAST = {
    "count", "counts", "length", "size", "limit", "type", "types", "format", "policy", "hint", "field", "name", "names", "id",
    "ids", "url", "uri", "endpoint", "path", "file", "env", "var", "required", "enabled", "strength", "rules", "usage", "budget",
    "expiry", "expires", "at", "version", "status", "valid", "present", "set", "changed", "symbol", "address", "min", "max",
    "index", "position", "created", "updated", "rotation", "manager", "level", "mode", "scheme", "label", "title", "description",
    "exists", "protected", "reset", "category", "list", "kind", "standard", "decimals", "price", "chars", "hash",
}  # fmt: skip


@lru_cache(maxsize=4096)
def credential_name(name: str) -> bool:
    """Whether an argument, header or variable of this name carries a credential."""
    words = [word.lower() for word in _WORDS.findall(name)]
    if not words or words[-1] in _HARMLESS_LAST:
        return False
    if words[0] in {"has", "is", "use", "uses", "include", "includes", "with", "no", "require", "requires"} and len(words) > 1:
        return False
    if any(word in _ALWAYS for word in words) or any(pair in _ALWAYS_PAIRS for pair in zip(words, words[1:], strict=False)):
        return True
    if words[-1] == "token":
        return len(words) == 1 or words[-2] not in _NOT_BEFORE_TOKEN
    return words in (["auth"], ["pat"], ["x", "auth"], ["proxy", "auth"])


def credential_value(name: str, value: str) -> bool:
    """Whether ``value``, found under a credential's name, can be one: a coin's ticker under ``token`` is not."""
    if not value.strip():
        return False
    if name.lower() in {"token", "auth", "bearer", "cookie", "secret"}:
        return not (value.isalpha() and len(value) <= 6)
    return True


class Rule(NamedTuple):
    """One well-known form of token: texts one of which must be there (in lower case), and the whole pattern."""

    name: str
    hints: tuple[str, ...]
    pattern: re.Pattern[str]


def _rule(name: str, hints: str, pattern: str) -> Rule:
    return Rule(name, tuple(hints.split()), re.compile(pattern))


_KEY_WORD = r"(?:api[_-]?key|access[_-]?key|secret[_-]?key|client[_-]?secret|private[_-]?key|pass(?:word|wd|phrase)|secret|\w*[_-]?(?:access|auth|refresh|bearer|session|api)[_-]?token)"  # fmt: skip
RULES: tuple[Rule, ...] = (
    _rule("private-key", "-----begin", r"-----BEGIN [A-Z0-9 ]*PRIVATE KEY(?: BLOCK)?-----.*?(?:-----END [A-Z0-9 ]*PRIVATE KEY(?: BLOCK)?-----|\Z)(?s:)"),  # fmt: skip
    _rule("sk-key", "sk- sk_ rk_", r"(?<![A-Za-z0-9])(?:sk-[A-Za-z0-9_-]{16,}|[sr]k_(?:live|test)_[A-Za-z0-9]{12,})"),
    _rule("github-token", "ghp_ gho_ ghu_ ghs_ ghr_ github_pat_", r"\b(?:gh[pousr]_[A-Za-z0-9]{20,}|github_pat_[A-Za-z0-9_]{20,})"),
    _rule("gitlab-token", "glpat-", r"\bglpat-[A-Za-z0-9_-]{16,}"),
    _rule("aws-key", "akia asia", r"\b(?:AKIA|ASIA)[A-Z0-9]{16}\b"),
    _rule("slack-token", "xoxa- xoxb- xoxp- xoxr- xoxs- xoxe- xapp-", r"\b(?:xox[abprse]|xapp)-[A-Za-z0-9-]{10,}"),
    _rule("google-key", "aiza ya29.", r"\b(?:AIza[A-Za-z0-9_-]{35}|ya29\.[A-Za-z0-9_-]{20,})"),
    _rule("hub-token", "hf_ npm_ pypi-", r"\b(?:hf_[A-Za-z0-9]{30,}|npm_[A-Za-z0-9]{30,}|pypi-[A-Za-z0-9_-]{50,})"),
    _rule("jwt", "eyj", r"\beyJ[A-Za-z0-9_-]{8,}\.[A-Za-z0-9_-]{8,}\.[A-Za-z0-9_-]*"),
    _rule("bearer", "bearer basic", r"(?<=\bBearer )[A-Za-z0-9._~+/-]{12,}=*|(?<=\bbearer )(?=\S*\d)[A-Za-z0-9._~+/-]{16,}=*|(?<=Authorization: Basic )[A-Za-z0-9+/]{8,}=*"),  # fmt: skip
    _rule("url-password", "://", r"(?<=://)[^\s/:@\"'<>]{1,100}:[^\s/:@\"'<>]{1,200}(?=@)"),
    _rule(
        "named-value",
        "key pass secret token",
        rf"(?i:(?<![A-Za-z0-9]){_KEY_WORD})(?:\\*[\"'])?\s{{0,3}}(?:=|:)\s{{0,3}}(?:\\*[\"'])?(?P<value>(?=[^\s\"'\\,;&<>]*\d)(?!\[redacted:)[^\s\"'\\,;&<>{{}}()]{{8,}})",
    ),
)
"""The forms, most specific first. A pattern with a group ``value`` has only that group replaced."""
