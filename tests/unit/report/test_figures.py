from __future__ import annotations

from pathlib import Path

import matplotlib as mpl
import numpy as np
import pandas as pd
import pytest
from matplotlib.figure import Figure
from PIL import Image

from clusterprobe.config.errors import UserError
from clusterprobe.report.figures import FIGURES, draw_figure, save_figure
from clusterprobe.report.panels import legend_columns
from clusterprobe.report.paper import write_paper
from clusterprobe.report.style import PAGE_WIDTH


def frame_for(
    name: str,
    results: pd.DataFrame,
    scan_results: pd.DataFrame,
    mmdc_results: pd.DataFrame,
    benchmark_results: pd.DataFrame,
) -> pd.DataFrame:
    if name == "acc-by-epoch":
        return by_epoch(results)
    if name.startswith("cld-"):
        return of_cld(results)
    if FIGURES[name].data == "results":
        of_papers = {"scan": scan_results, "mmdc": mmdc_results, "kmeans": benchmark_results}
        return of_papers.get(name.split("-")[0], results)
    draw = np.random.default_rng(0)
    if FIGURES[name].data == "prototypes":
        images = [draw.integers(0, 256, (8, 8)).astype(np.uint8) for _ in range(12)]
        return pd.DataFrame({"cluster": range(12), "image": images})
    if FIGURES[name].data in ("neighbours", "retrieval"):
        images = [draw.integers(0, 256, (8, 8)).astype(np.uint8) for _ in range(6)]
        return pd.DataFrame(
            {
                "anchor": [0, 0, 0, 5, 5, 5],
                "encoder": "NPID",
                "rank": [0, 1, 2] * 2,
                "image": images,
                "true": [True, True, False] * 2,
            }
        )
    if FIGURES[name].data == "histories":
        rows = [
            ("default", seed, epoch, "squared_distance", draw.normal(1 / epoch))
            for seed in range(3)
            for epoch in range(1, 9)
        ]
        return pd.DataFrame(rows, columns=["encoder", "encoder_seed", "epoch", "name", "value"])
    if FIGURES[name].data == "entropies":
        return pd.DataFrame({"encoder": ["SeLa"] * 30, "entropy": draw.random(30)})
    if FIGURES[name].data == "agreements":
        places = [(seed, number) for seed in range(3) for number in range(5)]
        values = [("SeLa", seed, number, "classes", draw.random()) for seed, number in places]
        columns = ["encoder", "encoder_seed", "relabelling", "against", "value"]
        return pd.DataFrame(values, columns=columns)
    if FIGURES[name].data == "similarities":
        pairs = [(name, kind) for name in ("NPID", "MoCo") for kind in ("same class", "other classes")]
        bins = [
            (*pair, low, draw.random()) for pair in pairs for low in np.linspace(-1, 1, 50, endpoint=False)
        ]
        frame = pd.DataFrame(bins, columns=["encoder", "pairs", "low", "share"])
        return frame.assign(dataset="digits")
    if FIGURES[name].data == "snapshots":
        maps = [("NPID", epoch, *draw.uniform(-1, 1, 2), c) for epoch in (0, 5) for c in ("one", "two", None)]
        return pd.DataFrame(maps, columns=["encoder", "epoch", "x", "y", "name"])
    if FIGURES[name].data == "snapshot-knn":
        rows = [
            (encoder, seed, epoch, draw.uniform(0.5, 1))
            for encoder in ("NPID", "CLD")
            for seed in (0, 1)
            for epoch in (0, 2, 20)
        ]
        columns = ["encoder", "encoder_seed", "epoch", "value"]
        return pd.DataFrame(rows, columns=columns).assign(dataset="digits")
    if FIGURES[name].data == "examples":
        images = [draw.integers(0, 256, (8, 8)).astype(np.uint8) for _ in range(6)]
        places = {"cluster": [7, 7, 7, 2, 2, 2], "rank": [0, 1, 2] * 2, "entropy": [0.1] * 3 + [np.nan] * 3}
        return pd.DataFrame(places | {"image": pd.Series(images, dtype=object)})
    if FIGURES[name].data == "filters":
        images = [draw.integers(0, 256, (3, 3), dtype=np.uint8) for _ in range(20)]
        return pd.DataFrame({"image": pd.Series(images, dtype=object)})
    if FIGURES[name].data == "counts":
        counts = np.diag(draw.integers(20, 36, 10)) + draw.poisson(1, (10, 10))
        names = [f"class {number}" for number in range(10)]
        frame = pd.DataFrame(counts, index=pd.Index(names), columns=pd.Index(names))
        if name == "superclass-confusion":
            frame.attrs["superclasses"] = {word: f"group {place % 3}" for place, word in enumerate(names)}
        return frame
    parts = [
        pd.DataFrame(
            {"encoder": encoder, "encoder_seed": None, "seed": seed, "cluster": draw.integers(0, 10, 200)}
        )
        for encoder in ("pixels", "SimCLR")
        for seed in range(3)
    ]
    return pd.concat(parts)


def by_epoch(results: pd.DataFrame) -> pd.DataFrame:
    """Scores that come close to the final ones from the first pass on."""
    last = results[(results["method"] == "kmeans") & results["metric"].isin(["acc", "ari"])]
    passes = [
        last.assign(metric=last["metric"] + f"@{number}", value=last["value"] * (1 - 0.2 / number))
        for number in (1, 2, 4, 60)
    ]
    return pd.concat([results, *passes], ignore_index=True)


def of_cld(results: pd.DataFrame) -> pd.DataFrame:
    """Criteria of two views, and no probes, of one encoder whose group loss has other options."""
    default = (results["method"] == "kmeans") & (results["variant"] == "default")
    rows = results[default & (results["metric"] == "acc") & (results["encoder"] == "SimCLR + CLD")]
    variants = ("default", "weight-0.25", "weight-4", "temperature-0.2", "temperature-1")
    return pd.concat(
        [
            rows.assign(variant=variant, run=variant, metric=metric)
            for variant in variants
            for metric in ("view_nmi", "view_retrieval", "view_agreement")
        ]
    )


def drawn(figure: Figure) -> int:
    return sum(len(axes.lines) + len(axes.images) + len(axes.collections) for axes in figure.axes)


@pytest.mark.parametrize("name", FIGURES)
def test_every_figure_draws_and_saves_the_same_bytes_twice(
    name: str,
    results: pd.DataFrame,
    scan_results: pd.DataFrame,
    mmdc_results: pd.DataFrame,
    benchmark_results: pd.DataFrame,
    tmp_path: Path,
) -> None:
    data = frame_for(name, results, scan_results, mmdc_results, benchmark_results)
    for run in ("first", "second"):
        figure = draw_figure(name, data)
        assert drawn(figure) > 0
        assert figure.get_size_inches()[0] <= PAGE_WIDTH
        save_figure(figure, tmp_path / f"{run}.pdf", tmp_path / f"{run}.png")
    for suffix in ("pdf", "png"):
        first, second = (tmp_path / f"{run}.{suffix}" for run in ("first", "second"))
        assert first.read_bytes() == second.read_bytes()
    assert b"CreationDate" not in (tmp_path / "first.pdf").read_bytes()
    with Image.open(tmp_path / "first.png") as image:
        assert len(set(image.convert("RGB").resize((60, 60)).get_flattened_data())) > 3


def test_a_changed_number_changes_the_figure(results: pd.DataFrame, tmp_path: Path) -> None:
    changed = results.assign(value=results["value"] * 0.9)
    for name, data in (("a", results), ("b", changed)):
        save_figure(draw_figure("acc-by-method", data), tmp_path / f"{name}.pdf", tmp_path / f"{name}.png")
    assert (tmp_path / "a.png").read_bytes() != (tmp_path / "b.png").read_bytes()


def test_settings_of_the_user_do_not_reach_a_figure(results: pd.DataFrame, tmp_path: Path) -> None:
    for name, size in (("a", 10), ("b", 30)):
        with mpl.rc_context({"font.size": size, "axes.grid": False}):
            figure = draw_figure("k-sweep", results)
            save_figure(figure, tmp_path / f"{name}.pdf", tmp_path / f"{name}.png")
    assert (tmp_path / "a.png").read_bytes() == (tmp_path / "b.png").read_bytes()


@pytest.mark.parametrize("name", [name for name in FIGURES if FIGURES[name].data == "results"])
def test_nothing_to_draw_is_an_error(name: str, results: pd.DataFrame) -> None:
    with pytest.raises(UserError, match=f"figure '{name}' has nothing to draw"):
        draw_figure(name, results[results["metric"] == "entropy"])


def test_empty_assignments_are_errors() -> None:
    empty = pd.DataFrame({"encoder": [], "encoder_seed": [], "seed": [], "cluster": []})
    with pytest.raises(UserError, match="no assignments"):
        draw_figure("cluster-sizes", empty)
    with pytest.raises(UserError, match=r"lack \['seed'\]"):
        draw_figure("cluster-sizes", empty.drop(columns="seed"))


def test_an_unknown_figure_is_named_with_the_nearest() -> None:
    with pytest.raises(UserError, match="did you mean 'k-sweep'"):
        draw_figure("ksweep", pd.DataFrame())


def test_accuracy_figure_shows_seeds_their_mean_and_chance(results: pd.DataFrame) -> None:
    axes = draw_figure("acc-by-method", results).axes[0]
    seeds = [line for line in axes.lines if len(np.atleast_1d(line.get_xdata())) == 3]
    assert len(seeds) == 4 * 3
    chance = [line for line in axes.lines if line.get_marker() == "|"]
    assert [float(np.ravel(line.get_xdata())[0]) for line in chance] == pytest.approx([0.17] * 12)
    assert [label.get_text() for label in axes.get_yticklabels()] == [
        "pixels",
        "untrained network",
        "SimCLR",
        "SimCLR + CLD",
    ]


def test_runs_with_other_numbers_of_clusters_are_never_pooled(results: pd.DataFrame) -> None:
    doubled = results[results["dims"].isna() & (results["method"] == "kmeans")].assign(variant="default")
    figure = draw_figure("acc-by-method", doubled)
    labels = [text.get_text() for text in figure.legends[0].get_texts()]
    assert labels == ["k-means, k 10", "k-means, k 15", "k-means, k 20", "chance"]


def test_sweep_figure_draws_every_point_of_every_encoder(results: pd.DataFrame) -> None:
    figure = draw_figure("pca-dims", results)
    assert [axes.get_ylabel() for axes in figure.axes] == ["ACC (%)", "ARI (%)"]
    assert [len(line.get_xdata()) for line in figure.axes[0].lines] == [6] * 4  # type: ignore[arg-type]
    assert [tick.get_text() for tick in figure.axes[0].get_xticklabels()] == [
        *("2", "4", "8", "16", "32"),
        "all",
    ]


@pytest.mark.parametrize(
    ("figure", "endings"),
    [
        ("k-sweep", ["8 components", "16 components"]),
        ("pca-dims", ["10 clusters", "20 clusters"]),
        ("kmeans-figure-2b", ["8 components", "16 components"]),
    ],
)
def test_runs_that_differ_in_the_other_number_are_lines_of_their_own(
    figure: str, endings: list[str], results: pd.DataFrame
) -> None:
    first = results[(results["method"] == "kmeans") & (results["variant"] == "default")]
    first = first[(first["encoder"] == first["encoder"].iloc[0]) & (first["reducer"] == "pca")]
    grid = pd.concat(
        first.assign(dims=dims, k=k, run=f"{dims}-{k}") for dims in (8, 16) for k in (10, 20)
    ).astype({"dims": "Int64", "k": "Int64"})
    drawn = draw_figure(figure, grid)
    lines = [line for line in drawn.axes[0].lines if len(np.ravel(line.get_xdata())) > 1]
    assert all(len(set(np.ravel(line.get_xdata()))) == len(np.ravel(line.get_xdata())) for line in lines)
    names = [text.get_text() for text in drawn.legends[0].get_texts()]
    assert [name.rpartition(", ")[2] for name in names[:2]] == endings


def test_components_whose_number_differs_between_seeds_stand_at_the_right(results: pd.DataFrame) -> None:
    """With `dims: null` the results hold the rank of each seed: one point, not one for each rank."""
    rank = 60 + results["seed"]
    figure = draw_figure("pca-dims", results.assign(dims=results["dims"].fillna(rank)))
    assert [len(line.get_xdata()) for line in figure.axes[0].lines] == [6] * 4  # type: ignore[arg-type]
    assert [tick.get_text() for tick in figure.axes[0].get_xticklabels()][-2:] == ["32", "all"]


def test_empty_clusters_count_when_the_number_asked_for_is_known() -> None:
    frame = pd.DataFrame({"encoder": "a", "encoder_seed": None, "seed": 0, "cluster": [0, 0, 0, 1]})
    shares = draw_figure("cluster-sizes", frame.assign(k=4)).axes[0].lines[0].get_ydata()
    assert list(np.ravel(shares)) == [0.75, 0.25, 0, 0]


def test_the_band_of_sizes_is_the_deviation_of_a_sample() -> None:
    """Largest shares of 3/4 and 1/4 of two seeds: a standard deviation of sqrt(2)/4 with ddof=1."""
    seeds = {0: [0, 0, 0, 1], 1: [0, 1, 2, 3]}
    parts = [
        pd.DataFrame({"encoder": "a", "encoder_seed": None, "seed": seed, "cluster": found})
        for seed, found in seeds.items()
    ]
    (band,) = draw_figure("cluster-sizes", pd.concat(parts).assign(k=4)).axes[0].collections
    heights = band.get_paths()[0].vertices[:, 1]  # type: ignore[index]
    assert heights.max() == pytest.approx(0.5 + np.sqrt(2) / 4)
    (alone,) = draw_figure("cluster-sizes", parts[0].assign(k=4)).axes[0].collections
    assert alone.get_paths()[0].vertices[:, 1].max() == 0.75  # type: ignore[index]


def test_names_with_dollar_signs_are_text(results: pd.DataFrame, tmp_path: Path) -> None:
    odd = results.assign(encoder=results["encoder"] + r" $\frac{$")
    save_figure(draw_figure("acc-by-method", odd), tmp_path / "a.pdf", tmp_path / "a.png")
    assert (tmp_path / "a.png").stat().st_size > 0


def test_a_legend_takes_as_many_columns_as_fit() -> None:
    short, long = ["kmeans", "SCAN", "SeLa"], ["a very long name of a line in a figure"]
    assert legend_columns(short, 3.4) == 3
    assert legend_columns(short + long, 3.4) == 1
    assert legend_columns(short + long, 6.7) == 4


def test_the_widest_figure_fits_the_page_of_the_paper() -> None:
    assert f"\\setlength{{\\textwidth}}{{{PAGE_WIDTH}in}}" in write_paper("T", "S", [], [])


def test_methods_are_told_from_each_other_without_what_all_their_runs_share(
    scan_results: pd.DataFrame,
) -> None:
    legend = draw_figure("k-sweep", scan_results).legends[0].get_texts()
    names = [text.get_text() for text in legend]
    assert names == ["simclr, k-means", "simclr, SCAN", "simclr, self-labelling"]
