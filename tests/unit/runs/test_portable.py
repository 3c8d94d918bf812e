"""A clustering that travels: pictures to features to clusters, saved, and applied to other pictures."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest
from PIL import Image

from clusterprobe.cluster.kmeans import fit_kmeans
from clusterprobe.config.errors import UserError
from clusterprobe.config.own_pictures import pixels
from clusterprobe.encoders.canonical import save_encoder, untrained_encoder
from clusterprobe.encoders.preprocessing import Preprocessing
from clusterprobe.features.extract import extract_shard
from clusterprobe.images.manifest import read_manifest
from clusterprobe.images.sources import index_dataset, open_source, write_split
from clusterprobe.images.thumbnails import write_thumbnails
from clusterprobe.runs.kmeans import model_arrays
from clusterprobe.runs.pictures import Arrangement, arrange, open_rows
from clusterprobe.runs.portable import assign_folder, load_model, save_model
from clusterprobe.store.arrays import save_arrays
from clusterprobe.store.atomic import read_json

K = 3


def write_pictures(folder: Path, count: int, seed: int) -> None:
    generator = np.random.default_rng(seed)
    folder.mkdir(parents=True)
    for number in range(count):
        colour = np.array([[200, 40, 40], [40, 200, 40], [40, 40, 200]])[number % K]
        values = (colour + generator.normal(0, 25, (12, 15, 3))).clip(0, 255).astype(np.uint8)
        Image.fromarray(values).save(folder / f"{number:03d}.png")


def arranged(folder: Path, *, spherical: bool, normalise: bool) -> tuple[Arrangement, dict[str, Any]]:
    """Take pictures all the way, as the jobs of the workflow do, and save the model."""
    definition = {"kind": "folder", "splits": {"train": str(folder / "pictures")}, "on_bad_image": "skip"}
    write_split(folder, index_dataset(definition, "p", ["train"]), "train")
    manifest, location = folder / "train.parquet", folder / "train.source.json"
    preprocessing = Preprocessing.from_dict(pixels()["preprocessing"])
    options = {"size": preprocessing.size, "channels": 3}
    save_encoder(folder / "encoder", untrained_encoder("pixels", options, 0, preprocessing))
    shard = folder / "00000-of-00001.npy"
    how: dict[str, Any] = {"space": "s", "mode": "eval", "batch_size": 7, "workers": 0, "device": "cpu"}
    seen = (folder / "seen", "code")
    extract_shard(folder / "encoder", "pooled", manifest, location, "train", 0, 1, shard, seen=seen, **how)
    source = open_source(read_json(location), "train")
    write_thumbnails(folder / "thumbnails.parquet", read_manifest(manifest), source, 32)
    model = fit_kmeans(open_rows([shard], normalise), K, 0, spherical=spherical, restarts=3)
    save_arrays(folder / "model.npz", model_arrays({(None, 0): model}))
    cell = {
        "manifest": str(manifest),
        "thumbnails": str(folder / "thumbnails.parquet"),
        "shards": [str(shard)],
        "normalise": normalise,
        "heads": False,
        "labelled": False,
        "candidates": {"run": {"model": str(folder / "model.npz")}},
        "settings": {"merge_to": None, "near_duplicates": 3, "map_images": 10},
    }
    found = arrange(cell, "run")
    record = {"method": "kmeans", "output": "pooled", "normalise": normalise, "spherical": spherical}
    save_model(folder / "saved", folder / "encoder", found.arrays, record | {"names": None})
    return found, record


@pytest.mark.parametrize(("spherical", "normalise"), [(False, False), (False, True), (True, False)])
def test_a_model_says_of_its_own_pictures_what_the_clustering_said(tmp_path, spherical, normalise):
    write_pictures(tmp_path / "pictures", 30, 0)
    found, _ = arranged(tmp_path, spherical=spherical, normalise=normalise)
    model = load_model((tmp_path / "saved").rename(tmp_path / "moved"))
    assert model.k == K
    again = assign_folder(model, tmp_path / "pictures")
    assert list(again.ids) == found.table["id"].to_pylist()
    for name in ("cluster", "second"):
        np.testing.assert_array_equal(getattr(again.assignment, name), found.table[name].to_numpy())
    for name in ("distance", "confidence"):
        expected = found.table[name].to_numpy()
        np.testing.assert_allclose(getattr(again.assignment, name), expected, rtol=1e-4, atol=1e-6)


def test_new_pictures_join_those_that_look_like_them_and_bad_ones_are_named(tmp_path):
    write_pictures(tmp_path / "pictures", 30, 0)
    found, _ = arranged(tmp_path, spherical=False, normalise=False)
    write_pictures(tmp_path / "new", 9, 1)
    (tmp_path / "new" / "broken.png").write_bytes(b"")
    new = assign_folder(load_model(tmp_path / "saved"), tmp_path / "new")
    known = found.table["cluster"].to_numpy()[:K]
    assert sorted(known) == [0, 1, 2]
    np.testing.assert_array_equal(new.assignment.cluster, known[np.arange(9) % K])
    assert new.skipped == [{"file": "broken.png", "reason": "is empty"}]


def test_a_folder_without_a_model_is_said(tmp_path):
    with pytest.raises(UserError, match="holds no model"):
        load_model(tmp_path)
