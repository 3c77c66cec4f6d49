"""URI templates, as far as routing needs them."""

from __future__ import annotations

import pytest

from firefly_proxies.uris import template_matches


@pytest.mark.parametrize(
    ("template", "uri", "fits"),
    [
        ("notes://note/{id}", "notes://note/7", True),
        ("notes://note/{id}", "notes://note/7/8", False),
        ("notes://note/{id}", "notes://note/", True),
        ("file:///{+path}", "file:///a/b/c.txt", True),
        ("x://a{/rest*}", "x://a/b/c", True),
        ("x://a{?q,lang}", "x://a?q=1&lang=de", True),
        ("x://a{?q}", "x://a", True),
        ("x://a.b/{id}", "x://aXb/1", False),
        ("plain://uri", "plain://uri", True),
        ("x://{unclosed", "x://{unclosed", True),
    ],
)
def test_a_uri_fits_a_template_or_not(template: str, uri: str, fits: bool) -> None:
    assert template_matches(template, uri) is fits
