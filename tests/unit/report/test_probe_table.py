"""Tables of probes and criteria, and that neither touches the tables of clusterings."""

from __future__ import annotations

import csv
import io
from collections.abc import Callable
from typing import Any

import numpy as np
import pandas as pd
import pytest

from clusterprobe.config.errors import UserError
from clusterprobe.report.clustering_tables import RECIPES
from clusterprobe.report.criteria_table import rank_correlation
from clusterprobe.report.names import CRITERIA, PROBES
from clusterprobe.report.overview import headlines
from clusterprobe.report.table_builders import build_table
from clusterprobe.report.table_formats import render
from clusterprobe.report.tables import Table
from clusterprobe.store.tables import RESULTS

ENCODERS = ("pixels", "untrained network", "SimCLR")


def _row(**values: Any) -> dict[str, Any]:
    fixed = {"experiment": "test", "fit_dataset": "digits", "dataset": "digits", "split": "test"}
    fixed |= {"protocol": "clean", "variant": "default", "n": 360}
    return dict.fromkeys(RESULTS.names) | fixed | values


def _probes(encoder: str, level: float, seeds: int = 3, features: str | None = None) -> list[dict[str, Any]]:
    rows = []
    for variant, loss in (("default", 0.0), ("labels-10", 0.1)):
        for metric in PROBES:
            method = "linear" if metric.startswith("linear") else "knn"
            for seed in range(seeds):
                value = level - loss + 0.01 * seed + (0.05 if metric.endswith("5") else 0)
                cell = {"encoder": encoder, "method": method, "variant": variant, "metric": metric}
                cell |= {"run": f"{method}-{encoder}-{variant}", "features": features or encoder}
                rows.append(_row(**cell, seed=seed, encoder_seed=seed, value=value))
    return rows


def _setting(
    encoder: str, variant: str, acc: float, criteria: dict[str, float], k: int = 10
) -> list[dict[str, Any]]:
    """The rows of one run of two seeds: ACC on both splits, criteria on the train split."""
    run = f"kmeans-{encoder}-{variant}-{k}"
    cell = {"encoder": encoder, "variant": variant, "method": "kmeans", "reducer": "pca", "dims": 64, "k": k}
    rows = []
    for seed in (0, 1):
        for split, value in (("train", acc - 0.2), ("test", acc)):
            rows.append(_row(**cell, run=run, split=split, seed=seed, metric="acc", value=value))
        for metric, value in criteria.items():
            found = {"features": encoder, "metric": metric, "value": value + 0.1 * seed - 0.05}
            rows.append(_row(**cell, run=run, split="train", seed=seed, **found))
    return rows


def _table(name: str, rows: list[dict[str, Any]]) -> dict[tuple[str, ...], dict[str, str]]:
    text = render(build_table(name, pd.DataFrame(rows))).csv
    reader = csv.DictReader(io.StringIO(text))
    labels = ("group", "encoder") if name == "probes" else ("group", "criterion")
    return {tuple(row[label] for label in labels): row for row in reader}


def test_probes_are_one_row_per_encoder_and_share_of_labels() -> None:
    rows = [row for level, encoder in enumerate(ENCODERS) for row in _probes(encoder, 0.5 + 0.1 * level)]
    table = _table("probes", rows)
    heads = ["digits, test split, all labels", "digits, test split, 10 % of the labels"]
    assert list(table) == [(head, encoder) for head in heads for encoder in ENCODERS]
    simclr = table[heads[1], "SimCLR"]
    assert float(simclr["linear_top1"]) == pytest.approx(0.7 - 0.1 + 0.01)
    assert float(simclr["knn_top5_std"]) == pytest.approx(0.01)
    assert not simclr["missing"]


def test_probes_that_do_not_exist_say_why() -> None:
    rows = [
        row for row in _probes("pixels", 0.5) if row["metric"] in ("knn_top1", "linear_top1", "linear_top5")
    ]
    rows += [row for row in _probes("SimCLR", 0.5) if row["metric"] == "linear_top1"]
    table = _table("probes", rows)
    missing = table["digits, test split, all labels", "SimCLR"]["missing"]
    assert "linear_top5: with five classes or fewer" in missing
    assert "knn_top1: a probe that was not asked for" in missing


def test_images_that_show_several_classes_have_another_measure() -> None:
    rows = [row for row in _probes("pixels", 0.5) if row["metric"] == "linear_top1"]
    rows += [row | {"metric": "voc_map", "dataset": "voc"} for row in rows]
    table = _table("probes", rows)
    assert "images show one class" in table["digits, test split, all labels", "pixels"]["missing"]
    voc = table["voc, test split, all labels", "pixels"]
    assert float(voc["voc_map"]) == pytest.approx(0.51)
    assert "linear_top1: the images show several classes" in voc["missing"]


def test_another_variant_of_a_probe_is_named() -> None:
    rows = [
        row | {"variant": "k50-labels-1"} for row in _probes("pixels", 0.5) if row["variant"] == "default"
    ]
    assert list(_table("probes", rows)) == [("digits, test split, 1 % of the labels, k50", "pixels")]


def test_criteria_are_ranked_against_acc_and_probe_and_pay_for_their_choice() -> None:
    """Silhouette ranks as ACC does; the inertia gap the other way round."""
    rows = []
    for encoder, acc in zip(ENCODERS, (0.6, 0.5, 0.8), strict=True):
        rows += _setting(encoder, "default", acc, {"silhouette": acc / 2, "inertia_gap": -acc})
        rows += _probes(encoder, acc)
    table = _table("criteria", rows)
    group = "digits, k-means, 10 clusters"
    assert set(table) == {(group, name) for name in ("Silhouette", "Inertia gap", "by chance")}
    right, wrong, chance = (table[group, name] for name in ("Silhouette", "Inertia gap", "by chance"))
    assert (right["choice"], wrong["choice"]) == ("SimCLR", "untrained network")
    assert [float(right[f"correlation_{what}"]) for what in ("acc", "linear")] == [1.0, 1.0]
    assert float(wrong["correlation_acc"]) == -1.0
    assert float(right["cost"]) == 0.0
    assert float(wrong["cost"]) == pytest.approx(0.3)
    assert float(chance["acc_of_choice"]) == pytest.approx(1.9 / 3)
    assert float(chance["cost"]) == pytest.approx(0.8 - 1.9 / 3)


def test_criteria_are_held_against_probes_of_their_own_data_set() -> None:
    """Features of a published encoder have one id on all data sets; here the probes rank the other way."""
    rows = []
    for dataset, sign in (("digits", 1), ("letters", -1)):
        for encoder, acc in zip(ENCODERS, (0.6, 0.5, 0.8), strict=True):
            found = _setting(encoder, "default", acc, {"silhouette": acc / 2})
            found += _probes(encoder, 0.5 + sign * acc / 2)
            names = {"dataset": dataset, "fit_dataset": dataset}
            rows += [row | names | {"run": f"{row['run']}-{dataset}"} for row in found]
    table = _table("criteria", rows)
    assert float(table["digits, k-means, 10 clusters", "Silhouette"]["correlation_linear"]) == 1.0
    assert float(table["letters, k-means, 10 clusters", "Silhouette"]["correlation_linear"]) == -1.0


def test_other_numbers_of_clusters_are_another_grid_and_oracles_take_no_part() -> None:
    rows = []
    for variant, k, acc in (("default", 10, 0.5), ("dims", 10, 0.4), ("more", 20, 0.6), ("most", 20, 0.7)):
        rows += _setting("SimCLR", variant, acc, {"stability": acc}, k)
    rows += _setting("SimCLR", "oracle-neighbours", 0.99, {"stability": 0.99})
    table = _table("criteria", rows)
    assert {group for group, _ in table} == {"digits, k-means, 10 clusters", "digits, k-means, 20 clusters"}
    assert table["digits, k-means, 10 clusters", "Stability across seeds"]["choice"] == "SimCLR"
    found = table["digits, k-means, 20 clusters", "Stability across seeds"]
    assert found["choice"] == "SimCLR, most"
    assert "fewer than 3 settings" in found["missing"]
    assert "not every setting was probed" in found["missing"]


def test_dims_tell_settings_apart_that_share_encoder_and_variant() -> None:
    rows = []
    for dims, acc in ((4, 0.5), (8, 0.6)):
        for row in _setting("SimCLR", "dims", acc, {"silhouette": acc}):
            rows.append(row | {"dims": dims, "run": f"{row['run']}-{dims}"})
    table = _table("criteria", rows)
    assert table["digits, k-means, 10 clusters", "Silhouette"]["choice"] == "SimCLR, dims, 8 dimensions"


def test_rank_correlation_is_that_of_scipy() -> None:
    stats = pytest.importorskip("scipy.stats")
    generator = np.random.default_rng(0)
    one, other = pd.Series(generator.integers(0, 4, 9)), pd.Series(generator.random(9))
    assert rank_correlation(one, other).mean == pytest.approx(stats.spearmanr(one, other).statistic)
    assert rank_correlation(one, one * 0.0).reason == "all settings have the same value"


@pytest.mark.parametrize("name", ["probes", "criteria"])
def test_without_rows_the_tables_say_so(name: str, results: pd.DataFrame) -> None:
    with pytest.raises(UserError, match="leave it out"):
        build_table(name, results)


@pytest.mark.parametrize("name", [*RECIPES, "scan-table-2"])
def test_probes_and_criteria_change_no_table_of_clusterings(name: str, scan_results: pd.DataFrame) -> None:
    rows = [
        row for encoder in ("pixels", "simclr", "supervised") for row in _probes(encoder, 0.9, features="f")
    ]
    runs = scan_results[scan_results["metric"] == "acc"].assign(split="train")
    scored = [runs.assign(metric=metric, value=0.5) for metric in CRITERIA]
    more = pd.concat([scan_results, pd.DataFrame(rows), *scored], ignore_index=True)
    try:
        expected = render(build_table(name, scan_results, {"digits": 10}))
    except UserError as error:
        with pytest.raises(UserError, match=str(error)[:30]):
            build_table(name, more, {"digits": 10})
    else:
        assert render(build_table(name, more, {"digits": 10})) == expected
    assert headlines(more, {"digits": 10}) == headlines(scan_results, {"digits": 10})


@pytest.mark.latex
@pytest.mark.parametrize("name", ["probes", "criteria"])
def test_both_compile_alone(name: str, compiles_alone: Callable[[Table], bool]) -> None:
    rows = []
    for encoder, acc in zip(ENCODERS, (0.6, 0.5, 0.8), strict=True):
        rows += _setting(encoder, "default", acc, {"silhouette": acc / 2, "inertia_gap": -acc})
        rows += _probes(encoder, acc)
    assert compiles_alone(build_table(name, pd.DataFrame(rows)))
