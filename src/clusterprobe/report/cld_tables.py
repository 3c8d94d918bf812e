"""The tables of CLD (arXiv 2008.03813): contrastive methods with and without its group branch.

Readable names of encoders are those of config/cld-*.yaml.
"""

from __future__ import annotations

from clusterprobe.report.paper_probes import ProbeTable, Reading

_KNN = (
    "kNN and retrieval in the train split, by features of the centre crop; the paper's is that of the test "
    "split while it trains"
)
_TOP = Reading("knn_top1", "default", "top1", "kNN")
_NAMES = {
    "NPID": ("NPID",),
    "NPID + CLD": ("NPID + CLD",),
    "MoCo": ("MoCo",),
    "MoCo + CLD": ("MoCo + CLD",),
}
_TAILS = "The paper does not say how uneven the classes of its CIFAR10-LT and CIFAR100-LT are."
_SELECTED = "Its code follows kNN on the test split while it trains; which epoch it prints is not said."

_LONG_TAILS = ProbeTable(
    "cld",
    "Table 1",
    "Long tails, read by neighbours",
    ("method", "backbone"),
    ("Method", "Network"),
    (
        _TOP,
        Reading("knn_top5", "default", "top5", "kNN top-5"),
        Reading("knn_class_mean", "default", "class mean", "kNN, mean over classes"),
    ),
    _NAMES,
    (_TAILS, _SELECTED),
    datasets=("CIFAR10-LT", "CIFAR100-LT"),
    tailed=True,
    protocol=_KNN,
    unit="Accuracy",
)

_LONG_TAIL_IMAGENET = ProbeTable(
    "cld",
    "Table 1",
    "Long tail of ImageNet, read by a linear classifier",
    ("method", "backbone"),
    ("Method", "Network"),
    (
        Reading("linear_many", "default", "top1 many-shot", "Many-shot"),
        Reading("linear_medium", "default", "top1 medium-shot", "Medium-shot"),
        Reading("linear_few", "default", "top1 few-shot", "Few-shot"),
        Reading("linear_top1", "default", "top1", "Top-1"),
        Reading("linear_top5", "default", "top5", "Top-5"),
    ),
    _NAMES,
    ("CE and OLTR are trained with labels. Many-shot: 100 train images or more; few-shot: 20 or fewer.",),
    datasets=("ImageNet-LT",),
    tailed=True,
    unit="Accuracy",
)

_BASES = ProbeTable(
    "cld",
    "Table 2",
    "Contrastive methods with and without CLD",
    ("method", "backbone"),
    ("Method", "Network"),
    (_TOP,),
    {
        **_NAMES,
        "DeepCluster": ("DeepCluster",),
        "BYOL": ("BYOL",),
        "BYOL + CLD": ("BYOL + CLD",),
    },
    (
        _SELECTED,
        "Its gains of CLD for ImageNet-100 differ from its rows (4.4 and 5.3, printed as 3.6 and 4.7).",
        "Its ImageNet-100 has the classes of CMC, not those of SCAN.",
    ),
    tailed=False,
    protocol=_KNN,
)

_IMAGENET = ProbeTable(
    "cld",
    "Table 3",
    "Linear classifiers on ImageNet",
    ("method", "backbone", "protocol"),
    ("Method", "Network", "Published protocol"),
    (Reading("linear_top1", "default", "top1", "Top-1"),),
    {
        **_NAMES,
        "MoCo v2": ("MoCo v2",),
        "MoCo v2 + CLD": ("MoCo v2 + CLD",),
        "InfoMin": ("InfoMin",),
        "InfoMin + CLD": ("InfoMin + CLD",),
        "BYOL": ("BYOL",),
        "BYOL + CLD": ("BYOL + CLD",),
    },
    (
        "With 120 groups for 64 images on each GPU, its settings group nothing: CLD is then a contrast of "
        "two views within 64 images. A row of ours stands beside every published row of its method, whatever "
        "the number of epochs.",
    ),
    own_rows=False,
)

_FEW_LABELS = ProbeTable(
    "cld",
    "Table 4",
    "1 % and 10 % of the labels of ImageNet",
    ("method", "backbone"),
    ("Method", "Network"),
    (
        Reading("linear_top1", "labels-1", "top1", "1 % of the labels", "semi-supervised 1%"),
        Reading("linear_top1", "labels-10", "top1", "10 % of the labels", "semi-supervised 10%"),
    ),
    {
        "random initialization": ("random",),
        "NPID": ("NPID",),
        "MoCo": ("MoCo",),
        "MoCo v2": ("MoCo v2",),
        "MoCo v2 + CLD": ("MoCo v2 + CLD",),
        "InfoMin + CLD": ("InfoMin + CLD",),
    },
    ("The paper trains the whole network on the labels; our linear probes leave it as it is.",),
    own_rows=False,
)

_QUOTED = "Quoted: training of detectors is no part of this pipeline."
_DETECTION = ProbeTable(
    "cld",
    "Table 5",
    "Detection on Pascal VOC, as published",
    ("method", "backbone"),
    ("Method", "Network"),
    (
        Reading("", "default", "AP50", "AP50", quoted=_QUOTED),
        Reading("", "default", "AP", "AP", quoted=_QUOTED),
    ),
    {},
    unit="Average precision",
)

_BRANCHES = ProbeTable(
    "cld",
    "Table 6",
    "Instance and group branch",
    ("method", "backbone"),
    ("Features", "Network"),
    (
        Reading("retrieval_top1", "default", "retrieval top1", "Retrieval"),
        Reading("nmi_geometric", "default", "NMI (%)", "NMI (geometric)"),
        Reading("knn_top1", "default", "kNN top1", "kNN"),
    ),
    {
        "NPID fI": ("NPID",),
        "CLD fI": ("NPID + CLD",),
        "CLD fG": ("NPID + CLD, group branch",),
    },
    ("NMI of k-means with as many clusters as classes, by the geometric mean of the entropies.",),
    protocol=_KNN,
    unit="Shares",
)

_GROUPS = ProbeTable(
    "cld",
    "Table 7",
    "Number of groups",
    ("method", "backbone"),
    ("Method", "Network"),
    (_TOP,),
    {
        "baseline MoCo": ("MoCo",),
        **{
            f"MoCo + CLD, {groups} groups": (f"MoCo + CLD, {groups} groups",)
            for groups in (10, 20, 60, 80, 128)
        },
        "MoCo + CLD, 100 groups": ("MoCo + CLD",),
    },
    (
        "128 groups are as many as there are images in a batch: what the paper prints as its best is a "
        "contrast of two views, without groups.",
    ),
    protocol=_KNN,
    own_rows=False,
)

CLD_TABLES = {
    "cld-table-1": _LONG_TAILS,
    "cld-table-1-imagenet": _LONG_TAIL_IMAGENET,
    "cld-table-2": _BASES,
    "cld-table-3": _IMAGENET,
    "cld-table-4": _FEW_LABELS,
    "cld-table-5": _DETECTION,
    "cld-table-6": _BRANCHES,
    "cld-table-7": _GROUPS,
}
"""Tables 1 (in two parts) to 7 by name."""
