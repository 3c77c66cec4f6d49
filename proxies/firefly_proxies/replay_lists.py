"""Lists as they stood: what ``tools/list`` and its like answered at each point of the recorded sessions, page by page.

A list is a property of its server's state that no call asks for by arguments. It is therefore not looked up by the ladder: a
replayed session is given the list of the recorded session that it follows, as it stood after the last call served from there.
A recorded ``list_changed`` outranks all else: from the call that caused it on, only what was listed after that call stands.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterator
from dataclasses import dataclass, field
from typing import TypeVar

from firefly_mcp.canonical import call_hash
from firefly_mcp.jsonio import JSON, JsonObject, loads
from firefly_mcp.replay import ReplayIndex
from firefly_mcp.store.recording import Recording
from firefly_mcp.store.session_writer import ASIDE
from firefly_mcp.types import ToolKey
from firefly_proxies.messages import LIST_KEYS

CHANGES = {
    "notifications/tools/list_changed": ("tools/list",),
    "notifications/prompts/list_changed": ("prompts/list",),
    "notifications/resources/list_changed": ("resources/list", "resources/templates/list"),
}
"""Which lists a notification is about."""
_PAGES = 1000
_Read = TypeVar("_Read", "Version", "Page")


@dataclass(frozen=True, slots=True)
class Version:
    """A list that was read from its start at one point of a recorded session.

    Attributes:
        session: the session's id in the recording.
        after: the ``seq`` of the last call before the list was read; 0 before the first.
        result_hash: of the first page.
        more: the pages after it in the order in which they were read: the cursor and the hash of each.
    """

    session: int
    after: int
    result_hash: str
    more: tuple[tuple[str, str], ...] = ()


@dataclass(frozen=True, slots=True)
class Page:
    """One page that was asked for by a cursor, and where in its session."""

    session: int
    after: int
    cursor: str
    result_hash: str


class RecordedLists:
    """The lists of a recording, read when they are first asked for."""

    def __init__(self, recording: Recording, index: ReplayIndex) -> None:
        """``index`` finds the lists that were recorded as calls."""
        self._recording = recording
        self._index = index
        self._events: dict[tuple[str, str], list[Version]] | None = None
        self._loose: dict[tuple[str, str], list[Page]] = defaultdict(list)
        self._refusals: dict[tuple[str, str], JsonObject] = {}
        self._versions: dict[tuple[str, str], list[Version]] = {}
        self._pages: dict[str, JsonObject] = {}

    def versions(self, server: str, method: str) -> list[Version]:
        """Every reading of a list, in the order of the recording."""
        place = (server, method)
        if place not in self._versions:
            found = self._from_events().get(place, []) if method == "tools/list" else list(self._from_calls(server, method))
            self._versions[place] = found
        return self._versions[place]

    def loose(self, server: str, method: str, cursor: str) -> list[Page]:
        """Every reading of the page behind a cursor, in the order of the recording."""
        if method == "tools/list":
            self._from_events()
            return [page for page in self._loose[(server, method)] if page.cursor == cursor]
        pages = []
        for found in self._index.exact(ToolKey(server, method), call_hash(method, {"cursor": cursor})):
            result_hash = self._answer_of(found.call)
            if result_hash is not None:
                pages.append(Page(*self.place(found.call), cursor, result_hash))
        return pages

    def refusal(self, server: str, method: str, params: JsonObject) -> JsonObject | None:
        """The error with which a server answered a request that is no call; None if it did not, or was not asked."""
        self._from_events()
        return self._refusals.get((server, call_hash(method, params)))

    def page(self, result_hash: str) -> JsonObject:
        """A page as it was answered."""
        known = self._pages.get(result_hash)
        if known is None:
            if len(self._pages) >= _PAGES:
                self._pages.clear()
            known = self._pages[result_hash] = self._recording.load_result(result_hash)
        return known

    def place(self, call: int) -> tuple[int, int]:
        """The session of a recorded call, and its ``seq`` there."""
        row = self._recording.db.execute("SELECT session_id, seq FROM call WHERE id = ?", (call,)).fetchall()[0]
        return int(str(row[0])), int(str(row[1]))

    def _from_events(self) -> dict[tuple[str, str], list[Version]]:
        """The lists that a recording keeps beside its calls."""
        if self._events is None:
            self._events = defaultdict(list)
            rows = self._recording.db.execute(
                "SELECT e.session_id, e.message FROM call_event e JOIN session s ON s.id = e.session_id"
                " WHERE e.call_id IS NULL AND e.direction = ? AND s.kind <> 'replay' ORDER BY e.id",
                (ASIDE,),
            )
            open_lists: dict[tuple[int, str, str], int] = {}
            for session, message in rows:
                told = loads(str(message))
                place = (told["server"], told["method"])
                if "error" in told:
                    self._refusals[(told["server"], call_hash(told["method"], told["params"]))] = told["error"]
                    continue
                found = self._events[place]
                cursor = told.get("cursor")
                if cursor is None:
                    open_lists[(session, *place)] = len(found)
                    found.append(Version(session, told["after"], told["result_hash"]))
                    continue
                self._loose[place].append(Page(session, told["after"], str(cursor), told["result_hash"]))
                number = open_lists.get((session, *place))
                if number is not None and all(cursor != known for known, _ in found[number].more):
                    first = found[number]
                    more = (*first.more, (str(cursor), told["result_hash"]))
                    found[number] = Version(first.session, first.after, first.result_hash, more)
        return self._events

    def _from_calls(self, server: str, method: str) -> Iterator[Version]:
        """The lists that are calls: a first page, and the pages that its session went on to."""
        key = ToolKey(server, method)
        for first in self._index.exact(key, call_hash(method, {})):
            session, seq = self.place(first.call)
            result_hash = self._answer_of(first.call)
            if result_hash is None:
                continue
            more: list[tuple[str, str]] = []
            last = result_hash
            for _ in range(_PAGES):
                cursor = self.page(last).get("nextCursor")
                if not isinstance(cursor, str):
                    break
                pages = self._index.exact(key, call_hash(method, {"cursor": cursor}))
                later = [page.call for page in pages if page.session == first.session and page.call > first.call]
                found = self._answer_of(min(later)) if later else None
                if found is None:
                    break
                more.append((cursor, found))
                last = found
            yield Version(session, seq, result_hash, tuple(more))

    def _answer_of(self, call: int) -> str | None:
        rows = self._recording.db.execute("SELECT result_hash FROM call WHERE id = ?", (call,)).fetchall()
        return None if not rows or rows[0][0] is None else str(rows[0][0])


@dataclass
class _Followed:
    """How far a replayed session is in what was recorded of one list."""

    change: int | None = None
    """The last served call that changed the list."""
    given: Version | None = None
    """What the client was given last."""


@dataclass
class StandingLists:
    """The lists of one replayed session."""

    recorded: RecordedLists
    start: int | None = None
    """The recorded session in whose beginning this one begins, if the user has chosen one."""
    served: dict[str, int] = field(default_factory=dict)
    """By server, the recorded call that was served last; kept by the conversation."""
    _followed: dict[tuple[str, str], _Followed] = field(default_factory=lambda: defaultdict(_Followed))

    def changed(self, server: str, notification: str, call: int) -> None:
        """Take note that a recorded call, which was just served, has changed a list."""
        for method in CHANGES.get(notification, ()):
            self._followed[(server, method)] = _Followed(change=call)

    def version(self, server: str, method: str) -> Version | None:
        """The list as it stands now; None where the recording does not say."""
        versions = self.recorded.versions(server, method)
        if not versions:
            return None
        followed = self._followed[(server, method)]
        if followed.change is not None:
            found = self._after_change(versions, followed.change, server)
        else:
            found = self._following(versions, followed.given, server)
        followed.given = found
        return found

    def pages(self, version: Version) -> list[JsonObject]:
        """All pages of a list."""
        return [self.recorded.page(page) for page in (version.result_hash, *(page for _, page in version.more))]

    def next_page(self, server: str, method: str, cursor: str) -> JsonObject | None:
        """The page behind a cursor: a cursor belongs to the list that issued it. None if that page was never read."""
        followed = self._followed[(server, method)]
        for name, result_hash in () if followed.given is None else followed.given.more:
            if name == cursor:
                return self.recorded.page(result_hash)
        pages = self.recorded.loose(server, method, cursor)
        if not pages:
            return None
        found: Page | None = pages[-1]
        if followed.change is not None:
            found = self._after_change(pages, followed.change, server)
        return None if found is None else self.recorded.page(found.result_hash)

    def _after_change(self, versions: list[_Read], change: int, server: str) -> _Read | None:
        """The list after the change: as read last at this point of the recorded session, or else as it was read next."""
        session, floor = self.recorded.place(change)
        now = self._now(server, session, floor)
        later = [version for version in versions if version.session == session and version.after >= floor]
        standing = [version for version in later if version.after <= now]
        return standing[-1] if standing else later[0] if later else None

    def _following(self, versions: list[Version], given: Version | None, server: str) -> Version:
        """The list of the session that is followed: the one of the last served call, as long as its list began like ours."""
        if len({(version.result_hash, version.more) for version in versions}) == 1:
            return versions[-1]
        chosen = self.start
        firsts = {version.session: version for version in reversed(versions)}
        if chosen is None and server in self.served:
            session, _ = self.recorded.place(self.served[server])
            if session in firsts and (given is None or firsts[session].result_hash == firsts[given.session].result_hash):
                chosen = session
        if chosen is None or chosen not in firsts:
            chosen = given.session if given is not None else versions[-1].session
        now = self._now(server, chosen, 0)
        own = [version for version in versions if version.session == chosen]
        standing = [version for version in own if version.after <= now]
        return standing[-1] if standing else own[0]

    def _now(self, server: str, session: int, floor: int) -> int:
        """How far this session is in a recorded one: the ``seq`` of the call served last, if it is from there."""
        if server not in self.served:
            return floor
        served_in, seq = self.recorded.place(self.served[server])
        return max(seq, floor) if served_in == session else floor


def complete(pages: list[JsonObject]) -> bool:
    """Whether a list was read to its end."""
    return not pages or pages[-1].get("nextCursor") is None


def items(method: str, page: JsonObject) -> list[JSON]:
    """The items of a page."""
    found = page.get(LIST_KEYS[method])
    return found if isinstance(found, list) else []
