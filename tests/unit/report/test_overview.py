from __future__ import annotations

from typing import Any

import pandas as pd
import pytest

from clusterprobe.report.overview import build_overview, headlines


def overview(results: pd.DataFrame, **changes: Any) -> str:
    facts: dict[str, Any] = {
        "datasets": [{"name": "digits", "splits": {"train": 1437, "test": 360}, "classes": 10, "skipped": 3}],
        "encoders": [{"name": "SimCLR", "seen": "same", "licence": None}],
        "methods": ["kmeans", "scan"],
        "provenance": {"versions": {"numpy": "2.4.0"}, "commit": "0123abcd", "dirty": True, "seeds": 3},
        "links": [{"name": "Cost", "what": "time and memory", "href": "cost.html"}],
    }
    return build_overview("Digits <probe>", results, **(facts | changes))


def test_headlines_are_the_best_of_each_pair_in_context(results: pd.DataFrame) -> None:
    home, away = headlines(results)
    chosen = results[(results["metric"] == "acc") & (results["variant"] == "default")]
    means = chosen.groupby(["dataset", "encoder", "method"])["value"].mean()
    assert home.startswith(f"digits, test split: ACC {100 * means['digits'].max():.1f} ± ")
    assert "by SimCLR + CLD with SCAN, best of 12 (AMI " in home
    assert "chance ACC 17.0 %, largest cluster 14.0 %, clusters used 10)" in home
    assert away.startswith(
        f"digits → digits-shifted, test split: ACC-tr {100 * means['digits-shifted'].max():.1f} ± "
    )


def test_other_numbers_of_clusters_take_no_part(results: pd.DataFrame) -> None:
    rows = results.assign(variant="default")
    rows.loc[rows["k"] == 20, "value"] *= 2
    assert "clusters used 20" in headlines(rows)[0] or "clusters used 40" in headlines(rows)[0]
    assert "clusters used 10" in headlines(rows, {"digits": 10})[0]


def test_a_data_set_goes_by_its_title_and_is_found_by_its_name(scan_results: pd.DataFrame) -> None:
    facts = {"splits": {"train": 1437, "test": 360}, "classes": 10, "skipped": 0}
    datasets = [facts | {"name": "Handwritten digits", "dataset": "digits"}]
    doubled = scan_results["k"] == 20
    scan_results.loc[doubled, "variant"] = "default"
    page = overview(scan_results, datasets=datasets)
    assert "Handwritten digits, test split: ACC 95.1 ± " in page
    assert "clusters used 10)" in page, "classes are looked up by the name in the results"


def test_a_row_that_saw_labels_is_no_headline(scan_results: pd.DataFrame) -> None:
    (sentence,) = headlines(scan_results, {"digits": 10})
    assert "by simclr with self-labelling, best of 4" in sentence


def test_one_seed_has_no_spread(one_seed: pd.DataFrame) -> None:
    assert all("±" not in sentence for sentence in headlines(one_seed))


def test_the_page_holds_question_answer_and_provenance(results: pd.DataFrame) -> None:
    page = overview(results)
    for words in (
        "Digits &lt;probe&gt;",
        "train 1,437, test 360",
        "the same images, no labels",
        "k-means, SCAN",
        "0123abcd",
        "not committed",
        "2.4.0",
        '<a href="cost.html">Cost</a>: time and memory',
    ):
        assert words in page
    assert '<td class="label">train 1,437, test 360</td><td>10</td><td>3</td>' in page


def test_without_labels_nothing_is_scored(results: pd.DataFrame) -> None:
    bare = results[results["metric"].isin(["clusters_used", "largest_share"])]
    datasets = [{"name": "photos", "splits": {"train": 9}, "classes": None, "skipped": 0}]
    page = overview(bare, datasets=datasets)
    assert "no labels" in page
    assert "described, not scored" in page
    assert "%" not in page.split("What came out")[1].split("<h2>")[0]


@pytest.mark.parametrize("commit", [None, ""])
def test_code_outside_version_control_is_said_to_be(results: pd.DataFrame, commit: str | None) -> None:
    provenance = {"versions": {}, "commit": commit, "dirty": None, "seeds": 1}
    assert "Not under version control" in overview(results, provenance=provenance)
