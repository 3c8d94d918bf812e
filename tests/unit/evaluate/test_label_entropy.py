from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
from PIL import Image
from sklearn.metrics import normalized_mutual_info_score

from clusterprobe.config.errors import UserError
from clusterprobe.evaluate.label_entropy import agreement_frame, label_entropies
from clusterprobe.images.manifest import read_manifest
from clusterprobe.images.sources import index_dataset, write_split
from clusterprobe.store.arrays import save_arrays


def test_entropy_is_zero_for_one_class_and_largest_for_all_alike():
    counts = np.array([[7, 0, 0], [0, 0, 0], [4, 4, 4], [3, 3, 0]])
    np.testing.assert_allclose(label_entropies(counts), [0, np.log(3), np.log(2)])
    assert not np.signbit(label_entropies(counts)).any(), "figures would print -0.00"


@pytest.fixture(scope="module")
def manifest(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("images")
    for number in range(12):
        path = folder / "images" / "abc"[number % 3] / f"{number:02d}.png"
        path.parent.mkdir(parents=True, exist_ok=True)
        Image.fromarray(np.full((4, 4), 20 * number, dtype=np.uint8)).save(path)
    indexed = index_dataset({"kind": "folder", "splits": {"train": str(folder / "images")}}, "pictures")
    write_split(folder, indexed, "train")
    return folder / "train.parquet"


def training(manifest: Path, folder: Path, history: list[list[int]], **changes: object) -> dict[str, object]:
    content = read_manifest(manifest).content
    tracked = np.arange(0, 12, 2)
    arrays = {"history": np.array(history, dtype=np.int32), "tracked": tracked, "content": content}
    save_arrays(folder / "found.npz", {**arrays, **changes})
    files = {"found": str(folder / "found.npz"), "manifest": str(manifest)}
    return {"encoder": "sela", "encoder_seed": 3, **files}


def test_agreement_is_nmi_with_the_classes_and_with_the_labels_before(manifest, tmp_path):
    history = [[0, 1, 2, 3, 0, 1], [-1] * 6, [0, 1, 2, 0, 1, 2], [3, 3, 3, 3, 3, 3]]
    frame = agreement_frame([training(manifest, tmp_path, history)])
    labels = read_manifest(manifest).labels[::2]
    expected = [
        (1, "classes", normalized_mutual_info_score(labels, history[0])),
        (3, "classes", normalized_mutual_info_score(labels, history[2])),
        (3, "labels before", normalized_mutual_info_score(history[0], history[2])),
        (4, "classes", 0.0),
        (4, "labels before", 0.0),
    ]
    found = list(frame[["relabelling", "against", "value"]].itertuples(index=False, name=None))
    assert [entry[:2] for entry in found] == [entry[:2] for entry in expected]
    np.testing.assert_allclose([entry[2] for entry in found], [entry[2] for entry in expected], atol=1e-9)
    assert set(frame["encoder"]) == {"sela"}
    assert set(frame["encoder_seed"]) == {3}


def test_labels_of_other_images_and_trainings_without_labels_are_refused(manifest, tmp_path):
    with pytest.raises(UserError, match="of other images"):
        agreement_frame([training(manifest, tmp_path, [[0] * 6], content="other")])
    save_arrays(tmp_path / "found.npz", {"content": "any"})
    with pytest.raises(UserError, match="no labels over time"):
        agreement_frame(
            [{"encoder": "a", "encoder_seed": 0, "found": tmp_path / "found.npz", "manifest": manifest}]
        )
