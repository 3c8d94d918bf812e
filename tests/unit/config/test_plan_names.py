"""Names on the plan: each entry of the configuration keeps its own, and no two things share an id."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from clusterprobe.config.cells import readable_names
from clusterprobe.config.errors import UserError
from clusterprobe.config.loading import load_config, read_yaml
from clusterprobe.config.plan import make_plan
from clusterprobe.config.planned import Plan
from clusterprobe.config.targets import galleries, unused_encoders

VALUES = read_yaml(Path("config/config.yaml"))
SIMCLR = VALUES["encoders"]["simclr"] | {"title": "further"}
FILE = {
    "kind": "file",
    "architecture": {"name": "torchvision:resnet18"},
    "preprocessing": VALUES["encoders"]["pixels"]["preprocessing"],
    "url": "https://example.org/net.pth",
}


def _plan(*encoders: str, more: dict[str, Any] | None = None, **changes: Any) -> Plan:
    """The default experiment with more encoders, of which some are clustered by k-means."""
    groups = [{"method": "kmeans", "encoders": list(encoders)}]
    values = VALUES | {"encoders": VALUES["encoders"] | (more or {}), "clusterings": groups, "probes": []}
    return make_plan(load_config(values | {"report": {}} | changes, Path("config")))


def _set(*names: str, **keys: Any) -> dict[str, Any]:
    """An experiment on several data sets that only their place tells apart."""
    sets = {name: {"kind": "folder", "path": f"images/{number}"} | keys for number, name in enumerate(names)}
    return {"datasets": sets, "fit": list(names), "transfer": {}}


def test_purity_goes_by_the_entry_that_is_clustered() -> None:
    head = VALUES["encoders"]["simclr"] | {"title": "head of SimCLR", "output": "head:0"}
    plan = _plan("simclr", "simclr-head", more={"simclr-head": head})
    names = readable_names(plan)
    assert [names[mined.id]["encoder"] for mined in plan.purity.values()] == ["simclr", "head of SimCLR"]


@pytest.mark.parametrize("names", [("犬", "猫"), ("a_b", "a-b"), ("a.b", "a-b"), ("A", "a")])
def test_data_sets_that_files_could_not_tell_apart_are_refused(names: tuple[str, str]) -> None:
    with pytest.raises(UserError, match=f"datasets: '{names[0]}' and '{names[1]}' .* a to z"):
        _plan("pixels", **_set(*names))


def test_names_outside_ascii_are_fine_where_they_differ_otherwise() -> None:
    plan = _plan("pixels", **_set("犬-1", "犬-2"))
    assert len(plan.datasets) == 2
    assert plan.dataset("犬-2").definition.path == "images/1"


@pytest.mark.parametrize(
    "places",
    [({"path": "a.pth"}, {"path": "b.pth"}), ({}, {"path": "b.pth"}), ({"parts": [".1"]}, {"parts": [".2"]})],
)
def test_other_files_of_one_origin_need_their_hashes(places: tuple[Any, Any]) -> None:
    more = {name: FILE | place for name, place in zip(("ma", "mb"), places, strict=True)}
    with pytest.raises(UserError, match=r"encoders.mb: .*'ma'.*`sha256`"):
        _plan("ma", "mb", more=more)
    pinned = {name: more[name] | {"sha256": digit * 64} for name, digit in (("ma", "0"), ("mb", "1"))}
    assert [run.encoder for run in _plan("ma", "mb", more=pinned).runs.values()] == ["ma", "mb"]


def test_one_file_at_two_places_is_one_encoder() -> None:
    more = {"ma": FILE | {"path": "a.pth"}, "mb": FILE | {"path": "b.pth", "output": "layer:2"}}
    pinned = {name: entry | {"sha256": "0" * 64} for name, entry in more.items()}
    plan = _plan("ma", "mb", more=pinned)
    assert len(plan.encoders) == 1
    assert [run.encoder for run in plan.runs.values()] == ["ma", "mb"]


def test_a_value_of_an_ablation_may_be_the_default_one() -> None:
    more = {"simclr-0.5": VALUES["encoders"]["simclr"] | {"title": "simclr"}}
    groups = [{"method": "kmeans", "encoders": ["simclr"]}]
    groups.append({"method": "kmeans", "variant": "temperature-0.5", "encoders": ["simclr-0.5"]})
    assert [run.variant for run in _plan(more=more, clusterings=groups).runs.values()] == ["default"]


def test_kmeans_on_an_encoder_that_goes_on_from_another_has_its_own_row() -> None:
    further = SIMCLR | {"start": "simclr"}
    head = further | {"output": "head:0", "title": "further, head"}
    plan = _plan("simclr", "further", "head", more={"further": further, "head": head})
    assert [run.encoder for run in plan.runs.values()] == ["simclr", "further", "head"]
    assert [run.network for run in plan.runs.values()] == ["simclr", "further", "head"]


def test_a_head_stands_in_the_row_of_its_pretext_by_the_name_that_it_was_given() -> None:
    first = {"pretext": VALUES["encoders"]["simclr"] | {"output": "head:0"}}
    groups = [{"method": "kmeans", "encoders": ["pretext"]}, {"method": "scan", "encoders": ["scan"]}]
    plan = _plan(more=first, clusterings=groups)
    rows = [(run.method, run.encoder, run.network) for run in plan.runs.values()]
    assert rows == [("kmeans", "pretext", "pretext"), ("scan", "simclr", "scan")]


def test_a_second_output_of_one_training_has_its_gallery() -> None:
    further = SIMCLR | {"start": "simclr"}
    more = {"b": further, "c": further | {"output": "head:0", "title": "c"}}
    plan = _plan("b", "c", more=more, report={"galleries": ["c"]})
    assert [run.encoder for run in galleries(plan)] == ["c"]


def test_encoders_that_nothing_asks_for_are_known() -> None:
    groups = [{"method": "selflabel", "encoders": ["selflabel"]}]
    plan = _plan(clusterings=groups, probes=[{"method": "knn", "encoders": ["random"]}])
    assert unused_encoders(plan) == ["pixels", "mmdc", "sela", "npid-cld"]
    assert unused_encoders(make_plan(load_config(VALUES, Path("config")))) == []
