"""One image for each cluster: the most typical of its own members, never one of another cluster."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
import pandas as pd

from clusterprobe.cluster.matching import hungarian_then_greedy_map
from clusterprobe.encoders.canonical import load_encoder
from clusterprobe.evaluate.frames import seed_clusters
from clusterprobe.evaluate.metrics import contingency
from clusterprobe.evaluate.pictures import small_picture
from clusterprobe.features.execution import Device
from clusterprobe.features.extract import feature_blocks
from clusterprobe.images.manifest import Manifest, read_manifest
from clusterprobe.images.sources import ImageSource, open_source
from clusterprobe.runs.assignments import SeedClusters
from clusterprobe.store.arrays import load_arrays
from clusterprobe.store.atomic import read_json
from clusterprobe.store.rows import Float32

Int32 = npt.NDArray[np.int32]
Int64 = npt.NDArray[np.int64]

CONFIDENT = 10  # members whose mean a prototype is near to, as in the reference code of SCAN
SHOWN = 100  # clusters, the largest; more than fit on a page


@dataclass(frozen=True)
class Extraction:
    """Where and how fast features of members are computed; see `features.extract.feature_blocks`."""

    batch_size: int = 256
    workers: int = 0
    device: Device = "auto"


def nearest_members(clusters: Int32, distances: Float32, k: int) -> Int64:
    """Return the image nearest to the centre of each of k clusters, int64 [k]; -1 for an empty cluster."""
    order = np.argsort(distances, kind="stable")
    found, first = np.unique(clusters[order], return_index=True)
    chosen = np.full(k, -1, dtype=np.int64)
    chosen[found] = order[first]
    return chosen


def confident_members(clusters: Int32, confidences: Float32, k: int, most: int = CONFIDENT) -> list[Int64]:
    """Return the members of each of k clusters with the highest confidence, at most `most`, highest first."""
    order = np.argsort(-confidences, kind="stable")
    return [order[clusters[order] == cluster][:most] for cluster in range(k)]


def central_member(members: Int64, features: Float32) -> int:
    """Return the member [n] whose features [n, D] are nearest to their mean, -1 if there is none.

    This is the prototype of SCAN, arXiv 2005.12320, section 3.4, of the most confident members.
    """
    if not len(members):
        return -1
    values = features.astype(np.float64)
    return int(members[np.linalg.norm(values - values.mean(axis=0), axis=1).argmin()])


def prototypes_frame(run: Mapping[str, Any], extraction: Extraction) -> pd.DataFrame:
    """Return columns cluster, image (uint8; None: the cluster is empty) and, with labels, name of its class.

    `run` is what config.figure_cells.prototypes_cell spells out. Of more than `SHOWN` clusters the largest
    are shown. Clusters with a centre show the image nearest to it, those of a head the `central_member` of
    their most confident images.
    """
    path = Path(run["assignments"])
    manifest = read_manifest(Path(run["manifest"]))
    source = open_source(read_json(Path(run["location"])), run["split"])
    block = _of_seed(path, run, run["split"])
    k = int(load_arrays(Path(run["model"]))[f"clusters/{run['seed']}"])
    sizes = np.bincount(block.cluster, minlength=k)
    shown = np.sort(np.argsort(-sizes, kind="stable")[:SHOWN])
    if run["network"] is None:
        chosen = nearest_members(block.cluster, block.distance, k)[shown].tolist()
    else:
        members = confident_members(block.cluster, block.confidence, k)
        parts = [members[cluster] for cluster in shown]
        chosen = _central(parts, manifest, source, Path(run["network"]), extraction)
    images = [None if image < 0 else small_picture(source, manifest, image) for image in chosen]
    frame = pd.DataFrame({"cluster": shown, "image": pd.Series(images, dtype=object)})
    if names := _class_names(_of_seed(path, run, "train"), run, k):
        frame["name"] = [names[cluster] for cluster in shown]
    some = f", the {len(shown)} largest of {k} clusters" if len(shown) < k else ""
    frame.attrs["title"] = f"{run['encoder']}, {run['dataset']}/{run['split']}, seed {run['seed']}{some}"
    return frame


def _of_seed(path: Path, run: Mapping[str, Any], split: str) -> SeedClusters:
    found = seed_clusters(path, run["dataset"], split)
    return next(block for block in found if block.seed == run["seed"])


def _central(
    parts: Sequence[Int64], manifest: Manifest, source: ImageSource, network: Path, extraction: Extraction
) -> list[int]:
    """Return the central member of each part, by the features of the body, as it gives them."""
    rows = np.concatenate([np.empty(0, dtype=np.int64), *parts])
    features = np.concatenate(
        list(
            feature_blocks(
                load_encoder(network),
                "pooled",
                _subset(manifest, rows),
                source,
                (0, len(rows)),
                mode="eval",
                batch_size=extraction.batch_size,
                workers=extraction.workers,
                device=extraction.device,
                what="features of confident images",
            )
        )
    )
    ends = np.cumsum([len(part) for part in parts])
    return [
        central_member(part, features[end - len(part) : end]) for part, end in zip(parts, ends, strict=True)
    ]


def _subset(manifest: Manifest, rows: Int64) -> Manifest:
    return replace(
        manifest,
        ids=tuple(manifest.ids[row] for row in rows),
        locations=tuple(manifest.locations[row] for row in rows),
        labels=manifest.labels[rows],
        sha256=tuple(manifest.sha256[row] for row in rows),
        fine=(),
        shown=None,
    )


def _class_names(train: SeedClusters, run: Mapping[str, Any], k: int) -> list[str | None]:
    """Return the class that each cluster is matched to on the train labels; none without labels."""
    labels = read_manifest(Path(run["train_manifest"])).labels
    classes = read_json(Path(run["facts"]))["classes"] or []
    if not classes or (labels < 0).all():
        return []
    matched = hungarian_then_greedy_map(contingency(train.cluster, labels, k, len(classes)))
    return [str(classes[label]) if label >= 0 else None for label in matched]
