"""pytest plug-in: the fixture ``firefly_replay`` serves a recording to the test's MCP client. ``docs/pytest.md`` shows it.

Nothing of Firefly is imported before a test asks for the fixture.
"""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest

if TYPE_CHECKING:
    from firefly_proxies.episode import Episode, Wanted

MODES = ("none", "once", "new_episodes", "all")
_KNOWN = frozenset("store server match state start strict record command config rules".split())


def pytest_addoption(parser: pytest.Parser) -> None:
    """Add the options and settings."""
    group = parser.getgroup("firefly", "recorded MCP servers")
    group.addoption("--firefly-record", choices=MODES, help="Record real MCP servers: over what the firefly marker says.")
    parser.addini("firefly_record", "What firefly_replay records: none, once, new_episodes or all.", default="none")
    parser.addini("firefly_strict", "A request that replay cannot answer fails the test.", type="bool", default=False)


def pytest_configure(config: pytest.Config) -> None:
    """Describe the marker."""
    config.addinivalue_line(
        "markers",
        "firefly(store=None, server=None, match='normalized', state='strict', start=None, strict=None, record=None,"
        " command=None, config=None, rules=None): the recording that firefly_replay serves, and how.",
    )


@pytest.fixture
def firefly_replay(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Episode]:
    """Serve the test's recording over HTTP: ``firefly_replay.url`` is for any MCP client, ``misses()`` says what it lacked."""
    from firefly_mcp.errors import FireflyError
    from firefly_proxies.episode import Episode, explained

    wanted = _wanted(request)
    try:
        with Episode(wanted, tmp_path_factory.mktemp("firefly")) as episode:
            yield episode
        misses = episode.misses() if wanted.strict and not episode.recording else []
    except FireflyError as error:
        pytest.fail(f"firefly: {error}", pytrace=False)
    if misses:
        pytest.fail(f"{wanted.store}: replay could not answer:\n{explained(misses)}", pytrace=False)


def _wanted(request: pytest.FixtureRequest) -> Wanted:
    from firefly_proxies.episode import Wanted

    asked: dict[str, Any] = {}
    for marker in reversed(list(request.node.iter_markers("firefly"))):  # the nearest one counts
        asked.update(marker.kwargs)
        if marker.args:
            asked["store"] = marker.args[0]
    unknown = asked.keys() - _KNOWN
    if unknown:
        raise pytest.UsageError(f"{request.node.nodeid}: the firefly marker does not know {', '.join(sorted(unknown))}")
    here = request.path.parent
    servers = asked.get("server") or ()
    strict = asked.get("strict")
    return Wanted(
        store=here / asked["store"] if asked.get("store") else _default(here / "recordings", request.path.stem),
        test=request.node.name,
        mode=request.config.getoption("--firefly-record")
        or asked.get("record")
        or str(request.config.getini("firefly_record")),
        match=asked.get("match", "normalized"),
        state=asked.get("state", "strict"),
        start=asked.get("start"),
        servers=(servers,) if isinstance(servers, str) else tuple(servers),
        command=tuple(map(str, asked.get("command") or ())),
        config=here / asked["config"] if asked.get("config") else None,
        rules=here / asked["rules"] if asked.get("rules") else None,
        strict=bool(request.config.getini("firefly_strict")) if strict is None else bool(strict),
    )


def _default(folder: Path, name: str) -> Path:
    """The module's recording if it has one, else its cassette."""
    recording = folder / f"{name}.db"
    return recording if recording.exists() else folder / f"{name}.jsonl"
