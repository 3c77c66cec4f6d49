"""The servers of a recording as clients of replay see them: what they say of themselves, and what belongs to which."""

from __future__ import annotations

from collections.abc import Sequence

from firefly_mcp import __version__
from firefly_mcp.jsonio import JsonObject
from firefly_mcp.servers.names import ExposedNames
from firefly_mcp.store import queries
from firefly_mcp.store.recording import Recording
from firefly_mcp.types import ToolKey
from firefly_proxies.gateway import merged_introduction
from firefly_proxies.messages import HANDSHAKE_VERSIONS, LATEST_HANDSHAKE, META_SERVER
from firefly_proxies.replay_lists import RecordedLists, items
from firefly_proxies.uris import template_matches

_BY_URI = frozenset({"resources/read", "resources/subscribe", "resources/unsubscribe"})
_OF_DISCOVERY = ("supportedVersions", "resultType", "ttlMs", "cacheScope")


class ReplayedServers:
    """One server, or several behind one endpoint, as they were recorded."""

    def __init__(self, recording: Recording, servers: Sequence[str], lists: RecordedLists) -> None:
        """``servers`` are their names, at least one; ``lists`` say what they have."""
        self.names = list(servers)
        self.single = len(self.names) == 1
        self._lists = lists
        self._introductions: dict[str, JsonObject] = {}
        for link in queries.connections(recording):
            known = self._introductions.get(link.server)
            # A handshake says more than a discovery; of two handshakes the later one is how the server is now.
            if (
                link.server in self.names
                and link.initialize
                and (known is None or "supportedVersions" in known or "supportedVersions" not in link.initialize)
            ):
                self._introductions[link.server] = link.initialize
        self._prompts: ExposedNames | None = None

    def introduction(self, wanted: object = None) -> JsonObject:
        """The recorded result of ``initialize``, in a version that the client wants if it is known; one for all servers."""
        told = {name: _greeting(self._introductions[name]) for name in self.names if name in self._introductions}
        if self.single:
            result = {
                "capabilities": {"tools": {}},
                "serverInfo": {"name": "firefly-replay", "version": __version__},
                **told.get(self.names[0], {}),
            }
        else:
            result = merged_introduction(told, LATEST_HANDSHAKE)
            result["capabilities"].setdefault("tools", {})
        recorded = result.get("protocolVersion")
        fallback = recorded if recorded in HANDSHAKE_VERSIONS else LATEST_HANDSHAKE
        return {**result, "protocolVersion": wanted if wanted in HANDSHAKE_VERSIONS else fallback}

    def offers(self, server: str, capability: str, detail: str | None = None) -> bool:
        """Whether a server said that it has a capability, and a detail of it."""
        capabilities = self._introductions.get(server, {}).get("capabilities")
        found = capabilities.get(capability) if isinstance(capabilities, dict) else None
        if not isinstance(found, dict):
            return False
        return detail is None or found.get(detail) is True

    def prompt(self, key: ToolKey) -> str:
        """The exposed name of a prompt."""
        return self._prompt_names().exposed(key)

    def routes(self, method: str, params: JsonObject) -> list[tuple[str, JsonObject]]:
        """The servers that a request may be for, the likeliest first, and its params in each one's own terms."""
        if self.single:
            return [(self.names[0], params)]
        if method == "prompts/get":
            key = self._prompt_names().key(str(params.get("name")))
            return [] if key is None else [(key.server, {**params, "name": key.tool})]
        if method in _BY_URI:
            return [(name, params) for name in self._by_uri(str(params.get("uri")))]
        if method == "completion/complete":
            ref = params.get("ref")
            if isinstance(ref, dict) and ref.get("type") == "ref/prompt":
                key = self._prompt_names().key(str(ref.get("name")))
                return [] if key is None else [(key.server, {**params, "ref": {**ref, "name": key.tool}})]
            return [(name, params) for name in self._by_uri(str(ref.get("uri")) if isinstance(ref, dict) else "")]
        return []

    def _by_uri(self, uri: str) -> list[str]:
        """The servers, those first that have listed a resource, then those with a template that fits."""

        def rank(name: str) -> int:
            listed = (item for page in self._ever(name, "resources/list") for item in items("resources/list", page))
            if any(isinstance(item, dict) and item.get("uri") == uri for item in listed):
                return 0
            method = "resources/templates/list"
            templates = (item for page in self._ever(name, method) for item in items(method, page))
            fits = (str(item.get("uriTemplate")) for item in templates if isinstance(item, dict))
            return 1 if any(template == uri or template_matches(template, uri) for template in fits) else 2

        return sorted(self.names, key=rank)

    def _prompt_names(self) -> ExposedNames:
        if self._prompts is None:
            keys = [
                ToolKey(name, str(item.get("name")))
                for name in self.names
                for page in self._ever(name, "prompts/list")
                for item in items("prompts/list", page)
                if isinstance(item, dict)
            ]
            self._prompts = ExposedNames(keys, single=self.single)
        return self._prompts

    def _ever(self, server: str, method: str) -> list[JsonObject]:
        """Every distinct page of a list that a server ever gave."""
        versions = self._lists.versions(server, method)
        hashes = dict.fromkeys(page for version in versions for page in (version.result_hash, *dict(version.more).values()))
        return [self._lists.page(page) for page in hashes]


def _greeting(introduction: JsonObject) -> JsonObject:
    """What a server said of itself, as ``initialize`` has it."""
    if "supportedVersions" not in introduction:
        return introduction
    kept = {key: value for key, value in introduction.items() if key not in (*_OF_DISCOVERY, "_meta")}
    meta = introduction.get("_meta")
    info = meta.get(META_SERVER) if isinstance(meta, dict) else None
    return {**kept, "serverInfo": info} if isinstance(info, dict) else kept
