"""Probes and criteria on the plan: what there is, what shares an id, and what is refused."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from clusterprobe.config.errors import UserError
from clusterprobe.config.loading import load_config, read_yaml
from clusterprobe.config.model import HEAD_METHODS
from clusterprobe.config.plan import Plan, make_plan
from clusterprobe.config.probe_cells import probing_cell, probing_inputs, scoring_cell, scoring_inputs
from clusterprobe.config.targets import tables

VIEWS = [{"name": "gaussian-noise", "sigma": 0.1}]


def _plan(**changes: Any) -> Plan:
    """The default experiment without its probe, and without the encoder that is there for it."""
    values = read_yaml(Path("config/config.yaml")) | {"seeds": 3, "probes": []}
    del values["encoders"]["npid-cld"]
    values |= changes
    return make_plan(load_config(values, Path("config")))


def test_nothing_is_asked_for_by_default() -> None:
    values = read_yaml(Path("config/config.yaml"))
    del values["probes"]
    plan = make_plan(load_config(values, Path("config")))
    assert not plan.probes
    assert not plan.criteria
    assert not {"probes", "criteria"} & set(tables(plan))


def test_a_probe_is_planned_for_every_encoder_and_share_of_labels() -> None:
    plan = _plan(probes=[{"method": "knn"}, {"method": "linear", "fractions": [1, 0.1, 0.01]}])
    found = {(probe.method, probe.encoder, probe.variant) for probe in plan.probes.values()}
    assert found == {
        (method, encoder, variant)
        for encoder in ("pixels", "random", "simclr", "mmdc")
        for method, variant in (
            ("knn", "default"),
            *(("linear", v) for v in ("default", "labels-10", "labels-1")),
        )
    }
    assert "probes" in tables(plan)
    assert set(plan.encoders) == set(_plan().encoders), "probes read features that are there"
    assert set(plan.features) == set(_plan().features)


def test_what_draws_nothing_has_one_seed() -> None:
    plan = _plan(probes=[{"method": "knn", "fractions": [1, 0.1]}, {"method": "linear"}])
    seeds = {
        (probe.method, probe.encoder, probe.fraction): [s for member in probe.members for s in member.seeds]
        for probe in plan.probes.values()
    }
    assert seeds["knn", "pixels", 1] == [0]
    assert seeds["knn", "pixels", 0.1] == seeds["linear", "pixels", 1] == [0, 1, 2]
    assert seeds["knn", "simclr", 1] == [0, 1, 2], "an encoder for each"


def test_networks_of_heads_are_those_that_are_clustered() -> None:
    plan = _plan(probes=[{"method": "knn", "encoders": ["scan", "selflabel"]}])
    assert set(plan.encoders) == set(_plan().encoders)


def test_another_layer_is_another_feature_set() -> None:
    plan = _plan(
        probes=[{"method": "linear", "encoders": ["simclr"], "output": "layer:3", "variant": "layer3"}]
    )
    [probe] = plan.probes.values()
    assert {member.features.output for member in probe.members} == {"layer:3"}
    assert len(set(plan.features) - set(_plan().features)) == 3


def test_ten_crops_are_features_of_their_own_of_the_scored_split_alone() -> None:
    linear = {"method": "linear", "encoders": ["simclr"]}
    [plain] = _plan(probes=[linear]).probes.values()
    assert "crops" not in plain.definition()
    plan = _plan(probes=[linear | {"crops": 10}])
    [probe] = plan.probes.values()
    assert probe.id != plain.id
    new = set(plan.features) - set(_plan().features)
    assert new == {features.id for features in probe.crops}
    assert {plan.features[each].crops for each in new} == {10}
    assert all("10-crops" in each for each in new)
    cell = probing_cell(probe)
    assert cell["crops"] == 10
    for member, crops in zip(cell["members"], probe.crops, strict=True):
        assert all(crops.id in file for file in member["scored"])
        assert not any(crops.id in file for file in member["train"])
        assert member["columns"]["features"] != crops.id


def test_images_that_show_several_classes_are_for_linear_probes_alone() -> None:
    voc = {"voc": {"kind": "voc", "root": "VOCdevkit/VOC2007"}}
    changes: dict[str, Any] = {"datasets": {"digits": None} | voc, "transfer": {}}
    linear = {"method": "linear", "encoders": ["pixels"]}
    [probe] = _plan(**changes, probes=[linear | {"datasets": ["voc"]}]).probes.values()
    assert (probe.dataset.name, probing_cell(probe)["columns"]["split"]) == ("voc", "test")
    with pytest.raises(UserError, match="voc has no labels that say how many"):
        _plan(**changes, clusterings=[{"method": "kmeans", "datasets": ["voc"]}], fit=["digits", "voc"])
    changes["clusterings"] = [{"method": "kmeans", "datasets": ["digits"]}]
    both = _plan(**changes | {"fit": ["digits", "voc"]}, probes=[linear]).probes.values()
    assert [each.dataset.name for each in both] == ["digits"], "it is asked for by name"
    with pytest.raises(UserError, match="show several classes"):
        _plan(**changes, probes=[{"method": "knn", "datasets": ["voc"]}])
    with pytest.raises(UserError, match="`classes` has no meaning"):
        _plan(**changes | {"datasets": {"digits": None, "voc": voc["voc"] | {"classes": ["cat"]}}})


def test_settings_define_a_probe_and_words_do_not() -> None:
    def ids(**changes: Any) -> set[str]:
        return set(_plan(probes=[{"method": "knn", "encoders": ["pixels"]} | changes]).probes)

    assert ids() == ids(variant="other")
    assert ids() != ids(options={"k": 5})
    assert ids() != ids(fractions=[0.5])


def test_a_probe_reads_labels_and_the_features_of_two_splits() -> None:
    [probe] = _plan(probes=[{"method": "linear", "encoders": ["pixels"]}]).probes.values()
    cell, files = probing_cell(probe), probing_inputs(probe)
    assert cell["columns"]["split"] == "test"
    assert sum("manifests" in file for file in files) == 2
    assert {file.split("/")[-2] for file in files if file.endswith(".npy")} == {"train", "test"}


def test_criteria_are_planned_for_every_run_and_read_no_labels() -> None:
    plan = _plan(criteria={"augmentation": VIEWS})
    assert set(plan.criteria) == {run.id for run in plan.runs.values() if run.extras}
    assert len(plan.criteria) == len(plan.runs) - 1
    for scored in plan.criteria.values():
        files = str(scoring_inputs(scored, plan.config))
        assert "manifest" not in files
        cell = scoring_cell(scored, plan.config)
        assert "manifest" not in str(cell)
        assert all(member["views"] for member in cell["members"])
        assert (cell["reducer"] is None) == (scored.run.method in HEAD_METHODS)
    assert "criteria" in tables(plan)


def test_runs_with_criteria_alone_have_no_neighbours_mined_and_are_the_same_runs() -> None:
    plans = [
        _plan(criteria={}, clusterings=[{"method": "kmeans", "encoders": ["simclr"], "extras": extras}])
        for extras in (True, "criteria", False)
    ]
    assert [len(plan.criteria) for plan in plans] == [1, 1, 0]
    assert [bool(plan.purity) for plan in plans] == [True, False, False]
    assert len({tuple(plan.runs) for plan in plans}) == 1


def test_supervised_runs_get_no_criteria() -> None:
    values = read_yaml(Path("config/digits-all.yaml"))
    plan = make_plan(load_config(values | {"criteria": {}}, Path("config")))
    assert {scored.run.method for scored in plan.criteria.values()} == {
        run.method for run in plan.runs.values()
    } - {"linear"}


def test_only_runs_of_the_methods_that_are_named_are_scored() -> None:
    plan = _plan(criteria={"methods": ["kmeans", "scan"]})
    assert {scored.run.method for scored in plan.criteria.values()} == {"kmeans", "scan"}


def test_without_views_no_further_features_are_made() -> None:
    plan = _plan(criteria={})
    assert set(plan.features) == set(_plan().features)
    assert plan.config.criteria is not None
    assert "view_agreement" not in plan.config.criteria.chosen
    views = [each for each in _plan(criteria={"augmentation": VIEWS}).features.values() if each.views]
    assert {each.views.count for each in views if each.views} == {2}


def test_one_setting_leaves_nothing_to_choose() -> None:
    clusterings = [{"method": "kmeans", "encoders": ["pixels"]}]
    assert "criteria" not in tables(_plan(criteria={}, clusterings=clusterings))


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"probes": [{"method": "knn", "encoders": ["simcrl"]}]}, "did you mean 'simclr'"),
        (
            {"probes": [{"method": "knn", "options": {"epochs": 3}}]},
            "epochs has no meaning for the method 'knn'",
        ),
        ({"probes": [{"method": "linear", "options": {"k": 3}}]}, "k has no meaning for the method 'linear'"),
        ({"probes": [{"method": "knn", "fractions": [0]}]}, "fractions lie above 0"),
        ({"probes": [{"method": "knn", "crops": 10}]}, "crops has no meaning for the method 'knn'"),
        ({"probes": [{"method": "svm"}]}, "probes"),
        ({"criteria": {"names": ["view_agreement"]}}, "give the `augmentation`"),
        ({"criteria": {"methods": ["skan"]}}, "did you mean 'scan'"),
        ({"criteria": {"names": ["silhouete"]}}, "did you mean 'silhouette'"),
    ],
)
def test_mistakes_are_named(changes: dict[str, Any], message: str) -> None:
    with pytest.raises(UserError, match=message):
        _plan(**changes)


def test_sets_without_labels_or_without_a_scored_split_are_refused() -> None:
    heap = {"mine": {"kind": "folder", "path": "x", "labelled": False}}
    changes: dict[str, Any] = {"datasets": heap, "fit": ["mine"], "transfer": {}}
    changes["clusterings"] = [{"method": "kmeans", "k": [3]}]
    assert not _plan(**changes, probes=[{"method": "knn"}]).probes
    with pytest.raises(UserError, match="no labels"):
        _plan(**changes, probes=[{"method": "knn", "datasets": ["mine"]}])
    only = {"mine": {"kind": "folder", "splits": {"train": "x"}}}
    assert _plan(**changes | {"datasets": only}, probes=[{"method": "knn"}]).probes
    with pytest.raises(UserError, match="only its train split"):
        _plan(**changes | {"datasets": only}, probes=[{"method": "linear"}])


def test_runs_without_extras_are_scored_and_that_is_all() -> None:
    group = {"method": "kmeans", "encoders": ["simclr"]}
    settings = {"criteria": {}, "neighbours": {"encoder_seeds": 1}}
    whole = _plan(clusterings=[group], **settings)
    bare = _plan(clusterings=[group | {"extras": False}], **settings)
    assert set(bare.runs) == set(whole.runs)
    assert (len(whole.criteria), len(whole.purity)) == (1, 1)
    assert (len(bare.criteria), len(bare.purity)) == (0, 0)
