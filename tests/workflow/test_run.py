"""The whole workflow on tiny pictures: what it leaves behind, and that it then has nothing to do."""

from __future__ import annotations

import csv
import json
import re
from html.parser import HTMLParser
from pathlib import Path

import numpy as np
import pandas as pd
from PIL import Image
from project import REPOSITORY, Project

COLUMNS = [
    *("experiment", "fit_dataset", "dataset", "split", "encoder", "encoder_id", "encoder_seed", "features"),
    *("reducer", "dims", "method", "variant", "head", "protocol", "k", "seed", "run", "metric", "value", "n"),
]
SPLITS = ("train", "test")
TABLES = ("clustering", "overclustering")
FIGURES = (
    "acc-by-method",
    "ari-against-acc",
    "cluster-sizes",
    "confusion",
    "k-sweep",
    "neighbour-purity",
    "pca-dims",
    "prototypes",
)


class Page(HTMLParser):
    """The cells of all tables of a page, what it loads or points at, and the tags in it."""

    def __init__(self, path: Path) -> None:
        super().__init__()
        self.cells: list[str] = []
        self.places: list[str] = []
        self.tags: set[str] = set()
        self._inside = False
        self.feed(path.read_text(encoding="utf-8"))

    def handle_starttag(self, tag: str, attributes: list[tuple[str, str | None]]) -> None:
        self.tags.add(tag)
        self.places += [value or "" for name, value in attributes if name in ("src", "href", "data")]
        if tag in ("td", "th"):
            self._inside = True
            self.cells.append("")

    def handle_endtag(self, tag: str) -> None:
        self._inside = self._inside and tag not in ("td", "th")

    def handle_data(self, data: str) -> None:
        if self._inside:
            self.cells[-1] += data.strip()


def test_second_run_has_nothing_to_do(finished: Project) -> None:
    result = finished.run("--dry-run")
    assert "Nothing to be done" in result.text
    assert finished.jobs() == {}


def test_dry_run_of_everything_counts_every_rule(finished: Project) -> None:
    assert finished.jobs("--forceall") == {
        "index_dataset": 2,
        "build_encoder": 1,
        "train_encoder": 2,
        "extract_features": 12,
        "fit_pca": 3,
        "mine_neighbours": 2,
        "evaluate_neighbours": 2,
        "fit_kmeans": 4,
        "evaluate_clustering": 4,
        "collect_results": 1,
        "make_table": 2,
        "draw_figure": 7,
        "draw_prototypes": 1,
        "build_gallery": 1,
        "write_overview": 1,
    }


def test_results_have_the_fixed_columns(finished: Project) -> None:
    results = pd.read_parquet(finished.folder / "reports/tiny/results.parquet")
    assert list(results.columns) == COLUMNS
    mined = results["metric"].str.startswith("neighbour_purity@")
    empty = {column for column in COLUMNS if results.loc[~mined, column].isna().any()}
    assert empty == {"encoder_seed", "head"}
    assert set(results.loc[results["encoder_seed"].isna(), "encoder"]) == {"pixels"}
    assert {column for column in COLUMNS if results.loc[mined, column].isna().any()} == {
        *("encoder_seed", "reducer", "dims", "method", "head", "k", "seed")
    }


def test_results_hold_every_cell_once(finished: Project) -> None:
    results = pd.read_parquet(finished.folder / "reports/tiny/results.parquet")
    assert not results.duplicated([column for column in COLUMNS if column not in ("value", "n")]).any()
    scores = results[results["metric"] == "acc"]
    cells = scores.groupby(["encoder", "variant", "k", "split"])["seed"].apply(sorted).to_dict()
    expected = [("pixels", "default", 3), ("simclr", "default", 3)]
    expected += [("simclr", "over-clustering", 6), ("simclr", "dims", 3)]
    assert cells == {(*cell, split): [0, 1] for cell in expected for split in SPLITS}
    assert results["value"].between(0, 1)[results["metric"].isin(["acc", "nmi", "chance_acc"])].all()
    assert scores["value"].max() > 0.6 > scores["value"].min() - 0.4  # three classes: chance is a third
    assert set(scores.loc[scores["variant"] == "dims", "dims"]) == {4}


def test_tables_have_no_empty_cell(finished: Project) -> None:
    folder = finished.folder / "reports/tiny/tables"
    assert {path.name for path in folder.iterdir()} == {
        f"{name}.{suffix}" for name in TABLES for suffix in ("tex", "html", "csv")
    }
    for name in TABLES:
        cells = Page(folder / f"{name}.html").cells
        assert len(cells) > 15
        assert all(cells), name
        rows = list(csv.DictReader((folder / f"{name}.csv").open(encoding="utf-8")))
        assert rows
        assert all(value for row in rows for key, value in row.items() if key != "missing"), name
        tex = (folder / f"{name}.tex").read_text(encoding="utf-8")
        assert "\\toprule" in tex
        assert not re.search(r"&\s*(&|\\\\)", tex), name


def test_figures_show_something(finished: Project) -> None:
    folder = finished.folder / "reports/tiny/figures"
    assert {path.name for path in folder.iterdir()} == {
        f"{name}.{suffix}" for name in FIGURES for suffix in ("pdf", "png")
    }
    for name in FIGURES:
        assert (folder / f"{name}.pdf").read_bytes().startswith(b"%PDF-")
        pixels = np.asarray(Image.open(folder / f"{name}.png").convert("L"))
        assert (pixels < 128).mean() > 0.002, name


def test_gallery_holds_its_pictures_and_escapes_names(finished: Project) -> None:
    page = Page(finished.one("reports/tiny/galleries/*.html"))
    assert sum(place.startswith("data:image/") for place in page.places) >= 3
    assert "i" not in page.tags, "the file names hold <i>, as text"


def test_pages_are_self_contained(finished: Project) -> None:
    pages = finished.found("reports/**/*.html")
    assert len(pages) == 6  # two tables, gallery, overview, cost, report
    for path in pages:
        outside = [place for place in Page(path).places if re.match(r"\s*(\w+:)?//", place)]
        loaded = [place for place in outside if not place.startswith("data:")]
        assert not loaded, f"{path}: {loaded}"


def test_report_holds_everything(finished: Project) -> None:
    """The pages and figures are embedded, under their categories, with their captions."""
    report = (finished.folder / "reports/tiny/report.html").read_text(encoding="utf-8")
    for word in ("Tables", "Figures", "Galleries", "Overview", *TABLES, *FIGURES):
        assert word in report, word


def test_reports_name_no_place_of_this_machine(finished: Project) -> None:
    places = [str(finished.folder), f"{REPOSITORY}/", f"{Path.home()}/"]
    for path in finished.found("reports/**/*"):
        content = path.read_bytes()
        assert not [place for place in places if place.encode() in content], path


def test_every_job_has_log_provenance_and_benchmark(finished: Project) -> None:
    logs = {path.relative_to(finished.folder / "data/logs") for path in finished.found("data/logs/**/*.log")}
    assert len(logs) == 45
    for log in logs:
        record = json.loads((finished.folder / "data/logs" / log).with_suffix(".provenance.json").read_text())
        assert record["rule"] == log.parts[0]
        assert record["wall_seconds"] > 0
        assert record["peak_rss_mb"] > 1
        measured = (finished.folder / "data/benchmarks" / log).with_suffix(".jsonl").read_text()
        assert json.loads(measured.splitlines()[-1])["s"] > 0
    gathered = json.loads((finished.folder / "reports/tiny/provenance.json").read_text())
    assert {job["rule"] for job in gathered["jobs"]} >= {"train_encoder", "fit_kmeans", "evaluate_clustering"}
    assert gathered["versions"]["torch"]


def test_nothing_is_written_elsewhere(finished: Project) -> None:
    there = {path.name for path in finished.folder.iterdir()}
    ours = {"Snakefile", "workflow", "config", "profiles", "src", "images"}
    assert there - ours == {"data", "reports", ".snakemake"}
    partial = [path for path in finished.folder.glob("data/**/*") if "partial" in path.name]
    assert not partial


def test_finished_training_leaves_no_state(finished: Project) -> None:
    assert not finished.found("data/training/**/*")


def test_unlabelled_folder_gets_label_free_scores_only(unlabelled: Project) -> None:
    results = pd.read_parquet(unlabelled.folder / "reports/unlabelled/results.parquet")
    assert set(results["metric"]) == {"clusters_used", "largest_share", "entropy", "inertia"}
    assert set(results["k"]) == {3}
    [row] = csv.DictReader(unlabelled.one("reports/unlabelled/tables/*.csv").open(encoding="utf-8"))
    filled = {key for key, value in row.items() if value}
    assert {"clusters_used", "largest_share", "n_seeds"} <= filled
    scores = {"acc", "acc_val", "ami", "ari", "nmi", "chance_acc"} & set(row)
    assert not scores & filled
    assert all(f"{score}: the images carry no labels" in row["missing"] for score in scores)
    assert all(Page(unlabelled.one("reports/unlabelled/tables/*.html")).cells)


def test_unlabelled_folder_gets_figures_and_a_gallery(unlabelled: Project) -> None:
    folder = unlabelled.folder / "reports/unlabelled"
    assert {path.stem for path in (folder / "figures").iterdir()} == {"cluster-sizes", "prototypes"}
    gallery = Page(unlabelled.one("reports/unlabelled/galleries/*.html"))
    assert sum(place.startswith("data:image/") for place in gallery.places) >= 3
    assert unlabelled.jobs() == {}


def test_skipped_image_is_counted_on_the_first_page(unlabelled: Project) -> None:
    cells = Page(unlabelled.folder / "reports/unlabelled/overview.html").cells
    assert cells[: cells.index("pictures") + 4][-4:] == ["pictures", "train 27, test 9", "no labels", "1"]
    facts = [json.loads(unlabelled.one(f"data/manifests/*/{split}.json").read_text()) for split in SPLITS]
    assert [entry["file"] for split in facts for entry in split["skipped"]] == ["broken.png"]
