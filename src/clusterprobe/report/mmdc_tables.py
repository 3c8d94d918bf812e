"""The tables of MMDC (arXiv 1912.02678), row by row."""

from __future__ import annotations

from clusterprobe.report.our_cells import PROBE
from clusterprobe.report.paper_tables import Line, Measure, PaperTable

_OURS = ("MMDC",)
_MAPPED = (
    "ACC-val maps clusters to classes on the scored images themselves, as MMDC does for its ACC. Where train "
    "and test split are merged, as in the paper, all images are scored, and called the train split."
)
_ERRORS = (
    "Behind ± it prints standard errors, over a number of runs that it does not say; ours are deviations."
)
_CLUSTERING = (Measure("acc_val", "ACC"), Measure("nmi", "NMI"))
_BEST = " (best run)"

_PRIOR = (
    *("k-means", "SC", "AE", "DEC (2016)", "JULE (2016)"),
    *("DAC (2017)", "IIC (2019)", "DCCM (2019)"),
)
_ON_ALL = "prior work, as published"

_COMPARISON = PaperTable(
    "mmdc",
    "Table I",
    "MMDC beside prior work",
    ("Method",),
    _CLUSTERING,
    (
        *(Line((method,), method, section=_ON_ALL) for method in _PRIOR),
        Line(("k-means on pixels",), method="kmeans", encoders=("pixels",), optional=True),
        Line(("MMDC",), "MMDC", "mmdc", encoders=_OURS, variant_on={"MNIST": "refined"}),
        Line(
            ("MMDC, best run",),
            "MMDC",
            "mmdc",
            encoders=_OURS,
            variant_on={"MNIST": "refined"},
            best_run=True,
            compared=False,
            suffix=_BEST,
        ),
    ),
    (
        _MAPPED,
        "Best run: all numbers of the run with the highest ACC, which takes labels to choose.",
    ),
    (_ERRORS, "With refinement on MNIST, without it elsewhere: so are ours."),
)


def _with_tasks(sobel: str, rotation: str, published: str, variant: str, on_photographs: str) -> Line:
    """Return a row whose variant is named after what it changes: on photographs, rotation is the default."""
    labels, changed = (sobel, rotation), {"CIFAR-10": on_photographs}
    return Line(labels, published, "mmdc", variant, _OURS, variant_on=changed)


_TASKS = PaperTable(
    "mmdc",
    "Table III",
    "Sobel filter and rotation task of MMDC",
    ("Sobel filter", "Rotation task"),
    _CLUSTERING,
    (
        _with_tasks("no", "no", "MMDC: no Sobel, no rotation", "default", "no-rotation"),
        _with_tasks("yes", "no", "MMDC: Sobel only", "sobel", "sobel-no-rotation"),
        _with_tasks("no", "yes", "MMDC: rotation only", "rotation", "default"),
        _with_tasks("yes", "yes", "MMDC: Sobel + rotation", "sobel-rotation", "sobel"),
    ),
    (_MAPPED,),
    (_ERRORS,),
)

_KMEANS = "k-means on penultimate features"
_LINEAR = "linear classifier, 100 epochs SGD"

_FEATURES = PaperTable(
    "mmdc",
    "Table IV",
    "Features of MMDC and of its parts",
    ("Training",),
    (
        Measure("acc_val", "ACC", _KMEANS, "k-means ACC"),
        Measure("nmi", "NMI", _KMEANS, "k-means NMI"),
        Measure(PROBE, "ACC", _LINEAR, "Linear ACC"),
    ),
    (
        Line(
            ("ImageNet labels",),
            "ImageNet labels",
            "kmeans",
            encoders=("ImageNet labels",),
            section="trained with labels, of another data set",
            optional=True,
            compared=False,
        ),
        Line(("NAT",), "NAT", "kmeans", encoders=("NAT",)),
        Line(("RotNet",), "RotNet", "kmeans", encoders=("RotNet",)),
        Line(("NAT + RotNet",), "NAT+RotNet", "kmeans", encoders=("NAT-RotNet",)),
        Line(("MMDC",), "MMDC", "kmeans", encoders=_OURS),
    ),
    (
        "k-means on the features before the head, not what the head says; the linear classifier is scored on "
        "images that it has not seen.",
        _MAPPED,
    ),
    (_ERRORS,),
    also_known_as={
        "CIFAR-100 (20 superclasses)": "CIFAR-100 (20 superclasses; not stated in table)",
    },
)

_REFINEMENT = PaperTable(
    "mmdc",
    "Table V",
    "Refinement of MMDC by k-means",
    ("Refinement",),
    _CLUSTERING,
    (
        Line(
            ("before, where the refinement would start",),
            "MMDC before refinement",
            "mmdc",
            "before-refinement",
            _OURS,
        ),
        Line(("before, at full length",), None, "mmdc", encoders=_OURS),
        Line(("after",), "MMDC after refinement", "mmdc", "refined", _OURS),
        Line(("k-means from the start",), None, "mmdc", "kmeans-from-start", _OURS),
    ),
    (
        _MAPPED,
        "At full length: as many epochs as with refinement, so that nothing but the refinement differs. "
        "Where it would start, as in the paper, epochs are still to come, perhaps at a lower learning rate.",
    ),
    (_ERRORS, "Of k-means from the start it says, for MNIST, that it is clearly worse."),
)

MMDC_TABLES = {
    "mmdc-table-1": _COMPARISON,
    "mmdc-table-3": _TASKS,
    "mmdc-table-4": _FEATURES,
    "mmdc-table-5": _REFINEMENT,
}
"""Tables I, III, IV and V by name."""
