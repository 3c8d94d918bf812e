"""The kernel that relabels a whole set from one head, against the one on arrays."""

from __future__ import annotations

import errno
import os

import numpy as np
import pytest
import torch

from clusterprobe.cluster.equipartition import equipartition
from clusterprobe.cluster.sinkhorn import assign, log_masses, scale, wanted_shares
from clusterprobe.config.errors import UserError
from clusterprobe.encoders.heads import build_head
from clusterprobe.objectives.kernels import relabelling
from clusterprobe.objectives.kernels.relabelling import HeadRows, Transport, hold

CPU = torch.device("cpu")


def rows(count: int = 90, clusters: int = 5, spread: float = 4.0) -> tuple[HeadRows, np.ndarray]:
    """Rows of a head, and its logits as an array."""
    torch.manual_seed(0)
    features = spread * torch.randn(count, 7)
    head = build_head("linear", {"dimensions": clusters}, 7)
    made = HeadRows(features, torch.arange(count), head, CPU)
    return made, head(features).detach().numpy()


@pytest.mark.parametrize("cells", [20, 10**6])
def test_masses_labels_and_requests_are_those_of_the_kernel_on_arrays(monkeypatch, cells):
    monkeypatch.setattr(relabelling, "_CELLS", cells)
    made, logits = rows()
    shift = np.linspace(-1, 1, 5)
    expected = log_masses(lambda: [logits], 10.0, shift)
    np.testing.assert_allclose(made.log_masses(10.0, shift), expected, atol=1e-5)
    assert (made.best(10.0, shift) == assign(lambda: [logits], 10.0, shift)).all()
    transport = Transport(10.0, 1e-4, 500)
    labels, scaling = made.relabel(transport, wanted_shares(5, None), None)
    reference = scale(lambda: [logits], 5, power=10.0, tolerance=1e-4, max_iterations=500)
    np.testing.assert_allclose(scaling.log_scaling, reference.log_scaling, atol=1e-4)
    assert scaling.iterations == reference.iterations
    assert (labels == assign(lambda: [logits], 10.0, reference.log_scaling)).all()


@pytest.mark.parametrize("cells", [20, 10**6])
def test_exact_sizes(monkeypatch, cells):
    monkeypatch.setattr(relabelling, "_CELLS", cells)
    made, logits = rows(93)
    shares = wanted_shares(5, [3, 1, 1, 1, 1])
    labels, scaling = made.relabel(Transport(10.0, 1e-4, 500, exact=True), shares, None)
    expected = equipartition(lambda: [logits], 10.0, scaling.log_scaling, shares)
    assert (labels == expected).all()
    wanted = 93 * shares
    sizes = np.bincount(labels, minlength=5)
    assert ((sizes == np.floor(wanted)) | (sizes == np.ceil(wanted))).all()


def test_a_collapsed_network_and_a_dead_cluster():
    made, _ = rows(60, 4)
    collapsed = HeadRows(torch.ones(60, 7), made.rows, made.head, CPU)
    labels, _ = collapsed.relabel(Transport(25.0, 1e-3, 100), wanted_shares(4, None), None)
    assert np.bincount(labels, minlength=4).tolist() == [15] * 4
    with torch.no_grad():
        made.head[0].bias[2] = -1e4
    labels, scaling = made.relabel(Transport(25.0, 1e-3, 2000), wanted_shares(4, None), None)
    assert np.isfinite(scaling.log_scaling).all()
    assert np.bincount(labels, minlength=4)[2] > 5


def test_rows_in_any_order_come_back_in_theirs():
    made, logits = rows(40)
    order = torch.randperm(40, generator=torch.Generator().manual_seed(1))
    shuffled = HeadRows(made.features[order], made.rows[order], made.head, CPU)
    shift = np.zeros(5)
    assert (shuffled.best(3.0, shift) == logits.argmax(axis=1)).all()


def test_cross_entropy_is_the_mean_over_all_rows():
    made, logits = rows(30)
    labels = torch.arange(30) % 5
    expected = torch.nn.functional.cross_entropy(torch.from_numpy(logits), labels)
    assert made.cross_entropy(labels.int()) == pytest.approx(expected.item(), rel=1e-6)


def test_logits_that_are_no_numbers_are_an_error():
    made, _ = rows()
    made.features[3, 2] = torch.nan
    with pytest.raises(ValueError, match="NaN"):
        made.relabel(Transport(10.0, 1e-3, 10), wanted_shares(5, None), None)


@pytest.mark.parametrize("memory", [0, 10**9])
def test_room_for_features_is_empty_and_can_be_written(monkeypatch, memory):
    monkeypatch.setattr(relabelling, "_IN_MEMORY", memory)
    room = hold(50, 3, CPU)
    assert room.shape == (50, 3)
    assert (room == 0).all()
    room[10:20] += 2
    assert room.sum() == 60


def test_a_disk_without_room_for_features_is_a_user_error(monkeypatch):
    def refuse(*arguments):
        raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))

    monkeypatch.setattr(relabelling, "_IN_MEMORY", 0)
    monkeypatch.setattr(os, "posix_fallocate", refuse)
    with pytest.raises(UserError, match="the disk is full"):
        hold(50, 3, CPU)
