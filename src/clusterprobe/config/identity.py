"""Ids of whatever is trained or fitted: a readable slug and eight hex digits over what defines it."""

from __future__ import annotations

import hashlib
import json
import re


def identity(slug: str, definition: object) -> str:
    """Return `slug-xxxxxxxx`; equal definitions give equal ids, whatever the order of their keys."""
    text = json.dumps(definition, sort_keys=True, separators=(",", ":"), allow_nan=False)
    readable = re.sub(r"[^a-z0-9]+", "-", slug.lower()).strip("-")
    return f"{readable}-{hashlib.sha256(text.encode('utf-8')).hexdigest()[:8]}"
