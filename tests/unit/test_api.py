"""The Python interface: scikit-learn's conventions over the kernels of the workflow."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pytest
from sklearn.base import clone
from sklearn.datasets import load_digits

from clusterprobe.api import Clusterer
from clusterprobe.cluster.kmeans import assign, fit_kmeans
from clusterprobe.config.errors import UserError
from clusterprobe.encoders.canonical import save_encoder
from clusterprobe.evaluate.metrics import ari, contingency
from clusterprobe.store.rows import ArrayRows

REPOSITORY = Path(__file__).resolve().parents[2]


def blobs(count: int = 200, k: int = 4) -> tuple[np.ndarray, np.ndarray]:
    generator = np.random.default_rng(0)
    labels = generator.integers(0, k, count)
    return (6 * np.eye(k, 8)[labels] + generator.normal(size=(count, 8))).astype(np.float32), labels


def squares(count: int = 60) -> tuple[np.ndarray, np.ndarray]:
    """Noisy images of three colours."""
    generator = np.random.default_rng(1)
    labels = np.arange(count) % 3
    colours = np.array([[220, 40, 40], [40, 220, 40], [40, 40, 220]])
    images = colours[labels][:, None, None] + generator.normal(0, 25, (count, 10, 12, 3))
    return images.clip(0, 255).astype(np.uint8), labels


def agreement(found: np.ndarray, labels: np.ndarray) -> float:
    k = int(max(found.max(), labels.max())) + 1
    return ari(contingency(found, labels, k, k))


def test_labels_are_those_of_the_kernel():
    points, labels = blobs()
    clusterer = Clusterer(k=4, restarts=2, random_state=3).fit(points)
    model = fit_kmeans(ArrayRows(points), 4, 3, restarts=2)
    np.testing.assert_array_equal(clusterer.labels_, assign(ArrayRows(points), model).cluster)
    np.testing.assert_array_equal(clusterer.cluster_centers_, model.centres)
    assert agreement(clusterer.labels_, labels) == 1
    assert (clusterer.n_features_in_, clusterer.k_) == (8, 4)


@pytest.mark.parametrize("method", ["kmeans", "spherical-kmeans"])
def test_predictions_distances_and_score_fit_together(method):
    points, _ = blobs()
    clusterer = Clusterer(k=4, method=method)
    np.testing.assert_array_equal(clusterer.fit_predict(points), clusterer.predict(points))
    distances = clusterer.transform(points)
    assert distances.shape == (200, 4)
    np.testing.assert_array_equal(distances.argmin(axis=1), clusterer.labels_)
    assert -clusterer.score(points) == pytest.approx(clusterer.inertia_, rel=1e-3)


def test_the_number_of_clusters_can_be_left_open():
    points, _ = blobs(50)
    clusterer = Clusterer(k="auto", restarts=2).fit(points)
    assert clusterer.k_ == 4
    assert set(clusterer.criteria_) == {"silhouette", "stability", "generalisation"}


@pytest.mark.parametrize("encoder", ["pixels", "simclr"])
def test_images_go_through_an_encoder(encoder):
    images, labels = squares()
    clusterer = Clusterer(k=3, encoder=encoder, epochs=2).fit(images)
    assert agreement(clusterer.labels_, labels) == 1
    np.testing.assert_array_equal(clusterer.predict(images[:7]), clusterer.labels_[:7])


def test_an_encoder_of_a_folder_is_taken_as_it_is(tmp_path):
    images, _ = squares()
    trained = Clusterer(k=3, encoder="simclr", epochs=1).fit(images)
    save_encoder(tmp_path, trained.encoder_)
    again = Clusterer(k=3, encoder=tmp_path).fit(images)
    np.testing.assert_array_equal(again.labels_, trained.labels_)


def test_grey_images_are_images_too():
    images, _ = squares()
    assert len(Clusterer(k=2, encoder="pixels").fit(images[..., 0]).labels_) == 60


def test_parameters_follow_the_conventions():
    clusterer = Clusterer(k=5, method="spherical-kmeans")
    copied = clone(clusterer).set_params(k=6)
    assert copied.get_params() == clusterer.get_params() | {"k": 6}
    assert "k=5" in repr(clusterer)
    with pytest.raises(ValueError, match="has no argument 'clusters'"):
        clusterer.set_params(clusters=3)


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"k": "many"}, 'give a number, or "auto"'),
        ({"method": "means"}, "unknown method 'means'"),
        ({"encoder": "nowhere"}, "say simclr, pixels, or a folder"),
        ({"k": 500}, "choose k from 1"),
    ],
)
def test_wrong_arguments_are_said(changes, message):
    with pytest.raises(UserError, match=message):
        Clusterer(**changes).fit(blobs()[0])


def test_wrong_arrays_are_said():
    images, _ = squares()
    with pytest.raises(UserError, match="of images say encoder='simclr'"):
        Clusterer(k=3).fit(images)
    with pytest.raises(UserError, match="images are uint8"):
        Clusterer(k=3, encoder="pixels").fit(images / 255)
    with pytest.raises(UserError, match="call `fit` first"):
        Clusterer(k=3).predict(images)


def test_the_tutorial_runs(capsys):
    """Every cell of the notebook, one after the other, on fewer images."""
    notebook = json.loads((REPOSITORY / "docs/clustering-pictures.ipynb").read_text(encoding="utf-8"))
    cells = ["".join(cell["source"]) for cell in notebook["cells"] if cell["cell_type"] == "code"]
    assert len(cells) >= 4
    assert all(not cell.get("outputs") for cell in notebook["cells"])
    names: dict[str, object] = {}
    for cell in cells:
        exec(compile(cell, "clustering-pictures.ipynb", "exec"), names)
    assert "adjusted Rand index" in capsys.readouterr().out
    assert len(names["labels"]) == len(load_digits().images)  # type: ignore[arg-type]
