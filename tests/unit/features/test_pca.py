"""PCA: exact, streaming, a rotation at full rank, and unwilling to mix spaces."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy.spatial.distance import pdist
from sklearn.decomposition import PCA

from clusterprobe.config.errors import UserError
from clusterprobe.features.pca import Pca, ReducedRows, fit_pca, load_pca, save_pca
from clusterprobe.store.rows import ArrayRows


def rows_of(count: int, width: int, seed: int = 0, mean: float = 3.0) -> ArrayRows:
    generator = np.random.default_rng(seed)
    mixing = generator.standard_normal((width, width)) * 0.7 ** np.arange(width)
    return ArrayRows(
        generator.standard_normal((count, width)) @ mixing + mean, space="encoder-1", content="c0ffee12ab"
    )


def reduced(rows: ArrayRows, pca: Pca, dims: int | None = None, whiten: bool = False) -> np.ndarray:
    return np.concatenate(list(ReducedRows(rows, pca, dims, whiten, False).blocks(100)))


def test_equals_scikit_learn() -> None:
    rows = rows_of(300, 12)
    ours, theirs = fit_pca(rows), PCA().fit(rows.values.astype(np.float64))
    np.testing.assert_allclose(ours.mean, theirs.mean_, rtol=1e-9)
    np.testing.assert_allclose(ours.variances, theirs.explained_variance_, rtol=1e-8)
    cosines = np.abs((ours.components * theirs.components_).sum(axis=1))
    np.testing.assert_allclose(cosines, 1, atol=1e-9)


def test_many_blocks_far_from_zero_lose_nothing() -> None:
    """More rows than one block, and a mean 10,000 times the spread."""
    rows = rows_of(20_000, 4, mean=3e4)
    centred = rows.values.astype(np.float64) - rows.values.mean(axis=0, dtype=np.float64)
    singular = np.linalg.svd(centred, compute_uv=False)
    np.testing.assert_allclose(fit_pca(rows).variances, singular**2 / 19_999, rtol=1e-8)


def test_signs_are_fixed() -> None:
    components = fit_pca(rows_of(200, 9)).components
    largest = np.abs(components).argmax(axis=1)
    assert (components[np.arange(9), largest] > 0).all()


@settings(max_examples=25, deadline=None)
@given(st.integers(0, 1000), st.integers(12, 60))
def test_full_rank_is_a_rotation(seed: int, count: int) -> None:
    rows = rows_of(count, 8, seed)
    after = reduced(rows, fit_pca(rows))
    np.testing.assert_allclose(pdist(after), pdist(rows.values), rtol=1e-4)
    np.testing.assert_allclose(after.mean(axis=0), 0, atol=1e-4)


def test_leading_dimensions_are_the_first_columns_of_all() -> None:
    rows = rows_of(100, 8)
    pca = fit_pca(rows)
    assert ReducedRows(rows, pca, 3, False, False).shape == (100, 3)
    np.testing.assert_allclose(reduced(rows, pca, 3), reduced(rows, pca)[:, :3], atol=1e-5)


def test_whitening_makes_unit_variances() -> None:
    rows = rows_of(500, 6)
    after = reduced(rows, fit_pca(rows), whiten=True)
    np.testing.assert_allclose(np.cov(after.T), np.eye(6), atol=1e-3)


def test_normalised_rows_have_length_one() -> None:
    rows = rows_of(50, 6)
    block = next(iter(ReducedRows(rows, fit_pca(rows), 4, True, True).blocks()))
    np.testing.assert_allclose(np.linalg.norm(block, axis=1), 1, rtol=1e-5)
    assert block.dtype == np.float32
    assert block.flags.c_contiguous


def test_normalising_alone_needs_no_pca() -> None:
    rows = ArrayRows([[3, 4], [0, 0]], space="s")
    unit = ReducedRows(rows, None, None, False, True)
    assert unit.take(np.array([0, 1])).tolist() == [[np.float32(0.6), np.float32(0.8)], [0, 0]]
    assert unit.space == "s|unit"


def test_take_agrees_with_blocks() -> None:
    rows = rows_of(40, 5)
    lazy = ReducedRows(rows, fit_pca(rows), 3, True, False)
    everything = np.concatenate(list(lazy.blocks(7)))
    chosen = np.array([39, 0, 11])
    np.testing.assert_allclose(lazy.take(chosen), everything[chosen], atol=1e-6)


def test_fewer_rows_than_columns() -> None:
    rows = rows_of(5, 20)
    pca = fit_pca(rows)
    assert pca.rank == 4
    after = reduced(rows, pca, whiten=True)
    assert after.shape == (5, 4)
    assert np.abs(after).max() < 3
    with pytest.raises(UserError, match="set dims to a number from 1 to 4"):
        ReducedRows(rows, pca, 5, False, False)


def test_equal_rows_have_one_empty_component() -> None:
    rows = ArrayRows(np.full((10, 3), 0.1), space="s")
    pca = fit_pca(rows)
    assert (pca.rank, pca.variances.tolist()) == (1, [0.0])
    assert np.abs(reduced(rows, pca, whiten=True)).max() == 0


def test_another_space_is_refused() -> None:
    pca = fit_pca(rows_of(30, 5))
    other = ArrayRows(np.zeros((2, 5)), space="encoder-2")
    with pytest.raises(UserError, match=r"encoder-2.*encoder-1"):
        ReducedRows(other, pca, None, False, False)
    with pytest.raises(UserError, match="4 columns"):
        ReducedRows(ArrayRows(np.zeros((2, 4)), space="encoder-1"), pca, None, False, False)


def test_spaces_tell_reducers_apart() -> None:
    rows = rows_of(30, 5)
    pca = fit_pca(rows)
    other = fit_pca(ArrayRows(rows.values, space="encoder-1", content="deadbeef"))
    spaces = {
        ReducedRows(rows, basis, dims, whiten, unit).space
        for basis in (pca, other)
        for dims in (None, 3)
        for whiten in (False, True)
        for unit in (False, True)
    }
    assert len(spaces) == 16
    assert ReducedRows(rows, pca, 3, True, True).space == "encoder-1|pca3-c0ffee12|whiten|unit"


def test_whitening_without_a_pca_is_refused() -> None:
    with pytest.raises(UserError, match="need a PCA"):
        ReducedRows(rows_of(3, 2), None, None, True, False)


@pytest.mark.parametrize("bad", [np.nan, np.inf])
def test_values_that_are_not_finite_are_refused(bad: float) -> None:
    values = np.ones((4, 2))
    values[2, 1] = bad
    with pytest.raises(UserError, match="NaN or infinite"):
        fit_pca(ArrayRows(values, space="s"))


def test_no_rows_are_refused() -> None:
    with pytest.raises(UserError, match="no rows"):
        fit_pca(ArrayRows(np.zeros((0, 3))))


def test_saved_and_loaded_alike_with_equal_bytes(tmp_path: Path) -> None:
    pca = fit_pca(rows_of(30, 5))
    save_pca(tmp_path / "a.npz", pca)
    save_pca(tmp_path / "b.npz", pca)
    loaded = load_pca(tmp_path / "a.npz")
    assert (tmp_path / "a.npz").read_bytes() == (tmp_path / "b.npz").read_bytes()
    assert (loaded.space, loaded.content, loaded.rows) == ("encoder-1", "c0ffee12ab", 30)
    for name in ("mean", "components", "variances"):
        np.testing.assert_array_equal(getattr(loaded, name), getattr(pca, name))


@pytest.mark.parametrize("where", [0.1, 0.5, 0.9])
def test_damage_is_found(tmp_path: Path, where: float) -> None:
    path = tmp_path / "basis.npz"
    save_pca(path, fit_pca(rows_of(30, 16)))
    data = bytearray(path.read_bytes())
    data[int(len(data) * where)] ^= 0xFF
    path.write_bytes(bytes(data))
    with pytest.raises(UserError, match=r"basis\.npz is damaged"):
        load_pca(path)
    path.write_bytes(bytes(data[:200]))
    with pytest.raises(UserError, match=r"basis\.npz is damaged"):
        load_pca(path)
