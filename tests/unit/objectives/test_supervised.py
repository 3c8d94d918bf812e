from __future__ import annotations

import json

import numpy as np
import pytest
import torch
import torch.nn.functional as F

from clusterprobe.config.errors import UserError
from clusterprobe.objectives.loading import load_objective, objective_names
from clusterprobe.objectives.supervised import make
from clusterprobe.train.objective import Batch, Setting, needed_by

LABELS = torch.tensor([0, 1, 2, 0, 1, 2, 0, 1])


def setting(labels: torch.Tensor = LABELS) -> Setting:
    return Setting(8, 4, 1, 0, {"labels": labels})


def test_the_loss_is_the_cross_entropy_with_the_labels_of_the_batch(small_networks):
    images = torch.rand(4, 1, 8, 8, generator=torch.Generator().manual_seed(0))
    indices = torch.tensor([6, 2, 1, 4])
    objective = make(small_networks(), {}, setting())
    (view,) = objective.views(indices, torch.Generator())
    assert view.indices is indices
    loss = objective.loss(Batch(0, 0, indices, (images,)))
    reference = small_networks()
    logits = reference.heads["0"](reference.body(images))
    expected = F.cross_entropy(logits, torch.tensor([0, 2, 1, 1]))
    assert loss.value.item() == pytest.approx(expected.item(), rel=1e-5)
    right = (logits.argmax(dim=1) == torch.tensor([0, 2, 1, 1])).float().mean().item()
    assert loss.logged["accuracy"].item() == pytest.approx(right)


def test_it_learns_the_labels(training, small_networks):
    random = np.random.default_rng(0)
    images = random.integers(0, 60, (60, 1, 8, 8))
    labels = random.integers(0, 3, 60)
    for label in (1, 2):
        images[labels == label, :, :, 4 * (label - 1) : 4 * label] += 150
    training.images = type(training.images)(images.astype(np.uint8))
    training.arrays = {"labels": labels}
    trained = training("supervised", {}, epochs=15, batch_size=20, augmentation=[])
    accuracies = [json.loads(line)["accuracy"] for line in trained.log]
    assert accuracies[-1] > 0.95 > accuracies[0]


def test_an_interrupted_run_equals_an_undisturbed_one(resumed_equals_undisturbed):
    resumed_equals_undisturbed("supervised", {}, (1, 2))


def test_labels_reach_no_other_objective():
    who = {name for name in objective_names() if "labels" in needed_by(load_objective(name))}
    assert who == {"supervised"}


@pytest.mark.parametrize(
    ("name", "seen"),
    [("scan", {"neighbours"}), ("selflabel", set()), ("simclr", set()), ("supervised", {"labels"})],
)
def test_a_run_hands_over_only_the_arrays_that_its_objective_declares(
    training, small_networks, monkeypatch, name, seen
):
    arrays: list[set[str]] = []
    original = Setting.__init__

    def spy(self, *values, **named):
        original(self, *values, **named)
        arrays.append(set(self.arrays))

    monkeypatch.setattr(Setting, "__init__", spy)
    assert {"labels", "neighbours", "pseudo_labels"} == training.arrays.keys()
    training(name, {}, epochs=0)
    assert arrays == [seen]


@pytest.mark.parametrize(
    ("labels", "heads", "options", "message"),
    [
        (torch.tensor([0, 1, 2, -1, 0, 1, 2, -1]), 1, {}, "2 of 8 images have no label from 0 to 2"),
        (torch.full((8,), 3), 1, {}, "8 of 8 images"),
        (LABELS[:5], 1, {}, "5 rows for 8 training images"),
        (LABELS, 0, {}, "needs a head"),
        (LABELS, 1, {"smoothing": 0.1}, "it takes no options"),
    ],
)
def test_mistakes_are_user_errors(small_networks, labels, heads, options, message):
    with pytest.raises(UserError, match=message):
        make(small_networks(heads=heads), options, setting(labels))


def test_missing_labels_are_a_user_error(small_networks):
    with pytest.raises(UserError, match="needs the array 'labels'"):
        make(small_networks(), {}, Setting(8, 4, 1, 0))
