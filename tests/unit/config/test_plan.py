from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from clusterprobe.config import paths
from clusterprobe.config.cells import (
    objective_modules,
    planned_ids,
    shares_rows,
    training_inputs,
    training_locations,
)
from clusterprobe.config.encoders import Named
from clusterprobe.config.errors import UserError
from clusterprobe.config.loading import load_config, read_yaml
from clusterprobe.config.plan import Plan, make_plan
from clusterprobe.config.planned import PlannedEncoder
from clusterprobe.config.targets import report_targets


def _plan(**changes: Any) -> Plan:
    values = read_yaml(Path("config/config.yaml")) | changes
    return make_plan(load_config(values, Path("config")))


@pytest.fixture(scope="module")
def values() -> dict[str, Any]:
    return read_yaml(Path("config/config.yaml"))


def test_ids_do_not_depend_on_the_order_of_keys_or_on_names_of_the_experiment(values: dict[str, Any]) -> None:
    plan = _plan()
    again = _plan(name="other", encoders=dict(reversed(values["encoders"].items())))
    assert set(plan.runs) == set(again.runs)
    assert set(plan.features) == set(again.features)


def test_one_hyper_parameter_changes_its_chain_only(values: dict[str, Any]) -> None:
    encoders = {name: dict(entry) for name, entry in values["encoders"].items()}
    encoders["simclr"]["epochs"] = 7
    plan, changed = _plan(), _plan(encoders=encoders)
    kept = set(plan.encoders) & set(changed.encoders)
    assert {plan.encoders[key].name for key in kept} == {"pixels", "random", "mmdc", "npid-cld"}
    kept_runs = set(plan.runs) & set(changed.runs)
    assert {plan.runs[key].network for key in kept_runs} == {"pixels", "random", "mmdc"}


def test_heads_go_on_from_the_encoder_of_their_seed_and_tables_show_its_name() -> None:
    run = next(run for run in _plan().runs.values() if run.method == "selflabel")
    for seed, member in enumerate(run.members):
        selflabel = member.features.encoder
        assert selflabel.start is not None
        assert selflabel.start.neighbours is not None
        assert selflabel.start.neighbours.features.encoder == selflabel.root
        assert [(link.name, link.seed) for link in (selflabel, selflabel.start, selflabel.root)] == [
            ("selflabel", seed),
            ("scan", seed),
            ("simclr", seed),
        ]
    assert run.encoder == "simclr"


def test_encoders_that_differ_in_their_output_alone_are_one_training(values: dict[str, Any]) -> None:
    encoders = values["encoders"] | {"simclr-head": values["encoders"]["simclr"] | {"output": "head:0"}}
    names = ["simclr", "simclr-head"]
    groups = [{"method": "kmeans", "encoders": names}]
    probes = [{"method": "knn", "encoders": names}]
    plan = _plan(encoders=encoders, clusterings=groups, probes=probes)
    for found in (plan.runs.values(), plan.probes.values()):
        assert [each.encoder for each in found] == names
        outputs = [{member.features.output for member in each.members} for each in found]
        assert outputs == [{"pooled"}, {"head:0"}]
        trained = [{member.features.encoder.id for member in each.members} for each in found]
        assert trained[0] == trained[1]


def test_an_objective_on_another_one_depends_on_the_code_of_both() -> None:
    alone = Named(name="moco", options={"queue": 8})
    assert objective_modules(alone) == ["clusterprobe.objectives.moco"]
    both = Named(name="cld", options={"groups": 3, "base": {"name": "moco"}})
    assert objective_modules(both) == ["clusterprobe.objectives.cld", "clusterprobe.objectives.moco"]


def test_lloyd_without_traces_shares_its_rows() -> None:
    groups = [{"method": method} for method in ("kmeans", "spherical-kmeans", "minibatch-kmeans")]
    groups.append({"method": "kmeans", "variant": "traced", "options": {"trace": [1]}})
    plan = _plan(clusterings=[group | {"encoders": ["pixels"]} for group in groups])
    shared = {(run.method, run.variant): shares_rows(run) for run in plan.runs.values()}
    assert shared == {
        ("kmeans", "default"): True,
        ("spherical-kmeans", "default"): True,
        ("minibatch-kmeans", "default"): False,
        ("kmeans", "traced"): False,
    }


def test_another_number_of_clusters_is_another_network(values: dict[str, Any]) -> None:
    both = [{"method": "scan", "encoders": ["scan"], "factors": [1, 2]}]
    runs = list(_plan(clusterings=both).runs.values())
    ids = [{member.features.encoder.id for member in run.members} for run in runs]
    assert len(runs) == 2
    assert not ids[0] & ids[1]


def test_another_seed_adds_encoders_and_keeps_the_fits(values: dict[str, Any]) -> None:
    fewer, more = _plan(seeds=2), _plan(seeds=3)
    assert set(fewer.encoders) < set(more.encoders)

    def fits(plan: Plan) -> set[str]:
        return {run.fit_id(member) for run in plan.runs.values() for member in run.members}

    assert fits(fewer) < fits(more)


def test_seed_s_means_encoder_seed_s_and_clustering_seed_s() -> None:
    run = next(run for run in _plan().runs.values() if run.encoder == "simclr")
    assert [(member.features.encoder.seed, member.seeds) for member in run.members] == [
        (seed, (seed,)) for seed in range(len(run.members))
    ]


def test_an_encoder_without_seeds_is_clustered_with_all_seeds() -> None:
    run = next(run for run in _plan(seeds=4).runs.values() if run.encoder == "pixels")
    assert [member.seeds for member in run.members] == [(0, 1, 2, 3)]


def test_a_moved_folder_is_the_same_data_set() -> None:
    ids = []
    for path in ("here", "there"):
        datasets = {"mine": {"kind": "folder", "path": path}}
        plan = _plan(datasets=datasets, fit=["mine"], transfer={})
        ids.append((set(plan.datasets), set(plan.runs)))
    assert ids[0] == ids[1]


def test_targets_follow_from_the_runs() -> None:
    targets = report_targets(_plan())
    assert "reports/digits/tables/transfer.tex" in targets
    without = report_targets(_plan(transfer={}, clusterings=[{"method": "kmeans"}]))
    assert not any("transfer" in target or "pca-dims" in target or "k-sweep" in target for target in without)


def test_unlabelled_sets_ask_for_label_free_outputs_only() -> None:
    datasets = {"mine": {"kind": "folder", "path": "x", "labelled": False}}
    clusterings = [{"method": "kmeans", "k": [5, 10]}]
    targets = report_targets(_plan(datasets=datasets, fit=["mine"], transfer={}, clusterings=clusterings))
    assert [target for target in targets if "/figures/" in target] == [
        "reports/digits/figures/cluster-sizes.pdf",
        "reports/digits/figures/cluster-sizes.png",
        "reports/digits/figures/prototypes.pdf",
        "reports/digits/figures/prototypes.png",
    ]


def test_unlabelled_sets_need_a_number_of_clusters() -> None:
    heap = {"datasets": {"heap": {"kind": "folder", "path": "x", "labelled": False}}, "fit": ["heap"]}
    clusterings = [{"method": "kmeans", "k": [5]}, {"method": "spherical-kmeans"}]
    with pytest.raises(
        UserError, match=r"clusterings\.1 \(spherical-kmeans\): heap has no labels.*k: \[20\]"
    ):
        _plan(**heap, transfer={}, clusterings=clusterings)


def _frozen(**changes: Any) -> dict[str, Any]:
    """The encoders of the default experiment with one more: SCAN on a frozen body."""
    encoders = dict(read_yaml(Path("config/config.yaml"))["encoders"])
    options = {"frozen": True, **changes.pop("options", {})}
    objective = {"name": "scan", "options": options}
    return encoders | {"frozen": {**encoders["scan"], "objective": objective, **changes}}


def _frozen_plan(**changes: Any) -> tuple[Plan, PlannedEncoder]:
    """The plan with that encoder and its first seed."""
    clusterings = [{"method": "kmeans"}, {"method": "scan", "variant": "frozen", "encoders": ["frozen"]}]
    plan = _plan(encoders=_frozen(**changes), clusterings=clusterings)
    return plan, next(encoder for encoder in plan.encoders.values() if encoder.name == "frozen")


def test_cached_views_take_the_place_of_images() -> None:
    plan, encoder = _frozen_plan(cached_views=4)
    assert encoder.cached is not None
    assert encoder.cached.views.encoder == encoder.cached.plain.encoder == encoder.start
    files, locations = training_inputs(encoder), training_locations(encoder)
    assert locations == {}
    assert files["views"] == [
        f"data/features/{encoder.cached.views.id}/{encoder.trained_on.id}/train/00000-of-00001.npy"
    ]
    assert files["plain"] == paths.shards(encoder.cached.plain, encoder.trained_on, "train")
    assert encoder.cached.views.id != encoder.cached.plain.id
    assert {encoder.cached.views.id, encoder.cached.plain.id} <= set(planned_ids(plan))


def test_cached_views_are_known_by_number_seed_and_augmentation() -> None:
    def views(**changes: Any) -> set[str]:
        plan, _ = _frozen_plan(**changes)
        return {encoder.cached.views.id for encoder in plan.encoders.values() if encoder.cached is not None}

    four = views(cached_views=4)
    assert len(four) == read_yaml(Path("config/config.yaml"))["seeds"], "one for each seed"
    assert views(cached_views=4, epochs=7, batch_size=32) == four
    assert not views(cached_views=5) & four
    assert not views(cached_views=4, augmentation=[{"name": "flip"}]) & four


def test_an_encoder_without_cached_views_keeps_its_id() -> None:
    (_, without), (_, null) = _frozen_plan(), _frozen_plan(cached_views=None)
    assert without.id == null.id
    assert without.cached is None
    assert {"views", "plain"}.isdisjoint(training_inputs(without))


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"start": None}, "need `start` and the option `frozen: true`"),
        ({"options": {"frozen": False}}, "need `start` and the option `frozen: true`"),
        ({"augmentation": {"weak": []}}, "made by the augmentation `train`"),
        ({"preprocessing": {"size": 9, "channels": 1, "mean": [0.3], "std": [0.4]}}, "must be the same"),
        ({"cached_views": 0}, "greater than or equal to 1"),
    ],
)
def test_cached_views_that_cannot_be_are_refused(changes: dict[str, Any], message: str) -> None:
    with pytest.raises(UserError, match=message):
        _frozen_plan(**{"cached_views": 4, **changes})


def test_images_to_choose_by_are_inputs_of_those_that_ask() -> None:
    (_, plain), (_, asks) = _frozen_plan(), _frozen_plan(options={"selection": "evaluation"})
    assert training_inputs(asks)["selection_manifest"].endswith("/test.parquet")
    assert training_locations(asks)["selection_location"].endswith("/test.source.json")
    _, cached = _frozen_plan(options={"selection": "evaluation"}, cached_views=2)
    assert "/test/" in training_inputs(cached)["selection_plain"][0]
    assert not [name for name in training_inputs(plain) if "selection" in name]
    assert set(training_locations(plain)) == {"location"}


def test_without_an_evaluation_split_nothing_can_be_chosen_by_it() -> None:
    datasets = {"mine": {"kind": "folder", "splits": {"train": "x"}}}
    encoders = _frozen(options={"selection": "evaluation"})
    runs = [{"method": "scan", "encoders": ["frozen"]}]
    with pytest.raises(UserError, match=r"frozen.objective.options.selection: mine has only its train split"):
        _plan(datasets=datasets, fit=["mine"], transfer={}, encoders=encoders, clusterings=runs)


@pytest.mark.parametrize(
    ("splits", "evaluation"),
    [
        (["train", "test"], "test"),
        (["train", "val"], "val"),
        (["train", "test", "unlabeled"], "test"),
        (["train", "field"], "field"),
        (["train"], None),
    ],
)
def test_the_split_that_is_looked_at(splits: list[str], evaluation: str | None) -> None:
    datasets = {"mine": {"kind": "folder", "splits": {split: split for split in splits}}}
    plan = _plan(datasets=datasets, fit=["mine"], transfer={}, clusterings=[{"method": "kmeans"}])
    assert plan.dataset("mine").evaluation_split == evaluation


def test_features_on_the_way_are_a_training_of_their_own_and_have_no_say_where_there_are_none(
    values: dict[str, Any],
) -> None:
    def ids(snapshots: object) -> set[str]:
        mmdc = values["encoders"]["mmdc"] | {"snapshots": snapshots}
        plan = _plan(encoders=values["encoders"] | {"mmdc": mmdc})
        return {encoder.id for encoder in plan.encoders.values() if encoder.name == "mmdc"}

    before = {encoder.id for encoder in _plan().encoders.values() if encoder.name == "mmdc"}
    assert ids(None) == before
    assert not ids({"epochs": [40]}) & before


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"snapshots": {"epochs": [41]}}, "only 40 epochs"),
        ({"snapshots": {"epochs": [-1]}}, "greater than or equal to 0"),
        ({"snapshots": {"epochs": []}}, "at least 1"),
    ],
)
def test_snapshots_lie_within_a_training(values: dict[str, Any], changes: Any, message: str) -> None:
    mmdc = values["encoders"]["mmdc"] | changes
    with pytest.raises(UserError, match=message):
        _plan(encoders=values["encoders"] | {"mmdc": mmdc})
