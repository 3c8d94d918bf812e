"""How good clusters are after some passes of k-means: from the centres that a fit kept on its way."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import replace
from pathlib import Path
from typing import Any

from clusterprobe.cluster.kmeans import KMeansModel
from clusterprobe.cluster.matching import hungarian_then_greedy_map
from clusterprobe.evaluate.metrics import accuracy, ari, contingency, nmi
from clusterprobe.images.manifest import read_manifest
from clusterprobe.runs.kmeans import assign_rows, open_splits
from clusterprobe.store.arrays import load_arrays
from clusterprobe.store.atomic import read_json

Row = dict[str, Any]


def passes_rows(cell: Mapping[str, Any], model: Path) -> Iterator[Row]:
    """Yield acc@n, nmi@n and ari@n of the splits of the fitted data set after pass n, for every seed.

    `cell` is what config.cells.passes_cell spells out, n are the passes that the option `trace` of the fit
    names (arXiv 2008.10312, section 3: most of the accuracy is there after one epoch). Without labels there
    is nothing to yield.
    """
    arrays = load_arrays(model)
    classes = len(read_json(Path(cell["facts"]))["classes"] or [])
    for member in cell["members"] if classes else ():
        parts = [part for part in member["splits"] if part["dataset"] == cell["columns"]["fit_dataset"]]
        opened = open_splits(member | {"splits": parts}, cell["reducer"])
        labels = [read_manifest(Path(part["manifest"])).labels for part in parts]
        for seed in member["seeds"]:
            fitted = _of_seed(arrays, seed)
            k, dims = fitted.centres.shape
            for number, centres in sorted(fitted.trace.items()):
                there = replace(fitted, centres=centres)
                clusters = [assign_rows(rows, there).cluster for rows in opened]
                mapping = hungarian_then_greedy_map(contingency(clusters[0], labels[0], k, classes))
                for part, found, known in zip(parts, clusters, labels, strict=True):
                    counts = contingency(found, known, k, classes)
                    scores = {"acc": accuracy(counts, mapping), "nmi": nmi(counts), "ari": ari(counts)}
                    for metric, value in scores.items():
                        yield (
                            cell["columns"]
                            | member["columns"]
                            | {
                                "dataset": part["dataset"],
                                "split": part["split"],
                                "dims": dims if cell["columns"]["reducer"] == "pca" else None,
                                "k": k,
                                "seed": seed,
                                "metric": f"{metric}@{number}",
                                "value": value,
                                "n": len(found),
                            }
                        )


def _of_seed(arrays: Mapping[str, Any], seed: int) -> KMeansModel:
    suffix = f"/{seed}"
    own = {name.removesuffix(suffix): value for name, value in arrays.items() if name.endswith(suffix)}
    return KMeansModel.from_arrays(own)
