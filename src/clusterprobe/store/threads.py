"""Work on blocks of rows in several threads, with results in the order of the blocks.

A block goes through linear algebra and through plain array code. Only the first runs in several threads by
itself, so that the cores would idle during the second; here each thread takes a whole block through both,
with one thread for its linear algebra.
"""

from __future__ import annotations

import ctypes
import sys
from collections import deque
from collections.abc import Callable, Iterable, Iterator
from concurrent.futures import Future, ThreadPoolExecutor
from contextlib import contextmanager
from itertools import islice
from typing import TypeVar

T = TypeVar("T")
R = TypeVar("R")

# The module of numpy that links its linear algebra, and how OpenBLAS is called in wheels and elsewhere.
_LINKED = "numpy._core._multiarray_umath"
_NAMES = ("scipy_openblas_{}_num_threads64_", "scipy_openblas_{}_num_threads", "openblas_{}_num_threads")


def in_order(work: Callable[[T], R], items: Iterable[T]) -> Iterator[R]:
    """Yield work(item) for each of the items, in their order.

    Runs as many at once as numpy's linear algebra may use threads (OMP_NUM_THREADS); a single item, or a
    library that cannot be asked, is worked on in the calling thread. Few items are held at a time. `work`
    must depend on its item alone: then the number of threads changes no result.
    """
    count = blas_threads()
    remaining = iter(items)
    ahead = list(islice(remaining, 2))
    if count == 1 or len(ahead) < 2:
        yield from map(work, ahead)
        yield from map(work, remaining)
        return
    with _single_threaded_blas(), ThreadPoolExecutor(count) as pool:
        running: deque[Future[R]] = deque(pool.submit(work, item) for item in ahead)
        for item in remaining:
            running.append(pool.submit(work, item))
            if len(running) > count + 1:
                yield running.popleft().result()
        while running:
            yield running.popleft().result()


def blas_threads() -> int:
    """Return how many threads numpy's linear algebra may use; 1 if it cannot be asked."""
    ask = _function("get")
    return 1 if ask is None else max(int(ask()), 1)


@contextmanager
def _single_threaded_blas() -> Iterator[None]:
    change, before = _function("set"), blas_threads()
    if change is not None:
        change(1)
    try:
        yield
    finally:
        if change is not None:
            change(before)


def _function(verb: str) -> Callable[..., int] | None:
    """Return the function of OpenBLAS that gets or sets its number of threads, if there is one."""
    linked = getattr(sys.modules.get(_LINKED), "__file__", None)
    if linked is None:
        return None
    library = ctypes.CDLL(linked)
    for name in _NAMES:
        found: Callable[..., int] | None = getattr(library, name.format(verb), None)
        if found is not None:
            return found
    return None
