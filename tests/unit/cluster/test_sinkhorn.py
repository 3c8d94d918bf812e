from __future__ import annotations

import numpy as np
import numpy.typing as npt
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy.optimize import linprog
from scipy.special import logsumexp, softmax

from clusterprobe.cluster.sinkhorn import Scaling, assign, best_clusters, log_masses, scale, scores
from clusterprobe.store.rows import ArrayRows

Table = npt.NDArray[np.float64]


def logits(rows: int, clusters: int, spread: float = 1.0, seed: int = 0) -> npt.NDArray[np.float32]:
    return (spread * np.random.default_rng(seed).normal(size=(rows, clusters))).astype(np.float32)


def solve(table: npt.NDArray[np.float32], power: float = 5.0, **options) -> tuple[Scaling, npt.NDArray]:
    found = scale(lambda: [table], table.shape[1], power=power, **options)
    return found, assign(lambda: [table], power, found.log_scaling)


def plan(table: npt.NDArray[np.float32], power: float, log_scaling: Table) -> Table:
    """The plan [N, K], all of it in memory."""
    return softmax(scores(table, power, log_scaling), axis=1) / len(table)


def reference(table: npt.NDArray[np.float32], power: float, shares: Table, passes: int) -> Table:
    """The scaling factors by Sinkhorn's iterations on powers of probabilities, as the paper has them."""
    matrix = softmax(table.astype(np.float64), axis=1) ** power
    rows = np.full(len(table), 1 / len(table))
    for _ in range(passes):
        columns = shares / (matrix.T @ rows)
        rows = 1 / len(table) / (matrix @ columns)
    return columns


@pytest.mark.parametrize("shares", [None, [0.5, 0.25, 0.125, 0.125]])
def test_rows_and_clusters_get_their_masses(shares):
    table = logits(300, 4, 2.0)
    found, _ = solve(table, shares=shares, tolerance=1e-6)
    masses = plan(table, 5.0, found.log_scaling)
    assert found.converged
    assert found.deviation <= 1e-6
    np.testing.assert_allclose(masses.sum(axis=1), 1 / 300)
    np.testing.assert_allclose(masses.sum(axis=0), shares or [0.25] * 4, atol=2e-6)


@pytest.mark.parametrize("power", [1.0, 10.0, 25.0])
def test_log_domain_equals_power_domain_where_that_is_finite(power):
    table, shares = logits(200, 6), np.full(6, 1 / 6)
    found, labels = solve(table, power, tolerance=1e-6, max_iterations=5000)
    expected = np.log(reference(table, power, shares, 3000))
    np.testing.assert_allclose(found.log_scaling, expected - expected.mean(), atol=1e-3)
    matrix = softmax(table.astype(np.float64), axis=1) ** power
    assert (labels == (matrix * np.exp(expected)).argmax(axis=1)).all()


@pytest.mark.parametrize("seed", range(5))
def test_a_sharp_plan_solves_the_exact_linear_program(seed):
    table = logits(12, 3, seed=seed)
    cost = -table.astype(np.float64).ravel() / 12
    rows, columns = np.kron(np.eye(12), np.ones(3)), np.kron(np.ones(12), np.eye(3))
    exact = linprog(cost, A_eq=np.vstack([rows, columns]), b_eq=[1] * 12 + [4] * 3)
    found, labels = solve(table, 400.0, tolerance=1e-3, max_iterations=20000)
    assert found.converged
    assert (labels == exact.x.reshape(12, 3).argmax(axis=1)).all()
    entropic = -(12 * plan(table, 400.0, found.log_scaling)).ravel() @ table.ravel() / 12
    assert exact.fun - 1e-2 < entropic < exact.fun + np.log(3) / 400 + 1e-2


@settings(max_examples=30, deadline=None)
@given(st.integers(0, 10**6), st.integers(2, 6), st.integers(10, 60), st.floats(0.1, 30))
def test_names_of_clusters_and_order_of_rows_do_not_matter(seed, clusters, rows, power):
    random = np.random.default_rng(seed)
    table = logits(rows, clusters, seed=seed)
    renamed, shuffled = random.permutation(clusters), random.permutation(rows)
    found, labels = solve(table, power, max_iterations=50)
    other, other_labels = solve(table[shuffled][:, renamed], power, max_iterations=50)
    np.testing.assert_allclose(other.log_scaling, found.log_scaling[renamed], atol=1e-3)
    margins = np.sort(scores(table, power, found.log_scaling), axis=1)
    clear = (margins[:, -1] - margins[:, -2] > 1e-2)[shuffled]
    assert (renamed[other_labels] == labels[shuffled])[clear].all()


@settings(max_examples=30, deadline=None)
@given(st.integers(0, 10**6), st.integers(1, 70))
def test_reading_in_blocks_changes_nothing(seed, size):
    table = logits(60, 5, 3.0, seed)
    rows = ArrayRows(table)
    found, labels = solve(table, max_iterations=40)
    streamed = scale(lambda: rows.blocks(size), 5, power=5.0, max_iterations=40)
    np.testing.assert_allclose(streamed.log_scaling, found.log_scaling, atol=1e-5)
    assert streamed.iterations == found.iterations
    again = assign(lambda: rows.blocks(size), 5.0, found.log_scaling)
    assert (again == labels).all()


@settings(max_examples=20, deadline=None)
@given(st.integers(0, 10**6))
def test_shifting_a_row_of_logits_changes_nothing(seed):
    table = logits(40, 4, seed=seed)
    shift = np.random.default_rng(seed).normal(size=(40, 1)).astype(np.float32)
    found, _ = solve(table, max_iterations=20)
    shifted, _ = solve(table + shift, max_iterations=20)
    np.testing.assert_allclose(shifted.log_scaling, found.log_scaling, atol=1e-4)


def test_equal_logits_give_equal_scaling_and_clusters_in_turn():
    found, labels = solve(np.full((22, 5), 0.3, dtype=np.float32))
    assert found.iterations == 1
    assert (found.log_scaling == 0).all()
    assert np.bincount(labels, minlength=5).tolist() == [5, 5, 4, 4, 4]


def test_a_network_that_has_collapsed_does_not_get_one_label():
    table = np.tile(logits(1, 6, 3.0), (120, 1))
    found, labels = solve(table, 25.0)
    assert found.converged
    assert np.bincount(labels, minlength=6).tolist() == [20] * 6


@pytest.mark.parametrize("depth", [50.0, 400.0, 1e4])
def test_a_dead_cluster_gets_its_share(depth):
    table = logits(200, 5)
    table[:, 2] -= depth
    assert (softmax(table.astype(np.float64), axis=1)[:, 2] ** 25 == 0).all(), "the power domain loses it"
    found, labels = solve(table, 25.0, max_iterations=5000)
    assert np.isfinite(found.log_scaling).all()
    assert found.converged
    sizes = np.bincount(labels, minlength=5)
    assert 30 <= sizes[2] <= 50


def test_a_cluster_that_no_row_can_have_leaves_its_share_to_the_others():
    table = logits(120, 4)
    table[:, 1] = -np.inf
    found, labels = solve(table, tolerance=1e-4)
    without, _ = solve(np.delete(table, 1, axis=1), tolerance=1e-4)
    np.testing.assert_allclose(np.delete(found.log_scaling, 1), without.log_scaling, atol=1e-6)
    assert np.isfinite(found.log_scaling).all()
    assert np.bincount(labels, minlength=4)[1] == 0


def test_masses_that_single_precision_cannot_hold_are_exact():
    table = logits(50, 4)
    table[:, 3] -= 300
    found = log_masses(lambda: [table[:20], table[20:]], 10.0, np.zeros(4))
    wide = table.astype(np.float64) * 10
    expected = logsumexp(wide - logsumexp(wide, axis=1, keepdims=True), axis=0) - np.log(50)
    np.testing.assert_allclose(found, expected, rtol=1e-5)
    assert found[3] < -2000


def test_warm_start_goes_on_where_the_last_call_stopped():
    table = logits(400, 8, 3.0)
    cold, labels = solve(table, 25.0)
    warm, again = solve(table, 25.0, start=cold.log_scaling)
    assert cold.iterations > 10
    assert warm.iterations == 1
    assert (again == labels).all()
    near, _ = solve(table + logits(400, 8, 0.01, seed=1), 25.0, start=cold.log_scaling)
    assert near.iterations < cold.iterations


def test_the_cap_bounds_the_passes_and_says_so():
    passes = []

    def blocks():
        passes.append(1)
        return [table]

    table = logits(300, 6, 6.0)
    found = scale(blocks, 6, power=25.0, max_iterations=7)
    assert (found.iterations, found.converged, len(passes)) == (7, False, 7)
    assert found.deviation > 1e-3


def test_the_tolerance_does_not_depend_on_the_number_of_rows():
    table = logits(200, 5, 2.0)
    once, _ = solve(table, 10.0)
    often, _ = solve(np.tile(table, (40, 1)), 10.0)
    assert once.iterations == often.iterations
    assert often.deviation == pytest.approx(once.deviation, rel=1e-2)


def test_rows_whose_scores_are_all_equal_take_turns_and_others_do_not():
    table = np.array([[1.0, 2, 2], [0, 0, 0], [3, 2, 2], [5, 5, 5], [-np.inf, 2, 2], [2, 2, 1]])
    assert best_clusters(table, np.arange(6)).tolist() == [1, 1, 0, 0, 1, 0]


@pytest.mark.parametrize(
    ("value", "where"), [(np.nan, (3, 1)), (np.inf, (3, 1)), (-np.inf, (3, slice(None)))]
)
def test_what_is_no_number_is_an_error_and_no_label(value, where):
    table = logits(10, 3)
    table[where] = value
    with pytest.raises(ValueError, match="NaN, or rows without any finite"):
        solve(table)


@pytest.mark.parametrize("shares", [[0.5, 0.5], [1, 1, 0], [1, 1, -1], [1, 1, np.nan]])
def test_shares_must_be_one_positive_number_per_cluster(shares):
    with pytest.raises(ValueError, match="3 positive numbers"):
        solve(logits(10, 3), shares=shares)
