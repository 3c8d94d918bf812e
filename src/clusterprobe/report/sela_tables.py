"""The tables of SeLa (arXiv 1911.05371), all of linear probes but that on PASCAL VOC, which has fine-tuning.

Readable names of encoders are those of config/sela-imagenet.yaml.
"""

from __future__ import annotations

from clusterprobe.report.paper_probes import ProbeTable, Reading

_KNOWN_AS = {"ImageNet": "ILSVRC-12", "Places": "Places"}
_LAYERS = tuple(Reading("linear_top1", f"c{layer}", f"top1@c{layer}", f"c{layer}") for layer in range(1, 6))
_POOLED = Reading("linear_top1", "default", "top1", "Top-1")
_POOLED_FIVE = Reading("linear_top5", "default", "top5", "Top-5")
_NAMED = "Columns c1 to c5: the convolutions of AlexNet, after their ReLUs (probes of these variants)."
_STARS = "*: the larger AlexNet; ‡: number of the original publication."

_STEPS = ProbeTable(
    "sela",
    "Table 1",
    "Number of relabellings, network, heads, clusters and labels learnt anew",
    ("note", "method", "backbone"),
    ("Row", "Training", "Network"),
    (*_LAYERS[2:], _POOLED),
    {
        "Self-Label* [3k × 1]|row (a)": ("SeLa 3k × 1, 40 relabellings",),
        "Self-Label* [3k × 1]|row (b)": ("SeLa 3k × 1, 80 relabellings",),
        "Self-Label* [3k × 1]|row (c)": ("SeLa 3k × 1, 160 relabellings",),
        "Self-Label [3k × 1]|row (d)": ("SeLa 3k × 1, small AlexNet",),
        "Self-Label* [3k × 10]|row (e)": ("SeLa 3k × 10",),
        "Self-Label-Sup* [3k × 10]|row (f)": ("SeLa 3k × 10, labels learnt anew", "relabelled"),
        "Self-Label+ [3k × 1]|row (g)": ("SeLa 3k × 1, ResNet-50", "sela"),
        "Self-Label-Res-Sup* [3k × 1]|row (h)": ("labels of the ResNet-50",),
        "Self-Label* [10k × 1]|row (i)": ("SeLa 10k × 1",),
    },
    (
        "Relabellings: 40, 80 and 160 in rows (a) to (c), 100 in (d) and (e), 80 in (g) and (i); none in (f) "
        "and (h), where a fresh network learns labels that are fixed. Row (g) is read from pooled features.",
        _NAMED,
        _STARS,
    ),
    _KNOWN_AS,
)


def _layers(table: str, title: str) -> ProbeTable:
    """Return a table of all five layers on ImageNet and Places."""
    return ProbeTable(
        "sela",
        table,
        title,
        ("method", "backbone"),
        ("Training", "Network"),
        _LAYERS,
        {
            "ImageNet supervised": ("supervised",),
            "Random": ("random",),
            "Self-Label* [3k × 10]": ("SeLa 3k × 10", "SeLa", "sela"),
        },
        (_NAMED, _STARS),
        _KNOWN_AS,
    )


def _pooled(table: str) -> ProbeTable:
    """Return a table of pooled features of residual networks."""
    return ProbeTable(
        "sela",
        table,
        "Linear classifiers on residual networks",
        ("method", "backbone", "protocol"),
        ("Training", "Network", "Published protocol"),
        (_POOLED, _POOLED_FIVE),
        {"Self-Label [3k × 1]": ("SeLa 3k × 1, ResNet-50", "SeLa", "sela")},
        known_as=_KNOWN_AS,
    )


_TRANSFER = ProbeTable(
    "sela",
    "Table 2",
    "PASCAL VOC",
    ("method", "backbone"),
    ("Training", "Network"),
    (Reading("voc_map", "default", "mAP", "mAP"), Reading("linear_iou", "default", "mIU", "mIU")),
    {
        "ImageNet labels": ("supervised",),
        "Random": ("random",),
        "Self-Label* [3k × 10]": ("SeLa 3k × 10", "SeLa", "sela"),
    },
    (
        "Not the same task: the published networks were fine-tuned on VOC, all layers of them; ours are "
        "linear classifiers, each class against the rest, on features that stay as they are.",
        _STARS,
    ),
    quoted_sets={
        "VOC2007 detection": "published numbers alone, for detection is not evaluated here",
        "VOC2012 segmentation": "published numbers alone, for segmentation is not evaluated here",
    },
    unit="Mean average precision (classification, detection) and mean intersection over union",
)

_CROPS = ProbeTable(
    "sela",
    "Table 5",
    "One crop and ten crops",
    ("method", "backbone"),
    ("Training", "Network"),
    _LAYERS,
    {
        "ImageNet labels (10-crop)": ("supervised",),
        "ImageNet labels (1-crop)": ("supervised",),
        "Random (10-crop)": ("random",),
        "Random (1-crop)": ("random",),
    },
    (
        _NAMED,
        "Rows without a number of crops: values of the literature. Ours on one crop: probes of the variants "
        "c1-one-crop to c5-one-crop.",
    ),
    _KNOWN_AS,
    suffixes={"ImageNet labels (1-crop)": "-one-crop", "Random (1-crop)": "-one-crop"},
)

SELA_TABLES = {
    "sela-table-1": _STEPS,
    "sela-table-2": _TRANSFER,
    "sela-table-3": _layers("Table 3", "Linear classifiers on the layers of AlexNet"),
    "sela-table-4": _pooled("Table 4"),
    "sela-table-5": _CROPS,
    "sela-table-6": _layers("Table 6", "Linear classifiers on the layers of AlexNet, all prior work"),
    "sela-table-7": _pooled("Table 7"),
}
"""Tables 1 to 7 by name."""
