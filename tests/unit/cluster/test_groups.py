from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from clusterprobe.cluster.groups import assign_groups, distances_to
from clusterprobe.cluster.kmeans import assign, fit_kmeans
from clusterprobe.features.scaling import unit_length
from clusterprobe.store.rows import ArrayRows


def slow(points, centres, groups, spherical):
    """Distances point by point, group by group."""
    for point in points.astype(np.float64):
        own = {}
        for centre, group in zip(centres.astype(np.float64), groups, strict=True):
            if spherical:
                distance = max(1 - point @ centre / np.linalg.norm(point), 0)
            else:
                distance = np.linalg.norm(point - centre)
            own[group] = min(own.get(group, np.inf), distance)
        ranked = sorted(own, key=lambda group: (own[group], group))
        second = ranked[1] if len(ranked) > 1 else -1
        ratio = own[ranked[0]] / own[second] if second >= 0 else 0
        yield ranked[0], second, own[ranked[0]], 1 - ratio


@settings(max_examples=50, deadline=None)
@given(st.integers(0, 10**6), st.integers(1, 5), st.integers(0, 6), st.booleans())
def test_as_one_distance_after_the_other(seed, groups, more, spherical):
    generator = np.random.default_rng(seed)
    belongs = np.concatenate([np.arange(groups), generator.integers(0, groups, more)])
    centres = generator.normal(size=(groups + more, 4)).astype(np.float32)
    centres = unit_length(centres) if spherical else centres
    points = generator.normal(size=(30, 4)).astype(np.float32)
    found = assign_groups(ArrayRows(points), centres, belongs, spherical=spherical)
    for row, (cluster, second, distance, confidence) in enumerate(slow(points, centres, belongs, spherical)):
        assert (found.cluster[row], found.second[row]) == (cluster, second)
        assert found.distance[row] == pytest.approx(distance, abs=1e-5)
        assert found.confidence[row] == pytest.approx(confidence, abs=1e-3)


@pytest.mark.parametrize("spherical", [False, True])
def test_groups_of_one_centre_each_are_the_clusters_of_kmeans(spherical):
    rows = ArrayRows(np.random.default_rng(0).normal(size=(500, 8)), "space")
    model = fit_kmeans(rows, 7, 0, spherical=spherical)
    plain = assign(rows, model)
    found = assign_groups(rows, model.centres, np.arange(7), spherical=spherical)
    np.testing.assert_array_equal(found.cluster, plain.cluster)
    np.testing.assert_array_equal(found.second, plain.second)
    np.testing.assert_allclose(found.distance, plain.distance, rtol=1e-4, atol=1e-5)
    own = model.centres[found.cluster]
    np.testing.assert_allclose(distances_to(rows.values, own, spherical=spherical), plain.distance, atol=1e-4)
