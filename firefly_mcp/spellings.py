"""The forms in which a secret value may stand inside a text: as it is, escaped, URL-encoded, or within base64.

Redaction replaces these and ``firefly scan`` looks for these, so that one proves the other.
"""

from __future__ import annotations

import base64
import html
import json
import re
from urllib.parse import quote, quote_plus

LEVELS = 3
"""How often a text may be JSON inside a JSON text and still have its secrets found in escaped form."""
_SHORTEST_CORE = 7
"""Fewer characters of base64 (42 bits) turn up in images by chance."""


def spellings(value: str) -> dict[str, str]:
    """The forms of ``value``, each with its name: ``plain``, ``url``, ``json``, ``html`` or ``base64``."""
    forms = {value: "plain"}
    for form in (*_json_escaped(value), value.replace("/", "\\/")):
        forms.setdefault(form, "json")
    for form in (html.escape(value), html.escape(value, quote=False)):
        forms.setdefault(form, "html")
    try:
        encoded = {quote(value), quote(value, safe=""), quote_plus(value), quote(value, safe="!'()*~")}
        encoded |= {re.sub("%..", lambda found: found[0].lower(), form) for form in encoded}
        inner = {value, *(json.dumps(value, ensure_ascii=plain)[1:-1] for plain in (False, True))}
        cores = {core for form in inner for core in base64_cores(form.encode())}
    except UnicodeEncodeError:
        return forms  # a lone surrogate has neither form
    forms.update((form, "url") for form in encoded if form not in forms)
    forms.update((core, "base64") for core in cores if core not in forms)
    return forms


def base64_cores(data: bytes) -> set[str]:
    """What of ``data`` stands unchanged in the base64 of any bytes around it: one text for each of three alignments.

    The characters at either end also encode neighbouring bits and are left out; both alphabets (RFC 4648, 4 and 5) are given.
    """
    cores = set()
    for before in range(3):
        text = base64.b64encode(b"\0" * before + data).decode()
        start = (before * 8 + 5) // 6
        core = text[start : (before + len(data)) * 8 // 6]
        if len(core) >= _SHORTEST_CORE:
            cores |= {core, core.replace("+", "-").replace("/", "_")}
    return cores


def _json_escaped(value: str) -> set[str]:
    """The value as it stands in JSON, and in JSON within a text of JSON, with and without ``\\u`` escapes."""
    forms = set()
    for plain in (False, True):
        form = value
        for _ in range(LEVELS):
            form = json.dumps(form, ensure_ascii=plain)[1:-1]
            forms |= {form, re.sub(r"\\u[0-9a-f]{4}", lambda found: "\\u" + found[0][2:].upper(), form)}
    return forms
