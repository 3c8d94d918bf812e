"""One training run from one plain description."""

from __future__ import annotations

import dataclasses
import io
import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
import torch
from torch import Tensor, nn

from clusterprobe.config.errors import UserError, nearest
from clusterprobe.encoders.architectures import Body, initialise
from clusterprobe.encoders.heads import Head, build_head
from clusterprobe.images.augment import Augmentation, CentreCrop
from clusterprobe.images.batches import TrainingImages, from_array
from clusterprobe.images.seeds import derive_seed
from clusterprobe.store.atomic import write_bytes
from clusterprobe.store.hashing import sha256_file
from clusterprobe.store.state import fingerprint
from clusterprobe.train import distributed
from clusterprobe.train.cached_views import CachedViewReader, CachedViews
from clusterprobe.train.interrupt import StopWatch
from clusterprobe.train.loop import Recipe, train
from clusterprobe.train.objective import Networks, ObjectiveFactory, Setting, needed_by
from clusterprobe.train.optimisers import Optimiser
from clusterprobe.train.options import read_options
from clusterprobe.train.schedules import Schedule
from clusterprobe.train.snapshots import SNAPSHOTS, SnapshotOptions, Snapshots
from clusterprobe.train.state import Checkpoint
from clusterprobe.train.views import ViewMaker, ViewSource

_RECIPE_KEYS = {entry.name for entry in dataclasses.fields(Recipe)}
_NETWORK_KEYS = {
    *("objective", "architecture", "preprocessing", "head", "augmentation", "uncropped"),
    SNAPSHOTS,
}
_FILE_KEYS = {
    "images",
    "selection",
    "arrays",
    "start",
    "destination",
    "every_seconds",
    "deadline_seconds",
    "device",
}


@dataclass(frozen=True)
class Trained:
    """What a run leaves behind: networks in evaluation mode on the CPU, the lines of its log, the head that
    was selected without labels, if the objective selects one, and what else it found."""

    body: Body
    heads: Mapping[str, Head]
    log: Sequence[str]
    chosen: str | None = None
    found: Mapping[str, Tensor] = field(default_factory=dict)


@dataclass(frozen=True)
class Data:
    """What a run is trained on.

    Attributes:
        images: the training images, or the features of cached views of them: then the body stays as it is,
            and the heads alone are trained.
        selection: other images that the objective may look at between epochs (never at their labels);
            cached views bring features of their own.
        arrays: one row per training image, by name: labels, neighbours. An objective sees only those that it
            declares with `needs`.
    """

    images: TrainingImages | CachedViews
    selection: TrainingImages | None = None
    arrays: Mapping[str, npt.NDArray[np.generic]] = field(default_factory=dict)


def train_encoder(
    job: Mapping[str, Any],
    data: Data,
    make_objective: ObjectiveFactory,
    *,
    networks: Networks | None = None,
    checkpoint: Checkpoint | None = None,
    watch: StopWatch | None = None,
    device: str = "auto",
) -> Trained:
    """Train what `job` describes; the caller writes the outputs and then removes the state file.

    Args:
        job: objective {name, options}, architecture {name, options}, preprocessing {size, mean, std, ...},
            head {kind, options, count} or null, augmentation (a list of steps, or named lists), uncropped
            (images are larger than the size of preprocessing, and "plain" is their centre), snapshots
            {epochs, images} or null (features of images of `data.selection`, kept on the way), optimiser
            {name, learning_rate, ...}, schedule {name, ...}, epochs, batch_size, ema, seed, precision,
            drop_last.
        data: images, and what else the objective needs.
        make_objective: the `make` function of the objective's module.
        networks: networks to go on from; None builds fresh ones, the heads named "0", "1", ...
        checkpoint: where the resume state is kept; None keeps none.
        watch: says when to stop in good order; its time runs from its creation. None knows no limit.
        device: auto, cpu or cuda.

    Raises:
        TrainingInterrupted: a signal or the deadline; exit with its `exit_code`.
        UserError: the job has a mistake, or the loss is not finite.
    """
    recipe = read_recipe(job)
    views = _view_source(job, data, recipe.seed, distributed.choose_device(device))
    arrays = {
        name: torch.from_numpy(np.array(data.arrays[name]))
        for name in sorted(needed_by(make_objective) & data.arrays.keys())
    }
    setting = Setting(len(data.images), recipe.batch_size, recipe.epochs, recipe.seed, arrays)
    torch.manual_seed(derive_seed(recipe.seed, "objective"))
    options = job["objective"].get("options") or {}
    whole = networks or build_networks(job, recipe.seed)
    fixed = whole.body.eval() if isinstance(data.images, CachedViews) else None
    trainable = Networks(Body(nn.Identity(), fixed.width), whole.heads) if fixed else whole
    objective = make_objective(trainable, options, setting)
    snapshots = _snapshots(job, data)
    log = train(objective, views, recipe, checkpoint or Checkpoint(), watch or StopWatch(), snapshots)
    result = objective.eval().cpu().networks()
    found = {**objective.found(), **(snapshots.found() if snapshots else {})}
    return Trained(fixed or result.body, dict(result.heads), log, objective.chosen_head(), found)


def _snapshots(job: Mapping[str, Any], data: Data) -> Snapshots | None:
    if not job.get(SNAPSHOTS):
        return None
    options = read_options(SnapshotOptions, job[SNAPSHOTS], "training: snapshots")
    return Snapshots.of(options, len(data.selection) if data.selection else None)


def run_training(job: Mapping[str, Any], make_objective: ObjectiveFactory) -> Path:
    """Train from a description that names .npy files, and write the outputs to a folder of its own.

    Besides the keys of `train_encoder`: images (path of a uint8 array [N, C, S, S]), selection (the same, or
    null), arrays {name: path}, start (network.pt of another run to go on from, see `go_on`, or null),
    destination (folder), every_seconds (between saved states), deadline_seconds, device.

    Returns:
        The destination. It holds network.pt, {"body": ..., "heads": {name: ...}, "head": kind and options of
        the heads, "chosen": name or None, "found": {name: ...}} for `torch.load(weights_only=True)`, and
        log.jsonl.
    """
    watch = StopWatch(job.get("deadline_seconds"))  # before all else: files may take long to hash
    destination = Path(_needed(job, "destination"))
    described = {key: job[key] for key in job.keys() & (_RECIPE_KEYS | _NETWORK_KEYS)}
    owner = fingerprint([described, [sha256_file(path) for path in _files(job)]])
    checkpoint = Checkpoint(destination / "state", owner, float(job.get("every_seconds", 60.0)))
    described, networks = go_on(described, Path(job["start"])) if job.get("start") else (described, None)
    with distributed.process_group():
        trained = train_encoder(
            {key: value for key, value in job.items() if key not in _FILE_KEYS} | described,
            _open(job),
            make_objective,
            networks=networks,
            checkpoint=checkpoint,
            watch=watch,
            device=job.get("device", "auto"),
        )
        if distributed.rank() == 0:
            _write(trained, described.get("head"), destination)
            (destination / "state").unlink(missing_ok=True)
    return destination


def read_recipe(job: Mapping[str, Any]) -> Recipe:
    """Read the part of a job that the loop needs; check the names of all keys.

    Raises:
        UserError: a key is unknown or missing, or a value is out of range.
    """
    known = _RECIPE_KEYS | _NETWORK_KEYS
    for key in job.keys() - known:
        raise UserError(f"training: unknown key {key!r}; {nearest(key, known)}")
    for key in ("objective", "preprocessing", "optimiser"):
        _needed(job, key)
    values = {key: job[key] for key in job.keys() & _RECIPE_KEYS}
    values["optimiser"] = read_options(Optimiser, job["optimiser"], "training: optimiser")
    values["schedule"] = read_options(Schedule, job.get("schedule") or {}, "training: schedule")
    return read_options(Recipe, values, "training")


def build_networks(job: Mapping[str, Any], seed: int) -> Networks:
    """Build the body and the heads that a job describes, with random weights that follow from `seed`."""
    architecture = _needed(job, "architecture")
    body = initialise(
        architecture["name"], architecture.get("options") or {}, derive_seed(seed, "initialise body")
    )
    head: Mapping[str, Any] = job.get("head") or {}
    torch.manual_seed(derive_seed(seed, "initialise heads"))
    heads = {
        str(number): build_head(head["kind"], head.get("options") or {}, body.width)
        for number in range(int(head.get("count", 1)) if head else 0)
    }
    return Networks(body, heads)


def go_on(job: Mapping[str, Any], start: Path) -> tuple[dict[str, Any], Networks]:
    """Return a job and its networks, which go on from the `network.pt` of another run.

    The body goes on. Heads are fresh if the job describes any; or else the head that was chosen there, or the
    only one, goes on and the job takes over its description.

    Raises:
        UserError: the architecture differs, or there is no head to go on with.
    """
    saved = torch.load(start, map_location="cpu", weights_only=True)
    networks = build_networks(job, int(job.get("seed", 0)))
    heads = dict(networks.heads)
    try:
        networks.body.network.load_state_dict(saved["body"])
        if not heads:
            candidates = [saved["chosen"]] if saved["chosen"] else list(saved["heads"])
            if len(candidates) != 1:
                raise UserError(f"{start} has no head that was chosen: describe the heads of the job")
            again = build_head(saved["head"]["kind"], saved["head"]["options"], networks.body.width)
            again.load_state_dict(saved["heads"][candidates[0]])
            heads = {candidates[0]: again}
    except (KeyError, RuntimeError) as error:
        raise UserError(f"{start} does not fit the architecture of the job: {error}") from error
    return {**job, "head": job.get("head") or saved["head"]}, Networks(networks.body, heads)


def _files(job: Mapping[str, Any]) -> list[Path]:
    """The files that a job reads; raises UserError if one is not there."""
    files = [Path(_needed(job, "images")), *map(Path, (job.get("arrays") or {}).values())]
    files += [Path(job[key]) for key in ("selection", "start") if job.get(key)]
    if missing := [str(path) for path in files if not path.exists()]:
        raise UserError(
            f"training: there is no file {', '.join(missing)}; check images, selection, arrays and start"
        )
    return files


def _open(job: Mapping[str, Any]) -> Data:
    return Data(
        from_array(Path(job["images"])),
        from_array(Path(job["selection"])) if job.get("selection") else None,
        {name: np.load(path) for name, path in (job.get("arrays") or {}).items()},
    )


def _view_source(job: Mapping[str, Any], data: Data, seed: int, device: torch.device) -> ViewSource:
    if isinstance(data.images, CachedViews):
        return CachedViewReader(data.images, seed, device)
    images = {"train": data.images} | ({"selection": data.selection} if data.selection else {})
    preprocessing = job["preprocessing"]
    augmentations = _augmentations(job.get("augmentation", []), preprocessing)
    if job.get("uncropped"):
        augmentations["plain"] = CentreCrop(preprocessing["size"])
    return ViewMaker(images, augmentations, preprocessing["mean"], preprocessing["std"], seed, device)


def _augmentations(
    described: Sequence[Mapping[str, Any]] | Mapping[str, Sequence[Mapping[str, Any]]],
    preprocessing: Mapping[str, Any],
) -> dict[str, Augmentation]:
    """A plain list is the augmentation "train"; "plain" is always there."""
    named = dict(described) if isinstance(described, Mapping) else {"train": described}
    return {
        name: Augmentation(steps, size=preprocessing.get("size"), mean=preprocessing["mean"])
        for name, steps in {**named, "plain": []}.items()
    }


def _write(trained: Trained, head: Mapping[str, Any] | None, destination: Path) -> None:
    saved = {
        "body": trained.body.network.state_dict(),
        "heads": {name: each.state_dict() for name, each in trained.heads.items()},
        "head": {"kind": head["kind"], "options": dict(head.get("options") or {})} if head else None,
        "chosen": trained.chosen,
        "found": dict(trained.found),
    }
    buffer = io.BytesIO()
    torch.save(saved, buffer)
    write_bytes(destination / "network.pt", buffer.getvalue())
    write_bytes(destination / "log.jsonl", "".join(f"{line}\n" for line in trained.log).encode("utf-8"))


def _needed(job: Mapping[str, Any], key: str) -> Any:
    value: Any = job.get(key)
    if value is None:
        raise UserError(f"training: the job has no {key!r}; add it to {json.dumps(sorted(job))}")
    return value
