"""Several labels per image: each class against the rest as torch trains it, what does not count left out."""

from __future__ import annotations

import numpy as np
import numpy.typing as npt
import pytest
import torch

from clusterprobe.config.errors import UserError
from clusterprobe.evaluate.average_precision import eleven_points, mean_average_precision
from clusterprobe.evaluate.linear_probe import Setting, Training, grid, train_heads
from clusterprobe.evaluate.multi_label_probe import (
    fit_multi_label_probe,
    logistic_errors,
    multi_label_scores,
)
from clusterprobe.store.rows import ArrayRows, Float32

QUICK = Training(epochs=2, batch_size=32)
SETTINGS = grid([0.01, 0.1, 1.0], [0.0, 1e-3])


def _images(count: int = 200, seed: int = 0) -> tuple[Float32, npt.NDArray[np.int64]]:
    """Features [N, 6] of images that show some of four classes; a tenth of what is shown is difficult."""
    generator = np.random.default_rng(seed)
    shown = (generator.random((count, 4)) < 0.3).astype(np.int64)
    means = np.random.default_rng(7).normal(size=(4, 6))
    rows = shown @ means + 0.5 * generator.normal(size=(count, 6))
    shown[(generator.random((count, 4)) < 0.1) & (shown == 1)] = -1
    return rows.astype(np.float32), shown


def test_a_training_is_that_of_torch_with_what_does_not_count_masked() -> None:
    rows, shown = _images(30)
    training = Training(epochs=1000, batch_size=30)
    model = train_heads(ArrayRows(rows), shown, 4, [Setting(0.1, 0.01)], training, 0, logistic_errors)
    layer = torch.nn.Linear(6, 4, dtype=torch.float64)
    torch.nn.init.zeros_(layer.weight)
    torch.nn.init.zeros_(layer.bias)
    groups = [{"params": [layer.weight], "weight_decay": 0.01}, {"params": [layer.bias]}]
    optimiser = torch.optim.SGD(groups, lr=0.1, momentum=0.9)
    schedule = torch.optim.lr_scheduler.CosineAnnealingLR(optimiser, 1000)
    scaled = (rows - rows.mean(axis=0, dtype=np.float64)) / rows.std(axis=0, dtype=np.float64)
    inputs, wanted = torch.from_numpy(scaled), torch.from_numpy(shown).double()
    entropy = torch.nn.functional.binary_cross_entropy_with_logits
    for _ in range(1000):
        optimiser.zero_grad()
        losses = entropy(layer(inputs), wanted.clamp(min=0), reduction="none")
        ((wanted >= 0) * losses).sum(dim=1).mean().backward()
        optimiser.step()
        schedule.step()
    np.testing.assert_allclose(model.weights[:, 0].T, layer.weight.detach().numpy(), atol=5e-3)
    np.testing.assert_allclose(model.biases[0], layer.bias.detach().numpy(), atol=5e-3)


def test_what_features_say_is_read_and_scored_by_eleven_points() -> None:
    model, _ = fit_multi_label_probe(ArrayRows(_images()[0]), _images()[1], SETTINGS, QUICK, 0)
    rows, shown = _images(80, seed=1)
    scores = multi_label_scores(model, ArrayRows(rows), shown)
    logits = model.logits(rows)[:, 0]
    assert scores == {"voc_map": pytest.approx(mean_average_precision(logits, shown, eleven_points))}
    assert scores["voc_map"] > 0.8
    chance = np.random.default_rng(2).permutation(shown)
    assert multi_label_scores(model, ArrayRows(rows), chance)["voc_map"] < 0.6
    crops = np.repeat(rows, 10, axis=0)
    assert multi_label_scores(model, ArrayRows(crops), shown, crops=10) == pytest.approx(scores)


def test_the_same_seed_gives_the_same_bytes_and_another_does_not() -> None:
    rows, shown = _images()
    first, again, other = (
        fit_multi_label_probe(ArrayRows(rows), shown, SETTINGS, QUICK, seed)[0] for seed in (0, 0, 1)
    )
    assert first.weights.tobytes() == again.weights.tobytes()
    assert first.weights.tobytes() != other.weights.tobytes()


def test_the_choice_is_the_best_on_held_out_images_and_no_diverged_training() -> None:
    rows, shown = _images()
    backwards, fair, diverging = Setting(-0.1, 0.0), Setting(0.1, 0.0), Setting(1e30, 1.0)
    chosen = fit_multi_label_probe(ArrayRows(rows), shown, [backwards, diverging, fair], QUICK, 0)[1]
    assert chosen == fair
    with pytest.raises(UserError, match="lower learning_rates"):
        fit_multi_label_probe(ArrayRows(rows), shown, [diverging, Setting(1e31, 1.0)], QUICK, 0)


def test_without_anything_to_choose_on_one_setting_is_needed() -> None:
    rows, shown = _images(1)
    with pytest.raises(UserError, match="give one learning rate"):
        fit_multi_label_probe(ArrayRows(rows), shown, SETTINGS, QUICK, 0)
    assert fit_multi_label_probe(ArrayRows(rows), shown, SETTINGS[:1], QUICK, 0)[1] == SETTINGS[0]
