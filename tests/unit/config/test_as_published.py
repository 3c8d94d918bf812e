"""The protocol `published` on the plan: which deviations a group has, and whom its runs share fits with."""

from __future__ import annotations

from pathlib import Path
from typing import Any, get_args

import pytest

from clusterprobe.config import cells
from clusterprobe.config.deviations import DEVIATIONS, EXTRACTION, LOADED, SCORING, SUBSTITUTES, Deviation
from clusterprobe.config.errors import UserError
from clusterprobe.config.loading import load_config, read_yaml
from clusterprobe.config.plan import make_plan
from clusterprobe.config.planned import Plan, Run
from clusterprobe.config.targets import main_run, tables

OTHER = {"other_output": "layer:2", "other_weights": "pixels"}


def plan_of(*groups: dict[str, Any], published: dict[str, Any] | None = None, **changes: Any) -> Plan:
    values = read_yaml(Path("config/config.yaml"))
    if published is not None:
        values["encoders"]["random"]["published"] = published
    values["clusterings"] = [
        {"method": "kmeans", "encoders": ["random"], "variant": "default"} | group for group in groups
    ]
    values["report"] = {}
    return make_plan(load_config(values | changes, Path("config")))


def single(*deviations: str, **more: Any) -> dict[str, Any]:
    return {"protocol": "published", "deviations": list(deviations)} | more


def run_of(plan: Plan) -> Run:
    (run,) = plan.runs.values()
    return run


def test_every_deviation_has_its_place() -> None:
    of_loaders = {each for deviations in LOADED.values() for each in deviations}
    assert get_args(Deviation) == DEVIATIONS
    assert {*EXTRACTION, *SCORING, *SUBSTITUTES, "raw-transfer-features"} == set(DEVIATIONS)
    assert of_loaders == {*EXTRACTION, "scrambled-labels"}


def test_clean_is_what_there_is_without_a_word_about_it() -> None:
    assert set(plan_of({}).runs) == set(plan_of({"protocol": "clean"}, published={"batch_size": 32}).runs)
    run = run_of(plan_of({}))
    assert (run.protocol, run.deviations, run.members[0].features.mode) == ("clean", (), "eval")
    assert "deviations" not in cells.evaluation_cell(run)


def test_as_published_has_all_that_the_program_did() -> None:
    torch = run_of(plan_of({"protocol": "published"}))
    assert torch.deviations == (
        *("raw-transfer-features", "batch-statistics", "augmented-training-features"),
        *("empty-columns", "double-counting"),
    )
    tensorflow = run_of(plan_of({"protocol": "published"}, published={"loader": "tensorflow"} | OTHER))
    assert tensorflow.deviations == (
        *("raw-transfer-features", "scrambled-labels", "off-centre-crop", "other-output", "other-weights"),
        *("empty-columns", "double-counting"),
    )
    assert (torch.variant, torch.protocol) == ("default", "published")


def test_a_single_deviation_is_the_word_of_its_row() -> None:
    group = {"method": "kmeans", "encoders": ["random"], "protocol": "published"}
    values = read_yaml(Path("config/config.yaml")) | {"report": {}}
    values["clusterings"] = [group | {"deviations": ["empty-columns"]}]
    run = run_of(make_plan(load_config(values, Path("config"))))
    assert (run.variant, run.deviations) == ("empty-columns", ("empty-columns",))
    values["clusterings"] = [group | {"deviations": ["empty-columns", "scrambled-labels"]}]
    with pytest.raises(UserError, match="several deviations need a `variant`"):
        load_config(values, Path("config"))


def test_what_changes_no_feature_shares_features_and_fits() -> None:
    groups = [single(name, variant=name) for name in ("raw-transfer-features", *SCORING)]
    plan = plan_of({}, *groups)
    assert len(plan.runs) == 5
    assert len({member.features.id for run in plan.runs.values() for member in run.members}) == 1
    assert len({run.fit_id(member) for run in plan.runs.values() for member in run.members}) == 1
    raw = next(run for run in plan.runs.values() if run.variant == "raw-transfer-features")
    (member,) = cells.fitting_cell(raw)["members"]
    assert [part.get("raw", False) for part in member["splits"]] == [False, False, True]
    scored = {run.variant: cells.evaluation_cell(run).get("deviations") for run in plan.runs.values()}
    assert scored == {name: [name] for name in SCORING} | {"default": None, "raw-transfer-features": None}


@pytest.mark.parametrize(
    ("deviation", "mode", "train", "test"),
    [
        ("batch-statistics", "reference", "centre", "centre"),
        ("augmented-training-features", "eval", "random", "centre"),
        ("off-centre-crop", "eval", "off-centre", "off-centre"),
    ],
)
def test_what_changes_features_has_features_of_its_own(
    deviation: str, mode: str, train: str, test: str
) -> None:
    clean = run_of(plan_of({})).members[0].features
    found = run_of(plan_of(single(deviation), published={"batch_size": 32})).members[0].features
    assert found.id != clean.id
    assert found.encoder.id == clean.encoder.id
    assert (found.mode, found.cut("train"), found.cut("test")) == (mode, train, test)
    assert found.batch_size == (32 if mode == "reference" else None)


def test_other_weights_and_other_outputs_keep_the_name_of_their_row() -> None:
    for name, encoder, output in (
        ("other-output", "random", "layer:2"),
        ("other-weights", "pixels", "pooled"),
    ):
        run = run_of(plan_of(single(name), published=OTHER))
        features = run.members[0].features
        assert (run.encoder, features.encoder.name, features.output) == ("random", encoder, output)
    elsewhere = run_of(plan_of(single("other-output"), published={"other_output": "pixels"}))
    assert elsewhere.members[0].features.encoder.name == "pixels"


def test_purity_and_criteria_are_of_the_clean_protocol() -> None:
    assert not plan_of({"protocol": "published"}).purity
    assert not plan_of({"protocol": "published"}, criteria={"names": ["silhouette"]}).criteria


def test_reports_show_the_clean_run_of_an_encoder_and_none_that_stands_in_for_another() -> None:
    plan = plan_of({"protocol": "published"}, {}, published={"other_weights": "pixels"})
    shown = main_run(plan, "random")
    assert shown is not None
    assert shown.protocol == "clean"
    assert main_run(plan, "pixels") is None
    alone = main_run(plan_of({"protocol": "published"}), "random")
    assert alone is not None
    assert "attribution" in tables(plan)
    assert "attribution" not in tables(plan_of({"protocol": "published"}))


@pytest.mark.parametrize(
    ("group", "message"),
    [
        (single("other-weights"), r"random.published.other_weights: the deviation 'other-weights' is asked"),
        ({"deviations": ["empty-columns"]}, "`deviations` need `protocol: published`"),
        ({"protocol": "published", "reducers": [{"name": "none"}]}, "principal components and k-means"),
        (single("empty-colums"), "empty-columns"),
        (single(), "at least 1 item"),
    ],
)
def test_what_the_reference_code_could_not_do_is_refused(group: dict[str, Any], message: str) -> None:
    with pytest.raises(UserError, match=message):
        plan_of(group)


def test_a_head_has_no_published_protocol() -> None:
    with pytest.raises(UserError, match="principal components and k-means"):
        plan_of({"method": "scan", "encoders": ["scan"], "protocol": "published"})


def test_an_encoder_that_is_not_there_is_refused_with_the_nearest_name() -> None:
    with pytest.raises(UserError, match=r"other_weights: 'pixel' is not defined; .*pixels"):
        plan_of(single("other-weights"), published={"other_weights": "pixel"})
