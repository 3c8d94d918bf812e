"""Encoders on disk: exact, deterministic, and refused when anything disagrees."""

from __future__ import annotations

import json
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
import torch
from safetensors.torch import save

from clusterprobe.config.errors import UserError
from clusterprobe.encoders.canonical import (
    Encoder,
    HeadRecord,
    load_encoder,
    save_encoder,
    untrained_encoder,
)
from clusterprobe.encoders.heads import build_head
from clusterprobe.encoders.preprocessing import Preprocessing
from clusterprobe.store import hashing

GREY = Preprocessing.from_dict({"size": 8, "channels": 1, "mean": [0.5], "std": [0.5]})
IMAGES = torch.randn(4, 1, 8, 8, generator=torch.Generator().manual_seed(0))


def an_encoder(seed: int = 0, head: bool = False) -> Encoder:
    encoder = untrained_encoder("small-convnet", {"channels": 1, "widths": [4, 8]}, seed, GREY)
    if not head:
        return encoder
    heads = {"simclr": HeadRecord("mlp", {"dimensions": 3})}
    torch.manual_seed(seed)
    return Encoder(
        replace(encoder.record, heads=heads),
        encoder.body,
        {"simclr": build_head("mlp", {"dimensions": 3}, 8)},
    )


def edit_record(folder: Path, **changes: Any) -> None:
    path = folder / "encoder.json"
    path.write_text(json.dumps(json.loads(path.read_text()) | changes))


def replace_weights(folder: Path, tensors: dict[str, torch.Tensor]) -> None:
    data = save(tensors)
    (folder / "weights.safetensors").write_bytes(data)
    edit_record(folder, weights_sha256=hashing.sha256_bytes(data))


@pytest.mark.parametrize("head", [False, True])
def test_round_trip_gives_the_same_features_in_eval_mode(tmp_path: Path, head: bool) -> None:
    encoder = an_encoder(seed=3, head=head)
    encoder.body.train()(IMAGES)  # moves the running statistics
    save_encoder(tmp_path / "e", encoder)
    loaded = load_encoder(tmp_path / "e")
    assert not any(module.training for module in [*loaded.body.modules(), *loaded.heads.values()])
    features = encoder.body.eval()(IMAGES)
    assert torch.equal(loaded.body(IMAGES), features)
    assert sorted(loaded.heads) == sorted(encoder.heads)
    for name in loaded.heads:
        assert torch.equal(loaded.heads[name](features), encoder.heads[name](features))
    assert loaded.record.preprocessing == GREY
    assert loaded.record.source == {"kind": "untrained", "seed": 3}


def test_record_follows_the_documented_form(tmp_path: Path) -> None:
    save_encoder(tmp_path, an_encoder())
    record = json.loads((tmp_path / "encoder.json").read_text())
    assert sorted(record) == [
        "architecture",
        "licence",
        "preprocessing",
        "seen",
        "source",
        "weights_sha256",
        "width",
    ]
    assert record["weights_sha256"] == hashing.sha256_file(tmp_path / "weights.safetensors")
    assert record["architecture"]["options"] == {"channels": 1, "widths": [4, 8]}


def test_same_tensors_give_the_same_bytes(tmp_path: Path) -> None:
    for name in ("a", "b"):
        save_encoder(tmp_path / name, an_encoder(head=True))
    files = ("weights.safetensors", "heads.safetensors", "encoder.json")
    for file in files:
        assert (tmp_path / "a" / file).read_bytes() == (tmp_path / "b" / file).read_bytes()
    assert sorted(path.name for path in (tmp_path / "a").iterdir()) == sorted(files)


def test_memory_format_does_not_change_the_bytes(tmp_path: Path) -> None:
    encoder = an_encoder()
    save_encoder(tmp_path / "a", encoder)
    encoder.body.to(memory_format=torch.channels_last)
    save_encoder(tmp_path / "b", encoder)
    assert hashing.sha256_file(tmp_path / "a/weights.safetensors") == hashing.sha256_file(
        tmp_path / "b/weights.safetensors"
    )


def test_encoder_without_weights_round_trips(tmp_path: Path) -> None:
    save_encoder(tmp_path, untrained_encoder("pixels", {"size": 8, "channels": 1}, 0, GREY))
    assert load_encoder(tmp_path).body(IMAGES).shape == (4, 64)


def test_interrupted_overwrite_leaves_no_record(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    save_encoder(tmp_path, an_encoder(seed=0))

    def fail(*_: object) -> None:
        raise KeyboardInterrupt

    monkeypatch.setattr("clusterprobe.encoders.canonical.write_json", fail)
    with pytest.raises(KeyboardInterrupt):
        save_encoder(tmp_path, an_encoder(seed=1))
    with pytest.raises(UserError, match="holds no encoder"):
        load_encoder(tmp_path)


def test_heads_of_an_earlier_encoder_are_removed(tmp_path: Path) -> None:
    save_encoder(tmp_path, an_encoder(head=True))
    save_encoder(tmp_path, an_encoder())
    assert not (tmp_path / "heads.safetensors").exists()


def test_weights_that_are_not_those_of_the_record_are_refused(tmp_path: Path) -> None:
    save_encoder(tmp_path, an_encoder())
    data = bytearray((tmp_path / "weights.safetensors").read_bytes())
    data[-1] ^= 1
    (tmp_path / "weights.safetensors").write_bytes(data)
    with pytest.raises(UserError, match="the hash differs"):
        load_encoder(tmp_path)


def test_missing_unexpected_and_misshapen_tensors_are_named(tmp_path: Path) -> None:
    encoder = an_encoder()
    save_encoder(tmp_path, encoder)
    tensors = dict(encoder.body.network.state_dict())
    replace_weights(tmp_path, {name: tensor for name, tensor in tensors.items() if name != "3.weight"})
    with pytest.raises(UserError, match=r"3\.weight is missing"):
        load_encoder(tmp_path)
    replace_weights(tmp_path, {**tensors, "fc.weight": torch.ones(2)})
    with pytest.raises(UserError, match=r"fc\.weight is unexpected"):
        load_encoder(tmp_path)
    replace_weights(tmp_path, {**tensors, "1.bias": torch.ones(5)})
    with pytest.raises(UserError, match=r"1\.bias is float32 \[5\], must be float32 \[4\]"):
        load_encoder(tmp_path)
    replace_weights(tmp_path, {**tensors, "1.bias": torch.ones(4, dtype=torch.float16)})
    with pytest.raises(UserError, match=r"float16"):
        load_encoder(tmp_path)


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"width": 9}, "width 9, but the architecture gives 8"),
        ({"seen": "everything"}, "must be one of"),
        ({"wdith": 8}, "unknown keys"),
        ({"architecture": {"options": {}}}, "not complete"),
        ({"architecture": {"name": "small-convet", "options": {}}}, "did you mean"),
        ({"preprocessing": {"size": 8}}, "preprocessing"),
    ],
)
def test_damaged_records_are_refused(tmp_path: Path, changes: dict[str, Any], message: str) -> None:
    save_encoder(tmp_path, an_encoder())
    edit_record(tmp_path, **changes)
    with pytest.raises(UserError, match=message):
        load_encoder(tmp_path)


def test_missing_files_are_named(tmp_path: Path) -> None:
    with pytest.raises(UserError, match="holds no encoder"):
        load_encoder(tmp_path)
    save_encoder(tmp_path, an_encoder())
    (tmp_path / "weights.safetensors").unlink()
    with pytest.raises(UserError, match="is missing"):
        load_encoder(tmp_path)


def test_loading_leaves_the_global_generator_untouched(tmp_path: Path) -> None:
    save_encoder(tmp_path, an_encoder(head=True))
    before = torch.get_rng_state()
    load_encoder(tmp_path)
    assert torch.equal(torch.get_rng_state(), before)
