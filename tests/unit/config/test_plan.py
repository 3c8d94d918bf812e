from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from clusterprobe.config.loading import load_config, read_yaml
from clusterprobe.config.plan import Plan, make_plan
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
    assert {plan.encoders[key].name for key in kept} == {"pixels", "random"}
    kept_runs = set(plan.runs) & set(changed.runs)
    assert {plan.runs[key].network for key in kept_runs} == {"pixels", "random"}


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
    ]
