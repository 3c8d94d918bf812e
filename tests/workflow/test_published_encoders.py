"""Entries of the catalogue in real DAGs: got by hand, written by another library, and all of them at once."""

from __future__ import annotations

import pickle
import sys
from pathlib import Path
from typing import Any

import numpy as np
import yaml
from project import PREPROCESSING, Project, small_experiment

from clusterprobe.config.encoders import FileEncoder
from clusterprobe.config.published_encoders import read_catalogue
from clusterprobe.encoders.isolated import VARIABLE

PICTURES = {"pictures": {"kind": "folder", "path": "images"}}
CONVERT = ("--until", "convert_checkpoint")
ENTRY: dict[str, Any] = {
    "kind": "file",
    "page": "https://example.org/files",
    "file": "state.pkl",
    "layout": "haiku",
    "architecture": {"name": "wide-resnet", "options": {"base": 2, "padding": "same"}},
    "preprocessing": PREPROCESSING,
}


def training_state() -> dict[str, Any]:
    """Arrays as BYOL nests them, with the shapes of a network with a stem of two channels."""
    from clusterprobe.encoders.architectures import initialise

    params: dict[str, dict[str, Any]] = {}
    state: dict[str, dict[str, Any]] = {}
    for name, tensor in initialise("wide-resnet", {"base": 2}, 0).network.state_dict().items():
        layer, _, part = name.rpartition(".")
        if part == "num_batches_tracked":
            continue
        module = f"res_net50/~/{haiku_name(layer)}"
        value = tensor.numpy()
        if part == "weight" and value.ndim == 4:
            params[module] = {"w": value.transpose(2, 3, 1, 0)}
        elif part in ("weight", "bias"):
            params.setdefault(module, {})["scale" if part == "weight" else "offset"] = value
        else:
            average = {"running_mean": "mean_ema", "running_var": "var_ema"}[part]
            state[f"{module}/~/{average}"] = {"average": value, "counter": np.int32(3)}
    return {"online_params": params, "online_state": state}


def haiku_name(layer: str) -> str:
    words = layer.split(".")
    if len(words) == 1:
        return {"conv1": "initial_conv", "bn1": "initial_batchnorm"}[layer]
    block = f"block_group_{int(words[0][-1]) - 1}/~/block_{words[1]}/~/"
    if words[2] == "downsample":
        return block + ("shortcut_conv", "shortcut_batchnorm")[int(words[3])]
    kind = "conv" if words[2].startswith("conv") else "batchnorm"
    return f"{block}{kind}_{int(words[2][-1]) - 1}"


def project_with(folder: Path, entry: dict[str, Any], override: dict[str, Any]) -> Project:
    project = Project.create(folder, small_experiment("theirs", PICTURES, encoders={"theirs": override}))
    (project.folder / "config" / "encoders.yaml").write_text(yaml.safe_dump({"theirs": entry}), "utf-8")
    return project


def test_file_of_haiku_goes_through_an_environment_of_its_own(tmp_path: Path) -> None:
    """The catalogue names a page, the experiment the path; arrays are unpacked by a rule, then converted."""
    (tmp_path / "state.pkl").write_bytes(pickle.dumps(training_state(), protocol=2))
    project = project_with(tmp_path / "project", ENTRY, {"path": str(tmp_path / "state.pkl")})
    failed = project.run(*CONVERT, ok=False)
    assert "environment of its own" in failed.text
    assert "docs/encoders.md" in failed.text
    project.run(*CONVERT, **{VARIABLE: sys.executable})
    assert project.found("data/checkpoints/state-*.npz")
    assert project.found("data/encoders/state-*/weights.safetensors")
    assert not project.jobs(*CONVERT), "nothing is left to do"


def test_file_that_a_person_must_get_names_the_page(tmp_path: Path) -> None:
    project = project_with(tmp_path / "project", ENTRY, {})
    failed = project.run(*CONVERT, ok=False)
    assert "get state.pkl by hand from https://example.org/files and set `path` to it" in failed.text


def test_plan_of_the_whole_catalogue_asks_for_no_file(tmp_path: Path) -> None:
    catalogue = read_catalogue(Path("config/encoders.yaml"))
    names = [name for name, entry in catalogue.items() if isinstance(entry, FileEncoder)]
    values = small_experiment("all", PICTURES, encoders=dict.fromkeys(names))
    project = Project.create(tmp_path / "project", values)
    jobs = project.jobs()
    assert jobs["fetch_checkpoint"] == jobs["convert_checkpoint"] == len(names)
    foreign = [name for name in names if catalogue[name].layout in ("tensorflow", "haiku")]
    assert jobs["unpack_checkpoint"] == len(foreign)
    assert not project.found("data/**/*")
