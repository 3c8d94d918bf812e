"""Twelve files that are not the checkpoint of a ResNet-18: each is refused with a sentence of its own."""

from __future__ import annotations

import io
import os
import pickle
import re
import zipfile
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import torch

from clusterprobe.config.errors import UserError
from clusterprobe.encoders.architectures import initialise
from clusterprobe.encoders.checkpoints import convert_checkpoint
from clusterprobe.encoders.preprocessing import Preprocessing

ARCHITECTURE = "torchvision:resnet18"
PREPROCESSING = Preprocessing.from_dict({"size": 32, "mean": [0.5] * 3, "std": [0.5] * 3})
Weights = dict[str, torch.Tensor]
LAYER = "layer2.0.conv1.weight"


def weights(architecture: str = ARCHITECTURE) -> Weights:
    return dict(initialise(architecture, {}, seed=1).network.state_dict())


def saved(content: object) -> bytes:
    buffer = io.BytesIO()
    torch.save(content, buffer)
    return buffer.getvalue()


def state(**changes: Any) -> bytes:
    """The right file but for some tensors; None takes one away."""
    named = {name.replace("__", "."): value for name, value in changes.items()}
    changed = {name: value for name, value in (weights() | named).items() if value is not None}
    return saved({"state_dict": changed})


def archive_of_archives() -> bytes:
    buffer = io.BytesIO()
    with zipfile.ZipFile(buffer, "w") as archive:
        archive.writestr("resnet18.zip", saved(weights()))
    return buffer.getvalue()


class Attack:
    """Makes a folder when it is unpickled."""

    def __reduce__(self) -> tuple[Any, ...]:
        return os.mkdir, ("was-here",)


WRONG: dict[str, tuple[Callable[[], bytes], str]] = {
    "truncated": (lambda: state()[:-1000], "is cut off or damaged"),
    "empty": (lambda: b"", "is empty: delete it"),
    "HTML page": (lambda: b"<!doctype html><title>Sign in</title>", "is a web page"),
    "archive of archives": (archive_of_archives, r"is a zip archive of other files \(resnet18\.zip\)"),
    "other architecture": (
        lambda: saved({"state_dict": weights("torchvision:resnet50")}),
        rf"holds no {ARCHITECTURE}, but another architecture: .*of another shape: .*unexpected: ",
    ),
    "missing layer": (
        lambda: state(layer2__0__conv1__weight=None),
        rf"holds no {ARCHITECTURE}: the best place .* where 1 tensors missing: state_dict/{LAYER}$",
    ),
    "extra layer": (
        lambda: state(layer2__0__attention__weight=torch.ones(2)),
        r"1 tensors belong neither .*: state_dict/layer2\.0\.attention\.weight",
    ),
    "wrong shape": (
        lambda: state(layer2__0__conv1__weight=torch.ones(128, 64, 5, 5)),
        rf"holds no {ARCHITECTURE}: .* where 1 tensors of another shape: state_dict/{LAYER}",
    ),
    "wrong dtype": (
        lambda: state(layer2__0__conv1__weight=torch.ones(128, 64, 3, 3, dtype=torch.int8)),
        rf"state_dict/{LAYER} is int8, not plain floating point",
    ),
    "all-zero tensor": (
        lambda: state(layer2__0__conv1__weight=torch.zeros(128, 64, 3, 3)),
        rf"state_dict/{LAYER} is all zero",
    ),
    "pickle with code": (
        lambda: pickle.dumps({"state_dict": weights(), "extra": Attack()}),
        r"refused: contains code \((torch\._utils|posix\.mkdir)",
    ),
    "state dict under an unknown key": (
        lambda: saved({"weights_of_the_net": weights()}),
        "under the prefix 'state_dict/', but under 'weights_of_the_net/'",
    ),
}


def refusal(path: Path, kind: str) -> str:
    make, _ = WRONG[kind]
    path.write_bytes(make())
    with pytest.raises(UserError) as caught:
        convert_checkpoint(path, ARCHITECTURE, {}, PREPROCESSING, prefix="state_dict/")
    return str(caught.value)


@pytest.mark.parametrize("kind", WRONG)
def test_wrong_file_is_refused_by_its_own_sentence(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, kind: str
) -> None:
    monkeypatch.chdir(tmp_path)
    message = refusal(tmp_path / "model.pth", kind)
    assert [other for other, (_, sentence) in WRONG.items() if re.search(sentence, message)] == [kind], (
        message
    )
    assert str(tmp_path / "model.pth") in message
    assert not (tmp_path / "was-here").exists()


def test_there_are_twelve() -> None:
    assert len(WRONG) == 12


def test_the_right_file_passes(tmp_path: Path) -> None:
    (tmp_path / "model.pth").write_bytes(state())
    convert_checkpoint(tmp_path / "model.pth", ARCHITECTURE, {}, PREPROCESSING, prefix="state_dict/")
