"""Blocks in several threads: in order, few at a time, and with the results of one thread."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager

import numpy as np
import pytest
from threadpoolctl import threadpool_limits

from clusterprobe.cluster.approximate_neighbours import mine_approximate_neighbours
from clusterprobe.cluster.kmeans import assign, fit_kmeans
from clusterprobe.cluster.neighbours import mine_neighbours
from clusterprobe.features.pca import fit_pca
from clusterprobe.store.rows import ArrayRows
from clusterprobe.store.threads import blas_threads, in_order

THREADS = 3


@contextmanager
def using(threads: int) -> Iterator[None]:
    """Let numpy's linear algebra use so many threads, whatever else tests are given."""
    built_with = np.show_config(mode="dicts")["Build Dependencies"]["blas"]["name"]
    if "openblas" not in built_with:
        pytest.skip(f"only OpenBLAS is asked for its threads, and numpy was built with {built_with}")
    with threadpool_limits(threads, user_api="blas"):
        assert blas_threads() == threads
        yield


@pytest.mark.parametrize("threads", [1, THREADS])
def test_results_come_in_the_order_of_the_items(threads: int) -> None:
    def work(item: int) -> int:
        time.sleep(0.01 * (item % 3 == 0))
        return item * item

    with using(threads):
        assert list(in_order(work, range(30))) == [item * item for item in range(30)]
        assert list(in_order(work, [])) == []


def test_several_items_are_worked_on_at_once_each_with_linear_algebra_of_its_own() -> None:
    together = threading.Barrier(THREADS, timeout=30)

    def work(item: int) -> int:
        together.wait()  # fails unless three threads come here
        return blas_threads()

    with using(THREADS):
        assert list(in_order(work, range(2 * THREADS))) == [1] * 2 * THREADS
        assert blas_threads() == THREADS, "as before"


@pytest.mark.parametrize(("threads", "items"), [(1, 5), (THREADS, 1)])
def test_nothing_to_share_is_done_in_the_calling_thread(threads: int, items: int) -> None:
    with using(threads):
        seen = set(in_order(lambda _: threading.current_thread(), range(items)))
    assert seen == {threading.current_thread()}


def test_few_items_are_taken_ahead_of_the_results() -> None:
    taken: list[int] = []

    def items() -> Iterator[int]:
        for item in range(50):
            taken.append(item)
            yield item

    with using(THREADS):
        for number, _ in enumerate(in_order(lambda item: item, items()), 1):
            assert len(taken) - number <= THREADS + 1


def test_a_mistake_reaches_the_caller_and_threads_are_given_back() -> None:
    def work(item: int) -> int:
        if item == 7:
            raise ValueError("of item 7")
        return item

    with using(THREADS):
        found: list[int] = []
        with pytest.raises(ValueError, match="of item 7"):
            found.extend(in_order(work, range(20)))
        assert blas_threads() == THREADS


def rows() -> ArrayRows:
    """40,000 x 24 in 30 groups: several blocks of whatever reads them."""
    generator = np.random.default_rng(0)
    centres = 2 * generator.standard_normal((30, 24))
    values = centres[generator.integers(30, size=40_000)] + generator.standard_normal((40_000, 24))
    return ArrayRows(values.astype(np.float32))


def clusters(algorithm: str) -> np.ndarray:
    model = fit_kmeans(rows(), 30, 0, algorithm=algorithm, epochs=3)
    return np.append(assign(rows(), model).cluster, model.inertia)


KERNELS: dict[str, Callable[[], np.ndarray]] = {
    "components": lambda: fit_pca(rows()).components,
    "lloyd": lambda: clusters("lloyd"),
    "minibatch": lambda: clusters("minibatch"),
    "neighbours": lambda: mine_neighbours(ArrayRows(rows().values[:9000]), 10),
    "approximate neighbours": lambda: mine_approximate_neighbours(ArrayRows(rows().values[:9000]), 10)[0],
}


@pytest.mark.parametrize("kernel", KERNELS)
def test_results_do_not_depend_on_the_number_of_threads(kernel: str) -> None:
    with using(1):
        alone = KERNELS[kernel]()
    with using(THREADS):
        np.testing.assert_array_equal(KERNELS[kernel](), alone)
