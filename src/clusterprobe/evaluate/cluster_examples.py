"""Some clusters with images in them: those of the lowest entropy of classes, or clusters drawn at random."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any, Literal

import numpy as np
import numpy.typing as npt
import pandas as pd

from clusterprobe.config.errors import UserError
from clusterprobe.evaluate.frames import seed_clusters
from clusterprobe.evaluate.metrics import contingency, entropy
from clusterprobe.evaluate.pictures import small_picture
from clusterprobe.images.manifest import read_manifest
from clusterprobe.images.sources import open_source
from clusterprobe.store.atomic import read_json

Choice = Literal["low-entropy", "random"]
Int64 = npt.NDArray[np.int64]

CLUSTERS = 10
IMAGES = 12


def cluster_examples_frame(run: Mapping[str, Any], choice: Choice) -> pd.DataFrame:
    """Return columns cluster, rank, image (uint8), entropy (nats, NaN without labels), of the train split.

    `run` is what config.figure_cells.cluster_examples_cell spells out. Clusters and the images in them are
    drawn by its seed, so that nobody picked them; of the lowest entropy are clusters that fill a row (SeLa,
    arXiv 1911.05371, appendix). Raises UserError where entropies are asked for and there are no labels.
    """
    manifest = read_manifest(Path(run["train_manifest"]))
    source = open_source(read_json(Path(run["train_location"])), "train")
    blocks = seed_clusters(Path(run["assignments"]), run["dataset"], "train")
    block = next(each for each in blocks if each.seed == run["seed"])
    generator = np.random.default_rng([run["seed"], 0])
    sizes = np.bincount(block.cluster)
    entropies = _entropies(block.cluster, manifest.labels, len(manifest.classes))
    if choice == "random":
        chosen = np.sort(generator.permutation(np.flatnonzero(sizes))[:CLUSTERS])
    else:
        chosen = _purest(sizes, entropies, manifest.labels)
    rows = []
    for cluster in chosen.tolist():
        members = generator.permutation(np.flatnonzero(block.cluster == cluster))[:IMAGES]
        for rank, image in enumerate(members.tolist()):
            picture = small_picture(source, manifest, image)
            found = {"cluster": cluster, "rank": rank, "image": picture, "entropy": entropies[cluster]}
            rows.append(found)
    frame = pd.DataFrame(rows)
    some = f"{len(chosen)} of {np.count_nonzero(sizes)} clusters"
    frame.attrs["title"] = f"{run['encoder']}, {run['dataset']}/train, seed {run['seed']}, {some}"
    return frame


def _entropies(clusters: npt.NDArray[np.int32], labels: Int64, classes: int) -> npt.NDArray[np.float64]:
    """Return the entropy of the classes within each cluster [K], NaN where no image has a label."""
    counts = contingency(clusters, labels, int(clusters.max()) + 1, max(classes, 1))
    return np.array([entropy(row) if row.any() else np.nan for row in counts])


def _purest(sizes: Int64, entropies: npt.NDArray[np.float64], labels: Int64) -> Int64:
    """Return the clusters of the lowest entropy, lowest first, of those that fill a row; the larger first."""
    if not (labels >= 0).any():
        raise UserError("figure 'sela-low-entropy': the images carry no labels; take 'sela-random'")
    large = np.flatnonzero((sizes >= min(IMAGES, int(sizes.max()))) & ~np.isnan(entropies))
    found: Int64 = large[np.lexsort((-sizes[large], entropies[large]))[:CLUSTERS]]
    return found
