"""Linear probe: as good as logistic regression, many settings as each alone, blind to its test labels."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import numpy.typing as npt
import pytest
import torch
from sklearn.datasets import load_digits
from sklearn.linear_model import LogisticRegression
from sklearn.preprocessing import StandardScaler

from clusterprobe.config.errors import UserError
from clusterprobe.evaluate.linear_probe import (
    LinearModel,
    Setting,
    Training,
    choose_setting,
    fit_linear_probe,
    grid,
    image_logits,
    linear_scores,
    train_heads,
)
from clusterprobe.store.features import FeatureMatrix
from clusterprobe.store.rows import ArrayRows, Float32

QUICK = Training(epochs=2, batch_size=32)
SETTINGS = grid([0.01, 0.1, 1.0], [0.0, 1e-3])


def _digits() -> tuple[Float32, npt.NDArray[np.int64], Float32, npt.NDArray[np.int64]]:
    data = load_digits()
    order = np.random.default_rng(0).permutation(len(data.target))
    images = (data.data[order] / 16).astype(np.float32)
    labels = data.target[order].astype(np.int64)
    return images[:1437], labels[:1437], images[1437:], labels[1437:]


def _blobs(count: int = 120, seed: int = 0) -> tuple[Float32, npt.NDArray[np.int64]]:
    generator = np.random.default_rng(seed)
    labels = np.arange(count) % 3
    means = np.random.default_rng(7).normal(size=(3, 4))
    return (means[labels] + generator.normal(size=(count, 4))).astype(np.float32), labels


def test_accuracy_of_logistic_regression_on_digits() -> None:
    train, labels, test, truth = _digits()
    scaler = StandardScaler().fit(train)
    reference = max(
        LogisticRegression(C=c, max_iter=1000)
        .fit(scaler.transform(train), labels)
        .score(scaler.transform(test), truth)
        for c in (0.01, 0.1, 1.0)
    )
    settings = grid([0.01, 0.1, 1.0], [0.0, 1e-3])
    model, _ = fit_linear_probe(ArrayRows(train), labels, 10, settings, Training(epochs=20), 0)
    scores = linear_scores(model, ArrayRows(test), truth)
    assert scores["linear_top1"] == pytest.approx(reference, abs=0.015)
    assert scores["linear_top5"] > 0.99


def test_many_settings_at_once_are_each_as_if_alone() -> None:
    rows, labels = _blobs()
    together = train_heads(ArrayRows(rows), labels, 3, SETTINGS, QUICK, 0)
    for number, setting in enumerate(SETTINGS):
        alone = train_heads(ArrayRows(rows), labels, 3, [setting], QUICK, 0)
        np.testing.assert_allclose(together.weights[:, number], alone.weights[:, 0], atol=1e-4)
        np.testing.assert_allclose(together.biases[number], alone.biases[0], atol=1e-4)


def test_a_training_is_that_of_torch() -> None:
    """SGD with momentum on a cosine, weight decay on the weights alone; full batches, so without order."""
    rows, labels = _blobs(30)
    training = Training(epochs=1000, batch_size=30)
    model = train_heads(ArrayRows(rows), labels, 3, [Setting(0.1, 0.01)], training, 0)
    layer = torch.nn.Linear(4, 3, dtype=torch.float64)
    torch.nn.init.zeros_(layer.weight)
    torch.nn.init.zeros_(layer.bias)
    groups = [{"params": [layer.weight], "weight_decay": 0.01}, {"params": [layer.bias]}]
    optimiser = torch.optim.SGD(groups, lr=0.1, momentum=0.9)
    schedule = torch.optim.lr_scheduler.CosineAnnealingLR(optimiser, 1000)
    scaled = (rows - rows.mean(axis=0, dtype=np.float64)) / rows.std(axis=0, dtype=np.float64)
    inputs, targets = torch.from_numpy(scaled), torch.from_numpy(labels)
    for _ in range(1000):
        optimiser.zero_grad()
        torch.nn.functional.cross_entropy(layer(inputs), targets).backward()
        optimiser.step()
        schedule.step()
    np.testing.assert_allclose(model.weights[:, 0].T, layer.weight.detach().numpy(), atol=2e-3)
    np.testing.assert_allclose(model.biases[0], layer.bias.detach().numpy(), atol=2e-3)


def test_the_same_seed_gives_the_same_bytes_and_another_does_not() -> None:
    rows, labels = _blobs()
    first, again, other = (
        train_heads(ArrayRows(rows), labels, 3, SETTINGS, QUICK, seed) for seed in (0, 0, 1)
    )
    assert first.weights.tobytes() == again.weights.tobytes()
    assert first.weights.tobytes() != other.weights.tobytes()


def test_rows_that_are_streamed_give_the_bytes_of_rows_in_memory() -> None:
    rows, labels = _blobs()
    values = rows.astype(np.float16)
    shards = FeatureMatrix([values[:50], values[50:51], values[51:]], "space", "content")
    held = train_heads(ArrayRows(values, "space"), labels, 3, SETTINGS, QUICK, 0)
    streamed = train_heads(shards, labels, 3, SETTINGS, replace(QUICK, memory_bytes=0), 0)
    assert held.weights.tobytes() == streamed.weights.tobytes()


def test_the_choice_is_the_best_on_held_out_images_and_no_diverged_training() -> None:
    rows, labels = _blobs(300)
    hopeless, fair, diverging = Setting(1e-9, 0.0), Setting(0.1, 0.0), Setting(1e30, 1.0)
    assert choose_setting(ArrayRows(rows), labels, 3, [hopeless, diverging, fair], QUICK, 0) == fair
    with pytest.raises(UserError, match="lower learning_rates"):
        choose_setting(ArrayRows(rows), labels, 3, [diverging, Setting(1e31, 1.0)], QUICK, 0)


def test_scrambled_test_labels_change_the_score_and_not_the_choice() -> None:
    train, labels = _blobs(150)
    test, truth = _blobs(90, seed=1)
    scrambled = np.random.default_rng(2).permutation(truth)
    found = []
    for wanted in (truth, scrambled):
        model, chosen = fit_linear_probe(ArrayRows(train), labels, 3, SETTINGS, QUICK, 0)
        found.append((chosen, model.weights.tobytes(), linear_scores(model, ArrayRows(test), wanted)))
    assert found[0][:2] == found[1][:2]
    assert found[0][2]["linear_top1"] > found[1][2]["linear_top1"] + 0.2


def test_one_setting_needs_no_choice_and_single_images_leave_none() -> None:
    rows, labels = _blobs(3)
    only = Setting(0.1, 0.0)
    assert choose_setting(ArrayRows(rows), labels, 3, [only], QUICK, 0) == only
    with pytest.raises(UserError, match="no class has two labelled images"):
        choose_setting(ArrayRows(rows), labels, 3, SETTINGS, QUICK, 0)


def test_scaling_of_the_features_changes_nothing() -> None:
    rows, labels = _blobs()
    scales, shifts = np.array([1e-3, 1.0, 50.0, 2.0]), np.array([1e2, -3.0, 0.0, 5.0])
    constant = np.full((len(rows), 1), 7.0)
    moved = np.concatenate([rows * scales + shifts, constant], axis=1).astype(np.float32)
    plain = train_heads(ArrayRows(rows), labels, 3, SETTINGS, QUICK, 0)
    changed = train_heads(ArrayRows(moved), labels, 3, SETTINGS, QUICK, 0)
    np.testing.assert_allclose(changed.weights[1:4], plain.weights[1:4], atol=0.02)
    assert np.abs(changed.weights[4]).max() < 1e-6, "a column that does not vary says nothing"


def test_logits_of_several_crops_are_averaged_for_each_image() -> None:
    rows, labels = _blobs(40)
    model = train_heads(ArrayRows(rows), labels, 3, [Setting(0.1, 0.0)], QUICK, 0)
    crops = np.repeat(rows, 10, axis=0) + np.random.default_rng(3).normal(size=(400, 4))
    shards = FeatureMatrix([crops[:33].astype(np.float16), crops[33:].astype(np.float16)], "", "")
    images = np.array([2, 3, 39])
    slow = [
        np.mean(
            [model.logits(shards.take(np.array([10 * image + crop])))[0, 0] for crop in range(10)], axis=0
        )
        for image in images
    ]
    np.testing.assert_allclose(image_logits(model, shards, images, crops=10), slow, atol=1e-4)
    masked = np.where(np.isin(np.arange(40), images), labels, -1)
    right = np.mean(np.argmax(slow, axis=1) == labels[images])
    assert linear_scores(model, shards, masked, crops=10) == {"linear_top1": pytest.approx(right)}


def test_features_of_another_space_and_unlabelled_images_are_refused() -> None:
    shape = np.zeros((2, 1, 3), np.float32)
    model = LinearModel(
        shape, np.zeros((1, 3), np.float32), np.zeros(2, np.float32), np.ones(2, np.float32), "a"
    )
    with pytest.raises(UserError, match="cannot score features of 'b'"):
        linear_scores(model, ArrayRows(np.ones((1, 2)), "b"), np.array([0]))
    with pytest.raises(UserError, match="has a label"):
        linear_scores(model, ArrayRows(np.ones((1, 2)), "a"), np.array([-1]))
    assert linear_scores(model, ArrayRows(np.ones((2, 2)), "a"), np.array([0, -1])) == {"linear_top1": 1.0}
