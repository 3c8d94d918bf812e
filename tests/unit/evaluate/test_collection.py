from __future__ import annotations

from clusterprobe.evaluate.collection import collect
from clusterprobe.store.tables import RESULTS, results_table


def test_rows_follow_the_order_of_the_plan_and_carry_readable_names() -> None:
    one = results_table([{"run": "kmeans-1", "metric": metric, "value": 1.0, "seed": 0} for metric in "ba"])
    other = results_table([{"run": "kmeans-0", "metric": "a", "value": 2.0, "seed": 0}])
    names = {
        "kmeans-1": {"encoder": "Pixels", "variant": "default"},
        "kmeans-0": {"encoder": "SimCLR", "variant": "dims"},
    }
    table = collect([other, one], "mine", names)
    assert table.schema == RESULTS
    assert table["run"].to_pylist() == ["kmeans-1", "kmeans-1", "kmeans-0"]
    assert table["metric"].to_pylist() == ["a", "b", "a"]
    assert table["encoder"].to_pylist() == ["Pixels", "Pixels", "SimCLR"]
    assert set(table["experiment"].to_pylist()) == {"mine"}


def test_the_order_of_the_parts_does_not_matter() -> None:
    parts = [results_table([{"run": run, "metric": "a", "value": 1.0}]) for run in "xy"]
    names = {run: {"encoder": run, "variant": "default"} for run in "xy"}
    assert collect(parts, "mine", names) == collect(parts[::-1], "mine", names)
