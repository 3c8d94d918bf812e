from __future__ import annotations

import copy
import math
from collections.abc import Callable
from contextlib import nullcontext
from pathlib import Path
from typing import Any

import pytest

from clusterprobe.config.errors import UserError
from clusterprobe.config.loading import load_config, read_yaml
from clusterprobe.objectives.loading import load_objective, objective_names
from clusterprobe.train.objective import needed_by

PREPROCESSING = {"size": 8, "channels": 1, "mean": [0.0], "std": [1.0]}
VALUES: dict[str, Any] = {
    "name": "tiny",
    "datasets": {
        "digits": {"kind": "digits"},
        "mine": {"kind": "folder", "path": "images"},
        "field": {"kind": "folder", "splits": {"test": "images"}},
        "shifted": {"kind": "shifted", "source": "digits", "label_map": "digits_to_shifted"},
    },
    "fit": ["digits"],
    "encoders": {"pixels": {"kind": "pixels", "preprocessing": PREPROCESSING}},
    "clusterings": [{"method": "kmeans"}],
}


def _with(change: Callable[[dict[str, Any]], object]) -> dict[str, Any]:
    values = copy.deepcopy(VALUES)
    change(values)
    return values


def test_the_default_configuration_loads() -> None:
    config = load_config(read_yaml(Path("config/config.yaml")), Path("config"))
    assert config.name == "digits"


@pytest.mark.parametrize(
    ("change", "message"),
    [
        (lambda v: v.update(sede=3), r"sede: unknown key \(value 3\); did you mean 'seeds'"),
        (lambda v: v.update(seeds="many"), r"seeds: .*valid integer.*\(value 'many'\)"),
        (lambda v: v.update(seeds=0), r"seeds: .*greater than or equal to 1 \(value 0\)"),
        (lambda v: v.pop("fit"), "fit: this key is required"),
        (
            lambda v: v["datasets"]["digits"].update(test_fracton=1),
            "datasets.digits.test_fracton: .*'test_fraction'",
        ),
        (
            lambda v: v["datasets"]["mine"].update(test_fracton=1),
            "datasets.mine.test_fracton: .*'test_fraction'",
        ),
        (lambda v: v["datasets"]["digits"].update(kind="digit"), "datasets.digits: .*did you mean 'digits'"),
        (lambda v: v["datasets"]["mine"].pop("path"), "datasets.mine: .*give either `path`"),
        (lambda v: v["encoders"]["pixels"]["preprocessing"].update(sise=8), "preprocessing.sise: .*'size'"),
        (
            lambda v: v["clusterings"][0].update(method="kmean"),
            "clusterings.0.method: .*did you mean 'kmeans'",
        ),
        (
            lambda v: v["clusterings"][0].update(encoders=["pixel"]),
            "'pixel' is not defined; did you mean 'pixels'",
        ),
        (lambda v: v.update(fit=["digit"]), "fit: 'digit' is not defined; did you mean 'digits'"),
        (lambda v: v.update(encoders={"moco": None}), r"encoders.moco: not in encoders\.yaml"),
        (lambda v: v.update(datasets={"digis": None}), r"datasets.digis: not in .*did you mean 'digits'"),
        (lambda v: v.update(name="My Name"), r"name: .*pattern.*\(value 'My Name'\)"),
        (lambda v: v["datasets"].update({"../up": {"kind": "digits"}}), "may hold only letters"),
        (
            lambda v: v.update(transfer={"digits": [{"dataset": "shiftd", "label_map": "provided"}]}),
            "'shifted'",
        ),
        (lambda v: v.update(neighbours={"k": 5, "purity_at": [10]}), "purity_at 10 exceeds k 5"),
        (
            lambda v: v.update(report={"tables": ["clusterin"]}),
            "report.tables: 'clusterin' is not defined; did you mean 'clustering'",
        ),
        (
            lambda v: v.update(report={"figures": ["k-swep"]}),
            "report.figures: 'k-swep' is not defined; did you mean 'k-sweep'",
        ),
        (lambda v: v.update(fit=["field"]), "fit: field has no train split, only test"),
        (
            lambda v: v.update(probes=[{"method": "knn", "datasets": ["field"]}]),
            "probes.0.datasets: field has no train split, only test",
        ),
        (
            lambda v: v["datasets"]["shifted"].update(label_map="digits_to_shifed"),
            "datasets.shifted.label_map: 'digits_to_shifed' is not defined; did you mean 'digits_to_shifted'",
        ),
        (
            lambda v: v["datasets"]["shifted"].update(split="tset"),
            "datasets.shifted.split: 'tset' is not defined; did you mean 'test'",
        ),
        (
            lambda v: v.update(transfer={"digits": [{"dataset": "field", "label_map": "same-nams"}]}),
            "transfer.digits.field.label_map: 'same-nams' is not defined; did you mean 'same-names'",
        ),
    ],
)
def test_every_mistake_names_key_value_and_choice(
    change: Callable[[dict[str, Any]], object], message: str
) -> None:
    with pytest.raises(UserError, match=message):
        load_config(_with(change), Path("config"))


@pytest.mark.parametrize(
    ("values", "message"),
    [
        ({"k": []}, "k: .*at least 1 item"),
        ({"k": [0]}, r"k\.0: .*greater than or equal to 1 \(value 0\)"),
        ({"k": [5, -3]}, r"k\.1: .*greater than or equal to 1 \(value -3\)"),
        ({"factors": []}, "factors: .*at least 1 item"),
        ({"factors": [0]}, r"factors\.0: .*greater than 0 \(value 0\)"),
        ({"factors": [1, -1]}, r"factors\.1: .*greater than 0"),
        ({"factors": [math.nan]}, r"factors\.0: .*\(value nan\)"),
        ({"factors": [math.inf]}, r"factors\.0: .*finite number"),
        ({"reducers": []}, "reducers: .*at least 1 item"),
    ],
)
def test_numbers_of_clusters_that_cannot_be_are_refused(values: dict[str, Any], message: str) -> None:
    with pytest.raises(UserError, match=rf"clusterings\.0\.{message}"):
        load_config(_with(lambda v: v["clusterings"][0].update(values)), Path("config"))


@pytest.mark.parametrize(
    "values", [{"mean": [0.0] * 3}, {"std": []}, {"channels": 3}, {"mean": [0.0] * 3, "std": [1.0] * 3}]
)
def test_mean_and_std_are_given_per_channel(values: dict[str, Any]) -> None:
    wrong = _with(lambda v: v["encoders"]["pixels"]["preprocessing"].update(values))
    with pytest.raises(UserError, match=r"encoders.pixels.preprocessing: .*`mean` and `std` need [13] value"):
        load_config(wrong, Path("config"))


def test_a_label_map_of_ones_own_is_a_file_that_is_there(tmp_path: Path) -> None:
    path = tmp_path / "mine.csv"
    path.write_text("source_class,target_class\n")
    values = _with(lambda v: v.update(transfer={"digits": [{"dataset": "field", "label_map": str(path)}]}))
    assert load_config(values, Path("config")).transfer["digits"][0].label_map == str(path)


@pytest.mark.parametrize(
    ("change", "message"),
    [
        (
            lambda v: v["encoders"]["simclr"]["objective"].update(name="simcrl"),
            "encoders.simclr.objective.name: 'simcrl' is not defined; did you mean 'simclr'",
        ),
        (
            lambda v: v["encoders"]["npid-cld"]["objective"]["options"]["base"].update(name="nipd"),
            "encoders.npid-cld.objective.options.base.name: 'nipd' is not defined; did you mean 'npid'",
        ),
        (
            lambda v: (
                v["datasets"].update(field={"kind": "folder", "splits": {"test": "x"}}),
                v["encoders"]["simclr"].update(trained_on="field"),
            ),
            "encoders.simclr.trained_on: field has no train split, only test",
        ),
        (lambda v: v["encoders"]["scan"].update(start="simcrl"), "encoders.scan.start: 'simcrl'.*'simclr'"),
        (
            lambda v: v["encoders"]["scan"].update(start="selflabel"),
            "scan.start: goes round in a circle: scan",
        ),
        (
            lambda v: v["encoders"]["scan"].update(architecture={"name": "small-convnet", "options": {}}),
            "encoders.scan.architecture: .*small-convnet.* goes on from 'simclr'.*: give it the same",
        ),
        (lambda v: v["clusterings"].append({"method": "scan"}), "name the encoders trained by 'scan'.*scan"),
        (
            lambda v: v["clusterings"].append({"method": "scan", "encoders": ["simclr"]}),
            "'simclr' is not defined; did you mean|'simclr' is not defined; choose one of: scan",
        ),
        (
            lambda v: v["clusterings"].append(
                {"method": "scan", "encoders": ["scan"], "reducers": [{"dims": 3}]}
            ),
            "`reducers` and `options` have no meaning for 'scan'",
        ),
    ],
)
def test_mistakes_around_heads_are_named(change: Callable[[dict[str, Any]], object], message: str) -> None:
    values = read_yaml(Path("config/config.yaml"))
    change(values)
    with pytest.raises(UserError, match=message):
        load_config(values, Path("config"))


@pytest.mark.parametrize("objective", objective_names())
def test_only_those_that_learn_found_labels_may_have_another_architecture_than_their_start(
    objective: str,
) -> None:
    values = read_yaml(Path("config/config.yaml"))
    architecture = {"name": "small-convnet", "options": {"channels": 1, "strides": [1, 1, 1]}}
    values["encoders"]["scan"] |= {"objective": {"name": objective}, "architecture": architecture}
    del values["encoders"]["selflabel"], values["report"]
    values["clusterings"] = [{"method": "kmeans"}]
    fresh = "pseudo_labels" in needed_by(load_objective(objective))
    with nullcontext() if fresh else pytest.raises(UserError, match=r"encoders\.scan\.architecture"):
        load_config(values, Path("config"))


def test_an_empty_entry_comes_from_the_catalogue() -> None:
    config = load_config(_with(lambda v: v.update(datasets={"digits": None})), Path("config"))
    assert config.datasets["digits"] is not None
    assert config.datasets["digits"].kind == "digits"


def test_a_catalogue_entry_with_a_typo_names_the_catalogue(tmp_path: Path) -> None:
    (tmp_path / "datasets.yaml").write_text("digits: {kind: digits, seed: 3}\n")
    with pytest.raises(UserError, match=r"datasets\.yaml, entry digits: seed: unknown key.*'split_seed'"):
        load_config(_with(lambda v: v.update(datasets={"digits": None})), tmp_path)


def test_catalogues_take_paths_from_the_environment(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("CLUSTERPROBE_PICTURES", "/some/where")
    (tmp_path / "datasets.yaml").write_text("pictures: {kind: folder, path: $CLUSTERPROBE_PICTURES/all}\n")
    values = _with(lambda v: v.update(datasets={"pictures": None}, fit=["pictures"]))
    dataset = load_config(values, tmp_path).datasets["pictures"]
    assert dataset is not None
    assert dataset.kind == "folder"
    assert dataset.path == "/some/where/all"


def test_an_environment_variable_that_is_not_set_is_named(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.delenv("CLUSTERPROBE_PICTURES", raising=False)
    (tmp_path / "datasets.yaml").write_text("pictures: {kind: folder, path: $CLUSTERPROBE_PICTURES/all}\n")
    values = _with(lambda v: v.update(datasets={"pictures": None}, fit=["pictures"]))
    with pytest.raises(UserError, match=r"CLUSTERPROBE_PICTURES.*set this environment variable"):
        load_config(values, tmp_path)


def test_broken_yaml_names_file_and_line(tmp_path: Path) -> None:
    (tmp_path / "x.yaml").write_text("name: [1,\nseeds: 2\n")
    with pytest.raises(UserError, match=r"(?s)x\.yaml is not valid YAML.*line 1"):
        read_yaml(tmp_path / "x.yaml")
