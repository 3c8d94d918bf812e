"""Nearly all nearest neighbours, against all of them by exact search."""

from __future__ import annotations

from functools import partial

import faiss
import numpy as np

from benchmarks.harness import THREADS, Outcome, Question, Size, in_turns, timed
from benchmarks.knn_runs import exact, prepared
from clusterprobe.cluster.approximate_neighbours import far_enough, overlap, search_cells, share_searched
from clusterprobe.cluster.cells import Cells
from clusterprobe.cluster.neighbours import search_all

QUESTION = Question(
    "knn-approx",
    "nearly all nearest neighbours (recall@20 of 0.99), 10,000 queries in 200,000 x 512",
    "exact search by faiss.IndexFlatIP",
    10,
    quick="nearly all nearest neighbours (recall@20 of 0.99), 2,000 queries in 40,000 x 512",
)
_K = 20
_GROUPS = 2  # of at most 8192 queries, as in mining
_ONE_IN = 5  # queries that are searched exactly: their cost is the same for each


def measure(size: Size) -> Outcome:
    faiss.omp_set_num_threads(THREADS)
    unit, queries = prepared(size)
    some = queries[::_ONE_IN]
    index = faiss.IndexFlatIP(unit.shape[1])
    index.add(unit)
    build, cells = timed(lambda: Cells(unit))
    tuning, (reach, _) = timed(lambda: far_enough(unit, cells, _K))

    order = cells.together(queries)
    search = partial(search_cells, unit, cells, k=_K, reach=reach)
    ours, theirs, found, _ = in_turns(
        lambda: search_all(search, order, _K, len(queries) // _GROUPS),
        lambda: index.search(unit[some], _K + 1),
        3,
    )
    theirs *= len(queries) / len(some)
    recall = overlap(exact(unit, order[::_ONE_IN], _K), found[::_ONE_IN].astype(np.int64))
    share = len(queries) / len(unit)
    compared = share_searched(cells, some, _K, reach)
    return Outcome(
        theirs / (ours + (build + tuning) * share),
        {
            "search, seconds": ours,
            f"exact search by faiss, seconds, {_ONE_IN} times that of every {_ONE_IN}th query": theirs,
            "index of all rows, seconds": build,
            "choice of how far to search, seconds": tuning,
            "share of both that is counted, as all rows are queries in mining": share,
            "recall@20 of these queries": recall,
            "cells": cells.count,
            "share of rows that a query is compared with, in 128 dimensions": compared,
            "ratio of the searches alone": theirs / ours,
            "ratio if index and choice served these queries alone": theirs / (ours + build + tuning),
        },
        holds=recall >= 0.99,
    )
