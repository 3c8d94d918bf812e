"""Probes and criteria on tiny pictures: what they leave behind, and that labels reach no criterion."""

from __future__ import annotations

from typing import Any

import pandas as pd
import pytest
from project import EXPERIMENT, PREPROCESSING, Project, experiment, write_pictures

VIEWS = [{"name": "random-resized-crop", "scale": [0.6, 1.0]}]
PROBES: dict[str, Any] = {
    "name": "probed",
    "datasets": {"pictures": {"kind": "folder", "path": "images"}},
    "encoders": {
        "pixels": EXPERIMENT["encoders"]["pixels"],
        "untrained": {
            "kind": "random",
            "architecture": EXPERIMENT["encoders"]["simclr"]["architecture"],
            "preprocessing": PREPROCESSING,
        },
    },
    "probes": [
        {"method": "knn", "options": {"k": 10}},
        {"method": "linear", "fractions": [1, 0.2], "options": {"learning_rates": [0.1, 1], "epochs": 2}},
    ],
    "criteria": {"augmentation": VIEWS, "images": 40, "references": 2},
    "clusterings": [{"method": "kmeans"}],
    "neighbours": {"k": 5, "purity_at": [], "encoder_seeds": 0},
    "report": {"tables": ["probes", "criteria"], "figures": [], "galleries": []},
}


pytestmark = pytest.mark.slow  # a run of a hundred jobs


@pytest.fixture(scope="module")
def probed(tmp_path_factory: pytest.TempPathFactory) -> Project:
    folder = tmp_path_factory.mktemp("probes") / "project"
    project = Project.create(folder, experiment(**PROBES))
    write_pictures(folder / "images")
    project.run(warm=True)
    return project


def _results(project: Project) -> pd.DataFrame:
    return pd.read_parquet(project.folder / "reports/probed/results.parquet")


def test_every_probe_has_a_row_for_every_seed(probed: Project) -> None:
    results = _results(probed)
    rows = results[results["method"].isin(["knn", "linear"])]
    found = rows.groupby(["method", "encoder", "variant", "metric"])["seed"].apply(sorted).to_dict()
    assert found == {
        ("knn", "pixels", "default", "knn_top1"): [0],
        ("knn", "pixels", "default", "retrieval_top1"): [0],
        ("knn", "untrained", "default", "knn_top1"): [0, 1],
        ("knn", "untrained", "default", "retrieval_top1"): [0, 1],
        ("linear", "pixels", "default", "linear_top1"): [0, 1],
        ("linear", "pixels", "labels-20", "linear_top1"): [0, 1],
        ("linear", "untrained", "default", "linear_top1"): [0, 1],
        ("linear", "untrained", "labels-20", "linear_top1"): [0, 1],
    }
    assert set(rows["split"]) == {"test"}
    assert set(rows["protocol"]) == {"clean"}
    assert rows["value"].between(0, 1).all()
    assert rows["value"].max() > 0.7, "the pictures differ in colour: chance is a third"


def test_every_run_has_every_criterion_for_every_seed(probed: Project) -> None:
    results = _results(probed)
    rows = results[(results["method"] == "kmeans") & (results["split"] == "train")]
    criteria = ["view_agreement", "view_nmi", "view_retrieval"]
    criteria += ["inertia_gap", "silhouette", "stability", "generalisation"]
    for metric in criteria:
        seeds = rows[rows["metric"] == metric].groupby("encoder")["seed"].apply(sorted).to_dict()
        assert seeds == {"pixels": [0, 1], "untrained": [0, 1]}, metric
    parts = rows.pivot_table(index=["encoder", "seed"], columns="metric", values="value")
    product = parts["view_nmi"] * parts["view_retrieval"]
    pd.testing.assert_series_equal(parts["view_agreement"], product, check_names=False)


def test_tables_of_probes_and_criteria_are_filled(probed: Project) -> None:
    folder = probed.folder / "reports/probed/tables"
    probes, criteria = (pd.read_csv(folder / f"{name}.csv") for name in ("probes", "criteria"))
    assert set(probes["encoder"]) == {"pixels", "untrained"}
    assert probes["linear_top1"].notna().all()
    assert set(criteria["choice"]) <= {"pixels", "untrained", "any of 2"}
    assert criteria["cost"].between(0, 1).all()


def test_no_label_is_among_the_files_of_a_criterion(probed: Project) -> None:
    summary = probed.run("--forceall", "--dry-run", "--nocolor").stdout
    jobs = [job for job in summary.split("\nrule ") if job.startswith("score_clusterings")]
    assert len(jobs) == 2
    assert not [job for job in jobs if "manifest" in job]


def test_nothing_is_left_to_do_and_a_probe_more_is_one_job(probed: Project) -> None:
    assert probed.jobs() == {}
    more = [
        *PROBES["probes"],
        {"method": "knn", "variant": "one", "encoders": ["pixels"], "options": {"k": 1}},
    ]
    name = probed.configure(experiment(**PROBES | {"probes": more}), "more")
    jobs = probed.jobs("--configfile", name)
    assert jobs["probe_features"] == 1
    assert not {"extract_features", "fit_kmeans", "score_clusterings"} & jobs.keys()
