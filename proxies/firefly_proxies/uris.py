"""URI templates (RFC 6570), as far as routing needs them: does a URI fit a template."""

from __future__ import annotations

import functools
import re

_EXPRESSION = re.compile(r"\{([+#./;?&]?)[^{}]*\}")
_PATTERNS = {
    "": r"[^/?#]*",
    "+": r".*",
    "#": r"(?:#.*)?",
    ".": r"(?:\.[^/?#]*)?",
    "/": r"(?:/[^?#]*)?",
    ";": r"(?:;[^/?#]*)?",
    "?": r"(?:\?[^#]*)?",
    "&": r"(?:&[^#]*)?",
}


@functools.lru_cache(maxsize=1024)
def _compiled(template: str) -> re.Pattern[str]:
    parts, position = [], 0
    for found in _EXPRESSION.finditer(template):
        parts += [re.escape(template[position : found.start()]), _PATTERNS[found[1]]]
        position = found.end()
    return re.compile("".join([*parts, re.escape(template[position:])]))


def template_matches(template: str, uri: str) -> bool:
    """Whether some values of the template's variables expand it to ``uri``."""
    return _compiled(template).fullmatch(uri) is not None
