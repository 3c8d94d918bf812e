from __future__ import annotations

import json
import math

import pytest
import torch
import torch.nn.functional as F
from torch import nn

from clusterprobe.config.errors import UserError
from clusterprobe.objectives.selflabel import balanced_cross_entropy, make, pseudo_labels
from clusterprobe.train.objective import Batch, Epoch, Networks, Setting

SETTING = Setting(8, 4, 5, 0)
WEAK = torch.tensor([[6.0, 0, 0], [0, 7, 0], [0, 6, 0], [1, 0, 0]], dtype=torch.float64)
STRONG = torch.tensor([[1, 0, 0], [0, 0.5, 0], [0, 2, 1], [0, 0, 3]], dtype=torch.float64)


def generator(seed: int = 0) -> torch.Generator:
    return torch.Generator().manual_seed(seed)


def pixels(seed: int = 0) -> torch.Tensor:
    return torch.rand(4, 1, 8, 8, generator=generator(seed))


def batch() -> Batch:
    return Batch(0, 0, torch.arange(4), (pixels(), pixels(1)))


def sure_of(networks: Networks, cluster: int | None, certainty: float = 20.0) -> Networks:
    """Networks that put every image into one cluster, or are certain of nothing."""
    with torch.no_grad():
        layer = networks.heads["0"][0]
        layer.weight.mul_(0.01)
        layer.bias.zero_()
        if cluster is not None:
            layer.bias[cluster] = certainty
    return networks


def end_of(epoch: int) -> Epoch:
    return Epoch(epoch, generator(), lambda name: iter(()))


@pytest.mark.parametrize(("balanced", "expected"), [(True, 0.57621807), (False, 0.58447582)])
def test_golden_values(balanced, expected):
    clusters, certain = pseudo_labels(WEAK, 0.99)
    assert certain.tolist() == [True, True, True, False]
    assert clusters.tolist() == [0, 1, 1, 0]
    loss = balanced_cross_entropy(STRONG[certain], clusters[certain], balanced)
    assert loss.item() == pytest.approx(expected, abs=1e-7)


def test_certain_means_above_the_threshold():
    probabilities = torch.tensor([[0.9, 0.1], [0.95, 0.05], [0.3, 0.7]])
    assert pseudo_labels(probabilities.log(), 0.92)[1].tolist() == [False, True, False]
    even = torch.zeros(1, 2)
    assert not pseudo_labels(even, 0.5)[1].any()


def test_balanced_cross_entropy_is_the_mean_over_the_clusters_of_their_means():
    logits = torch.randn(9, 4, generator=generator(), dtype=torch.float64)
    clusters = torch.tensor([0, 0, 0, 0, 0, 0, 1, 1, 3])
    each = F.cross_entropy(logits, clusters, reduction="none")
    expected = sum(each[clusters == cluster].mean() for cluster in (0, 1, 3)) / 3
    assert balanced_cross_entropy(logits, clusters).item() == pytest.approx(expected.item())
    assert balanced_cross_entropy(logits, clusters, False).item() == pytest.approx(each.mean().item())


@pytest.mark.parametrize("balanced", [True, False])
def test_gradients_equal_finite_differences(balanced):
    logits = torch.randn(6, 3, generator=generator(), dtype=torch.float64, requires_grad=True)
    clusters = torch.tensor([0, 0, 0, 2, 0, 1])
    assert torch.autograd.gradcheck(lambda x: balanced_cross_entropy(x, clusters, balanced), (logits,))


def test_names_of_clusters_and_order_of_the_batch_do_not_matter():
    logits = torch.randn(6, 3, generator=generator(), dtype=torch.float64)
    clusters = torch.tensor([0, 0, 0, 2, 0, 1])
    renamed, shuffled = torch.tensor([1, 2, 0]), torch.tensor([4, 2, 0, 1, 5, 3])
    expected = balanced_cross_entropy(logits, clusters).item()
    back = renamed.argsort()
    assert balanced_cross_entropy(logits[:, renamed], back[clusters]).item() == pytest.approx(expected)
    assert balanced_cross_entropy(logits[shuffled], clusters[shuffled]).item() == pytest.approx(expected)
    assert balanced_cross_entropy(logits[shuffled], clusters).item() != pytest.approx(expected, rel=1e-2)


def test_the_teacher_sees_plain_images_and_the_student_augmented_ones(small_networks):
    indices = torch.arange(4)
    views = make(small_networks(), {}, SETTING).views(indices, generator())
    assert [view.augmentation for view in views] == ["plain", "train"]
    assert all(view.indices is indices for view in views)
    other = make(small_networks(), {"weak": "gentle"}, SETTING).views(indices, generator())
    assert other[0].augmentation == "gentle"


@pytest.mark.parametrize("teacher", ["ema", "student-train-mode", "shadow-into-student"])
def test_the_loss_learns_strong_views_from_what_is_certain_in_weak_ones(small_networks, teacher):
    reference = small_networks()
    student = nn.Sequential(reference.body, reference.heads["0"])
    with torch.no_grad():
        weak = student.train(teacher != "ema")(pixels())
    threshold = weak.softmax(dim=1).amax(dim=1).median().item()
    clusters, certain = pseudo_labels(weak, threshold)
    assert certain.sum() == 2
    objective = make(small_networks(), {"threshold": threshold, "teacher": teacher}, SETTING).train()
    found = objective.loss(batch()).value.item()
    strong = student.train()(pixels(1))
    expected = balanced_cross_entropy(strong[certain], clusters[certain]).item()
    assert found == pytest.approx(expected, rel=1e-5)


def test_nothing_flows_back_through_the_teacher(small_networks):
    objective = make(small_networks(), {"threshold": 0.0}, SETTING).train()
    objective.loss(batch()).value.backward()
    trained = {name for name, parameter in objective.named_parameters() if parameter.grad is not None}
    assert trained == {name for name, parameter in objective.named_parameters() if parameter.requires_grad}
    assert not [name for name in trained if name.startswith("teacher")]
    assert [name for name in trained if name.startswith("body")]


def test_a_batch_without_certain_images_is_skipped_and_counted(small_networks, training):
    unsure = make(sure_of(small_networks(), None), {}, SETTING).train()
    assert unsure.loss(batch()) is None
    trained = training("selflabel", {}, networks=sure_of(small_networks(), None), epochs=1)
    line = json.loads(trained.log[0])
    assert line["skipped_steps"] == 4
    assert line["certain"] == 0
    assert "loss" not in line


def test_the_teacher_is_a_moving_average_with_the_statistics_of_the_student(small_networks):
    objective = make(small_networks(), {"decay": 0.75}, SETTING).train()
    teacher_body, teacher_head = objective.teacher.network
    with torch.no_grad():
        objective.heads["0"][0].weight.fill_(5.0)
        teacher_head[0].weight.fill_(1.0)
        objective.body.network[1].running_mean.fill_(3.0)
    objective.after_step()
    assert teacher_head[0].weight.unique().item() == pytest.approx(2.0)
    assert teacher_body.network[1].running_mean.unique().item() == 3.0
    assert not teacher_body.training
    assert objective.heads["0"][0].weight.unique().item() == 5.0


def test_the_shadow_of_the_reference_code_replaces_the_student_and_resets_its_statistics(small_networks):
    objective = make(small_networks(), {"teacher": "shadow-into-student"}, SETTING).train()
    with torch.no_grad():
        for network in (objective.heads["0"], objective.teacher.network[1]):
            network[0].weight.fill_(1.0)
        objective.heads["0"][0].weight.fill_(2.0)
        objective.body.network[1].running_mean.fill_(3.0)
    objective.after_step()
    assert objective.heads["0"][0].weight.unique().item() == pytest.approx(1.001)
    assert objective.body.network[1].running_mean.unique().item() == 0.0


@pytest.mark.parametrize(
    ("options", "same"),
    [
        ({}, True),
        ({"result": "student"}, True),
        ({"result": "teacher"}, False),
        ({"result": "teacher", "teacher": "shadow-into-student"}, True),
    ],
)
def test_student_or_teacher_is_left_behind(small_networks, options, same):
    objective = make(small_networks(), options, SETTING)
    left = objective.networks()
    assert (left.body is objective.body) == same
    assert list(left.heads) == ["0"]
    assert objective.chosen_head() == "0"
    objective.heads["0"][0].weight.data += 1
    moved = torch.equal(left.heads["0"][0].weight, objective.heads["0"][0].weight)
    assert moved == same


def run_epoch(objective, number: int, certain: list[int]) -> dict[str, float]:
    """An epoch in which so many images were certain in each cluster."""
    objective.certain.copy_(torch.tensor(certain))
    objective.labelled.copy_(torch.tensor(certain) + 1)
    return dict(objective.after_epoch(end_of(number)))


def test_training_stops_when_the_number_of_certain_images_stops_growing(small_networks):
    objective = make(small_networks(), {"patience": 2, "growth": 0.1}, SETTING)
    finished = []
    for number, total in enumerate([10, 12, 13, 14, 14, 15]):
        run_epoch(objective, number, [total, 0, 0])
        finished.append(objective.finished())
    # 13 is less than 10 % above 12, but 14 is more; 14 and 15 are not above 15.4
    assert finished == [False, False, False, False, False, True]


def test_training_goes_on_without_patience(small_networks):
    objective = make(small_networks(), {"patience": None}, SETTING)
    for number in range(20):
        run_epoch(objective, number, [5, 0, 0])
    assert not objective.finished()


def test_an_epoch_counts_what_the_teacher_was_certain_of(small_networks):
    objective = make(sure_of(small_networks(), 1), {}, SETTING).train()
    objective.loss(batch())
    objective.loss(batch())
    log = objective.after_epoch(end_of(0))
    assert log == {
        "certain": 1.0,
        "clusters_used": 1,
        "clusters_certain": 1,
        "certain/0": 0,
        "certain/1": 8,
        "certain/2": 0,
    }
    unsure = make(sure_of(small_networks(), 2, certainty=1.0), {}, SETTING).train()
    unsure.loss(batch())
    log = unsure.after_epoch(end_of(0))
    assert (log["certain"], log["clusters_used"], log["clusters_certain"]) == (0, 1, 0)
    again = unsure.after_epoch(end_of(1))
    assert again["clusters_used"] == 0, "counts start afresh in every epoch"


def test_a_cluster_that_loses_all_its_certain_images_is_named_once(small_networks, capsys):
    objective = make(small_networks(), {}, SETTING)
    run_epoch(objective, 0, [3, 0, 4])
    assert capsys.readouterr().err == ""
    run_epoch(objective, 1, [3, 0, 0])
    assert "epoch 2: no image is certain any more in cluster 2:" in capsys.readouterr().err
    run_epoch(objective, 2, [3, 0, 0])
    assert capsys.readouterr().err == ""


def test_one_of_several_heads_goes_on(small_networks):
    networks = small_networks(heads=3)
    objective = make(networks, {"head": "2"}, SETTING)
    assert list(objective.heads) == ["2"]
    assert objective.heads["2"] is networks.heads["2"]
    assert objective.chosen_head() == "2"
    assert list(objective.networks().heads) == ["2"]


@pytest.mark.parametrize("stop_at", [(0, 2), (1, 3), (3, 1)])
@pytest.mark.parametrize(
    "options",
    [
        {"decay": 0.9, "patience": 3},
        {"teacher": "student-train-mode", "balanced": False},
        {"teacher": "shadow-into-student", "result": "student"},
    ],
    ids=["ema", "student", "shadow"],
)
def test_an_interrupted_run_equals_an_undisturbed_one(resumed_equals_undisturbed, options, stop_at):
    trained = resumed_equals_undisturbed("selflabel", options | {"threshold": 0.36}, stop_at, epochs=5)
    lines = [json.loads(line) for line in trained.log]
    assert sum(line["certain"] for line in lines) > 0
    assert math.isfinite(lines[-1]["loss"])


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"treshold": 0.9}, "did you mean 'threshold'"),
        ({"threshold": 1.0}, "threshold must lie in"),
        ({"decay": 1.0}, "decay must lie in"),
        ({"teacher": "emma"}, "no teacher 'emma'; did you mean 'ema'"),
        ({"result": "both"}, "'teacher' or 'student'"),
        ({"patience": 0}, "at least one epoch"),
        ({"growth": -0.1}, "must not be negative"),
        ({"head": "7"}, "there is no head '7'"),
        ({}, "there are 2: name it"),
    ],
)
def test_mistakes_are_user_errors(small_networks, options, message):
    with pytest.raises(UserError, match=message):
        make(small_networks(heads=2), options, SETTING)


@pytest.mark.parametrize(
    ("options", "averages"),
    [
        ({}, True),
        ({"result": "teacher"}, False),
        ({"result": "teacher", "teacher": "student-train-mode"}, True),
    ],
)
def test_an_average_of_the_weights_can_only_replace_the_student(training, small_networks, options, averages):
    def train():
        return training("selflabel", {"threshold": 0.3} | options, networks=small_networks(), ema=0.9)

    if averages:
        train()
    else:
        with pytest.raises(UserError, match="`ema`"):
            train()


def test_a_network_that_has_diverged_is_an_error_though_it_is_certain_of_nothing(training, small_networks):
    """After the first step the teacher says NaN, which is above no threshold: all steps are skipped."""
    diverging = {"name": "sgd", "learning_rate": 1e30}
    with pytest.raises(UserError, match="not finite; lower the learning rate"):
        training("selflabel", {"threshold": 0.3}, networks=small_networks(), optimiser=diverging)
