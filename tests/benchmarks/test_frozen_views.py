"""Cached views against fresh augmentations, one epoch of everything."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any

import pytest

from benchmarks.harness import Size
from benchmarks.questions import frozen_views


@pytest.mark.slow
def test_every_way_is_trained_and_timed(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    described = frozen_views.job_of

    def short(encoder: Mapping[str, Any], **changes: Any) -> dict[str, Any]:
        return described(encoder, **changes) | {"epochs": 1}

    monkeypatch.setattr(frozen_views, "job_of", short)
    outcome = frozen_views.measure(Size("quick", tmp_path))
    for way in ("fresh", "V = 1", "V = 4", "V = 16"):
        [score] = outcome.facts[f"ACC, {way}"]
        assert 0.1 < score <= 1
        assert outcome.facts[f"training of the heads, seconds, {way}"] > 0
    assert outcome.ratio is not None
