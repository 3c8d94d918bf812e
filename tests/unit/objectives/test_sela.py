from __future__ import annotations

import json
import os
import signal
from fractions import Fraction

import pytest
import torch
import torch.nn.functional as F

from clusterprobe.config.errors import UserError
from clusterprobe.objectives.kernels.relabelling import HeadRows
from clusterprobe.objectives.sela import SelaOptions, make, relabellings_due
from clusterprobe.train.interrupt import TrainingInterrupted
from clusterprobe.train.objective import Batch, Epoch, Setting

IMAGES = 21
SETTING = Setting(IMAGES, 5, 3, 0)
FEW = {"relabellings": 4, "looks": 2, "power": 10.0}


def generator(seed: int = 0) -> torch.Generator:
    return torch.Generator().manual_seed(seed)


def pixels(count: int = IMAGES, seed: int = 0) -> torch.Tensor:
    return torch.rand(count, 1, 8, 8, generator=generator(seed))


def moment(taken: int = 0, total: int = 12, seed: int = 0) -> Epoch:
    """A place of a run over images that are the same in every look, but for the noise of the look."""

    def look(number: int):
        for rows in torch.split(torch.arange(IMAGES), 5):
            images = pixels()[rows] + 0.01 * pixels(seed=1 + number)[rows]
            yield Batch(0, 0, rows, (images,))

    return Epoch(0, generator(seed), lambda name: iter(()), taken, total, look)


@pytest.mark.parametrize("relabellings", [1, 2, 3, 7, 100])
@pytest.mark.parametrize(("schedule", "power"), [("quadratic", 2), ("linear", 1)])
def test_relabellings_are_due_at_their_share_of_the_steps(relabellings, schedule, power):
    options = SelaOptions(relabellings=relabellings, schedule=schedule)
    last = max(1, relabellings - 1)
    times = [Fraction(number, last) ** power for number in range(relabellings)]
    assert times[0] == 0
    assert relabellings == 1 or times[-1] == 1
    for taken in range(51):
        due = sum(time * 50 <= taken for time in times)
        assert relabellings_due(options, taken, 50) == due
    assert relabellings_due(options, 50, 50) == relabellings


def test_quadratic_relabellings_are_denser_at_the_beginning():
    options = SelaOptions(relabellings=20)
    halves = [relabellings_due(options, taken, 1000) for taken in (0, 250, 500, 1000)]
    assert halves == [1, 10, 14, 20]


def test_labels_to_begin_with_are_balanced_and_differ_between_heads(small_networks):
    objective = make(small_networks(heads=2), FEW, SETTING)
    first, second = objective.labels
    assert torch.bincount(first).tolist() == [7, 7, 7]
    assert not torch.equal(first, second)
    again = make(small_networks(heads=2), FEW, SETTING)
    assert torch.equal(again.labels, objective.labels)
    other = make(small_networks(heads=2), FEW, Setting(IMAGES, 5, 3, 1))
    assert not torch.equal(other.labels, objective.labels)


@pytest.mark.parametrize("sum_heads", [True, False])
def test_the_loss_is_the_cross_entropy_with_the_labels_of_each_head(small_networks, sum_heads):
    networks = small_networks(heads=2)
    objective = make(networks, FEW | {"sum_heads": sum_heads}, SETTING).eval()
    rows = torch.tensor([4, 0, 20])
    loss = objective.loss(Batch(0, 0, rows, (pixels(3),)))
    features = networks.body(pixels(3))
    each = [
        F.cross_entropy(networks.heads[name](features), objective.labels[number, rows].long())
        for number, name in enumerate(("0", "1"))
    ]
    total = torch.stack(each).sum() if sum_heads else torch.stack(each).mean()
    assert loss.value.item() == pytest.approx(total.item(), rel=1e-6)


def test_relabelling_balances_the_clusters_and_only_when_it_is_due(small_networks):
    objective = make(small_networks(heads=2), FEW, SETTING).train()
    before = objective.labels.clone()
    objective.before_step(moment(0))
    assert int(objective.relabelled) == 1
    assert not torch.equal(objective.labels, before)
    assert objective.training
    for labels in objective.labels:
        assert torch.bincount(labels, minlength=3).min() >= 4
    after = objective.labels.clone()
    objective.before_step(moment(1))
    assert torch.equal(objective.labels, after), "number 1 of 4 is due after a ninth of 12 steps"
    objective.before_step(moment(2))
    assert int(objective.relabelled) == 2


def test_labels_come_from_the_mean_of_log_p_over_the_looks(small_networks):
    networks = small_networks()
    objective = make(networks, FEW | {"looks": 3, "tolerance": 1e-5}, SETTING).train()
    objective.before_step(moment())
    networks.body.eval()
    with torch.no_grad():
        looks = [
            networks.heads["0"](networks.body(torch.cat([batch.views[0] for batch in moment().look(look)])))
            for look in range(3)
        ]
    mean = torch.stack([logits.log_softmax(dim=1) for logits in looks]).mean(dim=0)
    scores = 10 * mean.double() + objective.scaling_0
    assert torch.equal(objective.labels[0].long(), scores.argmax(dim=1))
    masses = scores.softmax(dim=1).mean(dim=0)
    torch.testing.assert_close(masses, torch.full((3,), 1 / 3, dtype=torch.float64), rtol=0, atol=1e-5)


def test_labels_of_the_reference_code_come_from_the_network_in_training_mode(small_networks):
    networks = small_networks()
    statistics = networks.body.network[1].running_mean.clone()
    options = FEW | {"labelling": "train-mode", "tolerance": 1e-5}
    objective = make(networks, options, SETTING).train()
    objective.before_step(moment())
    assert torch.equal(networks.body.network[1].running_mean, statistics)
    networks.body.train()
    with torch.no_grad():
        logits = torch.cat([networks.heads["0"](networks.body(batch.views[0])) for batch in moment().look(0)])
    scores = 10 * logits.double() + objective.scaling_0
    assert torch.equal(objective.labels[0].long(), scores.argmax(dim=1))


def heads_with_new_labels(objective, taken):
    """Turn all heads a little and go on to a step; say of each head whether it has other labels then."""
    before = objective.labels.clone()
    with torch.no_grad():
        for head in objective.heads.values():
            head[0].weight += 0.5 * torch.randn(head[0].weight.shape, generator=generator(taken))
    objective.before_step(moment(taken))
    return [not torch.equal(*pair) for pair in zip(before, objective.labels, strict=True)]


def test_one_head_after_the_other(small_networks):
    objective = make(small_networks(heads=2), FEW | {"heads_in_turn": True}, SETTING)
    changed = [heads_with_new_labels(objective, taken) for taken in (0, 2, 6)]
    assert changed == [[True, False], [False, True], [True, False]]


def test_heads_take_turns_also_where_several_relabellings_fall_due_at_once(small_networks):
    """By the number that is due, 3, 5, 7, ... here, one of two heads would get all new labels."""
    options = FEW | {"heads_in_turn": True, "schedule": "linear", "relabellings": 25}
    objective = make(small_networks(heads=2), options, SETTING)
    changed = [heads_with_new_labels(objective, taken) for taken in range(1, 5)]
    assert int(objective.relabelled) == 9
    assert changed == [[True, False], [False, True]] * 2


def test_warm_start_needs_fewer_iterations(small_networks):
    cold, warm = (
        make(small_networks(), FEW | {"power": 40.0, "warm_start": warm}, SETTING) for warm in (False, True)
    )
    for objective in (cold, warm):
        objective.before_step(moment(0))
        objective.before_step(moment(2, seed=5))
    assert warm.iterations[0] < cold.iterations[0]


@pytest.mark.parametrize(("options", "sizes"), [({}, [7, 7, 7]), ({"shares": [0.5, 0.25, 0.25]}, [11, 5, 5])])
def test_sizes_can_be_exact(small_networks, options, sizes):
    objective = make(small_networks(), FEW | options | {"exact": True}, SETTING)
    objective.before_step(moment())
    assert torch.bincount(objective.labels[0]).tolist() == sizes


def test_heads_may_have_numbers_of_clusters_of_their_own(small_networks, training):
    options = FEW | {"further_heads": [5, 2]}
    objective = make(small_networks(heads=2), options, SETTING)
    objective.before_step(moment())
    assert [len(labels.unique()) for labels in objective.labels] == [3, 3, 5, 2]
    assert list(objective.networks().heads) == ["0", "1"]
    trained = training("sela", options, networks=small_networks(heads=2))
    assert list(trained.heads) == ["0", "1"]
    assert trained.found["labels"].shape == (IMAGES, 2)
    assert "labels_changed/further-1" in json.loads(trained.log[0])


def test_the_head_that_has_learnt_its_labels_best_is_chosen(small_networks):
    networks = small_networks(heads=3)
    objective = make(networks, FEW, SETTING)
    objective.after_epoch(moment(4))
    assert objective.chosen_head() is None, "only at the end of the run"
    chosen = set()
    for number in range(3):
        with torch.no_grad():
            for head in networks.heads.values():
                head[0].weight.normal_(generator=generator(number)).mul_(20)
        objective.relabelled.zero_()
        objective.after_epoch(moment(12))
        networks.body.eval()
        with torch.no_grad():
            looks = [torch.cat([batch.views[0] for batch in moment().look(look)]) for look in range(2)]
            features = torch.stack([networks.body(images) for images in looks]).mean(dim=0)
            losses = [
                F.cross_entropy(head(features), labels.long()).item()
                for head, labels in zip(networks.heads.values(), objective.labels, strict=True)
            ]
        assert objective.chosen_head() == str(losses.index(min(losses)))
        chosen.add(objective.chosen_head())
    assert len(chosen) > 1


def test_a_run_logs_relabels_and_leaves_its_labels(small_networks, training):
    trained = training("sela", FEW, networks=small_networks(heads=2), epochs=4)
    lines = [json.loads(line) for line in trained.log]
    assert [line["relabellings"] for line in lines] == [2, 2, 3, 4]
    assert all(0 <= line["labels_changed/1"] <= 1 for line in lines)
    assert all(line["largest_share/0"] < 0.6 for line in lines)
    assert trained.found["history"].shape == (4, IMAGES)
    assert torch.equal(trained.found["history"][-1].long(), trained.found["labels"][:, 0].long())
    assert trained.found["tracked"].tolist() == list(range(IMAGES))
    assert trained.chosen in ("0", "1")


def test_labels_become_what_the_network_says(small_networks, training):
    """A few images of three kinds: the labels end as a partition that the network has learnt."""
    training.images._values[:] //= 8
    for kind in range(3):
        training.images._values[kind::3, :, 2 * kind : 2 * kind + 3] += 200
    trained = training(
        "sela",
        {"relabellings": 12, "looks": 1},
        epochs=40,
        optimiser={"name": "adam", "learning_rate": 0.03},
        augmentation=[{"name": "gaussian-noise", "sigma": 0.02}],
    )
    lines = [json.loads(line) for line in trained.log]
    assert lines[-1]["loss"] < 0.2 < lines[0]["loss"]
    assert lines[-1]["accuracy"] > 0.95
    assert torch.bincount(trained.found["labels"][:, 0]).tolist() == [7, 7, 7]
    assert lines[-1]["labels_changed/0"] == 0


CASES = {
    "all heads": FEW,
    "in turn": FEW | {"heads_in_turn": True, "schedule": "linear", "sum_heads": False},
    "several due": FEW | {"heads_in_turn": True, "schedule": "linear", "relabellings": 25},
    "reference": FEW | {"labelling": "train-mode", "warm_start": False, "further_heads": [4]},
    "exact": FEW | {"exact": True, "relabellings": 1},
}
MARKS = {"exact": pytest.mark.slow}


@pytest.mark.parametrize("stop_at", [(0, 0), (0, 2), (1, 1), (2, 3)])
@pytest.mark.parametrize(
    "options", [pytest.param(CASES[name], id=name, marks=MARKS.get(name, ())) for name in CASES]
)
def test_an_interrupted_run_equals_an_undisturbed_one(resumed_equals_undisturbed, options, stop_at):
    resumed_equals_undisturbed("sela", options, stop_at, heads=2)


@pytest.mark.parametrize("call", [1, 2, 3, 6, 10, 11])
def test_a_run_that_is_stopped_within_a_relabelling_goes_on_with_the_next_head(
    small_networks, training, tmp_path_factory, monkeypatch, call
):
    def run(folder, signal_at=None):
        calls = []
        original = HeadRows.relabel

        def relabel(self, *arguments):
            calls.append(1)
            if len(calls) == signal_at:
                os.kill(os.getpid(), signal.SIGTERM)
            return original(self, *arguments)

        with monkeypatch.context() as patch:
            patch.setattr(HeadRows, "relabel", relabel)
            trained = type(training)(folder)("sela", FEW, networks=small_networks(heads=3))
        return trained, len(calls), type(training)(folder).saved()

    folder, alone = (tmp_path_factory.mktemp(name) for name in ("stopped", "alone"))
    undisturbed, every_call, state = run(alone)
    assert every_call == 4 * 3
    with pytest.raises(TrainingInterrupted):
        run(folder, call)
    resumed, calls_after, resumed_state = run(folder)
    assert calls_after == every_call - call, "no head is relabelled twice"
    assert resumed.log == undisturbed.log
    assert resumed.chosen == undisturbed.chosen
    assert state.keys() == resumed_state.keys()
    assert all(torch.equal(value, resumed_state[name]) for name, value in state.items())


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"lambda": 25}, "unknown key 'lambda'"),
        ({"power": 0}, "power must be positive"),
        ({"relabellings": 0}, "at least 1"),
        ({"looks": 0}, "at least 1"),
        ({"schedule": "quadrtic"}, "did you mean 'quadratic'"),
        ({"labelling": "eval"}, "no labelling 'eval'"),
        ({"tolerance": 0}, "tolerance must be positive"),
        ({"further_heads": [1]}, "at least 2"),
        ({"shares": [0.5, 0.5]}, "3 positive numbers"),
    ],
)
def test_mistakes_are_user_errors(small_networks, options, message):
    with pytest.raises(UserError, match=message):
        make(small_networks(), options, SETTING)


def test_heads_must_be_linear(small_networks):
    networks = small_networks()
    networks.heads["0"].normalise = True
    with pytest.raises(UserError, match="heads of kind linear"):
        make(networks, {}, SETTING)


def test_a_network_that_has_diverged_is_a_user_error(small_networks):
    networks = small_networks()
    networks.heads["0"][0].weight.data.fill_(torch.nan)
    with pytest.raises(UserError, match="lower the learning rate"):
        make(networks, FEW, SETTING).before_step(moment())
