"""Images to shards: the same bytes every time, whatever the number of shards; nothing wrong gets through."""

from __future__ import annotations

import itertools
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
import pytest
import torch
from PIL import Image

from clusterprobe.config.errors import UserError
from clusterprobe.encoders.canonical import Encoder, HeadRecord, save_encoder, untrained_encoder
from clusterprobe.encoders.heads import build_head
from clusterprobe.encoders.preprocessing import Preprocessing
from clusterprobe.features.cuts import CUTS, Cut
from clusterprobe.features.device_resize import Parts
from clusterprobe.features.extract import extract_shard, output_network, shard_range
from clusterprobe.features.outputs import Mode
from clusterprobe.features.views import AugmentedViews
from clusterprobe.images.manifest import read_manifest
from clusterprobe.images.sources import index_dataset, write_split
from clusterprobe.store.digests import import_closure
from clusterprobe.store.features import FeatureMatrix
from clusterprobe.store.hashing import sha256_file

RGB = Preprocessing.from_dict({"size": 8, "resize": 9, "mean": [0.4, 0.5, 0.6], "std": [0.2, 0.3, 0.4]})
ROWS = 23


def an_encoder() -> Encoder:
    """A small network whose running statistics differ from those of any batch, and one head."""
    encoder = untrained_encoder("small-convnet", {"widths": [4, 8]}, 0, RGB)
    generator = torch.Generator().manual_seed(1)
    encoder.body.train()(torch.randn(16, 3, 8, 8, generator=generator) + 1)
    torch.manual_seed(2)
    head = build_head("mlp", {"dimensions": 5, "normalise": True}, 8)
    record = replace(
        encoder.record, heads={"simclr": HeadRecord("mlp", {"dimensions": 5, "normalise": True})}
    )
    return Encoder(record, encoder.body, {"simclr": head})


@pytest.fixture
def place(tmp_path: Path) -> Path:
    """A folder with the images, their manifest and an encoder."""
    random = np.random.default_rng(0)
    for split in ("train", "test"):
        for row in range(ROWS):
            path = tmp_path / "images" / split / "ab"[row % 2] / f"{row:02d}.png"
            path.parent.mkdir(parents=True, exist_ok=True)
            values = random.integers(0, 256, (12, 10, 3), dtype=np.uint8)
            Image.fromarray(values).save(path)
    splits = {split: str(tmp_path / "images" / split) for split in ("train", "test")}
    indexed = index_dataset({"kind": "folder", "splits": splits}, "tiny")
    for split in splits:
        write_split(tmp_path / "manifests", indexed, split)
    save_encoder(tmp_path / "encoder", an_encoder())
    return tmp_path


def extract(place: Path, shards: int = 1, into: str = "features", **changes: Any) -> list[Path]:
    arguments: dict[str, Any] = {
        "encoder_folder": place / "encoder",
        "output": "pooled",
        "manifest": place / "manifests" / "train.parquet",
        "source": place / "manifests" / "train.source.json",
        "split": "train",
        "space": "tiny-space",
        "mode": "eval",
        "batch_size": 5,
        "workers": 0,
        "device": "cpu",
        **changes,
    }
    paths = [place / into / f"{shard:05d}-of-{shards:05d}.npy" for shard in range(shards)]
    for shard, path in enumerate(paths):
        extract_shard(shard=shard, shards=shards, destination=path, **arguments)
    return paths


def values(paths: Sequence[Path]) -> npt.NDArray[np.float32]:
    return np.concatenate(list(FeatureMatrix.open(paths).blocks()))


def batch_of(place: Path, rows: slice = slice(None)) -> torch.Tensor:
    """The preprocessed training images, float32 [n, 3, 8, 8], read without any loader."""
    ids = read_manifest(place / "manifests" / "train.parquet").ids[rows]
    files = [next((place / "images" / "train").rglob(Path(name).name)) for name in ids]
    return RGB.normalise(torch.from_numpy(np.stack([RGB.apply(Image.open(file)) for file in files])))


def test_pooled_features_are_those_of_the_body_in_manifest_order(place: Path) -> None:
    paths = extract(place, shards=2)
    with torch.inference_mode():
        expected = an_encoder().body.eval()(batch_of(place))
    np.testing.assert_allclose(values(paths), expected.numpy(), atol=2e-3)
    matrix = FeatureMatrix.open(paths)
    assert matrix.space == "tiny-space"
    assert matrix.content == read_manifest(place / "manifests" / "train.parquet").content


def test_head_output_is_the_head_on_the_body(place: Path) -> None:
    encoder = an_encoder()
    with torch.inference_mode():
        expected = encoder.heads["simclr"].eval()(encoder.body.eval()(batch_of(place)))
    np.testing.assert_allclose(values(extract(place, output="head:simclr")), expected.numpy(), atol=2e-3)


@pytest.mark.parametrize("mode", ["eval", "reference"])
@pytest.mark.parametrize("shards", [2, 3, 7])
def test_features_do_not_depend_on_the_number_of_shards(place: Path, mode: str, shards: int) -> None:
    whole = values(extract(place, mode=mode, into="whole"))
    assert np.array_equal(values(extract(place, shards, mode=mode, into="parts")), whole)


def test_same_bytes_twice_and_with_workers(place: Path) -> None:
    hashes = {
        tuple(sha256_file(path) for path in extract(place, 2, into=name, workers=workers))
        for name, workers in (("a", 0), ("b", 0), ("c", 2))
    }
    assert len(hashes) == 1


def test_reference_mode_normalises_by_the_batch_and_leaves_the_weights_alone(place: Path) -> None:
    before = sha256_file(place / "encoder" / "weights.safetensors")
    found = values(extract(place, mode="reference"))
    images, order = batch_of(place), torch.randperm(ROWS, generator=torch.Generator().manual_seed(0))
    expected = torch.empty(ROWS, 8)
    with torch.no_grad():
        for batch in order.split(5):
            expected[batch] = an_encoder().body.train()(images[batch])
    np.testing.assert_allclose(found, expected.numpy(), atol=2e-3)
    assert np.abs(found - values(extract(place, into="eval"))).max() > 0.1
    assert sha256_file(place / "encoder" / "weights.safetensors") == before


def test_reference_mode_touches_no_running_statistics() -> None:
    encoder = an_encoder()
    before = {name: tensor.clone() for name, tensor in encoder.body.state_dict().items()}
    output_network(encoder, "head:simclr", "reference")(torch.randn(4, 3, 8, 8))
    assert all(torch.equal(tensor, before[name]) for name, tensor in encoder.body.state_dict().items())


def test_reference_mode_refuses_a_single_image_only_where_it_is_a_single_value(place: Path) -> None:
    """A last batch of one image has statistics over its places, unless the network leaves it one place."""
    assert np.isfinite(values(extract(place, mode="reference", batch_size=11))).all()
    options = {"widths": [4, 8, 8, 8], "strides": [2, 2, 2, 2]}
    save_encoder(place / "encoder", untrained_encoder("small-convnet", options, 0, RGB))
    with pytest.raises(UserError, match="choose another batch size"):
        extract(place, mode="reference", batch_size=11, into="one-place")
    assert not list((place / "one-place").glob("*.npy"))


def test_reference_mode_drops_as_in_training_and_gives_the_same_bytes_twice(
    place: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def with_dropout(encoder: Encoder, output: str, mode: Mode) -> torch.nn.Module:
        network = torch.nn.Sequential(encoder.body, torch.nn.Dropout(0.5))
        return network.train(mode == "reference")

    monkeypatch.setattr("clusterprobe.features.extract.output_network", with_dropout)
    found = [values(extract(place, 2, mode="reference", into=name)) for name in "ab"]
    assert 0.3 < (found[0] == 0).mean() < 0.7
    np.testing.assert_array_equal(*found)


@pytest.mark.parametrize("cut", ["off-centre", "random"])
def test_images_are_cut_as_asked_row_by_row(place: Path, cut: Cut) -> None:
    ids = read_manifest(place / "manifests" / "train.parquet").ids
    files = [next((place / "images" / "train").rglob(Path(name).name)) for name in ids]
    inputs = [CUTS[cut](RGB, Image.open(file), row) for row, file in enumerate(files)]
    with torch.inference_mode():
        expected = an_encoder().body.eval()(RGB.normalise(torch.from_numpy(np.stack(inputs))))
    np.testing.assert_allclose(values(extract(place, 2, cut=cut)), expected.numpy(), atol=2e-3)


def test_eval_mode_does_not_depend_on_the_batch_size(place: Path) -> None:
    one, many = (values(extract(place, batch_size=size, into=str(size))) for size in (1, 64))
    np.testing.assert_allclose(one, many, atol=2e-3)


def test_views_of_an_image_are_rows_one_after_the_other(place: Path) -> None:
    """Against one image and one view at a time, and whatever the shards and batches."""
    views = AugmentedViews(3, [{"name": "flip"}, {"name": "gaussian-noise", "sigma": 0.2}], seed=4)
    whole = values(extract(place, views=views))
    assert whole.shape == (3 * ROWS, 8)
    body = an_encoder().body.eval()
    files = batch_of(place) * torch.tensor(RGB.std).view(-1, 1, 1) + torch.tensor(RGB.mean).view(-1, 1, 1)
    pixels = (files * 255).round().to(torch.uint8)
    with torch.inference_mode():
        for row in range(ROWS):
            for view, look in enumerate(views.looks(RGB, pixels[row : row + 1], row)):
                np.testing.assert_allclose(whole[3 * row + view], body(look)[0].numpy(), atol=2e-3)
    np.testing.assert_array_equal(values(extract(place, shards=4, into="four", views=views)), whole)
    other = values(extract(place, into="other", views=views, batch_size=8))
    np.testing.assert_allclose(other, whole, atol=2e-3)


def test_crops_of_an_image_are_rows_one_after_the_other(place: Path) -> None:
    """Against Pillow, one crop at a time, and whatever the shards and batches."""
    whole = values(extract(place, cut="ten-crops"))
    assert whole.shape == (10 * ROWS, 8)
    body = an_encoder().body.eval()
    ids = read_manifest(place / "manifests" / "train.parquet").ids
    with torch.inference_mode():
        for row in (0, 4, 5, ROWS - 1):
            image = Image.open(next((place / "images" / "train").rglob(Path(ids[row]).name)))
            image = image.resize((9, int(9 * 12 / 10)), Image.Resampling.BILINEAR)
            for crop, (left, top) in enumerate([(0, 0), (1, 0), (0, 2), (1, 2), (0, 1)]):
                cut = image.crop((left, top, left + 8, top + 8))
                pair = [cut, cut.transpose(Image.Transpose.FLIP_LEFT_RIGHT)]
                pixels = torch.from_numpy(np.stack([np.asarray(each) for each in pair]).transpose(0, 3, 1, 2))
                expected = body(RGB.normalise(pixels)).numpy()
                np.testing.assert_allclose(whole[[10 * row + crop, 10 * row + crop + 5]], expected, atol=2e-3)
    np.testing.assert_array_equal(values(extract(place, shards=4, into="four", cut="ten-crops")), whole)
    other = values(extract(place, into="other", cut="ten-crops", batch_size=40))
    np.testing.assert_allclose(other, whole, atol=2e-3)


@pytest.fixture
def mixed(place: Path) -> Path:
    """The same folder with images of many sizes and modes."""
    random = np.random.default_rng(1)
    for row, path in enumerate(sorted((place / "images" / "train").rglob("*.png"))):
        height, width = random.integers(4, 40, 2)
        values = random.integers(0, 256, (height, width, 4), dtype=np.uint8)
        Image.fromarray(values, "RGBA").convert(("RGB", "L", "P", "RGBA", "LA")[row % 5]).save(path)
    indexed = index_dataset({"kind": "folder", "splits": {"train": str(place / "images" / "train")}}, "tiny")
    write_split(place / "manifests", indexed, "train")
    return place


@pytest.fixture
def cut_on_device(monkeypatch: pytest.MonkeyPatch) -> list[int]:
    """The sizes of the batches that the device cut, which here is the CPU."""
    counts: list[int] = []
    cut = Parts.cut_on

    def counted(parts: Parts, device: torch.device) -> torch.Tensor:
        found = cut(parts, device)
        counts.append(len(found))
        return found

    monkeypatch.setattr(Parts, "cut_on", counted)
    monkeypatch.setattr("clusterprobe.features.execution.ACCELERATORS", ("cpu",))
    return counts


@pytest.mark.parametrize("mode", ["eval", "reference"])
def test_images_resized_on_the_device_give_the_same_bytes(
    mixed: Path, cut_on_device: list[int], mode: Mode
) -> None:
    """Whatever the number of shards and workers."""
    expected = values(extract(mixed, into="pillow", mode=mode))
    assert cut_on_device == []
    whole = extract(mixed, into="whole", mode=mode, resize="device")
    assert sum(cut_on_device) == ROWS
    np.testing.assert_array_equal(values(whole), expected)
    parts = extract(mixed, 3, into="parts", mode=mode, resize="device", workers=2)
    np.testing.assert_array_equal(values(parts), expected)


def test_views_of_images_resized_on_the_device_are_the_same(mixed: Path, cut_on_device: list[int]) -> None:
    views = AugmentedViews(2, [{"name": "flip"}], seed=4)
    expected = values(extract(mixed, into="pillow", views=views))
    np.testing.assert_array_equal(values(extract(mixed, views=views, resize="device")), expected)
    assert sum(cut_on_device) == ROWS


@pytest.mark.parametrize("cut", ["off-centre", "random", "ten-crops"])
def test_other_cuts_stay_with_the_workers(place: Path, cut_on_device: list[int], cut: Cut) -> None:
    expected = values(extract(place, into="pillow", cut=cut))
    np.testing.assert_array_equal(values(extract(place, cut=cut, resize="device")), expected)
    assert cut_on_device == []


def test_choices_for_a_gpu_do_not_count_on_a_cpu(place: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def loaded(name: str) -> None:
        raise AssertionError(f"{name} was loaded")

    monkeypatch.setattr("clusterprobe.features.execution.import_module", loaded)
    expected = sha256_file(extract(place, into="without")[0])
    assert sha256_file(extract(place, resize="device", compiled=True)[0]) == expected


@pytest.mark.parametrize("workers", [0, 1])
def test_bad_images_are_named_where_the_device_resizes(
    place: Path, cut_on_device: list[int], workers: int
) -> None:
    changed = place / "images" / "train" / "b" / "07.png"
    Image.new("RGB", (12, 10)).save(changed)
    with pytest.raises(UserError, match=r"07\.png changed since it was indexed"):
        extract(place, workers=workers, resize="device")
    whole = (place / "images" / "train" / "a" / "00.png").read_bytes()
    changed.write_bytes(whole[: len(whole) // 2])
    definition = {"kind": "folder", "splits": {"train": str(place / "images" / "train")}, "verify": "header"}
    write_split(place / "manifests", index_dataset(definition, "tiny"), "train")
    with pytest.raises(UserError, match=r"07\.png: cannot be decoded"):
        extract(place, workers=workers, resize="device")


def a_compiler(monkeypatch: pytest.MonkeyPatch) -> list[int]:
    """Let networks be compiled on a CPU, to what they are; returns the sizes of batches that ran so."""
    counts: list[int] = []

    def compile_it(network: torch.nn.Module, dynamic: bool) -> Any:
        return lambda images: counts.append(len(images)) or network(images)

    monkeypatch.setattr(torch, "compile", compile_it)
    monkeypatch.setattr("clusterprobe.features.execution.ACCELERATORS", ("cpu",))
    return counts


def test_full_batches_run_compiled_whatever_the_shards(place: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    expected = values(extract(place, into="without"))
    counts = a_compiler(monkeypatch)
    np.testing.assert_array_equal(values(extract(place, into="whole", compiled=True)), expected)
    assert counts == [5] * 4
    np.testing.assert_array_equal(values(extract(place, 2, into="parts", compiled=True)), expected)
    assert set(counts) == {5}


@pytest.mark.parametrize("changes", [{"mode": "reference"}, {"output": "layer:0"}])
def test_training_mode_and_layers_are_not_compiled(
    place: Path, monkeypatch: pytest.MonkeyPatch, changes: dict[str, str]
) -> None:
    counts = a_compiler(monkeypatch)
    extract(place, compiled=True, **changes)
    assert counts == []


def test_what_only_gpus_use_is_no_part_of_the_code_of_an_extraction() -> None:
    """Else an edit of it would extract everything anew, though the features would be the same."""
    modules = import_closure({"clusterprobe.features.extract"})
    assert "clusterprobe.features.execution" in modules
    optional = {f"clusterprobe.features.{name}" for name in ("device_resize", "resampling", "compiled")}
    assert not modules & optional


def test_network_left_in_training_mode_is_refused(place: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(
        "clusterprobe.features.extract.output_network", lambda encoder, *_: encoder.body.train()
    )
    with pytest.raises(RuntimeError, match="training mode"):
        extract(place)


def test_features_that_are_not_finite_name_the_image(place: Path) -> None:
    encoder = an_encoder()
    with torch.no_grad():
        encoder.body.network[0].weight.fill_(3e38)  # overflows in the sum
    save_encoder(place / "encoder", encoder)
    first = read_manifest(place / "manifests" / "train.parquet").ids[0]
    with pytest.raises(UserError, match=f"are not finite, first '{first}'"):
        extract(place)
    assert not list((place / "features").rglob("*"))


@pytest.mark.parametrize("workers", [0, 1])
def test_image_that_changed_since_indexing_is_named(place: Path, workers: int) -> None:
    changed = place / "images" / "train" / "b" / "07.png"
    Image.new("RGB", (12, 10)).save(changed)
    with pytest.raises(UserError, match=r"07\.png") as caught:
        extract(place, workers=workers)
    assert "Traceback" not in str(caught.value)


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"output": "head:simcrl"}, "did you mean 'head:simclr'"),
        ({"output": "layer3"}, "has no output 'layer3'"),
        ({"split": "val"}, "no split 'val'"),
    ],
)
def test_unknown_outputs_and_splits_are_named(place: Path, changes: dict[str, str], message: str) -> None:
    with pytest.raises(UserError, match=message):
        extract(place, **changes)


def test_missing_gpu_is_named(place: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(torch.cuda, "is_available", lambda: False)
    with pytest.raises(UserError, match="sees no GPU"):
        extract(place, device="cuda")


def test_more_shards_than_images_leave_some_empty(place: Path) -> None:
    paths = extract(place, shards=ROWS + 2)
    assert FeatureMatrix.open(paths).shape == (ROWS, 8)
    assert np.array_equal(values(paths), values(extract(place, into="whole")))


@pytest.mark.parametrize(("rows", "shards"), [(0, 1), (1, 1), (10, 3), (7, 7), (3, 8), (1281167, 64)])
def test_shards_are_contiguous_and_balanced(rows: int, shards: int) -> None:
    ranges = [shard_range(rows, shard, shards) for shard in range(shards)]
    assert ranges[0][0] == 0
    assert ranges[-1][1] == rows
    assert all(first == last for (_, last), (first, _) in itertools.pairwise(ranges))
    sizes = {last - first for first, last in ranges}
    assert max(sizes) - min(sizes) <= 1


@pytest.mark.parametrize("shard", [-1, 3])
def test_shard_that_does_not_exist_is_refused(shard: int) -> None:
    with pytest.raises(ValueError, match="does not exist"):
        shard_range(10, shard, 3)


@pytest.mark.gpu
@pytest.mark.skipif(not torch.cuda.is_available(), reason="needs a CUDA device")
def test_gpu_features_are_close_to_those_of_the_cpu(place: Path) -> None:
    on_gpu, on_cpu = (values(extract(place, device=device, into=device)) for device in ("cuda", "cpu"))
    np.testing.assert_allclose(on_gpu, on_cpu, atol=0.05)
