"""`clusterprobe cluster`: a folder of pictures through the workflow, by a configuration made for it."""

from __future__ import annotations

import os
import shutil
import sys
from collections.abc import Sequence
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import yaml

from clusterprobe.commands.encoder_choice import Choice, choose_encoder
from clusterprobe.commands.estimate import estimate, estimate_lines
from clusterprobe.commands.results import link_tree, place_results, summary
from clusterprobe.commands.stages import StageLines
from clusterprobe.commands.workflow import command, complaints, planned_jobs, run, workflow_home
from clusterprobe.config import own_pictures
from clusterprobe.config.errors import UserError
from clusterprobe.images.folders import list_folder
from clusterprobe.images.label_files import read_labels
from clusterprobe.store.atomic import write_text
from clusterprobe.store.devices import visible_devices

CONFIG = "clusterprobe.yaml"
_LENGTHS = ("epochs", "batch_size", "neighbours", "cached_views")


@dataclass(frozen=True)
class Wishes:
    """What the command line says; `k` None: to be estimated, `tree`: links, copies or None.

    `labels`: `folders`, a CSV file, or None.
    """

    pictures: Path
    out: Path | None = None
    k: int | None = None
    method: str = "kmeans"
    encoder: str = "auto"
    checkpoint: Path | None = None
    architecture: str | None = None
    size: int = 224
    epochs: int | None = None
    merge_from: int | None = None
    labels: str | None = None
    tree: str | None = None
    cores: int = 0
    dry_run: bool = False
    more: tuple[str, ...] = ()


def cluster(wishes: Wishes) -> None:
    """Cluster a folder of pictures; raises UserError with one message for whatever a person can mend."""
    pictures = wishes.pictures.expanduser().absolute()
    out = (wishes.out or Path(f"clusterprobe-{pictures.name}")).expanduser().absolute()
    _check_places(pictures, out)
    files = _files(pictures)
    count, labels = len(files), _labels(wishes.labels, files)
    gpu = bool(visible_devices())
    cores = wishes.cores or os.cpu_count() or 1
    encoder = _encoder(wishes, out, count, gpu)
    print(f"pictures: {count:,} files below {pictures}", file=sys.stderr)
    print(f"encoder: {encoder.why}", file=sys.stderr)
    request = own_pictures.Request(
        folder=pictures,
        pictures=count,
        k=wishes.k,
        method=wishes.method,
        encoder=(encoder.name, encoder.entry),
        merge_from=wishes.merge_from,
        labels=labels,
        title=pictures.name,
        cores=cores,
        gpu=gpu,
    )
    values = _settled(own_pictures.configuration(request), out, wishes.epochs)
    text = yaml.safe_dump(values, sort_keys=False, allow_unicode=True)
    if wishes.dry_run:
        _say_what_would_run(text, out, count, wishes.more)
        return
    config = out / CONFIG
    if not config.exists() or config.read_text(encoding="utf-8") != text:
        write_text(config, text)
    _run(out, config, cores, wishes.more)
    if not (out / "reports" / own_pictures.NAME / "assignments.csv").exists():
        print(f"A part was made, as asked for: {out / 'data'}")
        return
    place_results(out, own_pictures.NAME)
    if wishes.tree:
        link_tree(out / "assignments.csv", pictures, out / "clusters", copies=wishes.tree == "copies")
    for line in summary(out, own_pictures.NAME):
        print(line)


def _labels(wish: str | None, files: Sequence[str]) -> Path | bool:
    """Return the file of labels, which fits the files, or whether sub-folders are labels."""
    if wish is None or wish == "folders":
        return wish is not None
    path = Path(wish).expanduser().absolute()
    if not path.is_file():
        raise UserError(f"--labels {wish}: say `folders`, or a CSV file with the columns path and label")
    read_labels(path, files)
    return path


def _check_places(pictures: Path, out: Path) -> None:
    if not pictures.is_dir():
        raise UserError(f"{pictures} is not a folder; name the folder that holds the pictures")
    inside = out.resolve()
    if inside == pictures.resolve() or pictures.resolve() in inside.parents:
        raise UserError(
            f"--out {out} lies in the folder of the pictures, which is never changed: say --out with a place "
            "outside of it"
        )
    if out.exists() and not out.is_dir():
        raise UserError(f"--out {out} is a file: name a folder")
    if out.is_dir() and any(out.iterdir()) and not (out / CONFIG).is_file():
        raise UserError(
            f"--out {out} holds something else already: name a new folder, or one of an earlier run"
        )


def _files(pictures: Path) -> Sequence[str]:
    listed = list_folder({"kind": "folder", "splits": {"train": str(pictures)}, "on_bad_image": "skip"})
    return listed.splits["train"].ids


def _encoder(wishes: Wishes, out: Path, count: int, gpu: bool) -> Choice:
    """Return the encoder that is wished for: a file, or what `choose_encoder` finds."""
    path = Path(wishes.encoder).expanduser()
    if path.suffix and path.is_file():
        if not wishes.architecture:
            raise UserError(
                f"--encoder {path}: say what network it is, too: --architecture torchvision:resnet50"
            )
        entry = own_pictures.checkpoint(path.absolute(), wishes.architecture, wishes.size)
        return Choice("checkpoint", entry, f"{path}, as asked for")
    if wishes.architecture or len(path.parts) > 1:
        raise UserError(f"--encoder {path}: there is no such file; check the path")
    checkpoint = None if wishes.checkpoint is None else wishes.checkpoint.expanduser().absolute()
    if checkpoint is not None and not checkpoint.is_file():
        raise UserError(f"--checkpoint {wishes.checkpoint} does not exist")
    home = workflow_home()
    return choose_encoder(wishes.encoder, home, [out, home], count, gpu=gpu, checkpoint=checkpoint)


def _settled(values: dict[str, Any], out: Path, epochs: int | None) -> dict[str, Any]:
    """Return a configuration whose networks train as in an earlier run: more pictures train nothing anew.

    `epochs` says otherwise, for the first network.
    """
    before: Any = {}
    with suppress(OSError, yaml.YAMLError, KeyError, TypeError):
        before = yaml.safe_load((out / CONFIG).read_text(encoding="utf-8"))["encoders"]
    for name, entry in values["encoders"].items():
        if entry["kind"] == "trained":
            entry |= {
                key: before[name][key] for key in _LENGTHS if key in entry and key in before.get(name, {})
            }
            entry |= {"epochs": epochs} if epochs and "start" not in entry else {}
    return values


def _run(out: Path, config: Path, cores: int, more: Sequence[str]) -> None:
    log = out / "data" / "logs" / "snakemake.log"
    with StageLines(out) as stages:
        code = run(command(out, config, cores, more), log, stages.hear)
    if code:
        told = "\n".join(complaints(stages.lines))
        raise UserError(
            f"the run did not end well; the same command goes on where it stopped.\n{told}\n({log})"
        )


def _say_what_would_run(text: str, out: Path, count: int, more: Sequence[str]) -> None:
    """Print the stages and how long they may take; nothing is left behind."""
    fresh = not out.exists()
    config = out / f".{CONFIG}.dry-run.yaml"
    try:
        write_text(config, text)
        jobs = planned_jobs(out, config, more)
    finally:
        config.unlink(missing_ok=True)
        if fresh:
            shutil.rmtree(out, ignore_errors=True)
    earlier = [path.parent for path in sorted(out.parent.glob(f"*/{CONFIG}"))]
    folders = [out, *earlier, workflow_home()]
    for line in estimate_lines(jobs, estimate(jobs, count, folders)):
        print(line)
