"""TEMI against its formula, written out, and what it does with separate groups of points."""

from __future__ import annotations

import numpy as np
import pytest
import torch

from clusterprobe.config.errors import UserError
from clusterprobe.encoders.architectures import Body
from clusterprobe.encoders.heads import build_head
from clusterprobe.evaluate.metrics import ari, contingency
from clusterprobe.objectives.kernels.weighted_information import pair_weights, weighted_information
from clusterprobe.objectives.temi import make
from clusterprobe.store.rows import ArrayRows
from clusterprobe.train.cached_views import CachedViews
from clusterprobe.train.job import Data, train_encoder
from clusterprobe.train.objective import Batch, Epoch, Networks, Setting

HEADS, PAIRS, CLUSTERS = 2, 5, 3


def probabilities(seed: int) -> torch.Tensor:
    generator = torch.Generator().manual_seed(seed)
    return torch.rand(HEADS, PAIRS, CLUSTERS, generator=generator, dtype=torch.float64).softmax(dim=2)


@pytest.mark.parametrize("beta", [0.6, 1.0])
def test_the_loss_is_the_formula_pair_by_pair(beta):
    students, teachers, others = probabilities(0), probabilities(1), probabilities(2)
    share = probabilities(3)[:, 0]
    weights = pair_weights(teachers, others)
    found = weighted_information(students, teachers, share, weights, beta)
    for head in range(HEADS):
        total = 0.0
        for pair in range(PAIRS):
            weight = sum(float(teachers[h, pair] @ others[h, pair]) for h in range(HEADS)) / HEADS
            inner = sum(
                float(students[head, pair, c] * teachers[head, pair, c]) ** beta / float(share[head, c])
                for c in range(CLUSTERS)
            )
            total -= weight * np.log(inner)
        assert float(found[head]) == pytest.approx(total / PAIRS)


def clouds(count: int = 90) -> tuple[np.ndarray, np.ndarray]:
    generator = np.random.default_rng(0)
    labels = np.arange(count) % CLUSTERS
    points = 4 * np.eye(CLUSTERS, 6)[labels] + generator.normal(0, 0.5, (count, 6))
    return points.astype(np.float32), labels


def neighbours(points: np.ndarray, k: int = 8) -> np.ndarray:
    distances = np.linalg.norm(points[:, None] - points[None], axis=2)
    np.fill_diagonal(distances, np.inf)
    return distances.argsort(axis=1)[:, :k]


def networks(heads: int = 3, seed: int = 0) -> Networks:
    torch.manual_seed(seed)
    made = {str(n): build_head("mlp", {"dimensions": CLUSTERS, "hidden": 16}, 6) for n in range(heads)}
    return Networks(Body(torch.nn.Identity(), 6), made)


def test_groups_that_are_apart_become_clusters_and_labels_take_no_part():
    points, labels = clouds()
    rows = ArrayRows(points)
    job = {
        "objective": {"name": "temi", "options": {"decay": 0.9}},
        "preprocessing": {"size": 8, "mean": [0.5], "std": [0.25]},
        "augmentation": [],
        "optimiser": {"name": "adamw", "learning_rate": 0.01},
        "epochs": 15,
        "batch_size": 30,
        "seed": 0,
    }
    data = Data(
        CachedViews(rows, {"train": rows}), arrays={"neighbours": neighbours(points), "labels": labels}
    )
    trained = train_encoder(job, data, make, networks=networks(), device="cpu")
    head = trained.heads[str(trained.chosen)]
    with torch.no_grad():
        found = head(torch.from_numpy(points)).argmax(dim=1).numpy()
    assert ari(contingency(found, labels, CLUSTERS, CLUSTERS)) == pytest.approx(1)


def objective(**options):
    setting = Setting(90, 30, 2, 0, {"neighbours": torch.from_numpy(neighbours(clouds()[0]))})
    return make(networks(), options, setting)


def batch(points: np.ndarray) -> Batch:
    values = torch.from_numpy(points)
    return Batch(0, 0, torch.arange(30), (values[:30], values[30:60]))


def test_copies_get_no_gradient_and_follow_more_and_more_slowly():
    made = objective().train()
    made.before_step(Epoch(0, torch.Generator(), iter, taken=0, total=10))
    first = made.copies["0"].decay
    made.loss(batch(clouds()[0])).value.backward()
    assert all(parameter.grad is None for parameter in made.copies.parameters())
    assert any(parameter.grad.abs().sum() > 0 for parameter in made.heads.parameters())
    made.before_step(Epoch(0, torch.Generator(), iter, taken=10, total=10))
    assert first == pytest.approx(0.996)
    assert made.copies["0"].decay == pytest.approx(1.0)


def test_the_chosen_head_has_the_lowest_loss_of_the_epoch():
    made = objective()
    assert made.chosen_head() is None
    made.before_epoch(Epoch(0, torch.Generator(), iter))
    made.losses.copy_(torch.tensor([3.0, 1.0, 2.0]))
    made.steps.fill_(2)
    assert made.after_epoch(Epoch(0, torch.Generator(), iter)) == {"lowest_loss": 0.5, "chosen_head": 1}
    assert made.chosen_head() == "1"


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"beta": 0}, "beta must lie above 0"),
        ({"neighbours": 9}, "only 8 were mined"),
        ({"frozen": False}, "leave `frozen` at true"),
        ({"temperature": 0}, "temperature must be above 0"),
    ],
)
def test_wrong_options_are_said(options, message):
    with pytest.raises(UserError, match=message):
        objective(**options)


def test_a_stopped_training_resumes_to_the_same_bits(resumed_equals_undisturbed):
    trained = resumed_equals_undisturbed("temi", {}, (1, 2), heads=2)
    assert trained.chosen in trained.heads


def test_heads_are_left_behind_as_copies_so_that_no_average_can_replace_them(training, small_networks):
    with pytest.raises(UserError, match="`ema`"):
        training("temi", {}, networks=small_networks(), ema=0.9)
