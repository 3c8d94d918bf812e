"""TURTLE: labels that a classifier learns quickly are the groups that are there."""

from __future__ import annotations

import numpy as np
import pytest
import torch
import torch.nn.functional as F

from clusterprobe.config.errors import UserError
from clusterprobe.encoders.architectures import Body
from clusterprobe.encoders.heads import build_head
from clusterprobe.evaluate.metrics import ari, contingency
from clusterprobe.objectives.turtle import make
from clusterprobe.store.rows import ArrayRows
from clusterprobe.train.cached_views import CachedViews
from clusterprobe.train.job import Data, train_encoder
from clusterprobe.train.objective import Batch, Networks, Setting

CLUSTERS, WIDTH = 3, 6
SETTING = Setting(90, 90, 1, 0)


def clouds(count: int = 90) -> tuple[np.ndarray, np.ndarray]:
    generator = np.random.default_rng(0)
    labels = np.arange(count) % CLUSTERS
    points = 3 * np.eye(CLUSTERS, WIDTH)[labels] + generator.normal(0, 0.3, (count, WIDTH))
    return points.astype(np.float32), labels


def networks(kind: str = "linear", count: int = 1, **options) -> Networks:
    torch.manual_seed(0)
    made = {str(n): build_head(kind, {"dimensions": CLUSTERS, **options}, WIDTH) for n in range(count)}
    return Networks(Body(torch.nn.Identity(), WIDTH), made)


def batch() -> Batch:
    points = torch.from_numpy(clouds()[0])
    return Batch(0, 0, torch.arange(len(points)), (points,))


def test_the_loss_is_the_two_levels_written_out():
    made = make(networks(), {"inner_steps": 4, "inner_rate": 0.1, "entropy_weight": 2.0}, SETTING)
    torch.manual_seed(5)
    found = made.loss(batch())
    points = batch().views[0]
    head = networks().heads["0"][0]
    labels = head(points).softmax(dim=1)
    torch.manual_seed(5)
    inner = torch.nn.Linear(WIDTH, CLUSTERS)
    adam = torch.optim.Adam(inner.parameters(), lr=0.1)
    for _ in range(4):
        adam.zero_grad()
        (-(labels.detach() * inner(points).log_softmax(dim=1)).sum(dim=1).mean()).backward()
        adam.step()
    error = -(labels * inner(points).detach().log_softmax(dim=1)).sum(dim=1).mean()
    mean = labels.mean(dim=0)
    expected = error + 2.0 * (mean * mean.log()).sum()
    torch.testing.assert_close(found.value, expected)
    found.value.backward()
    expected.backward()
    own = next(iter(made.heads.values()))[0].parametrizations.weight
    weight = F.normalize(own.original1.detach(), dim=1) * own.original0.detach()
    torch.testing.assert_close(weight, head.weight)


def test_groups_that_are_apart_become_clusters():
    points, labels = clouds()
    rows = ArrayRows(points)
    job = {
        "objective": {"name": "turtle", "options": {"inner_rate": 0.1}},
        "preprocessing": {"size": 8, "mean": [0.5], "std": [0.25]},
        "augmentation": [],
        "optimiser": {"name": "adam", "learning_rate": 0.02},
        "epochs": 60,
        "batch_size": 90,
        "seed": 0,
    }
    data = Data(CachedViews(rows, {"train": rows}), arrays={"labels": labels})
    trained = train_encoder(job, data, make, networks=networks(), device="cpu")
    [head] = trained.heads.values()
    with torch.no_grad():
        found = head(torch.from_numpy(points)).argmax(dim=1).numpy()
    assert ari(contingency(found, labels, CLUSTERS, CLUSTERS)) == pytest.approx(1)
    assert set(head.state_dict()) == {"0.weight", "0.bias"}


@pytest.mark.parametrize(
    ("made", "options", "message"),
    [
        (networks("mlp"), {}, "one head of the kind linear"),
        (networks(count=2), {}, "one head of the kind linear"),
        (networks(), {"frozen": False}, "leave `frozen` at true"),
        (networks(), {"inner_steps": 0}, "at least 1"),
        (networks(), {"gamma": 1}, "unknown key 'gamma'"),
    ],
)
def test_wrong_jobs_are_said(made, options, message):
    with pytest.raises(UserError, match=message):
        make(made, options, SETTING)


def test_a_stopped_training_resumes_to_the_same_bits(resumed_equals_undisturbed):
    resumed_equals_undisturbed("turtle", {"inner_steps": 2}, (1, 2))
