"""The tables of SCAN (arXiv 2005.12320), row by row."""

from __future__ import annotations

from clusterprobe.report.names import SUPERVISED
from clusterprobe.report.paper_tables import Line, Measure, PaperTable

_MAPPED = "ACC-val maps clusters to classes on the evaluated split itself, as SCAN does for its ACC."
_RUNS = "Its deviations are over 10 runs on one pretext training: the variance of the pretext is not in them."
_TOP = (
    "ACC-val maps clusters to classes on the evaluated split itself, as SCAN does for its Top-1. Our Top-5 "
    "maps them on the train split: images whose class is among those of their five most probable clusters."
)
_SCAN = "SCAN"
_SELFLABEL = "SCAN + self-labelling"
_SIMCLR, _STRONG = "SimCLR augmentation", "strong augmentation"
_OURS = "Strong augmentation, on our side: that of the default run, as the configuration gives it."
(_LINEAR,) = SUPERVISED

_STEPS = PaperTable(
    "scan",
    "Table 1",
    "Steps of SCAN: pretext and k-means, clustering, self-labelling",
    ("Clustering", "Self-labelling"),
    (Measure("acc_val", "ACC"),),
    (
        Line(("k-means on pretext features", "none"), "Pretext + K-means", "kmeans"),
        Line((f"SCAN, {_SIMCLR}", "none"), "SCAN-Loss (SimCLR)", "scan", "simclr-augmentation"),
        Line(
            (f"SCAN, {_SIMCLR}", _SIMCLR),
            "(1) Self-Labeling (SimCLR)",
            "selflabel",
            "simclr-augmentation",
        ),
        Line(
            (f"SCAN, {_SIMCLR}", _STRONG),
            "(2) Self-Labeling (RA)",
            "selflabel",
            "after-simclr-augmentation",
        ),
        Line((f"SCAN, {_STRONG}", "none"), "SCAN-Loss (RA)", "scan"),
        Line((f"SCAN, {_STRONG}", _STRONG), "(1) Self-Labeling (RA)", "selflabel"),
    ),
    (_MAPPED, _OURS),
    (_RUNS,),
)


def _pretext(title: str, published: str | None, encoders: tuple[str, ...], waits: str) -> tuple[Line, ...]:
    """Return the rows of one pretext: k-means, SCAN, and SCAN with self-labelling, which the paper prints."""
    theirs = {"kmeans": "K-means", "selflabel": "SCAN"}
    words = {"kmeans": "k-means", "scan": _SCAN, "selflabel": _SELFLABEL}
    return tuple(
        Line(
            (title, word),
            f"{published} + {theirs[method]}" if published and method in theirs else None,
            method,
            encoders=encoders,
            waits=waits,
        )
        for method, word in words.items()
    )


_PRETEXTS = PaperTable(
    "scan",
    "Table 2",
    "Pretext tasks",
    ("Pretext", "Clustering"),
    (Measure("acc_val", "ACC"),),
    (
        *_pretext(
            "RotNet",
            "RotNet [16]",
            ("rotnet", "rotation"),
            "waits for the pretext RotNet (objective rotation)",
        ),
        *_pretext(
            "Instance discrimination, NPID",
            "Inst. discr. [51]",
            ("npid", "nce", "instance-discrimination"),
            "waits for the pretext instance discrimination with a memory (objective npid)",
        ),
        *_pretext(
            "Instance discrimination, SimCLR",
            "Inst. discr. [7]",
            ("simclr",),
            "waits for the pretext SimCLR with SCAN on it",
        ),
    ),
    (_MAPPED,),
    (
        _RUNS,
        "What it prints for SCAN on SimCLR includes self-labelling: all its rows of SCAN stand beside ours "
        "with self-labelling.",
    ),
    per_pretext=_pretext("{}", None, (), ""),
)

_PRIOR = (
    *("SC [55]", "Triplets [42]", "JULE [54]", "AEVB [26]", "SAE [34]", "DAE [49]", "SWVAE [59]", "AE [2]"),
    *("GAN [40]", "DEC [52]", "ADC [17]", "DeepCluster [4]", "DAC [6]", "IIC [24]"),
)
_ON_ALL = "prior work, trained and scored on all images of the data set"
_MAJORITY = {"acc_val": "acc_majority"}
_UPPER = "trained with labels, the upper row and no clustering"

_COMPARISON = PaperTable(
    "scan",
    "Table 3",
    "Comparison with prior work",
    ("Method",),
    (Measure("acc_val", "ACC"), Measure("nmi", "NMI"), Measure("ari", "ARI")),
    (
        Line(("K-means",), "K-means [50]", section=_ON_ALL),
        *(Line((method.split(" [")[0],), method, section=_ON_ALL) for method in _PRIOR),
        Line(("k-means on pixels",), method="kmeans", encoders=("pixels",), optional=True),
        Line(("k-means on pretext features",), "Pretext [7] + K-means", "kmeans"),
        Line((_SCAN,), "SCAN* (after clustering)", "scan"),
        Line((_SELFLABEL,), "SCAN† (after self-labelling)", "selflabel"),
        Line((f"{_SELFLABEL}, best run",), "SCAN† (best run)", "selflabel", best_run=True, compared=False),
        Line(
            ("SCAN, 2 × clusters",),
            None,
            "scan",
            "over-clustering",
            factor=2,
            metrics=_MAJORITY,
            optional=True,
            compared=False,
        ),
        Line(
            (f"{_SELFLABEL}, 2 × clusters",),
            "SCAN† (overcluster 2x)",
            "selflabel",
            "over-clustering",
            factor=2,
            metrics=_MAJORITY,
            compared=False,
        ),
        Line(
            ("linear classifier",),
            "Supervised",
            _LINEAR,
            encoders=("supervised",),
            section=_UPPER,
            compared=False,
        ),
    ),
    (
        _MAPPED,
        "Best run: all numbers of the run with the highest ACC, which takes labels to choose. 2 × clusters: "
        "twice as many clusters as classes, each takes its most frequent class. Neither is compared with the "
        "other rows.",
    ),
    (_RUNS,),
)

_SUBSETS = PaperTable(
    "scan",
    "Table 4",
    "Steps of SCAN with Top-5, in the paper on subsets of ImageNet",
    ("Method",),
    (Measure("acc_val", "Top-1"), Measure("top5", "Top-5"), Measure("nmi", "NMI"), Measure("ari", "ARI")),
    (
        Line(
            ("k-means on pretext features",),
            "K-means on MoCo features",
            "kmeans",
            lacks={"top5": "k-means gives no probabilities to rank clusters by"},
        ),
        Line((_SCAN,), "SCAN* (after clustering)", "scan"),
        Line((_SELFLABEL,), "SCAN† (after self-labelling)", "selflabel"),
    ),
    (_TOP,),
)

_FEW_LABELS = (
    *(("Supervised Baseline", "ResNet-50"), ("Pseudo-Label", "ResNet-50")),
    *(("VAT + Entropy Min. [56]", "ResNet-50"), ("InstDisc [51]", "ResNet-50")),
    *(("BigBiGAN [15]", "ResNet-50(4x)"), ("PIRL [32]", "ResNet-50")),
    *(("CPC v2 [20]", "ResNet-161"), ("SimCLR [7]", "ResNet-50")),
)

_LABELS = PaperTable(
    "scan",
    "Table 5",
    "No labels against 1 % of the labels",
    ("Method", "Backbone"),
    (Measure("acc_val", "Top-1"), Measure("top5", "Top-5")),
    (
        *(
            Line((method.split(" [")[0], backbone), method, section="1 % of the labels")
            for method, backbone in _FEW_LABELS
        ),
        Line((_SCAN, "ResNet-50"), "SCAN (Ours)", "scan", section="no labels"),
    ),
    (_TOP,),
    home="ImageNet",
)

SCAN_TABLES = {
    "scan-table-1": _STEPS,
    "scan-table-2": _PRETEXTS,
    "scan-table-3": _COMPARISON,
    "scan-table-4": _SUBSETS,
    "scan-table-5": _LABELS,
}
"""Tables 1 to 5 by name."""
