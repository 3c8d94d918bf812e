from __future__ import annotations

import numpy as np
import pytest

from clusterprobe.cluster.approximate_neighbours import far_enough, overlap, search_cells, share_searched
from clusterprobe.cluster.cells import Cells
from clusterprobe.cluster.similarity import most_similar
from clusterprobe.features.scaling import unit_length
from clusterprobe.store.rows import Float32

K = 5
REACHES = (1.0, 2.0, 3.0, 4.0)
QUERIES = np.arange(0, 3000, 7)


@pytest.fixture(scope="module")
def unit() -> Float32:
    generator = np.random.default_rng(0)
    centres = generator.normal(size=(30, 24))
    values = centres[generator.integers(30, size=3000)] + generator.normal(size=(3000, 24)) + 1
    values[100:110] = values[90:100]
    return unit_length(values.astype(np.float32))


@pytest.fixture(scope="module")
def cells(unit: Float32) -> Cells:
    return Cells(unit)


def test_a_search_of_all_cells_is_exact(unit: Float32, cells: Cells) -> None:
    found = search_cells(unit, cells, QUERIES, K, reach=1e9)
    assert np.array_equal(found, most_similar(unit, QUERIES, K))
    assert share_searched(cells, QUERIES, K, reach=1e9) == 1


def test_farther_reaches_compare_more_and_find_more(unit: Float32, cells: Cells) -> None:
    exact = most_similar(unit, QUERIES, K)
    shares = [share_searched(cells, QUERIES, K, reach) for reach in REACHES]
    recalls = [overlap(exact, search_cells(unit, cells, QUERIES, K, reach)) for reach in REACHES]
    assert shares == sorted(shares)
    assert shares[0] < 0.5
    assert recalls == sorted(recalls)
    assert recalls[-1] > 0.99


def test_a_reach_says_whether_a_row_is_found(unit: Float32, cells: Cells) -> None:
    exact = most_similar(unit, QUERIES, K)
    reaches = cells.reaches(QUERIES, exact, 3 * K)
    for reach in np.quantile(reaches, (0.3, 0.7)):
        found = search_cells(unit, cells, QUERIES, K, reach)
        hits = (exact[:, :, None] == found[:, None, :]).any(axis=2)
        assert hits[reaches < reach - 1e-3].all()
        assert not hits.all()


def test_many_neighbours_take_more_first_cells(unit: Float32, cells: Cells) -> None:
    many = 200  # their 600 candidates are more than four cells hold
    assert share_searched(cells, QUERIES, many, reach=0.0) < 0.2
    found = search_cells(unit, cells, QUERIES, many, reach=4.0)
    assert overlap(most_similar(unit, QUERIES, many), found) > 0.99


def test_few_rows_make_one_cell() -> None:
    unit = unit_length(np.random.default_rng(0).normal(size=(20, 3)).astype(np.float32))
    cells, queries = Cells(unit), np.arange(20)
    assert cells.count == 1
    assert np.array_equal(search_cells(unit, cells, queries, 4, reach=0.0), most_similar(unit, queries, 4))


def test_rows_may_all_be_equal() -> None:
    cells, queries = Cells(np.ones((600, 1), dtype=np.float32)), np.arange(5)
    found = search_cells(np.ones((600, 1), dtype=np.float32), cells, queries, 3, reach=1.0)
    assert not (found == queries[:, None]).any()
    assert all(len(set(row)) == 3 for row in found.tolist())


def test_a_row_of_zeros_does_no_harm(unit: Float32) -> None:
    rows = unit[:900].copy()
    rows[7] = 0
    reach, recall = far_enough(rows, Cells(rows), K)
    assert np.isfinite(reach)
    assert recall > 0.99


def test_queries_of_a_cell_follow_each_other(cells: Cells) -> None:
    together = cells.together(QUERIES)
    assert np.array_equal(np.sort(together), QUERIES)
    cell = np.searchsorted(cells._starts, cells._place[together], side="right")
    assert (np.diff(cell) >= 0).all()
