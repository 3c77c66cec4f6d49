"""What holds for all tests."""

from __future__ import annotations

from hypothesis import settings

# How long one example takes is a matter of the machine's load.
settings.register_profile("firefly", deadline=None)
settings.load_profile("firefly")
