"""Encoder and images into one shard of features."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import ExitStack
from functools import partial
from pathlib import Path
from typing import Any, Unpack

import numpy as np
import torch
from torch import Tensor, nn
from torch.utils.data import DataLoader

from clusterprobe.config.errors import UserError
from clusterprobe.encoders.canonical import Encoder, load_encoder
from clusterprobe.encoders.preprocessing import Preprocessing
from clusterprobe.features.balance import Balance
from clusterprobe.features.batches import SplitBatches, Uncut, batch_rows, in_row_order
from clusterprobe.features.cuts import Cut, inputs_of
from clusterprobe.features.device import choose_device
from clusterprobe.features.execution import Execution, Network, make_inputs, prepared
from clusterprobe.features.outputs import Mode, output_network, output_width
from clusterprobe.features.seen import SeenFeatures
from clusterprobe.features.views import AugmentedViews
from clusterprobe.images.manifest import Manifest, read_manifest
from clusterprobe.images.seeds import derive_seed
from clusterprobe.images.sources import ImageSource, open_source
from clusterprobe.store.atomic import read_json
from clusterprobe.store.features import write_blocks
from clusterprobe.store.hashing import sha256_file
from clusterprobe.store.progress import Progress
from clusterprobe.store.rows import Float32

Looks = Callable[[Tensor, int], Iterator[Tensor]]
"""From images uint8 [B, C, S, S] and the row of the first to inputs of a network, each [B, C, S, S]."""


def extract_shard(
    encoder_folder: Path,
    output: str,
    manifest: Path,
    source: Path,
    split: str,
    shard: int,
    shards: int,
    destination: Path,
    *,
    space: str,
    mode: Mode,
    views: AugmentedViews | None = None,
    cut: Cut = "centre",
    seen: tuple[Path, str] | None = None,
    **how: Unpack[Execution],
) -> None:
    """Write an `output` (`outputs.output_network`) of shard `shard` of `shards` of a split, float16 [n, D].

    In mode "eval" every module is in eval mode; in mode "reference" (`batch_rows`) none is. Batches are cut
    from the whole split, so the features do not depend on the number of shards; in mode "reference" a shard
    runs every batch that has one of its images. `cut` says how images become inputs (`cuts.CUTS`).
    With `views` every image has `views.count` rows, one after the other, each of one augmented view of it;
    where several inputs are cut out of an image it has as many.
    With `seen`, a folder and the digest of the code, only new images of a set of one shard are looked at.
    Raises UserError, naming the image, where it changed, cannot be read or has features that are not finite.
    """
    images, encoder, folder = read_manifest(manifest), load_encoder(encoder_folder), destination.parent
    rows = shard_range(len(images), shard, shards)
    folder.mkdir(parents=True, exist_ok=True)
    extract = partial(
        feature_blocks,
        encoder,
        output,
        source=open_source(read_json(source), split),
        mode=mode,
        what=f"features {folder.name} {shard + 1}/{shards}",
        views=views,
        cut=cut,
        scratch=folder,
        **how,
    )
    each, width = views.count if views else inputs_of(cut), output_width(encoder, output)
    if seen is not None and (shards, each, mode) == (1, 1, "eval") and views is None:
        keeper = SeenFeatures(seen[0], [*_hashes(encoder_folder), output, mode, cut, seen[1]])
        keeper.write(destination, images, lambda new: extract(new, rows=(0, len(new))), width, space=space)
        return
    _write_rows(destination, extract(images, rows=rows), images, rows, (each, width), space)


def _write_rows(
    destination: Path,
    blocks: Iterator[Float32],
    images: Manifest,
    rows: tuple[int, int],
    shape: tuple[int, int],
    space: str,
) -> None:
    """Write the features of rows [first, last) of a split, each of `shape` = [E, D]."""
    (first, last), (each, width) = rows, shape
    write_blocks(
        destination,
        blocks,
        ((last - first) * each, width),
        space=space,
        content=images.content,
        first_row=first * each,
        total_rows=len(images) * each,
    )


def _hashes(encoder_folder: Path) -> list[str]:
    return [sha256_file(path) for path in sorted(encoder_folder.iterdir()) if path.suffix != ".jsonl"]


def feature_blocks(
    encoder: Encoder,
    output: str,
    images: Manifest,
    source: ImageSource,
    rows: tuple[int, int],
    *,
    mode: Mode,
    what: str,
    views: AugmentedViews | None = None,
    cut: Cut = "centre",
    scratch: Path | None = None,
    **how: Unpack[Execution],
) -> Iterator[Float32]:
    """Return blocks of the tensor `output` of rows [first, last) of a split, float32 [<= B, D], in order.

    With `views`, [<= B * views.count, D]. In mode "reference" they are found in another order, and wait in
    the folder `scratch` until all are there. Raises UserError as `extract_shard` does.
    """
    network, target = output_network(encoder, output, mode), choose_device(how["device"])
    _check_mode(network, mode)
    preprocessing = encoder.record.preprocessing
    size = max(how["batch_size"] // inputs_of(cut), 1)
    inputs = make_inputs(preprocessing, cut, target, how)
    batches = SplitBatches(images, source, inputs, batch_rows(len(images), size, rows, mode))
    looks = partial(views.looks, preprocessing) if views else partial(_plain, preprocessing)
    progress = Progress(what, rows[1] - rows[0])
    forward = partial(_run, prepared(network, size, target, how, progress.note), mode)
    found = _features(forward, looks, batches, rows, target, how["workers"], progress)
    if mode == "reference":
        found = in_row_order(found, batches.groups, rows, scratch)
    return _checked(found, images.ids[slice(*rows)], output)


def shard_range(rows: int, shard: int, shards: int) -> tuple[int, int]:
    """Return [first, last) of shard number `shard`: contiguous, and no shard larger by more than one row."""
    if not 0 <= shard < shards:
        raise ValueError(f"shard {shard} of {shards} does not exist")
    return rows * shard // shards, rows * (shard + 1) // shards


def _plain(preprocessing: Preprocessing, batch: Tensor, first_row: int) -> Iterator[Tensor]:
    """Yield a batch [B, C, S, S] as it is, or each of several inputs of its images [B, L, C, S, S]."""
    for inputs in batch.unbind(1) if batch.dim() == 5 else (batch,):
        yield preprocessing.normalise(inputs)


def _features(
    forward: Callable[[Tensor, int], Tensor],
    looks: Looks,
    batches: SplitBatches,
    rows: tuple[int, int],
    target: torch.device,
    workers: int,
    progress: Progress,
) -> Iterator[Float32]:
    """Yield the features of rows [first, last) batch by batch, float32 [<= B, looks at each image, D].

    On a GPU a batch is on its way while the features of the one before are fetched.
    """
    on_gpu = target.type == "cuda"
    loader: Any = DataLoader(batches, batch_size=None, num_workers=workers, pin_memory=on_gpu)
    with ExitStack() as context:
        context.enter_context(progress)
        context.enter_context(torch.inference_mode())
        context.enter_context(torch.backends.cudnn.flags(benchmark=False, deterministic=True))
        balance = context.enter_context(Balance(workers, progress))
        pending: Tensor | None = None
        for group, batch in zip(batches.groups, balance.waiting(loader), strict=True):
            inputs = looks(_on_device(batch, target), int(group[0]))
            features = torch.stack([forward(each, int(group[0])) for each in inputs], dim=1)
            own = torch.from_numpy((rows[0] <= group) & (group < rows[1])).to(target)
            ready, pending = (pending, features[own]) if on_gpu else (features[own], None)
            if ready is not None:
                yield _fetched(ready, progress)
        if pending is not None:
            yield _fetched(pending, progress)


def _on_device(batch: Tensor | Uncut | UserError, target: torch.device) -> Tensor:
    """Return the inputs of a batch, uint8 [B, C, S, S] or [B, L, C, S, S]; raises its error if it is one."""
    if isinstance(batch, UserError):
        raise batch
    if isinstance(batch, Tensor):
        return batch.to(target, non_blocking=True)
    return batch.cut_on(target)


def _fetched(features: Tensor, progress: Progress) -> Float32:
    block: Float32 = features.float().cpu().numpy()
    progress.update(len(block))
    return block


def _run(network: Network, mode: Mode, images: Tensor, first_row: int) -> Tensor:
    """In bfloat16 on a GPU; what comes before, augmentations too, stays in float32.

    What a network drops in mode "reference" depends on the first row of its batch alone.
    """
    device = images.device.type
    with ExitStack() as context:
        context.enter_context(torch.autocast(device, torch.bfloat16, enabled=device == "cuda"))
        if mode == "reference":
            context.enter_context(torch.random.fork_rng([images.device] if device == "cuda" else []))
            torch.manual_seed(derive_seed(0, "dropout of features", first_row))
        try:
            features = network(images)
        except ValueError as error:
            if mode == "eval" or len(images) > 1:
                raise
            raise UserError(_SINGLE) from error
    return features


_SINGLE = (
    "mode reference: the last batch has a single image, and this network none but one value of it to take "
    "statistics of: choose another batch size (`published: {batch_size: ...}` of the encoder)"
)


def _check_mode(network: nn.Module, mode: Mode) -> None:
    if mode == "eval" and any(module.training for module in network.modules()):
        raise RuntimeError("a module is in training mode: the features would depend on the batch")


def _checked(blocks: Iterator[Float32], ids: tuple[str, ...], output: str) -> Iterator[Float32]:
    """Yield blocks [<= B, looks, D] of the images `ids` as rows [<= B * looks, D]; all must be finite."""
    first = 0
    for block in blocks:
        bad = np.flatnonzero(~np.isfinite(block).all(axis=(1, 2)))
        if bad.size:
            raise UserError(
                f"the features ({output}) of {bad.size} images are not finite, first "
                f"{ids[first + int(bad[0])]!r}: check the weights and the preprocessing of the encoder"
            )
        first += len(block)
        yield block.reshape(-1, block.shape[-1])
