"""What a credential looks like: the names that carry one, and the token forms that vendors document.

Pure data and predicates; :mod:`firefly_mcp.redact` applies them. A name is judged by its words, so that ``access_token``,
``accessToken`` and ``X-Access-Token`` are one, while ``max_tokens``, ``token_count`` and ``next_page_token`` are none.
"""

from __future__ import annotations

import itertools
import re
from functools import lru_cache
from typing import NamedTuple

_WORDS = re.compile(r"[A-Z]+(?=[A-Z][a-z])|[A-Z]?[a-z]+|[A-Z]+|\d+")

_ALONE = frozenset(
    "password passwords passwd passphrase passcode pwd secret secrets credential credentials authorization apikey apikeys"
    " authtoken accesstoken refreshtoken sessiontoken privatekey secretkey bearer otp cookie cookies".split()
)
_PAIRS = frozenset(
    itertools.product("api access private secret encryption signing auth account subscription license".split(), ("key", "keys"))
) | {("seed", "phrase"), ("mnemonic", "phrase"), ("pass", "phrase"), ("pass", "word"), ("connection", "string")}
_TAIL = frozenset("value text header confirm confirmation new old again repeat plain raw base64 current user".split())
"""Words after which a name still means the credential itself (``password_confirmation``, ``new_password1``)."""
_NOT_BEFORE_TOKEN = frozenset(
    "page next prev previous continuation continue cursor sync delta resume skip start stop begin end first last pad sep mask"
    " unk cls eos bos special max min num input output prompt completion cached reasoning per base quote sell buy native lp"
    " reward pagination pager paging scroll marker from to by in out search query word progress idempotency request change"
    " watch list".split()
)
NAME_HINTS = (
    *b"pass pwd secret credential authorization token key bearer otp cookie phrase connection".split(),
    b'auth"',
    b'"pat"',
)
"""One of these is in every name that :func:`credential_name` accepts, in lower case and as encoded in JSON."""


@lru_cache(maxsize=4096)
def name_words(name: str) -> tuple[str, ...]:
    """The words of a name, in small letters: ``patientId``, ``patient_id`` and ``Patient-ID`` have the same."""
    words = tuple(word.lower() for word in _WORDS.findall(name))
    return words or ((name.strip().lower(),) if any(map(str.isalnum, name)) else ())


@lru_cache(maxsize=4096)
def credential_name(name: str) -> bool:
    """Whether an argument, header or variable of this name carries a credential."""
    words = list(name_words(name))
    while len(words) > 1 and (words[-1] in _TAIL or words[-1].isdigit()):
        words.pop()
    if not words or (len(words) > 1 and words[0] in {"has", "is", "use", "include", "require", "requires", "show", "hide"}):
        return False
    last, before = words[-1], words[-2] if len(words) > 1 else ""
    if last in _ALONE or (before, last) in _PAIRS:
        return True
    if last == "token":
        return before not in _NOT_BEFORE_TOKEN
    return words in (["auth"], ["pat"], ["x", "auth"], ["proxy", "auth"])


def credential_value(name: str, value: str) -> bool:
    """Whether ``value``, found under a credential's name, can be one: a coin's ticker or number under ``token`` is not."""
    if not value.strip():
        return False
    if name.lower() in {"token", "auth", "bearer", "cookie", "secret"}:
        return not ((value.isalpha() and len(value) <= 6) or value.isdecimal())
    return True


def looks_random(name: str, value: str) -> bool:
    """Whether ``value`` is plainly a made credential: enough to take it out of a server's own words."""
    if len(value) < 8 or any(character.isspace() for character in value) or not credential_value(name, value):
        return False
    return not value.isalpha() or len(value) >= 24


class Rule(NamedTuple):
    """One well-known form of token: texts one of which must be there (in lower case), and the whole pattern."""

    name: str
    hints: tuple[bytes, ...]
    pattern: re.Pattern[str]


def _rule(name: str, hints: str, *patterns: str) -> Rule:
    return Rule(name, tuple(hints.encode().split()), re.compile("|".join(patterns)))


_KEY_BLOCK = r"[A-Z0-9 ]{0,30}PRIVATE KEY[A-Z ]{0,10}-----"
RULES: tuple[Rule, ...] = (
    _rule(
        "private-key",
        "-----begin",
        rf"-----BEGIN {_KEY_BLOCK}(?:[A-Za-z0-9+/=\s]|\\+[nr]|[A-Za-z-]{{1,40}}: [^\n]*\n)*(?:-----END {_KEY_BLOCK})?",
    ),
    _rule("sk-key", "sk- k_live_ k_test_", r"(?<![A-Za-z0-9])(?:sk-[A-Za-z0-9_-]{16,}|[sr]k_(?:live|test)_[A-Za-z0-9]{12,})"),
    _rule("github-token", "ghp_ gho_ ghu_ ghs_ ghr_ github_pat_", r"(?:gh[pousr]_[A-Za-z0-9]{20,}|github_pat_\w{20,})"),
    _rule("gitlab-token", "glpat-", r"glpat-[A-Za-z0-9_-]{16,}"),
    _rule("aws-key", "akia asia", r"(?<![A-Za-z0-9])(?:AKIA|ASIA)[A-Z0-9]{16}(?![A-Za-z0-9])"),
    _rule("slack-token", "xox xapp-", r"(?:xox[abprse]|xapp)-[A-Za-z0-9-]{10,}"),
    _rule("google-key", "aiza ya29.", r"AIza[A-Za-z0-9_-]{35}|ya29\.[A-Za-z0-9_-]{20,}"),
    _rule("hub-token", "hf_ npm_ pypi-", r"hf_[A-Za-z0-9]{30,}|npm_[A-Za-z0-9]{30,}|pypi-[A-Za-z0-9_-]{50,}"),
    _rule("jwt", "eyj", r"(?<![A-Za-z0-9])eyJ[A-Za-z0-9_-]{8,}\.[A-Za-z0-9_-]{8,}(?:\.[A-Za-z0-9_-]*)?"),
    _rule("bearer", "bearer", r"[Bb]earer (?P<value>(?=[^\s\"\\]{0,200}[0-9_.~+/=-])[A-Za-z0-9._~+/-]{12,}=*)"),
    _rule("basic", "authorization", r"(?:[Aa]uthorization[\"']?\s?[:=]\s?[\"']?[Bb]asic )(?P<value>[A-Za-z0-9+/]{8,}=*)"),
    _rule("url-password", "://", r"://(?P<value>[^\s/:@\"'<>\[\]\\]{1,100}:[^\s/:@\"'<>\[\]\\]{1,200})@"),
    _rule(
        "named-value",
        "key pass secret token",
        r"(?:key|Key|KEY|token|Token|TOKEN|secret|Secret|SECRET|pass|Pass|PASS)[\w-]{0,20}(?:\\*[\"'])?\s{0,3}[=:]\s{0,3}(?:\\*[\"'])?"
        r"(?P<value>(?=[^\s\"'\\,;&<>]{0,200}\d)[^\s\"'\\,;&<>{}()\[\]]{8,})",
    ),
)
"""The forms, most specific first. A pattern with a group ``value`` has only that group replaced; of the last, only finds whose
name (the word before ``=`` or ``:``) is a credential's count: see :func:`name_before`."""

_NAME_END = re.compile(r"[\w-]*\Z")
_NAME_START = re.compile(r"[\w-]+")


def name_before(found: re.Match[str]) -> str:
    """The whole name in front of a find of ``named-value``, whose pattern begins inside it."""
    start = found.start()
    before = _NAME_END.search(found.string, max(0, start - 40), start)
    after = _NAME_START.match(found.string, start)
    return (before[0] if before else "") + (after[0] if after else "")
