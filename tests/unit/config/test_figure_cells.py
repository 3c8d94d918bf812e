from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any

import pytest

from clusterprobe.config.errors import UserError
from clusterprobe.config.figure_cells import (
    compared_features,
    neighbours_cell,
    prototypes_cell,
    prototypes_inputs,
    prototypes_run,
    retrieval_cell,
    retrieval_inputs,
    snapshot_courses,
    snapshots_cell,
    swept_defaults,
    variant_histories,
)
from clusterprobe.config.loading import load_config, read_yaml
from clusterprobe.config.plan import Plan, make_plan


def _plan(**changes: Any) -> Plan:
    values = read_yaml(Path("config/config.yaml")) | changes
    return make_plan(load_config(values, Path("config")))


@pytest.mark.parametrize(
    ("figure", "method", "encoder"),
    [
        ("prototypes", "selflabel", "selflabel"),
        ("prototypes-scan", "scan", "scan"),
        ("prototypes-kmeans", "kmeans", "simclr"),
    ],
)
def test_prototypes_are_of_the_last_default_run(figure: str, method: str, encoder: str) -> None:
    run = prototypes_run(_plan(), figure)
    assert (run.method, run.variant, run.network) == (method, "default", encoder)


def test_prototypes_of_a_method_that_is_not_run_are_a_mistake() -> None:
    with pytest.raises(UserError, match="no clustering by 'linear'"):
        prototypes_run(_plan(), "prototypes-linear")


def test_heads_need_their_network_and_centres_none() -> None:
    plan = _plan()
    head, centres = (prototypes_run(plan, f"prototypes-{name}") for name in ("scan", "kmeans"))
    network = f"data/encoders/{head.members[0].features.encoder.id}"
    assert prototypes_cell(plan, head)["network"] == network
    assert f"{network}/heads.safetensors" in prototypes_inputs(plan, head)
    assert prototypes_cell(plan, centres)["network"] is None
    assert not [file for file in prototypes_inputs(plan, centres) if "encoders" in file]
    assert prototypes_cell(plan, centres)["seed"] == 0


def _with(name: str, key: str, value: Any) -> Mapping[str, Any]:
    """The default encoders, one of them with another value."""
    encoders = read_yaml(Path("config/config.yaml"))["encoders"]
    return encoders | {name: encoders[name] | {key: value}}


def test_defaults_of_ablations_have_the_value_of_the_configuration() -> None:
    plan = _plan()
    assert swept_defaults(plan, "scan-neighbours") == {"default_neighbours": 20}
    assert swept_defaults(plan, "scan-threshold") == {"default_threshold": 0.95}
    assert swept_defaults(plan, "k-sweep") == {}


def test_an_option_limits_the_neighbours_that_are_mined() -> None:
    limited = _with("scan", "objective", {"name": "scan", "options": {"neighbours": 5}})
    assert swept_defaults(_plan(encoders=limited), "scan-neighbours") == {"default_neighbours": 5}
    augmented = _with("scan", "objective", {"name": "scan", "options": {"neighbours": 0}})
    assert swept_defaults(_plan(encoders=augmented), "scan-neighbours") == {"default_neighbours": 0}


def test_what_the_configuration_does_not_say_is_not_known() -> None:
    silent = _with("selflabel", "objective", {"name": "selflabel"})
    assert swept_defaults(_plan(encoders=silent), "scan-threshold") == {}
    without = [{"method": "kmeans"}]
    assert swept_defaults(_plan(clusterings=without), "scan-neighbours") == {}


def test_defaults_that_disagree_have_no_place() -> None:
    encoders = read_yaml(Path("config/config.yaml"))["encoders"]
    both = encoders | {"other": encoders["scan"] | {"start": "random", "neighbours": {"k": 7}}}
    runs = [{"method": "scan", "encoders": ["scan", "other"]}]
    assert swept_defaults(_plan(encoders=both, clusterings=runs), "scan-neighbours") == {}


def test_defaults_of_cld_are_those_of_the_encoder_that_has_variants() -> None:
    values = read_yaml(Path("config/digits-all.yaml"))
    for option, default in (("weight", 1.0), ("temperature", 0.5)):
        plan = make_plan(load_config(values, Path("config")))
        assert swept_defaults(plan, f"cld-{option}") == {f"default_{option}": default}
    moco = values["encoders"]["moco-cld"]
    other = moco | {"objective": {"name": "cld", "options": moco["objective"]["options"] | {"weight": 9.0}}}
    changed = values | {"encoders": values["encoders"] | {"moco-cld": other}}
    plan = make_plan(load_config(changed, Path("config")))
    assert swept_defaults(plan, "cld-weight") == {"default_weight": 1.0}
    assert swept_defaults(_plan(), "cld-weight") == {}


def test_histories_of_a_method_go_by_the_names_of_its_variants() -> None:
    histories = variant_histories(
        make_plan(load_config(read_yaml(Path("config/digits-all.yaml")), Path("config"))), "mmdc"
    )
    found: dict[str, list[int]] = {}
    for history in histories:
        found.setdefault(history["encoder"], []).append(history["encoder_seed"])
    assert found["default"] == [0, 1, 2, 3, 4]
    assert found["refined"] == [0, 1, 2]
    assert len({history["log"] for history in histories}) == len(histories)


def test_neighbours_that_are_shown_are_mined_by_a_first_seed_without_labels() -> None:
    plan = make_plan(load_config(read_yaml(Path("config/digits-all.yaml")), Path("config")))
    cell = neighbours_cell(plan)
    assert (cell["encoder"], cell["dataset"]) == ("simclr", "digits")
    run = next(run for run in plan.runs.values() if run.encoder == "simclr")
    assert cell["manifest"] == f"data/manifests/{run.dataset.id}/train.parquet"
    mined = [found for found in plan.neighbours.values() if found.id == Path(cell["neighbours"]).parts[2]]
    assert {(found.features.encoder.id, found.oracle) for found in mined} == {
        (run.members[0].features.encoder.id, False)
    }


def test_neighbours_that_nobody_mines_cannot_be_shown() -> None:
    plan = _plan(clusterings=[{"method": "mmdc", "encoders": ["mmdc"]}])
    with pytest.raises(UserError, match="no neighbours are mined"):
        neighbours_cell(plan)


def test_similarities_are_those_of_contrastive_encoders_and_of_no_other_figure() -> None:
    plan = _plan()
    entries = compared_features(plan, "similarities")
    assert [(entry["dataset"], entry["encoder"]) for entry in entries] == [("digits", "simclr")]
    assert "/test/" in entries[0]["shards"][0]
    assert entries[0]["manifest"].endswith("test.parquet")
    assert compared_features(plan, "k-sweep") == []


def test_retrievals_are_of_contrastive_encoders_on_the_first_data_set_they_are_clustered_on() -> None:
    plan = make_plan(load_config(read_yaml(Path("config/digits-all.yaml")), Path("config")))
    cell = retrieval_cell(plan)
    names = [entry["encoder"] for entry in cell["encoders"]]
    assert (cell["dataset"], cell["split"]) == ("digits", "test")
    assert names == ["simclr", "NPID", "NPID + CLD", "MoCo", "MoCo + CLD"]
    assert "/test/" in cell["encoders"][1]["queries"][0]
    assert "/train/" in cell["encoders"][1]["bank"][0]
    files = retrieval_inputs(plan)
    assert len(files) == 2 + 2 * len(names)
    assert cell["location"] not in files


def test_retrievals_need_a_contrastive_encoder() -> None:
    with pytest.raises(UserError, match="'retrieval'"):
        retrieval_cell(_plan(clusterings=[{"method": "mmdc", "encoders": ["mmdc"]}]))


def test_snapshots_are_those_of_first_seeds_that_keep_any() -> None:
    kept = _with("mmdc", "snapshots", {"epochs": [0, 40]})
    plan = _plan(encoders=kept, clusterings=[{"method": "mmdc", "encoders": ["mmdc"]}])
    (entry,) = snapshots_cell(plan)
    first = next(encoder for encoder in plan.encoders.values() if encoder.seed == 0)
    assert (entry["encoder"], first.selection) == ("MMDC", "test")
    assert entry["found"] == f"data/encoders/{first.id}/found.npz"
    assert entry["manifest"].endswith("/test.parquet")
    seeds = [entry["encoder_seed"] for entry in snapshot_courses(plan, "knn-epochs")]
    assert seeds == list(range(plan.config.seeds)) != [0]
    assert not snapshot_courses(plan, "acc-by-method")
    with pytest.raises(UserError, match="give one `snapshots`"):
        snapshots_cell(_plan())
