from __future__ import annotations

import errno
import os
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pytest

from clusterprobe.config.errors import UserError
from clusterprobe.features.batches import in_row_order
from clusterprobe.store.rows import Float32

GROUPS = [np.array([4, 0, 2]), np.array([3, 1])]


def blocks(first: int, last: int) -> Iterator[Float32]:
    """A number of its own for each column of the rows of each group that are in [first, last)."""
    for group in GROUPS:
        rows = group[(first <= group) & (group < last)]
        yield (10 * rows[:, None] + np.arange(2)).astype(np.float32)


def test_blocks_come_back_in_the_order_of_their_rows(tmp_path: Path) -> None:
    found = np.concatenate(list(in_row_order(blocks(1, 4), GROUPS, (1, 4), tmp_path)))
    assert found.tolist() == [[10, 11], [20, 21], [30, 31]]
    assert not list(in_row_order(iter([]), [], (2, 2), tmp_path))


def test_a_disk_without_room_for_them_is_a_user_error(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    def refuse(*arguments: int) -> None:
        raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))

    monkeypatch.setattr(os, "posix_fallocate", refuse)
    with pytest.raises(UserError, match=f"{tmp_path}: the disk is full"):
        list(in_row_order(blocks(0, 5), GROUPS, (0, 5), tmp_path))
