"""Images of several classes: a linear probe on ten crops reads them, clusters get label-free scores."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pandas as pd
import pytest
from layouts import write_voc07
from project import EXPERIMENT, PREPROCESSING, Project, small_experiment, write_pictures

pytestmark = pytest.mark.slow  # some thirty jobs

VARIABLE = "CLUSTERPROBE_VOC07"


def _experiment() -> dict[str, Any]:
    sets = {"pictures": {"kind": "folder", "path": "images"}, "voc07": {"shards": 1}}
    pixels = EXPERIMENT["encoders"]["pixels"] | {"preprocessing": PREPROCESSING | {"resize": 14}}
    linear = {"method": "linear", "options": {"learning_rates": [0.1], "weight_decays": [0.001], "epochs": 1}}
    values = small_experiment(
        "voc",
        sets,
        encoders={"random": pixels},
        probes=[
            linear | {"datasets": ["voc07"], "crops": 10},
            linear | {"datasets": ["pictures"], "variant": "c1", "crops": 10},
        ],
    )
    clusterings = [{"method": "kmeans", "datasets": ["voc07"], "k": [4]}]
    clusterings += [{"method": "kmeans", "datasets": ["pictures"]}]
    report = {
        "tables": ["clustering", "probes", "sela-table-2"],
        "figures": ["cluster-sizes"],
        "galleries": [],
    }
    return values | {"fit": list(sets), "clusterings": clusterings, "report": report}


@pytest.fixture(scope="module")
def finished(tmp_path_factory: pytest.TempPathFactory) -> Project:
    root = tmp_path_factory.mktemp("voc")
    write_voc07(root / "data")
    project = Project.create(root / "project", _experiment())
    write_pictures(project.folder / "images")
    project.run(warm=True, **{VARIABLE: str(root / "data")})
    return project


def _reports(project: Project) -> Path:
    return project.folder / "reports/voc"


def test_what_several_classes_can_be_asked_is_in_the_results(finished: Project) -> None:
    results = pd.read_parquet(_reports(finished) / "results.parquet")
    voc = results[results["dataset"] == "voc07"]
    assert set(voc[voc["method"] == "linear"]["metric"]) == {"voc_map"}
    assert voc[voc["metric"] == "voc_map"]["value"].item() > 0.5, "every class has a colour of its own"
    assert set(voc[voc["method"] == "kmeans"]["metric"]) == {
        *("clusters_used", "largest_share", "entropy", "inertia")
    }
    pictures = results[(results["dataset"] == "pictures") & (results["method"] == "linear")]
    assert pictures["value"].item() > 0.7


def test_crops_are_extracted_of_the_scored_split_alone(finished: Project) -> None:
    shards = list((finished.folder / "data/features").glob("*-10-crops-*/*/*/*.npy"))
    assert len(shards) == 2
    assert {shard.parent.name for shard in shards} == {"test"}


def test_tables_print_them_beside_published_numbers(finished: Project) -> None:
    tables = _reports(finished) / "tables"
    probes = pd.read_csv(tables / "probes.csv")
    assert probes["voc_map"].notna().sum() == probes["linear_top1"].notna().sum() == 1
    ours = pd.read_csv(tables / "sela-table-2.csv")
    assert ours["voc_map"].notna().sum() == 1, "beside the row of random networks"
