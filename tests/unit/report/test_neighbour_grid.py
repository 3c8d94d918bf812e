from __future__ import annotations

import numpy as np
import pandas as pd
import pytest

from clusterprobe.config.errors import UserError
from clusterprobe.report.figures import draw_figure


def pictures(true: list[bool | None]) -> pd.DataFrame:
    """Two anchors with neighbours; the shade of a picture is its place."""
    rows = [
        {
            "anchor": anchor,
            "rank": rank,
            "image": np.full((6, 5), 10 * anchor + rank, np.uint8),
            "true": found,
        }
        for anchor in (3, 7)
        for rank, found in enumerate([True, *true])
    ]
    return pd.DataFrame(rows).astype({"true": object})


def test_every_picture_has_its_place_and_false_neighbours_a_frame() -> None:
    axes = np.array(draw_figure("neighbours", pictures([True, False])).axes).reshape(2, 4)
    shown = [
        [int(np.asarray(a.images[0].get_array())[0, 0]) if a.images else None for a in row] for row in axes
    ]
    assert shown == [[30, None, 31, 32], [70, None, 71, 72]]
    assert [[len(axis.patches) for axis in row] for row in axes] == [[0, 0, 0, 1]] * 2


def test_what_is_not_known_has_no_frame() -> None:
    assert not any(axis.patches for axis in draw_figure("neighbours", pictures([None, None])).axes)


def test_nothing_to_draw_is_an_error() -> None:
    with pytest.raises(UserError, match="no neighbours"):
        draw_figure("neighbours", pictures([])[:0])


def test_retrievals_of_each_anchor_have_a_row_for_each_encoder() -> None:
    both = [pictures([True, False]).assign(encoder=name) for name in ("NPID", "NPID + CLD")]
    axes = np.array(draw_figure("retrieval", pd.concat(both)).axes).reshape(4, 4)
    shown = [
        [int(np.asarray(a.images[0].get_array())[0, 0]) if a.images else None for a in row] for row in axes
    ]
    assert shown == [[30, None, 31, 32], [None, None, 31, 32], [70, None, 71, 72], [None, None, 71, 72]]
    assert [[len(axis.patches) for axis in row] for row in axes] == [[0, 0, 0, 1]] * 4
    assert [row[1].texts[0].get_text() for row in axes] == ["NPID", "NPID + CLD"] * 2


def test_no_retrieval_to_draw_is_an_error() -> None:
    with pytest.raises(UserError, match="contrastive encoder"):
        draw_figure("retrieval", pictures([])[:0])
