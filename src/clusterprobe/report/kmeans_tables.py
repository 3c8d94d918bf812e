"""Tables 2 to 4 of the benchmark of k-means on self-supervised features (arXiv 2008.10312), row by row.

Readable names of encoders are those of config/encoders.yaml.
"""

from __future__ import annotations

from clusterprobe.report.benchmark import BenchmarkTable, Entry, Score

QUOTED = "methods that the paper quotes"
WITH_LABELS = "trained with labels"

_MOCO = ("MoCo v2 (ResNet-50, PyContrast)",)
_BIGBIGAN = ("BigBiGAN (RevNet-50 4×, latent)",)
_SELECTIVE = "SimCLRv2 (ResNet-152, SK)"
_OVER = "SimCLRv2 (ResNet-152, SK, 1.5× over.)"

_SELF_SUPERVISED = (
    Entry("MoCo v2 (ResNet-50)", _MOCO, as_published=(*_MOCO, "MoCo v2 (ResNet-50, 800 epochs)")),
    Entry("InfoMin (ResNet-50)"),
    Entry("SwAV (ResNet-50)"),
    Entry("SimCLRv2 (ResNet-50)"),
    Entry("BigBiGAN (RevNet-50 4×)", _BIGBIGAN, as_published=(*_BIGBIGAN, "BigBiGAN (RevNet-50 4×)")),
    Entry("InfoMin (ResNeXt-152)", also="InfoMin (best network)"),
    Entry(_SELECTIVE),
    Entry("SimCLRv2 (ResNet-152 3×, SK)"),
    Entry(_OVER, (_SELECTIVE,), factor=1.5),
)
_SUPERVISED = tuple(
    Entry(name, section=WITH_LABELS)
    for name in (
        "ResNet-152 (supervised)",
        "IG-ResNeXt-101 32×48d (supervised)",
        "EfficientNet-L2 (supervised)",
    )
)
_PRIOR = tuple(
    Entry(name, (), section=QUOTED)
    for name in ("SCAN (Van Gansbeke 2020)", "Self-label (Asano 2019)", "Self-label 3x over. (Asano 2019)")
)
_PARTITION = (Score("ari", "ARI"), Score("ami", "AMI"), Score("nmi", "NMI"))
_WEIGHTS = (
    "MoCo v2 in the paper are weights of 200 epochs (67.5 % under a linear classifier) beside the 71.1 % of "
    "800 epochs; BigBiGAN is its latent, of which no linear accuracy is known."
)

KMEANS_TABLES = {
    "kmeans-table-2": BenchmarkTable(
        "Table 2",
        "k-means on ImageNet",
        fitted="ImageNet",
        scored="ImageNet",
        scores=(Score("acc", "ACC"), *_PARTITION),
        entries=(*_SELF_SUPERVISED, *_PRIOR, *_SUPERVISED),
        linear="linear top-1",
        notes=("ACC: clusters are matched with classes on the train split.", _WEIGHTS),
    ),
    "kmeans-table-3": BenchmarkTable(
        "Table 3",
        "Clusters of ImageNet on ObjectNet",
        fitted="ImageNet",
        scored="ObjectNet (113 ImageNet-overlap classes)",
        scores=(Score("acc", "ACC-tr"), Score("acc_val", "ACC-val"), *_PARTITION),
        entries=(*_SELF_SUPERVISED, *_SUPERVISED),
        notes=(
            "Images of the classes that ImageNet has, too. ACC-tr: clusters are matched with classes on the "
            "train split of ImageNet; ACC-val: on these images.",
            "What is published here was scored on features that were never projected as the centres are, so "
            "it measures nothing: see what the protocol `published` does.",
        ),
    ),
    "kmeans-table-4": BenchmarkTable(
        "Table 4",
        "k-means on ObjectNet",
        fitted="ObjectNet (313 classes)",
        scored="ObjectNet (313 classes)",
        scores=(
            Score("acc", "ACC"),
            *_PARTITION,
            Score(
                "recall_shared",
                "ACC (both)",
                "Recall shared",
                ("text", "ObjectNet (classes also in ImageNet)"),
            ),
            Score(
                "recall_unshared",
                "ACC (objectnet only)",
                "Recall other",
                ("text", "ObjectNet (classes not in ImageNet)"),
            ),
        ),
        entries=(*_SELF_SUPERVISED, *_SUPERVISED),
        notes=(
            "Clusters are fitted, matched with classes and scored on the same images.",
            "Recall shared: of images whose class ImageNet has, too; recall other: of all others; one "
            "matching of clusters with all classes serves both.",
        ),
    ),
}
"""Tables 2 to 4 by name."""
