"""What holds for all tests."""

from __future__ import annotations

from hypothesis import settings

# A machine with much else to do is slow, and that is no mistake of what is tested.
settings.register_profile("no-deadline", deadline=None)
settings.load_profile("no-deadline")
