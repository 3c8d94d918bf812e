"""From assignments and labels on disk to rows of results."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from clusterprobe.cluster.assignment import Assignment
from clusterprobe.config.errors import UserError
from clusterprobe.evaluate.clustering import evaluate_assignments
from clusterprobe.evaluate.frames import confusion_frame, largest_confusions, sizes_frame
from clusterprobe.evaluate.runs import evaluate_run, neighbour_rows
from clusterprobe.images.manifest import Manifest, write_manifest
from clusterprobe.runs.assignments import SplitAssignment, assignments_table
from clusterprobe.store.arrays import save_arrays
from clusterprobe.store.atomic import read_json, write_json
from clusterprobe.store.tables import results_table, write_table

CLASSES = ("cat", "dog", "owl")
LABELS = {("pets", "train"): [0, 0, 1, 1, 2, 2], ("pets", "test"): [0, 1, 2, 2], ("zoo", "test"): [0, 1, 1]}
CLUSTERS = {("pets", "train"): [2, 2, 0, 0, 1, 1], ("pets", "test"): [2, 0, 1, 0], ("zoo", "test"): [2, 0, 1]}


@dataclass
class Place:
    cell: dict[str, Any]
    model: Path
    assignments: Path

    def rows(self) -> dict[tuple[str, str, str], dict[str, Any]]:
        rows = evaluate_run(self.cell, self.model, self.assignments)
        results_table(rows)
        return {(row["dataset"], row["split"], row["metric"]): row for row in rows}


def _write(tmp_path: Path, labelled: bool = True, top: bool = False) -> Place:
    tmp_path.mkdir(exist_ok=True)
    (tmp_path / "map.csv").write_text("source_class,target_class\ncat,feline\ndog,canine\n")
    manifests, parts = [], []
    for (dataset, split), labels in LABELS.items():
        classes = CLASSES if dataset == "pets" else ("feline", "canine")
        path = tmp_path / dataset / f"{split}.parquet"
        ids = tuple(f"{dataset}-{row}" for row in range(len(labels)))
        known = np.array(labels) if labelled else np.full(len(labels), -1)
        write_manifest(path, Manifest(ids, ids, known, classes if labelled else (), ids))
        facts = path.with_suffix(".json")
        write_json(facts, {"classes": list(classes) if labelled else None})
        part = {"dataset": dataset, "split": split, "manifest": str(path), "facts": str(facts)}
        manifests.append(part)
        clusters = np.array(CLUSTERS[dataset, split], dtype=np.int32)
        scores = np.full(len(clusters), 0.5, dtype=np.float32)
        ranked = np.stack([clusters, (clusters + 1) % 3], axis=1).astype(np.int32) if top else None
        assignment = Assignment(clusters, clusters, scores, scores, ranked)
        parts.append(SplitAssignment(dataset, split, path, None, 7, assignment))
    write_table(tmp_path / "assignments.parquet", assignments_table(parts))
    save_arrays(tmp_path / "model.npz", {"clusters/7": 3, "dims/7": 2, "inertia/7": 1.5})
    cell = {
        "columns": {
            "fit_dataset": "pets",
            "reducer": "pca",
            "method": "kmeans",
            "protocol": "clean",
            "run": "r",
        },
        "encoders": [{"encoder_id": "pixels-1", "encoder_seed": None, "features": "pixels-2"}],
        "manifests": manifests,
        "label_maps": {"zoo": str(tmp_path / "map.csv")},
    }
    return Place(cell, tmp_path / "model.npz", tmp_path / "assignments.parquet")


def test_the_map_of_the_train_split_scores_every_split(tmp_path: Path) -> None:
    rows = _write(tmp_path).rows()
    assert rows["pets", "train", "acc"]["value"] == 1.0
    assert rows["pets", "test", "acc"]["value"] == 0.75
    assert rows["pets", "test", "acc_val"]["value"] == 0.75
    assert rows["pets", "train", "inertia"]["value"] == 1.5
    assert ("pets", "test", "inertia") not in rows
    row = rows["pets", "test", "acc"]
    assert (row["k"], row["dims"], row["seed"], row["n"], row["encoder_id"]) == (3, 2, 7, 4, "pixels-1")


def test_chance_of_the_train_split_fits_the_map_on_what_it_scores(tmp_path: Path) -> None:
    place = _write(tmp_path)
    rows = place.rows()
    clusters, labels = (np.array(given["pets", "train"]) for given in (CLUSTERS, LABELS))
    own = evaluate_assignments(clusters, labels, clusters, labels, 3, 3, one_split=True)
    assert rows["pets", "train", "chance_acc"]["value"] == own["chance_acc"]
    apart = evaluate_assignments(clusters, labels, clusters, labels, 3, 3)
    assert own["chance_acc"] > apart["chance_acc"]


def test_a_transfer_set_is_scored_through_the_label_map(tmp_path: Path) -> None:
    rows = _write(tmp_path).rows()
    # cluster 1 is the owl, which has no counterpart: its image is wrong
    assert rows["zoo", "test", "acc"]["value"] == pytest.approx(2 / 3)
    assert rows["zoo", "test", "acc_val"]["value"] == 1.0


def test_rankings_give_top5(tmp_path: Path) -> None:
    rows = _write(tmp_path, top=True).rows()
    assert rows["pets", "test", "top5"]["value"] == 1.0
    assert ("pets", "test", "top5") not in _write(tmp_path / "plain").rows()


def test_without_labels_only_label_free_scores_come_out(tmp_path: Path) -> None:
    rows = _write(tmp_path, labelled=False).rows()
    assert {metric for _, _, metric in rows} == {"clusters_used", "largest_share", "entropy", "inertia"}


def test_classes_that_are_not_said_to_be_labels_count_for_nothing(tmp_path: Path) -> None:
    """Sub-folders of a data set with `labelled: false`."""
    place = _write(tmp_path)
    place.cell["manifests"] = [part | {"labelled": False} for part in place.cell["manifests"]]
    metrics = {metric for _, _, metric in place.rows()}
    assert metrics == {"clusters_used", "largest_share", "entropy", "inertia"}


def test_assignments_of_other_images_are_refused(tmp_path: Path) -> None:
    place = _write(tmp_path)
    path = Path(place.cell["manifests"][1]["manifest"])
    ids = tuple("wxyz")
    write_manifest(path, Manifest(ids, ids, np.array([0, 1, 2, 2]), CLASSES, ids))
    with pytest.raises(UserError, match="assigns other images than the manifest of pets/test"):
        place.rows()


def test_figures_get_sizes_and_confusions(tmp_path: Path) -> None:
    place = _write(tmp_path)
    shown = {
        "encoder": "Pixels",
        "dataset": "pets",
        "split": "test",
        "assignments": str(place.assignments),
        "model": str(place.model),
        "train_manifest": place.cell["manifests"][0]["manifest"],
        "manifest": place.cell["manifests"][1]["manifest"],
        "facts": place.cell["manifests"][0]["facts"],
    }
    counts = confusion_frame(shown)
    assert counts.attrs["superclasses"] == {}
    superclasses = {"cat": "beast", "dog": "beast"}
    assert confusion_frame(shown | {"superclasses": superclasses}).attrs["superclasses"] == superclasses
    assert list(counts.columns) == list(CLASSES)
    assert counts.to_numpy().tolist() == [[1, 0, 0], [0, 1, 0], [0, 1, 1]]
    assert largest_confusions(shown, 5) == {
        "title": "Pixels, pets/test",
        "found": [{"truth": CLASSES[2], "predicted": CLASSES[1], "images": 1, "share": 0.5}],
    }
    sizes = sizes_frame([shown])
    assert sizes["cluster"].tolist() == CLUSTERS["pets", "test"]
    assert set(sizes["encoder"]) == {"Pixels"}
    save_arrays(place.model, {"clusters/7": 5})
    assert set(sizes_frame([shown])["k"]) == {5}, "two of the clusters asked for are empty"
    with pytest.raises(UserError, match="assigns no images of pets/val"):
        confusion_frame(shown | {"split": "val"})


def test_purity_becomes_one_row_per_number_of_neighbours() -> None:
    rows = neighbour_rows({"run": "n"}, {5: 0.5, 1: 1.0}, np.array([0, -1, 1]))
    assert [(row["metric"], row["value"], row["n"]) for row in rows] == [
        ("neighbour_purity@1", 1.0, 2),
        ("neighbour_purity@5", 0.5, 2),
    ]
    (row,) = neighbour_rows({"run": "n"}, {}, np.array([0, -1, 1]), recall=0.993)
    assert (row["metric"], row["value"], row["n"]) == ("neighbour_recall", 0.993, 3)


def test_labels_and_counterparts_of_the_set_itself(tmp_path: Path) -> None:
    """A set that says which of its classes another one has gets two recalls, and brings its own map."""
    place = _write(tmp_path)
    for part, pairs in zip(
        place.cell["manifests"], ({}, {"x": "cat", "y": "owl"}, {"dog": "canine"}), strict=True
    ):
        facts = read_json(Path(part["facts"]))
        write_json(Path(part["facts"]), facts | {"counterparts": pairs})
    place.cell["label_maps"]["zoo"] = "provided"
    rows = place.rows()
    assert rows["pets", "test", "recall_shared"]["value"] == pytest.approx(2 / 3)
    assert rows["pets", "test", "recall_unshared"]["value"] == 1.0
    assert ("pets", "train", "recall_shared") not in rows
    assert rows["zoo", "test", "acc"]["value"] < 1


def test_of_several_labels_one_is_enough(tmp_path: Path) -> None:
    place = _write(tmp_path)
    [path] = [Path(part["manifest"]) for part in place.cell["manifests"] if part["dataset"] == "zoo"]
    ids = tuple(f"zoo-{row}" for row in range(3))
    manifest = Manifest(ids, ids, np.full(3, -1), ("feline", "canine"), ids, several=((0, 1),) * 3)
    write_manifest(path, manifest)
    # cluster 1 is the owl, which has no counterpart: its image stays wrong
    assert place.rows()["zoo", "test", "acc"]["value"] == pytest.approx(2 / 3)
