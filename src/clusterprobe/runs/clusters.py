"""How many clusters a run asks for."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any

from clusterprobe.config.errors import UserError
from clusterprobe.config.multiples import multiple
from clusterprobe.store.atomic import read_json


def number_of_clusters(clusters: Mapping[str, Any], facts: Path) -> int:
    """Return K: `k` as given, or the number of classes of the data set times `factor`.

    `facts` is the record of the train split. Raises UserError when it knows no classes.
    """
    if clusters["k"] is not None:
        return int(clusters["k"])
    record = read_json(facts)
    if not record["classes"]:
        raise UserError(
            f"{record['dataset']} has no class labels, so that the number of clusters cannot be "
            "derived from them: give it as `k: [20]` in place of `factors`"
        )
    return multiple(float(clusters["factor"]), len(record["classes"]))
