"""The figures that an experiment can have, by name, and how they are saved."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

import pandas as pd
from matplotlib.figure import Figure

from clusterprobe.config.errors import UserError, nearest
from clusterprobe.report.ablations import scan_neighbours, scan_threshold
from clusterprobe.report.comparisons import acc_by_method, ari_against_acc
from clusterprobe.report.confusions import confusion
from clusterprobe.report.curves import k_sweep, neighbour_purity, pca_dims
from clusterprobe.report.distributions import cluster_sizes
from clusterprobe.report.histories import training_curves
from clusterprobe.report.names import method_title
from clusterprobe.report.prototypes import prototypes
from clusterprobe.report.style import in_style
from clusterprobe.report.summary import tidy
from clusterprobe.store.atomic import atomic_path


@dataclass(frozen=True)
class Drawing:
    """How one figure is drawn: its caption in the paper, its function and what this wants.

    `data` is "results" (the frame of results), "assignments" (columns encoder, encoder_seed, seed, cluster),
    "counts" (a class x class frame of image counts, named by its index and columns), "histories" (columns
    encoder, encoder_seed, epoch, name, value) or "prototypes" (columns cluster, image, name). What else a
    figure takes stands in `attrs` of its frame; the drawing functions name it.
    """

    caption: str
    draw: Callable[[pd.DataFrame], Figure]
    data: str = "results"


_CONFUSION = "Images of each class (row) by the class to which their cluster is matched (column), in percent"

FIGURES = {
    "acc-by-method": Drawing(
        "ACC of every encoder and method with as many clusters as classes. Small dots: seeds; large mark and "
        "bar: mean and standard deviation; grey tick: ACC on permuted labels.",
        acc_by_method,
    ),
    "ari-against-acc": Drawing(
        "ARI against ACC, mean and standard deviation over seeds. Colour: encoder; shape: method.",
        ari_against_acc,
    ),
    "pca-dims": Drawing(
        "ACC and ARI of k-means on the leading principal components. Band: standard deviation over seeds.",
        pca_dims,
    ),
    "k-sweep": Drawing(
        "ACC and ARI against the number of clusters. Band: standard deviation over seeds.", k_sweep
    ),
    "neighbour-purity": Drawing(
        "Share of the k nearest neighbours of an image that carry its label.", neighbour_purity
    ),
    "cluster-sizes": Drawing(
        "Share of the images in each cluster, largest first, mean over seeds. Dashed: equal sizes.",
        cluster_sizes,
        "assignments",
    ),
    "confusion": Drawing(
        f"{_CONFUSION}.",
        confusion,
        "counts",
    ),
    **{
        f"confusion-{method}": Drawing(f"{method_title(method)}. {_CONFUSION}.", confusion, "counts")
        for method in ("kmeans", "scan", "selflabel")
    },
    "scan-neighbours": Drawing(
        "ACC and ARI of SCAN against the number of neighbours per image. Oracle: false neighbours were "
        "removed by label, an upper bound and no method. Band: standard deviation over seeds.",
        scan_neighbours,
    ),
    "scan-threshold": Drawing(
        "ACC and ARI of self-labelling against the threshold from which on an image is confident. Band: "
        "standard deviation over seeds.",
        scan_threshold,
    ),
    "training-curves": Drawing(
        "What the trainings logged, epoch by epoch. Band: standard deviation over seeds.",
        training_curves,
        "histories",
    ),
    "prototypes": Drawing(
        "The prototype of each cluster, under the number of the cluster and the class that it is matched to.",
        prototypes,
        "prototypes",
    ),
}
"""Every figure by name."""


def draw_figure(name: str, data: pd.DataFrame) -> Figure:
    """Return the figure `name`; `FIGURES[name].data` says which frame it wants.

    Raises UserError if there is nothing to draw: an empty figure is never made.
    """
    if name not in FIGURES:
        raise UserError(f"there is no figure {name!r}: {nearest(name, FIGURES)}")
    drawing = FIGURES[name]
    frame = data
    if drawing.data == "results":
        frame = tidy(data)
        frame.attrs = dict(data.attrs)
    with in_style():
        return drawing.draw(frame)


def save_figure(figure: Figure, pdf: Path, png: Path) -> None:
    """Write both twins of a figure; the same figure gives the same bytes at any time and place."""
    with in_style():
        with atomic_path(pdf) as path:
            figure.savefig(path, format="pdf", metadata={"Creator": "clusterprobe", "CreationDate": None})
        with atomic_path(png) as path:
            figure.savefig(path, format="png", metadata={"Software": "clusterprobe"})
