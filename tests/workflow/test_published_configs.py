"""Every config/*.yaml that needs data from outside, on generated images laid out like the real ones.

One epoch, one seed, a small network on small images: everything else is as it stands, through to the report.
"""

from __future__ import annotations

import copy
import math
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import pandas as pd
import pytest
from benchmark import FEW, TINY, check_tables, fewer
from layouts import LAYOUTS, write_checkpoint
from project import REPOSITORY, Project

from clusterprobe.config.loading import load_config, read_yaml
from clusterprobe.config.model import Config
from clusterprobe.config.plan import make_plan
from clusterprobe.config.targets import report_targets

EMBEDDED = {"config.yaml", "digits-all.yaml", "digits-attribution.yaml"}
"""Experiments on the digits, which need nothing."""

pytestmark = pytest.mark.timeout(3600)  # a hundred jobs, maybe on a busy machine

CATALOGUES = REPOSITORY / "config"
EXPERIMENTS = sorted(
    path.stem for path in CATALOGUES.glob("*.yaml") if path.name not in EMBEDDED and "name" in read_yaml(path)
)
SMALL = {"name": "small-convnet", "options": {"widths": [8, 12], "strides": [2, 2]}}
SIDE = 24
MANY = 1000
"""From so many clusters of a head on, a hundredth."""


@pytest.fixture(scope="module")
def data(tmp_path_factory: pytest.TempPathFactory) -> dict[str, str]:
    """Every set that there is a generator for, by the variable that says where it is."""
    root = tmp_path_factory.mktemp("data")
    for variable, write in LAYOUTS.items():
        write(root / variable)
    return {variable: str(root / variable) for variable in LAYOUTS}


@pytest.fixture
def loaded(name: str, data: dict[str, str], monkeypatch: pytest.MonkeyPatch) -> Config:
    """The experiment as it stands; a set without a generator in layouts.py is a variable that is not set."""
    for variable, place in data.items():
        monkeypatch.setenv(variable, place)
    return load_config(read_yaml(CATALOGUES / f"{name}.yaml"), CATALOGUES)


def shortened(config: Config, datasets: Any, folder: Path, network: dict[str, Any] | None) -> dict[str, Any]:
    """The experiment with one seed, one epoch, checkpoints in `folder`, and `network` in place of its own."""
    values = config.model_dump(mode="json", exclude_unset=True)
    values |= {"datasets": datasets, "seeds": 1}
    if "purity_at" not in values.get("neighbours", {}):  # or else there are as many images as it asks for
        values["neighbours"] = values.get("neighbours", {}) | {"k": 10, "purity_at": [1, 10]}
    values["compute"] = {"memory_mb": 1500, "batch_size": 32}
    if config.name in FEW:
        values["encoders"] = {name: values["encoders"][name] for name in FEW[config.name]}
    for group in values["clusterings"]:
        group.pop("seeds", None)
        group |= fewer(group) if network is not None else {}
        group |= {"k": [k // 100 if k >= MANY else k for k in group["k"]]} if "k" in group else {}
    for probe in values.get("probes", []):
        if probe["method"] == "linear":
            # A choice takes ten times as long, and some images have nothing to choose on.
            chosen = min(probe.get("fractions", [1])) == 1 and probe.get("crops", 1) == 1
            quick = {"learning_rates": [0.1, 1.0] if chosen else [0.1], "weight_decays": [0.0]}
            probe["options"] = probe.get("options", {}) | quick | {"batch_size": 16}
        if network is not None and probe.get("output", "").startswith("layer:"):
            probe["output"] = "layer:2"  # one that the small network has
    for name, encoder in values["encoders"].items():
        if network is not None:
            encoder["preprocessing"] |= {"size": SIDE, "resize": SIDE + 4}
            encoder |= {"architecture": in_place_of(encoder, network)} if "architecture" in encoder else {}
        if encoder["kind"] == "trained":
            options = encoder["objective"].get("options", {})
            epochs = 2 if options.get("rotation") == "epochs" else 1  # one for each task
            epochs += name.endswith("before-refinement")  # or else it is the training that goes on
            encoder |= {"epochs": epochs, "batch_size": 16}
            encoder |= {"snapshots": {"epochs": [0, 1]}} if encoder.get("snapshots") else {}
            if "groups" in options and not options.get("every_image_a_group"):
                options["groups"] = 5  # of the 16 images of a batch
            if "relabellings" in options:
                options["relabellings"] = math.ceil(options["relabellings"] / 20)
            dimensions = (encoder.get("head") or {}).get("options", {}).get("dimensions", 0)
            if dimensions >= MANY:
                encoder["head"]["options"]["dimensions"] = dimensions // 100
            if "threshold" in options:  # or else nothing is certain after one epoch
                options["threshold"] /= 1000
        if encoder["kind"] == "file":
            values["encoders"][name] = from_folder(encoder, folder / f"{name}.pth.tar")
    return values


def in_place_of(encoder: Mapping[str, Any], network: dict[str, Any]) -> dict[str, Any]:
    """A network for the same images, behind a Sobel filter if the network of the encoder is."""
    options = dict(network["options"])
    if encoder["preprocessing"].get("channels", 3) != 3:
        options["channels"] = encoder["preprocessing"]["channels"]
    if encoder["architecture"].get("options", {}).get("sobel"):
        options["sobel"] = True
    return network | {"options": options}


def from_folder(encoder: Mapping[str, Any], path: Path) -> dict[str, Any]:
    """A published encoder, as a checkpoint of random weights."""
    write_checkpoint(path, {"options": {}} | encoder["architecture"], encoder.get("prefix"))
    kept = ("kind", "title", "seen", "licence", "output", "architecture", "preprocessing", "prefix", "linear")
    kept += ("published",)
    return {key: encoder[key] for key in kept if key in encoder} | {"url": str(path)}


def run(name: str, values: dict[str, Any], folder: Path, data: dict[str, str]) -> Project:
    """Run an experiment to its end."""
    project = Project.create(folder / "project")
    # Generated files have everything of the published ones but their hashes.
    sets = ", ".join(f"torchvision.datasets.{name}" for name in ("cifar", "stl10", "svhn", "utils"))
    unchecked = f"    for module in ({sets}):\n"
    unchecked += "        module.check_integrity = lambda path, md5=None: Path(path).is_file()\n"
    imported = "    import torchvision.datasets\n"
    project.edit(
        "src/clusterprobe/images/torchvision_sets.py",
        lambda text: text.replace(imported, imported + unchecked),
    )
    project.run("--configfile", project.configure(values, name), warm=True, **data)
    return project


@pytest.mark.parametrize("name", EXPERIMENTS)
def test_it_resolves_as_it_stands(loaded: Config) -> None:
    plan = make_plan(loaded)
    assert plan.runs
    assert len(report_targets(plan)) > 10


def run_through(config: Config, folder: Path, data: dict[str, str], datasets: Any, network: Any) -> None:
    name = config.name
    values = shortened(config, datasets, folder, network)
    project = run(name, values, folder, data)
    check_tables(project.folder / f"reports/{name}/tables", name)
    results = pd.read_parquet(project.folder / f"reports/{name}/results.parquet")
    asked = {(group["method"], group.get("variant", "default")) for group in values["clusterings"]}
    found = results[["method", "variant"]].dropna().drop_duplicates()
    assert asked <= set(found.itertuples(index=False, name=None))
    assert (project.folder / f"reports/{name}/report.html").exists()


@pytest.mark.slow
@pytest.mark.parametrize("name", EXPERIMENTS)
def test_it_runs_through(name: str, loaded: Config, data: dict[str, str], tmp_path: Path) -> None:
    datasets = TINY.get(name) or copy.deepcopy(read_yaml(CATALOGUES / f"{name}.yaml")["datasets"])
    if len(loaded.probes) > 5:  # as many extractions
        datasets = {each: (entry or {}) | {"shards": 1} for each, entry in datasets.items()}
    run_through(loaded, tmp_path, data, datasets, SMALL)


@pytest.mark.slow
@pytest.mark.parametrize("name", ["imagenet-50"])
def test_it_runs_through_with_its_own_network(
    name: str, loaded: Config, data: dict[str, str], tmp_path: Path
) -> None:
    run_through(loaded, tmp_path, data, {name: {"limit": {"train": 64, "test": 20}}}, None)
