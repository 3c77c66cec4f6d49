"""Loaded by every Python of a deterministic sandbox before anything else: the same random numbers, and a clock that stands.

This file runs in the server's own interpreter, of whatever version, and imports nothing but the standard library.
"""

import ctypes
import gc
import hashlib
import os
import random
import threading
import time
import uuid
from datetime import datetime, timezone
from typing import Any


def _install(seed: str) -> None:
    """Replace the sources of random numbers."""
    lock = threading.Lock()
    drawn = 0

    def urandom(size: int, flags: int = 0) -> bytes:
        """As ``os.urandom``: the next bytes of the stream."""
        nonlocal drawn
        found = b""
        with lock:
            while len(found) < size:
                found += hashlib.sha256(f"{seed}:{drawn}".encode()).digest()
                drawn += 1
        return found[:size]

    seeded: Any = random.Random.seed
    shared: Any = getattr(random, "_inst")  # noqa: B009 - the generator behind the module's functions has no public name

    def seed_of(self: random.Random, a: Any = None, version: int = 2) -> None:
        """As ``Random.seed``; without a seed it takes one of the stream."""
        seeded(self, int.from_bytes(urandom(16), "big") if a is None else a, version)

    for module, name, value in (
        (os, "urandom", urandom),
        (os, "getrandom", urandom),
        (random, "_urandom", urandom),
        (random.Random, "seed", seed_of),
        (random, "seed", lambda a=None, version=2: shared.seed(a, version)),
        (uuid, "_generate_time_safe", None),
        (uuid, "_node", 0x020000000001),
    ):
        setattr(module, name, value)
    random.seed()


def _stop_clocks() -> None:
    """Stop the clocks that tell the time of day; monotonic ones go on."""
    noon = time.time() // 86_400 * 86_400 + 43_200
    gmtime, localtime, strftime, ctime, asctime = time.gmtime, time.localtime, time.strftime, time.ctime, time.asctime

    def now(cls: Any, tz: Any = None) -> Any:
        """As ``datetime.now``."""
        return cls.fromtimestamp(noon, tz)

    def utcnow(cls: Any) -> Any:
        """As ``datetime.utcnow``."""
        return cls.fromtimestamp(noon, timezone.utc).replace(tzinfo=None)  # noqa: UP017 - read by older Pythons too

    # The methods of a built-in type cannot be assigned, and a class in its stead is none to what was written in C: the type's
    # own dictionary is reached through the only object that refers to it. ``today`` asks ``time.time``.
    for referred in gc.get_referents(datetime.__dict__):
        if isinstance(referred, dict) and "utcnow" in referred:
            referred |= {"now": classmethod(now), "utcnow": classmethod(utcnow)}
            ctypes.pythonapi.PyType_Modified(ctypes.py_object(datetime))
    for module, name, value in (
        (time, "time", lambda: noon),
        (time, "time_ns", lambda: int(noon) * 1_000_000_000),
        (time, "gmtime", lambda seconds=None: gmtime(noon if seconds is None else seconds)),
        (time, "localtime", lambda seconds=None: localtime(noon if seconds is None else seconds)),
        (time, "ctime", lambda seconds=None: ctime(noon if seconds is None else seconds)),
        (time, "asctime", lambda of=None: asctime(localtime(noon) if of is None else of)),
        (time, "strftime", lambda form, of=None: strftime(form, localtime(noon) if of is None else of)),
    ):
        setattr(module, name, value)


if _seed := os.environ.get("FIREFLY_DETERMINISTIC"):
    _install(_seed)
    _stop_clocks()
