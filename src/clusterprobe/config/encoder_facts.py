"""Facts about an encoder. A module of its own: what imports it runs again when it changes."""

from __future__ import annotations

FACTS = frozenset({"licence", "seen"})
"""What people read of an encoder: a correction makes nothing anew."""
