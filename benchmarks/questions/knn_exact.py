"""Exact nearest neighbours against faiss."""

from __future__ import annotations

import faiss

from benchmarks.harness import THREADS, Outcome, Question, Size, in_turns
from benchmarks.knn_runs import exact, prepared
from clusterprobe.cluster.screen import worthwhile_screen

QUESTION = Question(
    "knn-exact",
    "exact nearest neighbours, 10,000 queries in 200,000 x 512, top 50",
    "faiss.IndexFlatIP",
    1,
    quick="exact nearest neighbours, 2,000 queries in 40,000 x 512, top 50",
)
_K = 50


def measure(size: Size) -> Outcome:
    faiss.omp_set_num_threads(THREADS)
    unit, queries = prepared(size)
    index = faiss.IndexFlatIP(unit.shape[1])
    index.add(unit)
    ours, theirs, found, peer = in_turns(
        lambda: exact(unit, queries, _K, worthwhile_screen(unit, _K)),
        lambda: index.search(unit[queries], _K + 1)[1],
        3,
    )
    own = peer != queries[:, None]
    own[own.all(axis=1), -1] = False  # a row with many duplicates may not be among its own neighbours
    same = float((found == peer[own].reshape(len(queries), _K)).mean())
    return Outcome(
        theirs / ours,
        {
            "ours, seconds": ours,
            "faiss, seconds": theirs,
            "equal places in both lists (the order of near-ties may differ)": same,
        },
        holds=same > 0.99,
    )
