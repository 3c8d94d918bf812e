"""Which encoder is taken: by name, the best that is here or can be had, or one trained here."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
import yaml

from clusterprobe.commands.encoder_choice import FOLDER_VARIABLE, choose_encoder, present
from clusterprobe.config.errors import UserError
from clusterprobe.config.loading import load_config
from clusterprobe.config.own_pictures import Request, configuration
from clusterprobe.config.plan import make_plan
from clusterprobe.config.published_encoders import read_catalogue

ENTRY: dict[str, Any] = {
    "kind": "file",
    "method": "M",
    "architecture": {"name": "torchvision:resnet50"},
    "preprocessing": {"size": 64, "mean": [0.5] * 3, "std": [0.5] * 3},
    "licence": "MIT",
    "seen": "same",
}


def entry(network: str, top1: float, **changes: Any) -> dict[str, Any]:
    linear = {"top1": top1, "source": "a paper"}
    name = f"{network}-{top1}".replace("/", "-")
    return ENTRY | {"network": network, "linear": linear, "url": f"https://x.org/{name}.pth"} | changes


CATALOGUE = {
    "fair": entry("ResNet-50", 60.0),
    "good": entry("ResNet-50", 70.0),
    "large": entry("ViT-L/14", 90.0),
    "labels": entry("ResNet-50", 95.0, seen="labels"),
    "gone": {"kind": "unavailable", "method": "gone", "network": "R", "reason": "the disk was lost"},
}


@pytest.fixture
def home(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    (tmp_path / "config").mkdir()
    (tmp_path / "config" / "encoders.yaml").write_text(yaml.safe_dump(CATALOGUE), encoding="utf-8")
    monkeypatch.delenv(FOLDER_VARIABLE, raising=False)
    return tmp_path


def choose(home: Path, wish: str = "auto", *, gpu: bool = False, online: bool = False):
    return choose_encoder(wish, home, [home], 1000, gpu=gpu, reachable=lambda url: online)


def test_without_network_or_file_a_pretext_is_trained_and_its_limits_are_said(home):
    choice = choose(home)
    assert choice.name == "simclr"
    assert choice.entry["kind"] == "trained"
    assert "not what things are called" in choice.why


@pytest.mark.parametrize(("gpu", "name"), [(False, "good"), (True, "large")])
def test_with_a_network_the_best_that_fits_the_machine_is_taken(home, gpu, name):
    choice = choose(home, gpu=gpu, online=True)
    assert choice.name == name
    assert "Licence of the weights: MIT" in choice.why
    assert "as published" in choice.why


def test_a_file_that_is_here_is_taken_before_any_download(home, monkeypatch):
    (home / "ResNet-50-60.0.pth").touch()
    monkeypatch.setenv(FOLDER_VARIABLE, str(home))
    choice = choose(home, gpu=True, online=True)
    assert choice.name == "fair"
    assert choice.entry["path"] == str(home / "ResNet-50-60.0.pth")
    assert f"from {home}" in choice.why


def test_a_file_that_is_named_is_that_of_the_entry_that_is_named(home):
    def choose_with(wish: str, path: Path):
        return choose_encoder(wish, home, [home], 1000, gpu=False, checkpoint=path)

    choice = choose_with("good", home / "mine.pth")
    assert choice.entry["path"] == str(home / "mine.pth")
    assert f"from {home / 'mine.pth'}" in choice.why
    for wish in ("auto", "simclr", "pixels"):
        with pytest.raises(UserError, match="name it by --encoder"):
            choose_with(wish, home / "mine.pth")


def test_a_checkpoint_of_an_earlier_run_is_found_under_the_id_of_its_encoder(home):
    choice = choose(home, "good")
    request = Request(Path("/a"), 100, 3, "kmeans", (choice.name, choice.entry))
    plan = make_plan(load_config(configuration(request), home / "config"))
    [encoder_id] = plan.encoders
    path = home / "data" / "checkpoints" / f"{encoder_id}.bin"
    path.parent.mkdir(parents=True)
    path.touch()
    assert present(read_catalogue(home / "config" / "encoders.yaml")["good"], [home]) == path


def test_names_are_taken_and_wrong_ones_get_the_nearest(home):
    assert choose(home, "pixels").entry["kind"] == "pixels"
    assert choose(home, "simclr").entry["kind"] == "trained"
    assert choose(home, "labels").entry["seen"] == "labels"
    with pytest.raises(UserError, match="'good'"):
        choose(home, "goood")
    with pytest.raises(UserError, match="the disk was lost"):
        choose(home, "gone")


def test_the_shipped_catalogue_has_something_for_every_machine():
    home = Path(__file__).resolve().parents[3]
    for gpu in (False, True):
        choice = choose_encoder("auto", home, [], 1000, gpu=gpu, reachable=lambda url: True)
        assert choice.entry["kind"] == "file"
