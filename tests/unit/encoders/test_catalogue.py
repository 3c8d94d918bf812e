"""The catalogue: complete, readable at once, and true of the networks at full size."""

from __future__ import annotations

import csv
import json
import subprocess
import sys
from pathlib import Path

import pytest
import torch

from clusterprobe.config.encoders import FileEncoder
from clusterprobe.config.errors import UserError
from clusterprobe.config.loading import load_config
from clusterprobe.config.plan import make_plan
from clusterprobe.config.publications import UnavailableEncoder
from clusterprobe.config.published_encoders import read_catalogue
from clusterprobe.encoders.architectures import build
from clusterprobe.encoders.preprocessing import Preprocessing

PATH = Path("config/encoders.yaml")
CATALOGUE = read_catalogue(PATH)
FILES = {name: entry for name, entry in CATALOGUE.items() if isinstance(entry, FileEncoder)}
PUBLISHED = Path("src/clusterprobe/report/published/kmeans_ssl.csv")


def experiment(**encoders: object) -> dict[str, object]:
    return {
        "name": "one",
        "datasets": {"digits": {"kind": "digits"}},
        "fit": ["digits"],
        "encoders": encoders,
        "clusterings": [{"method": "kmeans"}],
    }


def printed(table: str, what: str) -> dict[str, float]:
    """Linear accuracies that the paper prints, by its name of the method."""
    with PUBLISHED.open(encoding="utf-8") as handle:
        rows = [
            row for row in csv.DictReader(handle) if row["table"] == table and row["metric"].startswith(what)
        ]
    return {row["method"]: float(row["mean"]) for row in rows if row["mean"]}


TABLE_2 = {
    "MoCo v2 (ResNet-50)": "moco-v2-800",
    "InfoMin (ResNet-50)": "infomin-resnet-50",
    "SwAV (ResNet-50)": "swav",
    "SimCLRv2 (ResNet-50)": "simclr-v2-resnet-50",
    "BigBiGAN (RevNet-50 4× )": "bigbigan-revnet-50-4x",
    "InfoMin (ResNeXt-152)": "infomin-resnext-152",
    "SimCLRv2 (ResNet-152, SK)": "simclr-v2-resnet-152-sk",
    "SimCLRv2 (ResNet-152 3× , SK)": "simclr-v2-resnet-152-3x-sk",
    "ResNet-152 (supervised)": "supervised-resnet-152",
    "IG-ResNeXt-101 32× 48d (supervised)": "ig-resnext-101-32x48d",
    "EfficientNet-L2 (supervised)": "efficientnet-l2",
}


def test_every_encoder_of_table_2_is_there_with_its_accuracy() -> None:
    accuracies = printed("Table 2", "linear top-1")
    clustered = {name for name in accuracies if "over" not in name and "Self-label" not in name}
    assert clustered == set(TABLE_2)
    for row, name in TABLE_2.items():
        linear = CATALOGUE[name].linear
        assert linear is not None
        assert linear.top1 == accuracies[row]


def test_every_method_of_table_1_has_a_row() -> None:
    methods = {name.split(" (")[0] for name in printed("Table 1", "linear top-1")}
    renamed = {"Self-Label": "SeLa", "Clustering from pretext": "SCAN"}
    assert {renamed.get(method, method) for method in methods} <= {
        entry.method for entry in CATALOGUE.values()
    }
    assert len(methods) > 10


def test_every_entry_says_what_a_reader_asks() -> None:
    for name, entry in CATALOGUE.items():
        assert entry.title, name
        assert entry.method, name
        assert entry.network, name
        if isinstance(entry, FileEncoder):
            assert entry.seen != "nothing", name
            assert entry.feature is not None, name
            assert entry.licence or entry.method == "BigBiGAN", name
            assert entry.url is None or entry.url.startswith("https://"), name
            assert entry.url or entry.page, name
    titles = [entry.title for entry in CATALOGUE.values()]
    assert len(set(titles)) == len(titles)


def test_rows_without_a_file_give_the_reason_and_cannot_be_used() -> None:
    missing = {name: entry for name, entry in CATALOGUE.items() if isinstance(entry, UnavailableEncoder)}
    assert {"cpc-v2", "amdim", "igpt"} <= set(missing)
    for name, entry in missing.items():
        with pytest.raises(UserError, match=f"encoders.{name}: .*{entry.reason[:20]}".replace("(", r"\(")):
            load_config(experiment(**{name: None}), Path("config"))


def test_ids_are_distinct_and_stay_when_a_file_is_got_by_hand() -> None:
    plan = make_plan(load_config(experiment(**dict.fromkeys(FILES)), Path("config")))
    ids = {encoder.name: encoder.id for encoder in plan.encoders.values()}
    assert set(ids) == set(FILES), "no two entries share an id"
    for name in ("infomin-resnet-50", "cld"):
        by_hand = load_config(experiment(**{name: {"path": "/somewhere/file.pth"}}), Path("config"))
        (encoder,) = make_plan(by_hand).encoders.values()
        assert encoder.id == ids[name]
        assert encoder.definition.path == "/somewhere/file.pth"  # type: ignore[union-attr]


def test_whole_catalogue_is_read_without_torch_and_at_once() -> None:
    code = """
import sys, time, json
from pathlib import Path
from clusterprobe.config.published_encoders import read_catalogue
start = time.process_time()
count = len(read_catalogue(Path("config/encoders.yaml")))
print(json.dumps([count, time.process_time() - start, sorted({"torch", "numpy", "timm"} & set(sys.modules))]))
"""
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    count, seconds, heavy = json.loads(done.stdout)
    assert count == len(CATALOGUE)
    assert seconds < 2
    assert heavy == []


def networks() -> list[str]:
    """One entry for each network at full size; SavedModels bring their own."""
    found = {str(entry.architecture): name for name, entry in FILES.items() if entry.layout != "saved-model"}
    return list(found.values())


@pytest.mark.parametrize("name", networks())
def test_full_size_network_has_the_width_and_the_pooling_of_its_entry(name: str) -> None:
    entry = FILES[name]
    with torch.device("meta"):
        body = build(entry.architecture.name, entry.architecture.options)
    assert entry.feature is not None
    assert (body.width, body.pooling) == (entry.feature.width, entry.feature.pooling)
    preprocessing = Preprocessing.from_dict(entry.preprocessing.resolved())
    images = torch.zeros(1, 3, preprocessing.size, preprocessing.size, device="meta")
    assert body.eval()(images).shape == (1, entry.feature.width)


# Tensors by name and shape as the publishers' files hold them, a few of each network.
SHAPES: dict[str, dict[str, tuple[int, ...]]] = {
    "moco-v2-800": {"conv1.weight": (64, 3, 7, 7), "layer4.2.conv3.weight": (2048, 512, 1, 1)},
    "infomin-resnext-152": {"layer1.0.conv2.weight": (128, 4, 3, 3), "layer3.35.bn3.weight": (1024,)},
    "ig-resnext-101-32x48d": {"layer1.0.conv2.weight": (1536, 48, 3, 3), "layer3.22.bn3.weight": (1024,)},
    "supervised-resnet-152": {"conv1.0.weight": (64, 3, 3, 3), "conv1.6.weight": (128, 64, 3, 3)},
    "efficientnet-l2": {"conv_stem.weight": (136, 3, 3, 3), "conv_head.weight": (5504, 1376, 1, 1)},
    "moco-v3-vit-small": {"pos_embed": (1, 197, 384), "blocks.11.attn.qkv.weight": (1152, 384)},
    "dino-vit-small-8": {"pos_embed": (1, 785, 384), "patch_embed.proj.weight": (384, 3, 8, 8)},
    "dinov2-vit-giant": {"blocks.39.mlp.fc1.weight": (8192, 1536), "blocks.39.mlp.fc2.weight": (1536, 4096)},
    "dinov2-vit-base": {"pos_embed": (1, 257, 768), "blocks.0.ls1.gamma": (768,)},
    "mae-vit-huge": {"pos_embed": (1, 257, 1280), "norm.weight": (1280,)},
    "swav-5x": {"conv1.weight": (320, 3, 7, 7), "layer4.2.bn3.weight": (10240,)},
    "vicreg-resnet-200-2x": {"conv1.weight": (128, 3, 7, 7), "layer2.23.bn3.weight": (1024,)},
    "simclr-v2-resnet-152-3x-sk": {
        "conv1.6.weight": (192, 96, 3, 3),
        "layer4.2.conv2.mix.weight": (3072, 96, 1, 1),
    },
}


@pytest.mark.parametrize("name", SHAPES)
def test_full_size_network_has_the_published_names_and_shapes(name: str) -> None:
    entry = FILES[name]
    with torch.device("meta"):
        tensors = build(entry.architecture.name, entry.architecture.options).network.state_dict()
    assert {key: tuple(tensors[key].shape) for key in SHAPES[name]} == SHAPES[name]
    assert not [key for key in tensors if key.startswith(("fc.", "classifier.", "head."))]


def test_small_vit_of_moco_v3_has_twelve_heads() -> None:
    """Six heads fit the same tensors and give other features."""
    heads = {}
    for name in ("moco-v3-vit-small", "dino-vit-small-16", "msn-vit-small"):
        architecture = FILES[name].architecture
        with torch.device("meta"):
            network = build(architecture.name, architecture.options).network
        heads[name] = network.blocks[0].attn.num_heads  # type: ignore[union-attr,index,operator]
    assert heads == {"moco-v3-vit-small": 12, "dino-vit-small-16": 6, "msn-vit-small": 6}


@pytest.mark.parametrize(
    ("place", "slug", "origin"),
    [
        ({"url": "https://x/a/swav_800ep.pth.tar"}, "swav_800ep", "https://x/a/swav_800ep.pth.tar"),
        ({"url": "https://x/r50/model.ckpt-1", "parts": [".index"]}, "r50", "https://x/r50/model.ckpt-1"),
        ({"page": "https://x", "file": "MoCo.pth"}, "MoCo", "https://x#MoCo.pth"),
        ({"page": "https://x", "file": "MoCo.pth", "path": "/a/b.pth"}, "MoCo", "https://x#MoCo.pth"),
        ({"path": "/a/b.pth"}, "b", "/a/b.pth"),
    ],
)
def test_id_says_where_a_file_comes_from(place: dict[str, object], slug: str, origin: str) -> None:
    entry = FileEncoder.model_validate({**MINIMAL, **place})
    assert (entry.slug, entry.origin) == (slug, origin)


MINIMAL = {
    "kind": "file",
    "architecture": {"name": "pixels"},
    "preprocessing": {"size": 8, "mean": [0.0] * 3, "std": [1.0] * 3},
}


@pytest.mark.parametrize("place", [{}, {"page": "https://x"}, {"file": "a.pth"}])
def test_entry_must_say_where_its_file_is(place: dict[str, str]) -> None:
    with pytest.raises(ValueError, match="say where the file is"):
        FileEncoder.model_validate({**MINIMAL, **place})


def test_what_the_published_code_took_is_in_the_catalogue_and_is_something_else() -> None:
    """Batches of 32 for InfoMin's ResNet-50; other weights of MoCo v2; the latent of BigBiGAN."""
    said = {name: entry.published.model_dump(exclude_defaults=True) for name, entry in FILES.items()}
    assert {name: taken for name, taken in said.items() if taken} == {
        "infomin-resnet-50": {"batch_size": 32},
        "moco-v2-800": {"other_weights": "moco-v2-pycontrast"},
        "bigbigan-revnet-50-4x": {"other_output": "bigbigan-revnet-50-4x-latent"},
    }
    weights, latent = FILES["moco-v2-pycontrast"], FILES["bigbigan-revnet-50-4x-latent"]
    assert weights.linear is not None
    assert weights.linear.top1 == 67.5
    assert latent.feature is not None
    assert latent.feature.width == 120
