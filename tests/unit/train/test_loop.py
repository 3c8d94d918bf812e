from __future__ import annotations

import itertools
import json
import os
import signal
from typing import Any

import pytest
import torch

from clusterprobe.config.errors import UserError
from clusterprobe.train.interrupt import TrainingInterrupted
from clusterprobe.train.objective import Batch, Epoch, Loss
from clusterprobe.train.optimisers import Optimiser


def assert_same(one: dict[str, Any], other: dict[str, Any]) -> None:
    assert one.keys() == other.keys()
    for name, value in one.items():
        same = torch.equal(value, other[name]) if isinstance(value, torch.Tensor) else value == other[name]
        assert same, name


def test_log_has_one_line_per_epoch_with_the_mean_of_its_steps(run, everything):
    losses: list[list[float]] = [[], [], []]

    class Spy(everything):
        def loss(self, batch: Batch) -> Loss | None:
            loss = super().loss(batch)
            losses[batch.epoch] += [loss.value.item()] if loss else []
            return loss

    log, _ = run(Spy())
    lines = [json.loads(line) for line in log]
    assert [line["epoch"] for line in lines] == [1, 2, 3]
    assert [line["learning_rate"] for line in lines] == pytest.approx([0.1, 0.075, 0.025])
    assert [line.get("skipped_steps") for line in lines] == [None, 1, None]
    assert all(line["seen"] == 22 for line in lines)
    assert [line["loss"] for line in lines] == pytest.approx([sum(each) / len(each) for each in losses])
    assert [len(each) for each in losses] == [4, 3, 4]


def test_two_runs_give_the_same_bytes(run, new_run):
    (log, state), (again, state_again) = run(), new_run()
    assert log == again
    assert_same(state, state_again)


def test_another_seed_gives_another_run(run, new_run):
    assert run()[0] != new_run(seed=2)[0]


@pytest.mark.parametrize(("epoch", "step"), [(0, 0), (0, 3), (1, 1), (1, 2), (2, 3)])
def test_a_run_that_was_interrupted_and_resumed_equals_an_undisturbed_one(
    run, new_run, everything, epoch, step
):
    with pytest.raises(TrainingInterrupted) as caught:
        run(everything(signal_at=(epoch, step)))
    assert caught.value.exit_code == 75
    resumed_objective = everything()
    log, state = run(resumed_objective)
    undisturbed_log, undisturbed = new_run()
    assert resumed_objective.closed_epochs == list(range(epoch, 3))
    assert log == undisturbed_log
    assert_same(state, undisturbed)


def test_ctrl_c_saves_and_asks_for_exit_code_130(run, everything):
    before = signal.getsignal(signal.SIGINT)
    with pytest.raises(TrainingInterrupted) as caught:
        run(everything(signal_at=(0, 1), number=signal.SIGINT))
    assert caught.value.exit_code == 130
    assert (run.folder / "state").exists()
    assert signal.getsignal(signal.SIGINT) is before


def test_deadline_stops_after_a_step_and_saves(run, new_run):
    for _ in range(3):
        with pytest.raises(TrainingInterrupted, match="time limit"):
            run(deadline=0)
    assert run()[0] == new_run()[0]


def test_a_damaged_state_starts_afresh(run, new_run, everything, capsys):
    with pytest.raises(TrainingInterrupted):
        run(everything(signal_at=(1, 0)))
    path = run.folder / "state"
    path.write_bytes(path.read_bytes()[:-10])
    resumed = everything()
    assert run(resumed)[0] == new_run()[0]
    assert resumed.closed_epochs == [0, 1, 2]
    assert "afresh" in capsys.readouterr().err


def test_a_finished_run_is_not_trained_again(run, everything):
    log, state = run()
    again = everything()
    log_again, state_again = run(again)
    assert log_again == log
    assert again.closed_epochs == []
    assert_same(state, state_again)


def test_an_objective_may_end_the_run(run, everything):
    objective = everything()
    objective.finish_after = 2
    assert len(run(objective)[0]) == 2


def test_the_objective_is_called_after_every_step_that_was_not_skipped(run):
    assert run()[1]["steps_taken"] == 3 * 4 - 1


def test_only_parameters_with_gradient_train(run, everything):
    objective = everything()
    for parameter in objective.body.parameters():
        parameter.requires_grad = False
    before = {name: value.clone() for name, value in objective.named_parameters()}
    run(objective)
    moved = {name for name, value in objective.named_parameters() if not torch.equal(value, before[name])}
    assert moved
    assert all(name.startswith("heads.") for name in moved)


def test_the_average_replaces_the_weights(run, new_run):
    averaged, plain = run(ema=0.9)[1], new_run(ema=None)[1]
    assert not torch.equal(averaged["heads.0.0.weight"], plain["heads.0.0.weight"])
    assert torch.equal(averaged["queue"], plain["queue"])


@pytest.mark.parametrize(("drop_last", "steps"), [(True, 4), (False, 5)])
def test_an_epoch_visits_every_image_once(run, everything, drop_last, steps):
    seen: list[list[int]] = []

    class Spy(everything):
        def loss(self, batch: Batch) -> Loss | None:
            seen.append(batch.indices.tolist())
            return super().loss(batch)

    run(Spy(), epochs=1, drop_last=drop_last)
    flat = list(itertools.chain(*seen))
    assert len(seen) == steps
    assert len(set(flat)) == len(flat) == (20 if drop_last else 22)
    assert flat != sorted(flat)


def test_every_epoch_has_an_order_of_its_own(run, everything):
    orders: list[list[int]] = [[], []]

    class Spy(everything):
        def loss(self, batch: Batch) -> Loss | None:
            orders[batch.epoch] += batch.indices.tolist()
            return super().loss(batch)

    run(Spy(), epochs=2)
    assert orders[0] != orders[1]


def test_views_show_the_images_that_were_asked_for(run, everything):
    class Spy(everything):
        def views(self, indices, generator):
            self.asked = super().views(indices, generator)
            return self.asked

        def loss(self, batch: Batch) -> Loss | None:
            anchor, _, plain = batch.views
            read = {
                int(row): image
                for rows, images in self.everything()
                for row, image in zip(rows, images, strict=True)
            }
            assert torch.equal(plain, torch.stack([read[int(row)] for row in batch.indices]))
            assert not torch.equal(anchor, plain)
            return super().loss(batch)

        def before_epoch(self, epoch):
            self.everything = lambda: epoch.plain("train")
            super().before_epoch(epoch)

    run(Spy(), epochs=1)


def test_a_loss_that_is_not_finite_is_an_error(run):
    with pytest.raises(UserError, match="not finite"):
        run(optimiser=Optimiser("sgd", 1e30))


def test_an_average_of_weights_that_are_not_left_behind_is_refused(run, everything):
    class Teacher(everything):
        def can_average(self) -> bool:
            return False

        def before_epoch(self, epoch: Epoch) -> None:
            pytest.fail("training has begun")

    with pytest.raises(UserError, match="leave `ema` out"):
        run(Teacher(), ema=0.9)


def test_a_batch_larger_than_the_set_is_an_error(run):
    with pytest.raises(UserError, match="batch of 23 is larger than the training set of 22"):
        run(batch_size=23)


def test_a_hook_before_a_step_knows_its_place_and_can_look_at_all_images(run, everything):
    places: list[tuple[int, int]] = []
    looks: list[torch.Tensor] = []

    class Spy(everything):
        def before_step(self, epoch: Epoch) -> None:
            places.append((epoch.taken, epoch.total))
            if epoch.taken in (2, 5):
                for number in (0, 1):
                    batches = list(epoch.look(number))
                    rows = torch.cat([batch.indices for batch in batches])
                    assert rows.tolist() == list(range(22))
                    assert max(map(len, (batch.indices for batch in batches))) == 5
                    looks.append(torch.cat([batch.views[0] for batch in batches]))

    run(Spy())
    assert places == [(taken, 12) for taken in range(12)]
    differ = [not torch.equal(one, other) for one, other in itertools.combinations(looks, 2)]
    assert len(differ) == 6
    assert all(differ), "views are drawn anew"
    assert len(looks[0]) == 22


def test_looking_changes_nothing_else(run, new_run, everything):
    class Spy(everything):
        def before_step(self, epoch: Epoch) -> None:
            list(epoch.look(0))
            torch.rand(3)

    (log, state), (again, state_again) = run(), new_run(Spy())
    assert log == again
    assert_same(state, state_again)


@pytest.mark.parametrize("taken", [1, 6])
def test_a_hook_that_pauses_can_be_stopped_and_goes_on(run, new_run, everything, taken):
    class Slow(everything):
        def __init__(self, stop: bool = False) -> None:
            super().__init__()
            self.stop = stop
            self.register_buffer("done", torch.tensor(0))

        def before_step(self, epoch: Epoch) -> None:
            if epoch.taken == taken:
                for part in range(int(self.done), 4):
                    self.target += part
                    self.done += 1
                    if self.stop and part == 2:
                        os.kill(os.getpid(), signal.SIGTERM)
                    epoch.pause()

    with pytest.raises(TrainingInterrupted):
        run(Slow(stop=True))
    resumed, undisturbed = run(Slow()), new_run(Slow())
    assert resumed[0] == undisturbed[0]
    assert_same(resumed[1], undisturbed[1])
