"""ResNets of any width against a slow second writing of them, and full-size networks by name and shape."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from numpy_resnets import HaikuVariables, SimclrVariables, resnet

from clusterprobe.config.errors import UserError
from clusterprobe.encoders.architectures import Body, build
from clusterprobe.encoders.checkpoints import convert_checkpoint
from clusterprobe.encoders.foreign_worker import write_arrays
from clusterprobe.encoders.preprocessing import Preprocessing

SIZE = 72  # 36, 18, 9 and 5 pixels: strides meet even and odd sides
IMAGES = np.random.default_rng(0).normal(size=(2, SIZE, SIZE, 3)).astype(np.float32)
PREPROCESSING = Preprocessing.from_dict({"size": SIZE, "mean": [0.0] * 3, "std": [1.0] * 3})


def features(body: Body, images: np.ndarray = IMAGES) -> np.ndarray:
    with torch.inference_mode():
        found: np.ndarray = body(torch.from_numpy(images).permute(0, 3, 1, 2)).numpy()
    return found


def simclr_file(path: Path, variables: SimclrVariables, **others: np.ndarray) -> Path:
    write_arrays(path, (variables.arrays | others).items())
    return path


@pytest.mark.parametrize(
    ("depth", "width", "selective"),
    [
        (50, 1, False),
        (50, 2, False),
        (50, 1, True),
        pytest.param(101, 2, True, marks=pytest.mark.slow),
    ],
)
def test_features_of_simclr_checkpoints_are_those_of_the_source(
    tmp_path: Path, depth: int, width: int, selective: bool
) -> None:
    variables = SimclrVariables(seed=depth + width)
    expected = resnet(IMAGES, variables, depth, 8 * width, selective=selective)
    options = {
        "depth": depth,
        "width": width,
        "selective_kernels": selective,
        "base": 8,
        "padding": "same-pool",
    }
    encoder = convert_checkpoint(
        simclr_file(tmp_path / "a.npz", variables),
        "wide-resnet",
        options,
        PREPROCESSING,
        written_by="tensorflow",
    )
    found = features(encoder.body)
    assert found.shape == (2, 32 * 8 * width)
    np.testing.assert_allclose(found, expected, atol=1e-5 * np.abs(expected).max(), rtol=0)


def test_paddings_of_torch_are_not_those_of_simclr() -> None:
    """The max-pool of TensorFlow pads at the end only: torchvision's network is not the same function."""
    body = build("wide-resnet", {"base": 8, "padding": "same-pool"}).eval()
    plain = build("wide-resnet", {"base": 8}).eval()
    plain.network.load_state_dict(body.network.state_dict())
    assert np.abs(features(body) - features(plain)).max() > 0.01


def test_symmetric_padding_is_torchvision() -> None:
    torchvision = build("torchvision:resnet50", {}).eval()
    wide = build("wide-resnet", {}).eval()
    wide.network.load_state_dict(torchvision.network.state_dict())
    np.testing.assert_allclose(features(wide), features(torchvision), atol=1e-5)


def test_moving_average_beside_the_weights_is_taken_by_name(tmp_path: Path) -> None:
    first, second = SimclrVariables(1), SimclrVariables(2, "ema_model/base_model/")
    expected = {
        "base_model/": resnet(IMAGES, first, 50, 4),
        "ema_model/base_model/": resnet(IMAGES, second, 50, 4),
    }
    head = {
        f"head_contrastive/nl_0/batch_normalization/{name}": np.ones(3, np.float32) for name in ("gamma",)
    }
    path = simclr_file(tmp_path / "a.npz", first, **second.arrays, **head)
    options = {"base": 4, "padding": "same-pool"}
    for prefix in (None, "base_model/", "ema_model/base_model/"):
        arguments = {"written_by": "tensorflow", "prefix": prefix}
        encoder = convert_checkpoint(path, "wide-resnet", options, PREPROCESSING, **arguments)
        reference = expected[prefix or "base_model/"]
        np.testing.assert_allclose(features(encoder.body), reference, atol=1e-5 * np.abs(reference).max())


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"depth": 101}, r"tensors missing"),
        ({"selective_kernels": True}, r"missing|another shape"),
        ({"base": 8}, r"of another shape"),
    ],
)
def test_numbers_of_another_network_do_not_fit(tmp_path: Path, change: dict[str, Any], message: str) -> None:
    variables = SimclrVariables(1)
    resnet(IMAGES, variables, 50, 4)
    options = {"base": 4, "padding": "same-pool", **change}
    with pytest.raises(UserError, match=message):
        convert_checkpoint(
            simclr_file(tmp_path / "a.npz", variables),
            "wide-resnet",
            options,
            PREPROCESSING,
            written_by="tensorflow",
        )


def test_a_deeper_network_leaves_numbers_over(tmp_path: Path) -> None:
    variables = SimclrVariables(1)
    resnet(IMAGES, variables, 50, 4)
    extra = {"base_model/conv2d_53/kernel": np.ones((1, 1, 4, 4), np.float32)}
    with pytest.raises(UserError, match=r"neither .*base_model/conv2d_53\.kernel"):
        convert_checkpoint(
            simclr_file(tmp_path / "a.npz", variables, **extra),
            "wide-resnet",
            {"base": 4, "padding": "same-pool"},
            PREPROCESSING,
            written_by="tensorflow",
        )


def haiku_arrays(variables: HaikuVariables, copy: str) -> dict[str, np.ndarray]:
    """What the worker makes of a training state: arrays by path, integers left out."""
    place = f"experiment_state/{copy}"
    arrays = {f"{place}_params/{module}/{name}": value for module, name, value in leaves(variables.params)}
    arrays |= {f"{place}_state/{module}/{name}": value for module, name, value in leaves(variables.state)}
    return arrays


def leaves(tree: dict[str, dict[str, Any]]) -> list[tuple[str, str, Any]]:
    return [
        (module, name, value)
        for module, values in tree.items()
        for name, value in values.items()
        if value.dtype.kind == "f"
    ]


@pytest.mark.parametrize(("depth", "width"), [(50, 1), (50, 2)])
def test_features_of_byol_checkpoints_are_those_of_the_source(tmp_path: Path, depth: int, width: int) -> None:
    online, target = HaikuVariables(3), HaikuVariables(4)
    expected = resnet(IMAGES, online, depth, 4 * width, fixed=False)
    resnet(IMAGES, target, depth, 4 * width, fixed=False)
    heads = {
        f"experiment_state/online_params/{module}/linear/w": np.ones((3, 3), np.float32)
        for module in ("projector", "predictor")
    }
    arrays = haiku_arrays(online, "online") | haiku_arrays(target, "target") | heads
    write_arrays(tmp_path / "a.npz", arrays.items())
    options = {"depth": depth, "width": width, "base": 4, "padding": "same"}
    encoder = convert_checkpoint(
        tmp_path / "a.npz", "wide-resnet", options, PREPROCESSING, written_by="haiku"
    )
    assert encoder.record.source["prefix"] == "experiment_state/online/"
    np.testing.assert_allclose(features(encoder.body), expected, atol=1e-5 * np.abs(expected).max(), rtol=0)


PARAMETERS = {  # in millions, as the table of SimCLRv2 prints them, a linear classifier included
    (50, 1, False): 24, (50, 1, True): 35, (50, 2, False): 94, (50, 2, True): 140,
    (101, 1, True): 65, (152, 1, False): 58, (152, 1, True): 89, (152, 2, True): 354, (152, 3, True): 795,
}  # fmt: skip


@pytest.mark.parametrize("network", PARAMETERS)
def test_full_size_networks_have_the_published_number_of_parameters(network: tuple[int, int, bool]) -> None:
    depth, width, selective = network
    with torch.device("meta"):
        body = build("wide-resnet", {"depth": depth, "width": width, "selective_kernels": selective})
    assert body.width == 2048 * width
    count = sum(parameter.numel() for parameter in body.parameters())
    assert PARAMETERS[network] - 3 < count / 1e6 < PARAMETERS[network] + 1


def test_names_are_those_of_torchvision() -> None:
    with torch.device("meta"):
        ours, theirs = (
            build(name, {}).network.state_dict() for name in ("wide-resnet", "torchvision:resnet50")
        )
    assert {name: tensor.shape for name, tensor in ours.items()} == {
        name: tensor.shape for name, tensor in theirs.items()
    }


@pytest.mark.parametrize("options", [{"depth": 18}, {"padding": "valid"}, {"widths": [2]}])
def test_unknown_options_are_refused(options: dict[str, Any]) -> None:
    with pytest.raises(UserError, match="do not fit"):
        build("wide-resnet", options)
