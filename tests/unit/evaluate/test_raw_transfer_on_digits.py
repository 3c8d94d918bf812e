"""The defect of the published transfer table on real images: digits, and digits under shifts, as pixels."""

from __future__ import annotations

import io
from typing import NamedTuple

import numpy as np
import pytest
from PIL import Image

from clusterprobe.cluster.kmeans import assign, fit_kmeans
from clusterprobe.encoders.preprocessing import Preprocessing
from clusterprobe.evaluate.transfer import evaluate_transfer
from clusterprobe.features.pca import ReducedRows, fit_pca
from clusterprobe.features.raw_columns import RawColumns
from clusterprobe.images.label_maps import load_label_map
from clusterprobe.images.shifted import render_shifted
from clusterprobe.images.sources import index_dataset, open_source
from clusterprobe.store.rows import ArrayRows

SQUARE = Preprocessing.from_dict({"size": 8, "channels": 1, "mean": [0.0], "std": [1.0]})


class Sets(NamedTuple):
    train: ArrayRows
    labels: np.ndarray
    moved: ArrayRows
    moved_labels: np.ndarray
    label_map: np.ndarray


def pixels(images: list[Image.Image]) -> ArrayRows:
    values = np.stack([SQUARE.apply(image).reshape(-1) for image in images])
    return ArrayRows(values / 255, space="pixels")


@pytest.fixture(scope="module")
def sets() -> Sets:
    indexed = index_dataset({"kind": "digits"}, "digits")
    train, source = indexed.manifests["train"], open_source(indexed.source, "train")
    images = [source.read_verified(*place) for place in zip(train.locations, train.sha256, strict=True)]
    shifted = render_shifted(indexed.manifests["test"], open_source(indexed.source, "test"), {})
    moved = [Image.open(io.BytesIO(content)) for content in shifted["image"].to_pylist()]
    names = load_label_map("digits_to_shifted")
    there = names.indices(train.classes, sorted(set(names.targets.values())))
    return Sets(pixels(images), train.labels, pixels(moved), shifted["label"].to_numpy(), there)


def test_transfer_collapses_as_published_and_does_not_when_it_is_projected(sets: Sets) -> None:
    """One fit, two ways to look at the transfer set: ACC-tr near 0.5, or what permuted labels would get."""
    pca = fit_pca(sets.train)
    reduced = ReducedRows(sets.train, pca, None, False, False)
    model = fit_kmeans(reduced, 10, 0, restarts=10)
    train = assign(reduced, model).cluster
    clean, published = (
        evaluate_transfer(
            train, sets.labels, assign(rows, model).cluster, sets.moved_labels, 10, sets.label_map
        )
        for rows in (ReducedRows(sets.moved, pca, None, False, False), RawColumns(sets.moved, reduced))
    )
    assert clean["acc"] > 0.45
    assert clean["clusters_used"] == 10
    assert clean["largest_share"] < 0.25
    assert clean["ami"] > 0.25
    assert published["acc"] < published["chance_acc"] + 0.1
    assert published["acc_val"] < 0.25
    assert published["clusters_used"] < 8
    assert published["largest_share"] > 0.35
    assert published["ami"] < 0.05
