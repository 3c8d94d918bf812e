"""Heads on cached views: the loop against one written out by hand, and against training on images."""

from __future__ import annotations

import itertools
import os
import signal
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch

from clusterprobe.config.errors import UserError
from clusterprobe.encoders.architectures import Body, build
from clusterprobe.encoders.heads import build_head
from clusterprobe.images.batches import ArrayImages
from clusterprobe.images.seeds import make_generator
from clusterprobe.objectives.kernels.scan_loss import scan_loss
from clusterprobe.objectives.loading import load_objective
from clusterprobe.objectives.scan import Scan
from clusterprobe.store.rows import ArrayRows
from clusterprobe.train import distributed
from clusterprobe.train.cached_views import CachedViewReader, CachedViews
from clusterprobe.train.interrupt import TrainingInterrupted
from clusterprobe.train.job import Data, Trained, train_encoder
from clusterprobe.train.objective import Networks, View
from clusterprobe.train.state import Checkpoint

IMAGES, VIEWS, WIDTH, CLUSTERS, BATCH = 21, 3, 6, 4, 5
RANDOM = np.random.default_rng(0)
FEATURES = RANDOM.normal(size=(IMAGES, VIEWS, WIDTH)).astype(np.float32)
PLAIN = RANDOM.normal(size=(IMAGES, WIDTH)).astype(np.float32)
NEIGHBOURS = RANDOM.integers(0, IMAGES, (IMAGES, 4))
JOB: dict[str, Any] = {
    "objective": {"name": "scan", "options": {"frozen": True}},
    "preprocessing": {"size": 8, "mean": [0.5], "std": [0.25]},
    "optimiser": {"name": "sgd", "learning_rate": 0.5, "momentum": 0.9},
    "epochs": 3,
    "batch_size": BATCH,
    "seed": 1,
}


def body() -> Body:
    torch.manual_seed(3)
    return build("small-convnet", {"channels": 1, "widths": (4, WIDTH)})


def networks(of: Body | None = None) -> Networks:
    of = of or body()
    torch.manual_seed(4)
    return Networks(of, {name: build_head("linear", {"dimensions": CLUSTERS}, WIDTH) for name in "01"})


def cached(views: np.ndarray = FEATURES, plain: np.ndarray = PLAIN) -> CachedViews:
    return CachedViews(ArrayRows(views.reshape(-1, WIDTH)), {"train": ArrayRows(plain)})


def train(
    images: Any = None,
    of: Networks | None = None,
    make: Callable[..., Any] | None = None,
    folder: Path | None = None,
    **changes: Any,
) -> Trained:
    return train_encoder(
        JOB | changes,
        Data(images or cached(), arrays={"neighbours": NEIGHBOURS}),
        make or load_objective("scan"),
        networks=of or networks(),
        checkpoint=Checkpoint(folder / "state" if folder else None, "print", every_seconds=1e9),
        device="cpu",
    )


def weights(trained: Trained) -> dict[str, torch.Tensor]:
    heads = {
        f"{n}.{key}": value for n, head in trained.heads.items() for key, value in head.state_dict().items()
    }
    return {**trained.body.state_dict(), **heads}


def assert_equal(one: Trained, other: Trained) -> None:
    assert (one.log, one.chosen) == (other.log, other.chosen)
    first, second = weights(one), weights(other)
    assert first.keys() == second.keys()
    assert all(torch.equal(value, second[name]) for name, value in first.items())


def test_heads_are_those_of_a_loop_written_out_by_hand() -> None:
    heads = [torch.nn.Linear(WIDTH, CLUSTERS) for _ in "01"]
    for head, (_, start) in zip(heads, networks().heads.items(), strict=True):
        head.load_state_dict(start[0].state_dict())
    optimiser = torch.optim.SGD([p for head in heads for p in head.parameters()], 0.5, momentum=0.9)
    for epoch, step in itertools.product(range(3), range(IMAGES // BATCH)):
        order = torch.randperm(IMAGES, generator=make_generator(1, "order", epoch))
        rows = order[step * BATCH : (step + 1) * BATCH]
        column = torch.randint(4, (BATCH, 1), generator=make_generator(1, "views", epoch, step))
        neighbours = [NEIGHBOURS[row, k] for row, [k] in zip(rows.tolist(), column.tolist(), strict=True)]
        fed = []
        for number, shown in enumerate((rows.tolist(), neighbours)):
            generator = make_generator(1, "cached view", epoch, step, number)
            drawn = torch.randint(VIEWS, (BATCH,), generator=generator).tolist()
            fed.append(
                torch.stack([torch.from_numpy(FEATURES[i, v]) for i, v in zip(shown, drawn, strict=True)])
            )
        optimiser.zero_grad()
        sum(scan_loss(head(fed[0]), head(fed[1])).total for head in heads).backward()
        optimiser.step()
    trained = train(objective={"name": "scan", "options": {"frozen": True, "keep": "last"}})
    for found, expected in zip(trained.heads.values(), heads, strict=True):
        torch.testing.assert_close(found[0].state_dict(), expected.state_dict(), rtol=1e-4, atol=1e-5)


def test_views_without_augmentation_train_what_the_images_train() -> None:
    pixels = RANDOM.integers(0, 256, (IMAGES, 1, 8, 8), dtype=np.uint8)
    frozen = networks()
    with torch.inference_mode():
        plain = frozen.body.eval()((torch.from_numpy(pixels) / 255 - 0.5) / 0.25).numpy()
    on_images = train(ArrayImages(pixels), networks())
    views = cached(np.repeat(plain, VIEWS, axis=0), plain)
    on_features = train(views, networks())
    assert on_features.chosen == on_images.chosen
    for name, value in weights(on_images).items():
        torch.testing.assert_close(weights(on_features)[name], value, rtol=1e-4, atol=1e-5)


def test_the_body_stays_and_the_same_seed_gives_the_same_bytes() -> None:
    before = body().state_dict()
    one = train()
    assert all(torch.equal(value, before[name]) for name, value in one.body.state_dict().items())
    assert not one.body.training
    assert_equal(one, train())
    other = weights(train(seed=2))
    assert not torch.equal(weights(one)["0.0.weight"], other["0.0.weight"])


@pytest.mark.parametrize("stop_at", [(0, 1), (2, 3)])
def test_an_interrupted_run_equals_an_undisturbed_one(tmp_path: Path, stop_at: tuple[int, int]) -> None:
    make = load_objective("scan")

    def stopping(*arguments: Any) -> Scan:
        objective = make(*arguments)
        loss = objective.loss

        def stop(batch: Any) -> Any:
            if (batch.epoch, batch.step) == stop_at:
                os.kill(os.getpid(), signal.SIGTERM)
            return loss(batch)

        objective.loss = stop
        return objective

    stopping.needs = make.needs
    with pytest.raises(TrainingInterrupted):
        train(make=stopping, folder=tmp_path)
    assert_equal(train(folder=tmp_path), train())


def test_every_view_is_visited_and_processes_share_what_one_reads(monkeypatch: pytest.MonkeyPatch) -> None:
    class Twice(Scan):
        def views(self, indices: torch.Tensor, generator: torch.Generator) -> list[View]:
            return [View(indices), View(indices, "plain")]

    numbered = np.arange(IMAGES * VIEWS, dtype=np.float32).repeat(WIDTH).reshape(IMAGES, VIEWS, WIDTH)
    reader = CachedViewReader(cached(numbered), 7, torch.device("cpu"))
    objective = Twice.__new__(Twice)
    rows = torch.split(torch.arange(IMAGES).repeat(40), IMAGES)
    alone = list(reader.batches(objective, rows, 0))
    seen = torch.stack([batch.views[0][:, 0] for batch in alone]).long()
    assert torch.equal(seen // VIEWS, torch.arange(IMAGES).expand(40, -1))
    assert all(set((column % VIEWS).tolist()) == set(range(VIEWS)) for column in seen.T)
    assert all(torch.equal(batch.views[1], torch.from_numpy(PLAIN)) for batch in alone)

    monkeypatch.setattr(distributed, "world_size", lambda: 2)
    parts = []
    for rank in range(2):
        monkeypatch.setattr(distributed, "rank", lambda rank=rank: rank)
        parts.append(list(reader.batches(objective, rows, 0, first_step=38)))
    for whole, first, second in zip(alone[38:], *parts, strict=True):
        assert torch.equal(whole.indices, torch.cat([first.indices, second.indices]))
        for view, (one, two) in zip(whole.views, zip(first.views, second.views, strict=True), strict=True):
            assert torch.equal(view, torch.cat([one, two]))


def test_mistakes_are_user_errors() -> None:
    with pytest.raises(UserError, match=r"shape \[62, 6\] do not belong to 21 images"):
        CachedViews(ArrayRows(FEATURES.reshape(-1, WIDTH)[:-1]), {"train": ArrayRows(PLAIN)})
    with pytest.raises(UserError, match="width 5"):
        CachedViews(ArrayRows(FEATURES.reshape(-1, WIDTH)), {"train": ArrayRows(PLAIN[:, :5])})
    options = {"frozen": True, "selection": "evaluation"}
    with pytest.raises(UserError, match="needs the image set 'selection'"):
        train(objective={"name": "scan", "options": options})
