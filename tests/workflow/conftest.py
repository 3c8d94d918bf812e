"""Tests of the workflow share finished runs."""

from __future__ import annotations

import sys
from pathlib import Path

sys.path.insert(0, str(Path(__file__).parent))

from finished import copied, finished, once, unlabelled

__all__ = ["copied", "finished", "once", "unlabelled"]
