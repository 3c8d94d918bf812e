"""Where everything lies: the one place that spells out the paths of data/ and reports/."""

from __future__ import annotations

from clusterprobe.config.planned import Features, Neighbours, PlannedDataset, Probe, Run


def manifest(dataset: PlannedDataset, split: str) -> str:
    """Return the manifest of one split."""
    return f"data/manifests/{dataset.id}/{split}.parquet"


def facts(dataset: PlannedDataset, split: str) -> str:
    """Return the facts of one split: classes, counts, skipped images."""
    return f"data/manifests/{dataset.id}/{split}.json"


def location(dataset: PlannedDataset, split: str) -> str:
    """Return the file that says where the images of one split lie now."""
    return f"data/manifests/{dataset.id}/{split}.source.json"


def encoder_files(encoder: str) -> list[str]:
    """Return the record and the weights of an encoder."""
    return [f"data/encoders/{encoder}/encoder.json", f"data/encoders/{encoder}/weights.safetensors"]


def trained_files(encoder: str) -> list[str]:
    """Return the files of an encoder that was trained here: record, weights and heads."""
    return [*encoder_files(encoder), f"data/encoders/{encoder}/heads.safetensors"]


def found_files(encoder: str) -> list[str]:
    """Return what a training found out beside its networks: the labels that it gave its images."""
    return [f"data/encoders/{encoder}/found.npz"]


def shards(features: Features, dataset: PlannedDataset, split: str) -> list[str]:
    """Return the shards of one split, in order of rows."""
    count = dataset.definition.shards
    folder = f"data/features/{features.id}/{dataset.id}/{split}"
    return [f"{folder}/{number:05d}-of-{count:05d}.npy" for number in range(count)]


def basis(features: Features, dataset: PlannedDataset) -> str:
    """Return the principal components fitted on the train split."""
    return f"data/pca/{features.id}/{dataset.id}.npz"


def neighbours(mined: Neighbours) -> str:
    """Return the neighbour sets of the train split."""
    return f"data/neighbours/{mined.id}/{mined.dataset.id}/train.npz"


def neighbour_results(mined: Neighbours) -> str:
    """Return the purity of neighbour sets."""
    return f"data/results/{mined.id}.{mined.dataset.id}.parquet"


def model(run: Run) -> str:
    """Return the fitted model of all seeds of a run."""
    return f"data/clusterings/{run.id}/model.npz"


def assignments(run: Run) -> str:
    """Return the assignments of all splits and seeds of a run."""
    return f"data/clusterings/{run.id}/assignments.parquet"


def run_results(run: Run) -> str:
    """Return the metrics of a run."""
    return f"data/results/{run.id}.parquet"


def probe_results(probe: Probe) -> str:
    """Return the metrics of a probe."""
    return f"data/results/{probe.id}.parquet"


def passes_results(run: Run) -> str:
    """Return the metrics of a run after single passes of its fit."""
    return f"data/results/passes/{run.id}.parquet"


def criteria(run: Run) -> str:
    """Return the label-free criteria of a run."""
    return f"data/results/criteria/{run.id}.parquet"
