from __future__ import annotations

from pathlib import Path

from clusterprobe.config.cells import encoder_facts
from clusterprobe.config.loading import load_config
from clusterprobe.config.plan import make_plan

PREPROCESSING = {"size": 8, "mean": [0.0] * 3, "std": [1.0] * 3}


def test_tables_are_told_what_encoders_saw_and_what_is_quoted_of_them() -> None:
    values = {
        "name": "things",
        "datasets": {"things": {"kind": "folder", "path": "images"}},
        "fit": ["things"],
        "encoders": {
            "pixels": {"kind": "pixels", "preprocessing": PREPROCESSING},
            "swav": None,
            "supervised-resnet-152": {"title": "mine"},
        },
        "clusterings": [{"method": "kmeans"}],
    }
    plan = make_plan(load_config(values, Path("config")))
    assert encoder_facts(plan) == {
        "pixels": {"seen": "nothing", "linear": None},
        "SwAV (ResNet-50)": {"seen": "same", "linear": 75.3},
        "mine": {"seen": "labels", "linear": 81.0},
    }
