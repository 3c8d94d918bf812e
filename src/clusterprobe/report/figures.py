"""The figures that an experiment can have, by name, and how they are saved."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

import pandas as pd
from matplotlib.figure import Figure

from clusterprobe.config.errors import UserError, nearest
from clusterprobe.report.ablations import (
    mmdc_dimensions,
    mmdc_sigma,
    mmdc_training,
    mmdc_views,
    scan_neighbours,
    scan_threshold,
)
from clusterprobe.report.benchmark_figures import (
    acc_against_ari,
    acc_by_clusters,
    acc_by_dims,
    linear_against_acc,
)
from clusterprobe.report.cld_figures import cld_temperature, cld_weight
from clusterprobe.report.cluster_grid import cluster_grid
from clusterprobe.report.comparisons import acc_by_method, ari_against_acc
from clusterprobe.report.confusions import confusion, superclass_confusion
from clusterprobe.report.curves import acc_by_epoch, k_sweep, neighbour_purity, pca_dims
from clusterprobe.report.distributions import cluster_sizes
from clusterprobe.report.histories import training_curves
from clusterprobe.report.label_figures import filter_grid, label_agreement, label_entropy
from clusterprobe.report.names import method_title
from clusterprobe.report.neighbour_grid import neighbour_grid, retrieval_grid
from clusterprobe.report.prototypes import prototypes
from clusterprobe.report.similarity_figure import similarities
from clusterprobe.report.snapshot_figure import knn_epochs, snapshots
from clusterprobe.report.style import in_style
from clusterprobe.report.summary import tidy
from clusterprobe.store.atomic import atomic_path


@dataclass(frozen=True)
class Drawing:
    """How one figure is drawn: its caption in the paper, its function and what this wants.

    `data` is "results" (the frame of results), "assignments" (columns encoder, encoder_seed, seed, cluster,
    k), "counts" (a class x class frame of image counts, named by its index and columns), "histories" (columns
    encoder, encoder_seed, epoch, name, value), "prototypes" (columns cluster, image, name), "neighbours"
    (columns anchor, rank, image, true), "retrieval" (the same and encoder), "examples" (columns cluster,
    rank, image, entropy), or one of those that evaluate.label_entropy, evaluate.filters,
    evaluate.similarity_histogram, evaluate.snapshot_maps and evaluate.snapshots make: "entropies",
    "agreements", "filters", "similarities", "snapshots", "snapshot-knn". What else a figure takes stands in
    `attrs` of its frame; the drawing functions name it.
    """

    caption: str
    draw: Callable[[pd.DataFrame], Figure]
    data: str = "results"


_CONFUSION = "Images of each class (row) by the class to which their cluster is matched (column), in percent"
_PROTOTYPES = (
    "The prototype of each cluster, under the number of the cluster and the class that it is matched to"
)

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
    "acc-by-epoch": Drawing(
        "ACC and ARI after single passes of k-means over the images. Band: standard deviation over seeds.",
        acc_by_epoch,
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
        for method in ("kmeans", "scan", "selflabel", "mmdc", "sela")
    },
    "superclass-confusion": Drawing(
        "Images of each superclass (row) by that of the class to which their cluster is matched (column), in "
        "percent.",
        superclass_confusion,
        "counts",
    ),
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
    "mmdc-sigma": Drawing(
        "ACC and ARI of MMDC against the standard deviation of its targets about their means. Band: standard "
        "deviation over seeds.",
        mmdc_sigma,
    ),
    "mmdc-dimensions": Drawing(
        "ACC and ARI of MMDC against the dimensions of random means. Default: one-hot means. Band: standard "
        "deviation over seeds.",
        mmdc_dimensions,
    ),
    "mmdc-views": Drawing(
        "ACC and ARI of MMDC against the number of augmented views of each image in a step. Band: standard "
        "deviation over seeds.",
        mmdc_views,
    ),
    "mmdc-training": Drawing(
        "What the trainings of MMDC and its variants logged: distance of an image from its target, share of "
        "the targets that are swapped, accuracy of the rotation task. Band: standard deviation over seeds.",
        mmdc_training,
        "histories",
    ),
    "training-curves": Drawing(
        "What the trainings logged, epoch by epoch. Band: standard deviation over seeds.",
        training_curves,
        "histories",
    ),
    "neighbours": Drawing(
        "Images of the train split (left) and their nearest neighbours, nearest first. Framed: neighbours of "
        "another class.",
        neighbour_grid,
        "neighbours",
    ),
    "retrieval": Drawing(
        "Images (left) and the train images that are nearest to them in the features of each encoder, "
        "nearest first. Framed: images of another class. First seed.",
        retrieval_grid,
        "retrieval",
    ),
    "prototypes": Drawing(f"{_PROTOTYPES}.", prototypes, "prototypes"),
    **{
        f"prototypes-{method}": Drawing(f"{method_title(method)}. {_PROTOTYPES}.", prototypes, "prototypes")
        for method in ("kmeans", "scan", "selflabel", "mmdc", "sela")
    },
    "sela-label-entropy": Drawing(
        "Share of the clusters of SeLa by the entropy of the classes within them, on the train split, over "
        "all seeds. Dotted: mean.",
        label_entropy,
        "entropies",
    ),
    "sela-agreement": Drawing(
        "NMI of the labels of SeLa with the classes, and with the labels before, at every relabelling. Band: "
        "standard deviation over seeds.",
        label_agreement,
        "agreements",
    ),
    "similarities": Drawing(
        "Cosines between the features of two images of the evaluated split. Solid: of one class; dashed: of "
        "different classes. First seed.",
        similarities,
        "similarities",
    ),
    "snapshots": Drawing(
        "The same images over the epochs of trainings: their features in two dimensions by t-SNE, each map "
        "made on its own. Colour and shape: class. First seed.",
        snapshots,
        "snapshots",
    ),
    "knn-epochs": Drawing(
        "kNN accuracy over the epochs of trainings, among the images that they keep features of: each by the "
        "nearest 20 of the others. Band: standard deviation over seeds.",
        knn_epochs,
        "snapshot-knn",
    ),
    **{
        f"cld-{option}": Drawing(
            "NMI × R of two views of each image, which needs no labels, and its factors (left), and accuracy "
            f"of probes where there are any (right), against the {option} of the group loss of CLD. Band: "
            "standard deviation over seeds.",
            draw,
        )
        for option, draw in (("weight", cld_weight), ("temperature", cld_temperature))
    },
    "kmeans-figure-1a": Drawing(
        "ACC of k-means against the accuracy of a linear classifier, of encoders that saw no labels; lines "
        "are least squares. Grey: arXiv 2008.10312, whose line leaves two encoders out.",
        linear_against_acc,
    ),
    "kmeans-figure-1b": Drawing(
        "ARI of k-means against its ACC, of encoders that saw no labels; lines are least squares. Grey: "
        "arXiv 2008.10312.",
        acc_against_ari,
    ),
    "kmeans-figure-2a": Drawing(
        "ACC and ARI of k-means on the leading principal components, beside the points of arXiv 2008.10312. "
        "Band: standard deviation over seeds.",
        acc_by_dims,
    ),
    "kmeans-figure-2b": Drawing(
        "ACC and ARI of k-means against the number of clusters, beside the points of arXiv 2008.10312. Band: "
        "standard deviation over seeds.",
        acc_by_clusters,
    ),
    "sela-low-entropy": Drawing(
        "The clusters of SeLa with the lowest entropy of classes, of those that fill a row: number, entropy "
        "in nats, and images drawn at random.",
        cluster_grid,
        "examples",
    ),
    "sela-random": Drawing(
        "Clusters of SeLa drawn at random: number, entropy of the classes in nats, and images drawn at "
        "random.",
        cluster_grid,
        "examples",
    ),
    "first-filters": Drawing(
        "The filters of the first convolution, each stretched to all brightnesses.", filter_grid, "filters"
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
