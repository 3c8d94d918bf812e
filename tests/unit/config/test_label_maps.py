from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from clusterprobe.config import cells
from clusterprobe.config.errors import UserError
from clusterprobe.config.label_maps import counted_as
from clusterprobe.config.loading import load_config, read_yaml
from clusterprobe.config.plan import Plan, make_plan

MAP = "source_class,target_class\n0,zero\n"


def _plan(label_map: str) -> Plan:
    values: dict[str, Any] = read_yaml(Path("config/config.yaml"))
    values["transfer"]["digits"][0]["label_map"] = label_map
    values["datasets"]["digits-shifted"]["label_map"] = label_map
    return make_plan(load_config(values, Path("config")))


def _ids(plan: Plan) -> list[str]:
    return [*plan.datasets, *plan.runs]


def _write(path: Path, text: str) -> str:
    path.write_text(text, encoding="utf-8")
    return str(path)


def test_a_map_counts_by_what_it_says_and_not_by_where_it_lies(tmp_path: Path) -> None:
    plan = _plan(_write(tmp_path / "map.csv", MAP))
    moved = _plan(_write(tmp_path / "moved.csv", MAP))
    assert _ids(plan) == _ids(moved)
    told = [[cells.evaluation_cell(run) for run in each.runs.values()] for each in (plan, moved)]
    assert told[0] == told[1]

    edited = _plan(_write(tmp_path / "map.csv", MAP + "1,one\n"))
    assert not set(edited.runs) & set(plan.runs)
    assert edited.dataset("digits-shifted").id != plan.dataset("digits-shifted").id


def test_jobs_are_told_where_it_lies(tmp_path: Path) -> None:
    place = _write(tmp_path / "map.csv", MAP)
    run = next(iter(_plan(place).runs.values()))
    assert cells.label_maps(run) == {"digits-shifted": place}
    assert cells.evaluation_cell(run)["label_maps"] == {"digits-shifted": counted_as(place)}


@pytest.mark.parametrize("name", ["same-names", "provided", "digits_to_shifted"])
def test_a_name_counts_as_itself(name: str) -> None:
    assert counted_as(name) == name


def test_a_map_that_is_not_there_is_refused_before_the_first_job() -> None:
    with pytest.raises(UserError, match=r"label map nowhere/map\.csv does not exist; correct the path"):
        _plan("nowhere/map.csv")
