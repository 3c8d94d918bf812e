"""From the results of single runs to the results of an experiment."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import pyarrow as pa

from clusterprobe.store.tables import RESULTS


def collect(parts: Sequence[pa.Table], experiment: str, names: Mapping[str, Mapping[str, str]]) -> pa.Table:
    """Return all rows in a fixed order, with the experiment and the names that its configuration gives.

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
    keys = [name for name in RESULTS.names if name not in ("value", "n")]
    return table.sort_by([(name, "ascending") for name in keys]).cast(RESULTS)
