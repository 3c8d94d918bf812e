"""How metrics and methods are called in tables and figures."""

from __future__ import annotations

METRICS = {
    "acc": "ACC",
    "acc_val": "ACC-val",
    "acc_majority": "ACC-majority",
    "top5": "Top-5",
    "ami": "AMI",
    "ari": "ARI",
    "nmi": "NMI",
    "nmi_geometric": "NMI (geometric)",
    "fm": "FM",
    "clusters_used": "Clusters used",
    "largest_share": "Largest share",
    "chance_acc": "Chance ACC",
    "entropy": "Entropy",
    "inertia": "Inertia",
    "knn_top1": "kNN",
    "knn_top5": "kNN top-5",
    "retrieval_top1": "Retrieval",
    "recall_shared": "Recall shared",
    "recall_unshared": "Recall other",
    "linear_top1": "Linear",
    "linear_top5": "Linear top-5",
    "acc_class_mean": "ACC, mean over classes",
    "acc_many": "ACC, many-shot",
    "acc_medium": "ACC, medium-shot",
    "acc_few": "ACC, few-shot",
    "ami_balanced": "AMI, balanced",
    "knn_class_mean": "kNN, mean over classes",
    "knn_many": "kNN, many-shot",
    "knn_medium": "kNN, medium-shot",
    "knn_few": "kNN, few-shot",
    "linear_class_mean": "Linear, mean over classes",
    "linear_many": "Linear, many-shot",
    "linear_medium": "Linear, medium-shot",
    "linear_few": "Linear, few-shot",
    "voc_map": "Linear mAP",
    "view_agreement": "NMI × R of two views",
    "view_nmi": "NMI of two views",
    "view_retrieval": "R of two views",
    "inertia_gap": "Inertia gap",
    "silhouette": "Silhouette",
    "stability": "Stability across seeds",
    "generalisation": "Generalisation",
}

METHODS = {
    "kmeans": "k-means",
    "minibatch-kmeans": "mini-batch k-means",
    "spherical-kmeans": "spherical k-means",
    "scan": "SCAN",
    "selflabel": "self-labelling",
    "linear": "linear classifier (labels)",
    "sela": "SeLa",
    "relabelled": "SeLa, labels learnt anew",
    "mmdc": "MMDC",
    "deepcluster": "DeepCluster",
    "temi": "TEMI",
    "turtle": "TURTLE",
}

SHOTS = ("class_mean", "many", "medium", "few")
"""Accuracies over classes, of data sets whose classes differ in size."""

PROBES = (
    *("knn_top1", "knn_top5", *(f"knn_{shots}" for shots in SHOTS), "retrieval_top1"),
    *("linear_top1", "linear_top5", *(f"linear_{shots}" for shots in SHOTS)),
    "voc_map",
)
"""Metrics of probes: of features, read with labels; the probe `linear` is not the method of that name."""

CRITERIA = (
    *("view_agreement", "view_nmi", "view_retrieval"),
    *("inertia_gap", "silhouette", "stability", "generalisation"),
)
"""Label-free criteria: of a clustering and its features, the higher the better."""

SUPERVISED = frozenset({"linear"})
"""Methods that were trained with labels: the upper row of a comparison, never a rival in it."""

NEED_LABELS = frozenset(
    {"acc", "acc_val", "acc_majority", "top5", "ami", "ari", "nmi", "nmi_geometric", "fm", "chance_acc"}
    | {"ami_balanced", "recall_shared", "recall_unshared", *(f"acc_{shots}" for shots in SHOTS)}
)
"""Metrics that exist only where images carry labels."""

NEED_TRAIN_LABELS = frozenset(
    {"acc", "acc_majority", "top5", "chance_acc", "recall_shared", "recall_unshared"}
)
"""Those among them that map clusters to classes by the labels of the images that are fitted on."""

ACCURACIES = frozenset({"acc", "acc_val", "acc_majority", "top5"})
COMPANIONS = ("ami", "clusters_used", "largest_share", "chance_acc")
"""What is printed beside every accuracy."""


def metric_title(metric: str) -> str:
    """Return the printed name of a metric."""
    return METRICS.get(metric, metric)


def method_title(method: str) -> str:
    """Return the printed name of a method."""
    return METHODS.get(method, method)


def is_oracle(variant: str) -> bool:
    """Return whether a variant is told by its name to use labels as an oracle: an upper bound, no method."""
    return "oracle" in variant.split("-")
