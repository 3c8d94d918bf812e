from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from clusterprobe.config.errors import UserError
from clusterprobe.config.loading import load_config, read_yaml
from clusterprobe.config.plan import make_plan
from clusterprobe.config.planned import Plan


def _plan(*groups: dict[str, Any], titles: dict[str, str] | None = None) -> Plan:
    values = read_yaml(Path("config/config.yaml")) | {"clusterings": list(groups), "report": {}}
    for name, title in (titles or {}).items():
        values["encoders"][name]["title"] = title
    return make_plan(load_config(values, Path("config")))


@pytest.mark.parametrize(
    "groups",
    [
        [{"options": {"restarts": 1}}, {"options": {"restarts": 2}}],
        [{"seeds": 2}, {"seeds": 3}],
        [{"reducers": [{"dims": 8}, {"dims": 8, "whiten": True}]}],
        [{"encoders": ["pixels", "random"]}],
    ],
)
def test_runs_that_tables_could_not_tell_apart_are_refused(groups: list[dict[str, Any]]) -> None:
    groups = [{"method": "kmeans", "encoders": ["pixels"]} | group for group in groups]
    cell = "fit_dataset=digits, encoder=same, method=kmeans, variant=default, reducer=pca"
    with pytest.raises(UserError, match=rf"two runs fall into one cell \({cell}.*`clusterings:`"):
        _plan(*groups, titles={"pixels": "same", "random": "same"})
    apart = [group | {"variant": f"v{number}"} for number, group in enumerate(groups)]
    assert len(groups) == 1 or len(_plan(*apart).runs) == 2


def test_what_tables_tell_apart_is_planned() -> None:
    group: dict[str, Any] = {"method": "kmeans", "encoders": ["pixels", "random"]}
    groups = [group, group | {"factors": [1, 2]}, group | {"k": [10]}, group | {"protocol": "published"}]
    groups += [group | {"reducers": [{"dims": 8}, {"dims": 9}, {"name": "none"}]}]
    assert len(_plan(*groups).runs) == 2 * (2 + 1 + 1 + 3)
    heads = [{"method": method, "encoders": [method]} for method in ("scan", "sela")]
    assert len(_plan(*heads).runs) == 2
