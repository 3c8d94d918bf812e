from __future__ import annotations

import json

import numpy as np
import pytest
import torch
import torch.nn.functional as F

from clusterprobe.config.errors import UserError
from clusterprobe.objectives.deepcluster import make, uniform_over
from clusterprobe.objectives.kernels.feature_clusters import cluster_features, whitened
from clusterprobe.train.objective import Batch, Epoch, Setting

SETTING = Setting(21, 5, 3, 0)
IMAGES = torch.rand(21, 1, 8, 8, generator=torch.Generator().manual_seed(0))


def epoch(number: int = 0) -> Epoch:
    rows = torch.arange(21)
    return Epoch(number, torch.Generator().manual_seed(number), lambda name: iter([(rows, IMAGES)]))


def test_whitened_features_have_equal_variances_and_unit_rows():
    features = np.random.default_rng(0).normal(size=(500, 4)).astype(np.float32) * [5, 1, 3, 0.1] + 7
    found = whitened(features.astype(np.float32), 3)
    assert found.shape == (500, 3)
    np.testing.assert_allclose(np.linalg.norm(found, axis=1), 1, rtol=1e-5)
    covariance = np.cov(found.T)
    np.testing.assert_allclose(covariance, np.eye(3) / 3, atol=0.05)


def test_clusters_are_found_and_keep_their_numbers():
    centres = np.eye(6, dtype=np.float32)[:3] * 10
    labels = np.arange(60) % 3
    features = centres[labels] + np.random.default_rng(0).normal(size=(60, 6)).astype(np.float32)
    previous = (labels + 1) % 3
    found = cluster_features(features.astype(np.float32), 3, 2, 20, 0, previous)
    assert found.tolist() == previous.tolist()
    first = cluster_features(features.astype(np.float32), 3, 2, 20, 0, None)
    assert len(set(zip(first.tolist(), labels.tolist(), strict=True))) == 3


def test_every_cluster_is_seen_equally_often():
    clusters = torch.tensor([0] * 10 + [1] * 2 + [3] * 6)
    drawn = uniform_over(clusters, torch.Generator().manual_seed(0))
    assert len(drawn) == 18
    assert torch.bincount(clusters[drawn]).tolist() == [6, 6, 0, 6]
    assert torch.bincount(drawn, minlength=18).tolist()[12:] == [1] * 6
    assert torch.bincount(drawn, minlength=18).tolist()[10:12] == [3, 3]
    assert drawn.tolist() != sorted(drawn.tolist())


@pytest.mark.parametrize("uniform", [True, False])
def test_an_epoch_learns_the_clusters_of_the_images_that_it_deals_out(small_networks, uniform):
    objective = make(small_networks(), {"uniform": uniform}, SETTING).train()
    objective.before_epoch(epoch())
    assert len(torch.unique(objective.clusters)) == 3
    places = torch.tensor([3, 8, 20, 1])
    (view,) = objective.views(places, torch.Generator())
    assert torch.equal(view.indices, objective.dealt[places])
    assert torch.equal(objective.dealt, torch.arange(21)) != uniform
    loss = objective.loss(Batch(0, 0, places, (IMAGES[view.indices],)))
    logits = objective.heads["0"](small_networks().body(IMAGES[view.indices]))
    expected = F.cross_entropy(logits, objective.clusters[view.indices])
    assert loss.value.item() == pytest.approx(expected.item(), rel=1e-5)


def test_the_head_starts_anew_with_new_clusters_only(small_networks):
    objective = make(small_networks(), {"every": 2}, SETTING).train()
    heads = []
    for number in range(3):
        objective.before_epoch(epoch(number))
        heads.append(objective.heads["0"][0].weight.clone())
    assert torch.equal(heads[0], heads[1])
    assert not torch.equal(heads[1], heads[2])
    assert objective.heads["0"][0].weight.std() < 0.03
    assert not objective.heads["0"][0].bias.any()
    assert objective.body.training


def test_training_leaves_the_clusters_behind(training):
    trained = training("deepcluster", {})
    assert trained.found["clusters"].shape == (21,)
    assert json.loads(trained.log[0]).keys() >= {"accuracy", "largest_share", "clusters_used", "changed"}


@pytest.mark.parametrize("options", [{}, {"every": 2, "uniform": False}], ids=str)
@pytest.mark.parametrize("stop_at", [(0, 1), (1, 2)])
def test_an_interrupted_run_equals_an_undisturbed_one(resumed_equals_undisturbed, options, stop_at):
    resumed_equals_undisturbed("deepcluster", options, stop_at)


@pytest.mark.parametrize(
    ("networks", "options", "message"),
    [
        ({"heads": 2}, {}, "needs one head of kind linear"),
        ({"kind": "mlp"}, {}, "needs one head of kind linear"),
        ({"clusters": 22}, {}, "22 clusters for 21 images"),
        ({}, {"dims": 0}, "must be at least 1"),
    ],
)
def test_mistakes_are_user_errors(small_networks, networks, options, message):
    with pytest.raises(UserError, match=message):
        make(small_networks(**networks), options, SETTING)


def test_a_network_that_diverges_in_the_last_step_of_an_epoch_is_a_user_error(small_networks):
    objective = make(small_networks(), {}, SETTING)
    objective.body.network[0].weight.data.fill_(torch.nan)
    with pytest.raises(UserError, match="not finite; lower the learning rate"):
        objective.before_epoch(epoch())
