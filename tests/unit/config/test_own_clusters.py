"""Features of an encoder that clusters by itself are those of the very encoder whose clusters are scored."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from clusterprobe.config.loading import load_config
from clusterprobe.config.plan import make_plan

PREPROCESSING = {"size": 8, "channels": 1, "mean": [0.5], "std": [0.5]}
ENCODER: dict[str, Any] = {
    "kind": "trained",
    "objective": {"name": "mmdc"},
    "architecture": {"name": "small-convnet"},
    "head": {"kind": "nearest-mean"},
    "preprocessing": PREPROCESSING,
    "optimiser": {"name": "adam", "learning_rate": 0.01},
    "epochs": 1,
    "batch_size": 2,
}
NAT = ENCODER | {"objective": {"name": "nat"}, "head": {"kind": "linear"}}


def encoders(clusterings: list[dict[str, Any]], dataset: dict[str, Any]) -> dict[str, set[str]]:
    """Method -> ids of the encoders whose features or heads it takes."""
    values = {
        "name": "test",
        "datasets": {"images": dataset},
        "fit": ["images"],
        "encoders": {"mmdc": ENCODER, "nat": NAT},
        "clusterings": clusterings,
    }
    plan = make_plan(load_config(values, Path("nowhere")))
    found: dict[str, set[str]] = {}
    for run in plan.runs.values():
        found.setdefault(run.method, set()).update(member.features.encoder.id for member in run.members)
    return found


def test_kmeans_on_its_features_trains_no_second_one() -> None:
    clusterings = [
        {"method": "mmdc", "encoders": ["mmdc"]},
        {"method": "kmeans", "encoders": ["mmdc"], "factors": [1, 2]},
    ]
    found = encoders(clusterings, {"kind": "digits"})
    assert found["kmeans"] == found["mmdc"]
    assert len(found["mmdc"]) == 5


def test_without_classes_it_has_as_many_clusters_as_are_asked_for() -> None:
    clusterings = [
        {"method": "mmdc", "encoders": ["mmdc"], "k": [20]},
        {"method": "kmeans", "encoders": ["mmdc"], "k": [20]},
    ]
    found = encoders(clusterings, {"kind": "folder", "path": "images", "labelled": False})
    assert found["kmeans"] == found["mmdc"]


@pytest.mark.parametrize("k", [[10], [10, 20]])
def test_others_do_not_depend_on_the_number_of_clusters(k: list[int]) -> None:
    assert (
        len(encoders([{"method": "kmeans", "encoders": ["nat"], "k": k}], {"kind": "digits"})["kmeans"]) == 5
    )


@pytest.mark.parametrize("probe", ["linear", "knn"])
def test_heads_that_name_their_size_have_it_wherever_features_are_taken(probe) -> None:
    sela = ENCODER | {
        "objective": {"name": "sela"},
        "head": {"kind": "linear", "options": {"dimensions": 128}},
    }
    values = {
        "name": "test",
        "datasets": {"images": {"kind": "digits"}},
        "fit": ["images"],
        "encoders": {"sela": sela},
        "clusterings": [
            {"method": "sela", "encoders": ["sela"], "k": [128]},
            {"method": "kmeans", "encoders": ["sela"]},
        ],
        "probes": [{"method": probe, "encoders": ["sela"]}],
    }
    plan = make_plan(load_config(values, Path("nowhere")))
    assert len(plan.encoders) == 5
    assert {run.clusters.slug for run in plan.runs.values()} == {"k128", "1x"}
