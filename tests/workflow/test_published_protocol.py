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
    groups = [group for group in values["clusterings"] if "pixels" in group["encoders"]]
    values["clusterings"] = [group | {"encoders": ["pixels"]} for group in groups]
    project = Project.create(tmp_path / "project")
    project.run("--configfile", project.configure(values | {"seeds": 2}, "digits-attribution"))
    folder = project.folder / "reports/digits-attribution"
    results = pd.read_parquet(folder / "results.parquet")
    chosen = (results["method"] == "kmeans") & (results["dataset"] == "digits-shifted")
    scores = results[chosen].pivot_table(index=["protocol", "variant"], columns="metric", values="value")
    clean, raw = scores.loc[("clean", "default")], scores.loc[("published", "raw-transfer-features")]
    together = scores.loc[("published", "default")]
    for collapsed in (raw, together):
        assert collapsed["acc"] < collapsed["chance_acc"] + 0.1
        assert collapsed["clusters_used"] < 9
        assert collapsed["largest_share"] > 0.35
    assert clean["acc"] > 0.45
    assert clean["clusters_used"] == 10
    for variant in ("off-centre-crop", "empty-columns"):
        assert scores.loc[("published", variant)]["acc"] > clean["acc"] - 0.15
    labels_alone = scores.loc[("published", "scrambled-labels")]
    assert labels_alone["acc"] < clean["acc"] - 0.2
    home = results[
        (results["method"] == "kmeans") & (results["dataset"] == "digits") & (results["metric"] == "acc")
    ]
    at_home = home[home["split"] == "test"].groupby(["protocol", "variant"])["value"].mean()
    assert at_home["published", "raw-transfer-features"] == at_home["clean", "default"]
    assert at_home["published", "scrambled-labels"] == pytest.approx(at_home["clean", "default"])
    table = pd.read_csv(folder / "tables" / "attribution.csv")
    assert len(table) == 2 * len(scores)
    assert (folder / "figures" / "acc-by-epoch.png").exists()
