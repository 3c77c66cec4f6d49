"""Groups of things that belong together, found by joining pairs (union-find; Tarjan and van Leeuwen, 1984)."""

from __future__ import annotations

from collections.abc import Hashable, Iterable
from typing import Generic, TypeVar

T = TypeVar("T", bound=Hashable)


class Union(Generic[T]):
    """Each thing is alone until it is joined to another."""

    def __init__(self, things: Iterable[T]) -> None:
        """The things, in the order in which groups will list them."""
        self._above: dict[T, T] = {thing: thing for thing in things}

    def root(self, thing: T) -> T:
        """One thing of the group, the same for all of it."""
        above = self._above
        while above[thing] != thing:
            above[thing] = above[above[thing]]
            thing = above[thing]
        return thing

    def join(self, things: Iterable[T]) -> None:
        """Put things, and all that they were joined to before, into one group."""
        first: T | None = None
        for thing in things:
            if first is None:
                first = self.root(thing)
            else:
                self._above[self.root(thing)] = first

    def groups(self) -> list[list[T]]:
        """All groups, in the order of their first things."""
        found: dict[T, list[T]] = {}
        for thing in self._above:
            found.setdefault(self.root(thing), []).append(thing)
        return list(found.values())
