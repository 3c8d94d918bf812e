"""From the results of single runs to the results of an experiment."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import pyarrow as pa

from clusterprobe.store.tables import RESULTS


def collect(parts: Sequence[pa.Table], experiment: str, names: Mapping[str, Mapping[str, str]]) -> pa.Table:
    """Return all rows in the order of the runs in `names`, with the names that the configuration gives.

    `names` gives, for every run, the readable `encoder` and the `variant`.
    """
    table = pa.concat_tables(parts)
    runs = table["run"].to_pylist()
    filled = {
        "experiment": [experiment] * len(runs),
        "encoder": [names[run]["encoder"] for run in runs],
        "variant": [names[run]["variant"] for run in runs],
    }
    for name, values in filled.items():
        table = table.set_column(table.schema.get_field_index(name), name, pa.array(values, pa.string()))
    position = {run: number for number, run in enumerate(names)}
    table = table.append_column("position", pa.array([position[run] for run in runs], pa.int64()))
    keys = ["position", *(name for name in RESULTS.names if name not in ("value", "n"))]
    return table.sort_by([(name, "ascending") for name in keys]).drop_columns("position").cast(RESULTS)
