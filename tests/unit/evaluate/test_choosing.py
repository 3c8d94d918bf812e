from __future__ import annotations

import pyarrow as pa
import pytest

from clusterprobe.evaluate.choosing import agreed, choose, peaks
from clusterprobe.store.tables import write_table


def candidate(folder, k, **criteria):
    rows = [(name, value) for name, values in criteria.items() for value in values]
    table = pa.table({"metric": [name for name, _ in rows], "value": [value for _, value in rows]})
    write_table(folder / f"{k}.parquet", table)
    return {"k": k, "run": f"run-{k}", "criteria": str(folder / f"{k}.parquet")}


def test_the_choice_is_where_criteria_agree_most(tmp_path):
    candidates = [
        candidate(tmp_path, 2, silhouette=[0.1, 0.3], stability=[0.5]),
        candidate(tmp_path, 3, silhouette=[0.6, 0.6], stability=[0.9]),
        candidate(tmp_path, 5, silhouette=[0.4, 0.4], stability=[1.0]),
    ]
    found = choose(candidates)
    assert (found["k"], found["run"]) == (3, "run-3")
    assert found["curves"]["silhouette"] == pytest.approx({"2": 0.2, "3": 0.6, "5": 0.4})
    assert found["agreement"] == pytest.approx({"2": 0.0, "3": 0.9, "5": 0.75})
    assert found["offered"] == [3, 5]


def test_a_single_candidate_is_what_was_asked_for():
    found = choose([{"k": 7, "run": "run", "criteria": None}])
    assert (found["k"], found["run"], found["curves"], found["offered"]) == (7, "run", {}, [])


def test_of_equal_agreement_the_smallest_number_is_taken(tmp_path):
    candidates = [candidate(tmp_path, k, silhouette=[0.5], stability=[0.5]) for k in (4, 2, 3)]
    assert choose(candidates)["k"] == 2


def test_a_flat_criterion_says_nothing():
    assert agreed({"one": {2: 0.0, 3: 1.0}, "flat": {2: 0.7, 3: 0.7}}) == {2: 0.0, 3: 1.0}


@pytest.mark.parametrize(
    ("curve", "tops"),
    [({2: 0.1, 3: 0.5, 4: 0.2, 8: 0.9}, [3, 8]), ({2: 1.0, 3: 0.5}, [2]), ({2: 1.0, 3: 1.0}, [])],
)
def test_peaks_are_higher_than_their_neighbours(curve, tops):
    assert peaks(curve) == tops
