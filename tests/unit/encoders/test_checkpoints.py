"""Conversion: the body is found wherever it lies, and nothing that does not fit gets through."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
import torch
from safetensors.torch import save_file

from clusterprobe.config.errors import UserError
from clusterprobe.encoders.architectures import Body, initialise
from clusterprobe.encoders.canonical import Encoder, load_encoder, save_encoder
from clusterprobe.encoders.checkpoints import convert_checkpoint
from clusterprobe.encoders.preprocessing import Preprocessing

RGB = Preprocessing.from_dict({"size": 16, "mean": [0.5] * 3, "std": [0.5] * 3})
SMALL: tuple[str, dict[str, Any]] = ("small-convnet", {"widths": [4, 8]})
Weights = dict[str, torch.Tensor]


def trained(name: str = SMALL[0], options: dict[str, Any] = SMALL[1], seed: int = 7) -> Body:
    """A body whose BatchNorm statistics have moved."""
    body = initialise(name, options, seed)
    body.train()(torch.randn(8, 3, 16, 16, generator=torch.Generator().manual_seed(seed)))
    return body.eval()


def weights(body: Body, prefix: str = "") -> Weights:
    return {prefix + name: tensor.clone() for name, tensor in body.network.state_dict().items()}


def convert(path: Path, content: object, **changes: Any) -> Encoder:
    torch.save(content, path)
    arguments = {"architecture": SMALL[0], "options": SMALL[1], "preprocessing": RGB, **changes}
    return convert_checkpoint(path, **arguments)


def assert_same_features(encoder: Encoder, body: Body) -> None:
    images = torch.randn(4, 3, 16, 16, generator=torch.Generator().manual_seed(1))
    with torch.inference_mode():
        torch.testing.assert_close(encoder.body(images), body(images), atol=1e-6, rtol=0)


HEAD = {
    "fc.weight": torch.ones(2, 3),
    "fc.0.bias": torch.ones(2),
    "projection_head.0.weight": torch.ones(2, 2),
}


@pytest.mark.parametrize(
    ("wrap", "prefix"),
    [
        (lambda w: w(""), ""),
        (lambda w: w("module."), "module."),
        (lambda w: {**w("module."), "module.prototypes.weight": torch.ones(3, 3)}, "module."),
        (lambda w: {"state_dict": w("module."), "epoch": 3}, "state_dict/module."),
        (lambda w: {"state_dict": w("backbone.")}, "state_dict/backbone."),
        (
            lambda w: {"model": {**w("module.encoder."), "module.head.0.weight": torch.ones(2)}},
            "model/module.encoder.",
        ),
        (lambda w: {"a": {"b": {"trunk": w("_feature_blocks.")}}}, "a/b/trunk/_feature_blocks."),
        (lambda w: {**w(""), **HEAD}, ""),
        (
            lambda w: {
                "state_dict": {
                    **w("module.encoder_q."),
                    "module.queue": torch.ones(9),
                    "module.queue_ptr": torch.ones(1),
                },
                "optimizer": {"state": {0: {"momentum_buffer": torch.ones(3)}}},
            },
            "state_dict/module.encoder_q.",
        ),
    ],
)
def test_body_is_found_under_every_container_and_prefix(tmp_path: Path, wrap: Any, prefix: str) -> None:
    body = trained()
    encoder = convert(tmp_path / "a.pth", wrap(lambda place: weights(body, place)))
    assert encoder.record.source["prefix"] == prefix
    assert_same_features(encoder, body)


def test_resnet_of_moco_converts_and_survives_the_canonical_form(tmp_path: Path) -> None:
    body = trained("torchvision:resnet18", {})
    query = weights(body, "module.encoder_q.") | {"module.encoder_q.fc.0.weight": torch.ones(4, 4)}
    key = weights(trained("torchvision:resnet18", {}, seed=8), "module.encoder_k.")
    content = {"state_dict": {**query, **key, "module.encoder_k.fc.0.weight": torch.ones(4, 4)}}
    encoder = convert(tmp_path / "a.pth", content, architecture="torchvision:resnet18", options={})
    assert_same_features(encoder, body)
    save_encoder(tmp_path / "e", encoder)
    assert_same_features(load_encoder(tmp_path / "e"), body)


def test_numbered_children_of_a_resnet_convert(tmp_path: Path) -> None:
    body = trained("torchvision:resnet18", {})
    children = torch.nn.Sequential(*list(body.network.children())[:-1])
    encoder = convert(
        tmp_path / "a.pth", children.state_dict(), architecture="torchvision:resnet18", options={}
    )
    assert encoder.record.source["layout"] == "numbered children of a ResNet"
    assert_same_features(encoder, body)


def test_vision_transformer_converts(tmp_path: Path) -> None:
    name, options = "timm:test_vit", {"img_size": 16, "patch_size": 8}
    body = initialise(name, options, 3).eval()
    content = {
        "teacher": weights(body, "module.backbone.") | {"module.head.last_layer.weight": torch.ones(2)}
    }
    assert_same_features(convert(tmp_path / "a.pth", content, architecture=name, options=options), body)


def test_safetensors_convert_and_the_record_says_where_from(tmp_path: Path) -> None:
    body = trained()
    save_file(weights(body, "encoder."), tmp_path / "a.safetensors")
    encoder = convert_checkpoint(
        tmp_path / "a.safetensors", *SMALL, RGB, source={"url": "https://x/a"}, licence="MIT", seen="labels"
    )
    assert_same_features(encoder, body)
    record = encoder.record
    assert (record.width, record.licence, record.seen) == (8, "MIT", "labels")
    assert record.source["url"] == "https://x/a"
    assert len(record.source["sha256"]) == 64


def test_batch_counts_may_be_missing_and_half_precision_is_widened(tmp_path: Path) -> None:
    body = trained()
    content = {name: tensor for name, tensor in weights(body).items() if "num_batches" not in name}
    assert_same_features(convert(tmp_path / "a.pth", content), body)
    for dtype in (torch.float16, torch.bfloat16, torch.float64):
        low = {name: tensor.to(dtype) for name, tensor in content.items()}
        encoder = convert(tmp_path / "b.pth", low)
        body.network.load_state_dict(low, strict=False)
        assert_same_features(encoder, body)


def test_one_of_several_copies_is_taken_by_name_never_by_chance(tmp_path: Path) -> None:
    first, second = trained(seed=1), trained(seed=2)
    both = {"student": weights(first, "module."), "teacher": weights(second, "module.")}
    assert_same_features(convert(tmp_path / "a.pth", both), second)
    unnamed = {"model": weights(first), "model_ema": weights(second)}
    with pytest.raises(UserError, match=r"several networks that fit .* 'model/', 'model_ema/'"):
        convert(tmp_path / "b.pth", unnamed)
    assert_same_features(convert(tmp_path / "b.pth", unnamed, prefix="model_ema/"), second)
    assert_same_features(convert(tmp_path / "b.pth", unnamed, ignore=["model_ema/"]), first)
    same = {"model": weights(first), "copy": weights(first)}
    assert_same_features(convert(tmp_path / "c.pth", same), first)


def changed(**values: Any) -> Weights:
    return weights(trained()) | {name.replace("__", "."): value for name, value in values.items()}


def without(name: str) -> Weights:
    return {key: value for key, value in weights(trained()).items() if key != name}


@pytest.mark.parametrize(
    ("content", "message"),
    [
        (without("3.weight"), r"1 tensors missing: 3\.weight"),
        (
            {f"m.{k}": v for k, v in without("1.running_var").items()},
            r"prefix 'm\.'.*missing: m\.1\.running_var",
        ),
        (weights(trained(options={"widths": [4, 9]})), r"5 tensors of another shape: 3\.weight"),
        ({"decoder.kernel": torch.ones(3)}, r"no name of the architecture occurs .*decoder\.kernel"),
        (changed(**{"3__attention": torch.ones(2)}), r"1 tensors belong neither .*3\.attention"),
        (changed(**{"3__fc__weight": torch.ones(2)}), r"1 tensors belong neither .*3\.fc\.weight"),
        (weights(trained(options={"widths": [4, 8, 8]})), r"6 tensors belong neither .* 6\.weight"),
        (changed(**{"0__weight": torch.ones(4, 3, 3, 3, dtype=torch.int8)}), r"0\.weight is int8"),
        (changed(**{"0__weight": torch.full((4, 3, 3, 3), torch.nan)}), "not finite"),
        (
            changed(**{"1__bias": torch.tensor([0, 0, torch.inf, 0])}),
            r"1\.bias holds values that are not finite",
        ),
        (changed(**{"3__weight": torch.zeros(8, 4, 3, 3)}), r"3\.weight is all zero"),
        (changed(**{"1__running_var": torch.zeros(4)}), r"1\.running_var is all zero"),
        (changed(**{"0__weight": torch.ones(4, 3, 3, 3, dtype=torch.complex64)}), r"complex64"),
    ],
)
def test_every_wrong_network_has_its_own_error(tmp_path: Path, content: Weights, message: str) -> None:
    with pytest.raises(UserError, match=message):
        convert(tmp_path / "a.pth", content)


def test_deeper_network_never_passes_for_a_shallower_one(tmp_path: Path) -> None:
    deeper = weights(initialise("torchvision:resnet34", {}, 0))
    with pytest.raises(UserError, match=r"layer1\.2\.conv1\.weight.*choose the architecture"):
        convert(tmp_path / "a.pth", deeper, architecture="torchvision:resnet18", options={})


def test_ignored_names_may_stand_beside_the_body(tmp_path: Path) -> None:
    content = changed(decoder__0=torch.ones(2), decoder__1=torch.ones(2))
    with pytest.raises(UserError, match="2 tensors belong neither"):
        convert(tmp_path / "a.pth", content)
    assert_same_features(convert(tmp_path / "a.pth", content, ignore=["decoder."]), trained())


def test_wrong_prefix_shows_what_is_missing_there(tmp_path: Path) -> None:
    with pytest.raises(UserError, match=r"prefix 'encoder\.'"):
        convert(tmp_path / "a.pth", weights(trained()), prefix="encoder.")


def test_images_must_fit_the_body(tmp_path: Path) -> None:
    grey = Preprocessing.from_dict({"size": 16, "channels": 1, "mean": [0.5], "std": [0.5]})
    with pytest.raises(UserError, match=r"does not take images of shape \[1, 16, 16\]"):
        convert(tmp_path / "a.pth", weights(trained()), preprocessing=grey)


def test_network_without_weights_needs_no_checkpoint(tmp_path: Path) -> None:
    with pytest.raises(UserError, match="has no weights"):
        convert(tmp_path / "a.pth", weights(trained()), architecture="pixels", options={"size": 16})
