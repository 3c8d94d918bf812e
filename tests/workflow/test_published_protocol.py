"""The published protocol through the whole workflow, on digits and shifted digits as pixels."""

from __future__ import annotations

from pathlib import Path

import pandas as pd
import pytest
from project import REPOSITORY, Project

from clusterprobe.config.loading import read_yaml

pytestmark = [pytest.mark.slow, pytest.mark.timeout(1800)]


def test_raw_transfer_features_are_what_makes_transfer_collapse(tmp_path: Path) -> None:
    """Clean, transfer holds; as published, or with this deviation alone, it does not."""
    values = read_yaml(REPOSITORY / "config" / "digits-attribution.yaml")
    values["encoders"] = {"pixels": values["encoders"]["pixels"]}
    values["clusterings"] = [
        {"method": "kmeans"},
        {"method": "kmeans", "protocol": "published", "deviations": ["raw-transfer-features"]},
        {"method": "kmeans", "protocol": "published", "deviations": ["scrambled-labels"]},
        {"method": "kmeans", "protocol": "published"},
    ]
    project = Project.create(tmp_path / "project")
    written = project.configure(values | {"seeds": 2}, "digits-attribution")
    made = "reports/digits-attribution/tables/attribution.csv"
    project.run("--configfile", written, "--", made, warm=True)
    results = pd.read_parquet(project.folder / "reports/digits-attribution/results.parquet")
    means = results.groupby(["dataset", "split", "protocol", "variant", "metric"])["value"].mean()
    away = means["digits-shifted", "test"].unstack("metric")
    clean, raw = away.loc[("clean", "default")], away.loc[("published", "raw-transfer-features")]
    for collapsed in (raw, away.loc[("published", "default")]):
        assert collapsed["acc"] < collapsed["chance_acc"] + 0.1
        assert collapsed["clusters_used"] < 9
        assert collapsed["largest_share"] > 0.35
    assert clean["acc"] > 0.45
    assert clean["clusters_used"] == 10
    renamed = away.loc[("published", "scrambled-labels")]
    assert renamed["acc"] < clean["acc"] - 0.2
    assert renamed["clusters_used"] == clean["clusters_used"]
    home = means["digits", "test"].unstack("metric")["acc"]
    assert home["published", "raw-transfer-features"] == home["clean", "default"]
    assert home["published", "scrambled-labels"] == pytest.approx(home["clean", "default"])
    assert len(pd.read_csv(project.folder / made)) == 2 * 4
