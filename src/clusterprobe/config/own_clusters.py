"""How many clusters an encoder has that clusters by itself, where its features are asked for."""

from __future__ import annotations

from clusterprobe.config.encoders import Encoder, TrainedEncoder
from clusterprobe.config.model import HEAD_METHODS
from clusterprobe.config.planned import Clusters, PlannedDataset


def is_clustering(definition: Encoder | None) -> bool:
    """Return whether the heads of an encoder are clusterings."""
    return isinstance(definition, TrainedEncoder) and definition.objective.name in HEAD_METHODS.values()


def own_clusters(
    definition: Encoder | None, dataset: PlannedDataset, otherwise: Clusters | None = None
) -> Clusters | None:
    """Return the size of the heads of an encoder whose features are clustered or probed.

    That which its heads name (`dimensions`), or one cluster per class; where there are no classes, as
    `otherwise` says. None for encoders that do not cluster.
    """
    if not (isinstance(definition, TrainedEncoder) and is_clustering(definition)):
        return None
    named = definition.head.options.get("dimensions") if definition.head else None
    if named is not None:
        return Clusters(int(named), None)
    return Clusters(None, 1.0) if dataset.definition.labelled or otherwise is None else otherwise
