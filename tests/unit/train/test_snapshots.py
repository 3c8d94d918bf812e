"""Features that a training keeps on the way: which, of which images, and that they change nothing else."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import pytest
import torch
from torch import Tensor

from clusterprobe.config.errors import UserError
from clusterprobe.train.interrupt import TrainingInterrupted
from clusterprobe.train.snapshots import SnapshotOptions, Snapshots


def kept(images: int = 4) -> Snapshots:
    """What keeps features before the first, after the second and after the last of three epochs."""
    return Snapshots.of(SnapshotOptions([3, 0, 2], images), 22)


@pytest.fixture
def run_keeping(run: Any, everything: Any) -> Any:
    """A run of the small objective whose images to choose by are those that it is trained on."""

    def call(snapshots: Snapshots | None, **options: Any) -> tuple[list[str], dict[str, Any]]:
        return run(everything(**options), snapshots=snapshots)

    return call


def test_images_stand_at_equal_distances() -> None:
    assert kept().rows.tolist() == [0, 7, 14, 21]
    assert kept(100).rows.tolist() == list(range(22))


def test_the_last_features_are_those_of_the_trained_network(run: Any, everything: Any) -> None:
    objective, snapshots = everything(), kept()
    run(objective, snapshots=snapshots, ema=None)
    found = snapshots.found()
    assert found["snapshot_epochs"].tolist() == [0, 2, 3]
    assert found["snapshots"].shape == (3, 4, 6)
    with torch.no_grad():
        images = torch.cat([views for _, views in run.views().plain("train")])
        expected = objective.eval().body(images)[snapshots.rows]
    torch.testing.assert_close(found["snapshots"][2], expected)
    assert not torch.allclose(found["snapshots"][0], found["snapshots"][1])


def test_a_training_is_the_same_with_and_without(run_keeping: Any, new_run: Any) -> None:
    (log, state), (plain_log, plain) = run_keeping(kept()), new_run()
    assert log == plain_log
    assert all(torch.equal(value, plain[name]) for name, value in state.items() if torch.is_tensor(value))


@pytest.mark.parametrize(("epoch", "step"), [(0, 0), (1, 2), (2, 0), (2, 3)])
def test_an_interrupted_training_keeps_the_same(
    run_keeping: Any, new_run: Any, everything: Any, epoch: int, step: int
) -> None:
    with pytest.raises(TrainingInterrupted):
        run_keeping(kept(), signal_at=(epoch, step))
    resumed, undisturbed = kept(), kept()
    run_keeping(resumed)
    new_run(snapshots=undisturbed)
    for name, values in undisturbed.found().items():
        assert torch.equal(resumed.found()[name], values), name


def test_modes_stay_what_they_were(everything: Any) -> None:
    objective = everything().train()
    frozen = next(
        module for module in objective.body.modules() if isinstance(module, torch.nn.BatchNorm2d)
    ).eval()

    def plain(name: str) -> Iterator[tuple[Tensor, Tensor]]:
        yield torch.arange(22), torch.zeros(22, 1, 8, 8)

    kept().take(objective, 2, plain)
    assert objective.body.training
    assert not frozen.training


def test_there_must_be_images_and_sensible_options() -> None:
    with pytest.raises(UserError, match="`selection`"):
        Snapshots.of(SnapshotOptions([1]), None)
    with pytest.raises(ValueError, match="positive"):
        SnapshotOptions([1], images=0)
