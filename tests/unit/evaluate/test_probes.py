"""From features and manifests on disk to rows of results: probes, and criteria that no label reaches."""

from __future__ import annotations

import copy
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from clusterprobe.config.errors import UserError
from clusterprobe.evaluate.candidates import try_candidates
from clusterprobe.evaluate.probes import probe_cell
from clusterprobe.evaluate.scoring import score_cell
from clusterprobe.features.pca import fit_pca, save_pca
from clusterprobe.images.manifest import Manifest, read_manifest, write_manifest
from clusterprobe.runs.assignments import assignments_table
from clusterprobe.runs.kmeans import fit_cell, model_arrays
from clusterprobe.store.arrays import save_arrays
from clusterprobe.store.atomic import write_json
from clusterprobe.store.features import FeatureMatrix, write_shard
from clusterprobe.store.tables import read_table, results_table, write_table

CLASSES = ("cat", "dog", "owl")
SIZES = {"train": 90, "test": 30}
SEEDS = [0, 1]


def _write_split(folder: Path, split: str, scrambled: bool) -> None:
    """Write features that follow the classes, in two shards, those of two views, and the manifest."""
    generator = np.random.default_rng(SIZES[split])
    count = SIZES[split]
    labels = np.arange(count) % 3
    points = 3 * np.eye(5)[labels] + generator.normal(size=(count, 5))
    views = np.repeat(points, 2, axis=0) + 0.2 * generator.normal(size=(2 * count, 5))
    ids = tuple(f"{split}-{row}" for row in range(count))
    if scrambled:
        labels = np.random.default_rng(1).permutation(labels)
    manifest = Manifest(ids, ids, labels.astype(np.int64), CLASSES, ids)
    write_manifest(folder / f"{split}.parquet", manifest)
    for space, values in (("space", points), ("space-views", views)):
        rows, half = len(values), 2 * (len(values) // 4)
        for number, part in enumerate((slice(0, half), slice(half, rows))):
            write_shard(
                folder / space / split / f"0000{number}-of-00002.npy",
                values[part],
                space=space,
                content=manifest.content,
                first_row=part.start,
                total_rows=rows,
            )


def _shards(folder: Path, split: str, space: str = "space") -> list[str]:
    return [str(folder / space / split / f"0000{number}-of-00002.npy") for number in range(2)]


@pytest.fixture
def place(tmp_path: Path) -> Path:
    for split in SIZES:
        _write_split(tmp_path, split, scrambled=False)
    return tmp_path


def _probe(folder: Path, method: str, split: str = "test", **changes: Any) -> dict[str, Any]:
    columns = {"fit_dataset": "pets", "dataset": "pets", "split": split, "method": method}
    return {
        "method": method,
        "options": {},
        "fraction": 1.0,
        "crops": 1,
        "columns": columns | {"protocol": "clean", "run": "r"},
        "labels": {"train": str(folder / "train.parquet"), "scored": str(folder / f"{split}.parquet")},
        "members": [
            {
                "columns": {"encoder_id": "e", "encoder_seed": None, "features": "space"},
                "seeds": SEEDS,
                "train": _shards(folder, "train"),
                "scored": _shards(folder, split),
            }
        ],
    } | changes


def _scores(cell: dict[str, Any]) -> dict[tuple[int, str], float]:
    rows = probe_cell(cell)
    results_table(rows)
    return {(row["seed"], row["metric"]): row["value"] for row in rows}


def test_probes_read_the_labels(place: Path, capsys: pytest.CaptureFixture[str]) -> None:
    knn = _scores(_probe(place, "knn", options={"k": 10}))
    linear = _scores(_probe(place, "linear", options={"learning_rates": [0.1, 1.0], "epochs": 1}))
    assert {metric for _, metric in knn} == {"knn_top1", "retrieval_top1"}
    assert {metric for _, metric in linear} == {"linear_top1"}
    assert min(knn[0, "knn_top1"], linear[0, "linear_top1"]) > 0.85
    assert "Setting(learning_rate=" in capsys.readouterr().out


def test_a_share_of_the_labels_is_drawn_by_the_seed(place: Path) -> None:
    cell = _probe(place, "knn", options={"k": 1}, fraction=0.1)
    few = _scores(cell)
    assert few == _scores(cell)
    fewer = _scores(_probe(place, "knn", options={"k": 1}, fraction=0.04))
    assert fewer[0, "knn_top1"] != fewer[1, "knn_top1"], "other images for the other seed"


def test_on_the_train_split_the_image_itself_has_no_vote(place: Path) -> None:
    """With labels that follow nothing, a bank with the query in it would be right every time."""
    _write_split(place, "train", scrambled=True)
    scores = _scores(_probe(place, "knn", "train", options={"k": 1}))
    assert scores[0, "retrieval_top1"] < 0.6


def test_scrambled_test_labels_leave_the_chosen_setting(
    place: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    cell = _probe(place, "linear", options={"learning_rates": [0.01, 0.1, 1.0], "epochs": 1})
    right = _scores(cell)
    chosen = capsys.readouterr().out
    _write_split(place, "test", scrambled=True)
    wrong = _scores(cell)
    assert capsys.readouterr().out == chosen
    assert wrong[0, "linear_top1"] < right[0, "linear_top1"] - 0.2


def test_a_linear_probe_is_scored_on_several_crops(place: Path) -> None:
    """Crops are features of their own name, ten rows for each image; equal crops score as one does."""
    points = np.concatenate(list(FeatureMatrix.open([Path(p) for p in _shards(place, "test")]).blocks()))
    manifest = read_manifest(place / "test.parquet")
    path = place / "crops" / "00000-of-00001.npy"
    rows = np.repeat(points, 10, axis=0)
    write_shard(path, rows, space="crops", content=manifest.content, first_row=0, total_rows=len(rows))
    one = _probe(place, "linear", options={"learning_rates": [0.1], "weight_decays": [0], "epochs": 1})
    ten = copy.deepcopy(one) | {"crops": 10}
    ten["members"][0]["scored"] = [str(path)]
    assert _scores(ten) == _scores(one)


def test_images_that_show_several_classes_are_scored_by_average_precision(place: Path) -> None:
    for split in SIZES:
        manifest = read_manifest(place / f"{split}.parquet")
        shown = np.eye(3, dtype=np.int8)[manifest.labels]
        shown[:, 2] |= manifest.labels == 0  # owls are hidden among the cats
        shown[0] = -1
        none = np.full(len(manifest), -1)
        write_manifest(place / f"{split}.parquet", replace(manifest, labels=none, shown=shown))
    cell = _probe(place, "linear", options={"learning_rates": [0.1, 1.0], "epochs": 1}, fraction=0.5)
    scores = _scores(cell)
    assert set(scores) == {(0, "voc_map"), (1, "voc_map")}
    assert min(scores.values()) > 0.8
    assert {row["n"] for row in probe_cell(cell)} == {30}
    assert scores == _scores(cell)


def test_features_of_other_images_are_refused(place: Path) -> None:
    cell = _probe(place, "knn")
    cell["members"][0]["scored"] = _shards(place, "train")
    with pytest.raises(UserError, match="of other images than its manifest lists"):
        probe_cell(cell)


NAMES = ["view_agreement", "inertia_gap", "silhouette", "stability", "generalisation"]


def _cells(folder: Path, method: str, reducer: dict[str, Any], k: int = 3) -> tuple[dict[str, Any], ...]:
    """What clustering the train split, and scoring what was found, are asked to do."""
    basis = folder / "pca.npz"
    train = _shards(folder, "train")
    save_pca(basis, fit_pca(FeatureMatrix.open([Path(shard) for shard in train])))
    write_json(folder / "train.json", {"classes": list(CLASSES)})
    part = {"dataset": "pets", "split": "train", "shards": train}
    member = {
        "basis": str(basis) if reducer["name"] == "pca" else None,
        "encoder_seed": None,
        "seeds": SEEDS,
        "fits": str(folder / f"fits-{method}-{reducer}-{k}"),
        "splits": [part | {"manifest": str(folder / "train.parquet")}],
    }
    definition = {"method": method, "reducer": reducer, "options": {}, "clusters": {"k": k, "factor": None}}
    cell = definition | {"facts": str(folder / "train.json"), "members": [member]}
    columns = {"fit_dataset": "pets", "dataset": "pets", "split": "train", "reducer": reducer["name"]}
    scored = {
        "names": NAMES,
        "settings": {"images": 60, "dims": 3, "references": 2, "folds": 3},
        "reducer": reducer,
        "spherical": method == "spherical-kmeans",
        "columns": columns | {"method": method, "protocol": "clean", "run": "r"},
        "members": [
            {
                "columns": {"encoder_id": "e", "encoder_seed": None, "features": "space"},
                "seeds": SEEDS,
                "shards": train,
                "basis": member["basis"],
                "views": _shards(folder, "train", "space-views"),
            }
        ],
    }
    return cell, scored


def _score(folder: Path, method: str = "kmeans", k: int = 3, **reducer: Any) -> list[dict[str, Any]]:
    """Cluster the train split and score what was found, as the two jobs do."""
    reducer = {"name": "pca", "dims": None, "whiten": False, "normalise": False} | reducer
    cell, scored = _cells(folder, method, reducer, k)
    fitted = list(fit_cell(cell, "code"))
    model, assignments = folder / "model.npz", folder / "assignments.parquet"
    save_arrays(
        model, model_arrays({(None, seed): one for seed, (one, _) in zip(SEEDS, fitted, strict=True)})
    )
    write_table(assignments, assignments_table([part for _, parts in fitted for part in parts]))
    return score_cell(scored, model, assignments)


def test_candidates_in_one_job_get_what_jobs_of_their_own_get(place: Path) -> None:
    reducer = {"name": "none", "dims": None, "whiten": False, "normalise": True}
    entries = []
    for k in (2, 3, 5):
        fitting, scoring = _cells(place, "kmeans", reducer, k)
        files = {name: str(place / f"{name}-{k}") for name in ("model", "assignments", "criteria")}
        entries.append({"fitting": fitting, "scoring": scoring} | files)
    try_candidates(entries, "code", 2**20)
    for k, entry in zip((2, 3, 5), entries, strict=True):
        alone = results_table(_score(place, k=k, **reducer))
        assert read_table(Path(entry["criteria"])).equals(alone)
        assert Path(entry["model"]).read_bytes() == (place / "model.npz").read_bytes()
        assert Path(entry["assignments"]).read_bytes() == (place / "assignments.parquet").read_bytes()


@pytest.mark.parametrize(
    ("method", "reducer"),
    [
        ("kmeans", {}),
        ("kmeans", {"dims": 2}),
        ("spherical-kmeans", {"name": "none"}),
        ("kmeans", {"normalise": True}),
    ],
)
def test_every_seed_gets_every_criterion(place: Path, method: str, reducer: dict[str, Any]) -> None:
    rows = _score(place, method, **reducer)
    results_table(rows)
    values = {(row["seed"], row["metric"]): row["value"] for row in rows}
    assert set(values) == {(seed, name) for seed in SEEDS for name in [*NAMES, "view_nmi", "view_retrieval"]}
    assert np.isfinite(list(values.values())).all()
    assert values[0, "silhouette"] > 0.2
    assert values[0, "generalisation"] > 0.7
    assert {row["n"] for row in rows if row["metric"] != "stability"} == {60}
    if reducer.get("dims"):
        assert {row["dims"] for row in rows} == {2}


def test_views_of_an_image_are_taken_as_a_pair(place: Path) -> None:
    """The views differ less from each other than images do, so that pairs put wrongly would not be found."""
    values = {row["metric"]: row["value"] for row in _score(place)}
    assert values["view_retrieval"] > 0.8
    assert values["view_nmi"] > 0.8


def test_scrambled_labels_change_no_criterion(place: Path) -> None:
    before = _score(place)
    for state in place.glob("fits-*/*.state"):
        state.unlink()
    _write_split(place, "train", scrambled=True)
    shards = [path.read_bytes() for path in sorted(place.glob("space/train/*.npy"))]
    after = _score(place)
    assert shards == [path.read_bytes() for path in sorted(place.glob("space/train/*.npy"))]
    assert before == after
    assert _scores(_probe(place, "knn", "train"))[0, "retrieval_top1"] < 0.6, "the labels did change"


def test_more_clusters_than_images_in_the_sample_have_no_agreement_of_views(place: Path) -> None:
    assert {row["metric"] for row in _score(place, k=61)} == {*NAMES[1:]}
    assert {row["metric"] for row in _score(place, k=60)} > {*NAMES}


def test_one_seed_has_no_stability(place: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(f"{__name__}.SEEDS", [0])
    assert "stability" not in {row["metric"] for row in _score(place)}


def test_probes_of_a_long_tail_are_scored_class_by_class(place: Path) -> None:
    """Every class keeps its features; the third has few labels in the train split."""
    path = place / "train.parquet"
    whole = read_manifest(path)
    labels = whole.labels.copy()
    labels[np.flatnonzero(labels == 2)[5:]] = -1
    write_manifest(path, replace(whole, labels=labels))
    knn = _scores(_probe(place, "knn", options={"k": 5}))
    linear = _scores(_probe(place, "linear", options={"learning_rates": [0.1], "epochs": 1}))
    for scores, name in ((knn, "knn"), (linear, "linear")):
        parts = {metric: value for (seed, metric), value in scores.items() if seed == 0}
        assert parts[f"{name}_class_mean"] == pytest.approx(
            parts[f"{name}_top1"]
        )  # ten of each in the test split
        mean = (2 * parts[f"{name}_medium"] + parts[f"{name}_few"]) / 3
        assert parts[f"{name}_class_mean"] == pytest.approx(mean)
