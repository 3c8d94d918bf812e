"""One published encoder, checked from its file to its features, for a person who wants to know."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

from clusterprobe.config.encoders import READ_ELSEWHERE, FileEncoder
from clusterprobe.config.errors import UserError
from clusterprobe.config.loading import load_config
from clusterprobe.config.plan import make_plan
from clusterprobe.encoders.fetch import known_hash
from clusterprobe.encoders.obtain import obtain
from clusterprobe.encoders.published import convert_published, unpack_foreign
from clusterprobe.store.hashing import sha256_file

CHECKPOINTS = Path("data/checkpoints")


def check_encoder(name: str, catalogues: Path, path: str | None = None) -> Iterator[tuple[str, str]]:
    """Yield what is found out about an entry, as (what, finding), while it is found out.

    The file is the one that the workflow has or would download, below CHECKPOINTS; `path` names another.
    Raises UserError for the first thing that is wrong.
    """
    encoder_id, definition = _planned(name, catalogues, path)
    entry = definition.model_dump(mode="json") | {
        "origin": definition.origin,
        "preprocessing": definition.preprocessing.resolved(),
    }
    checkpoint, lock = CHECKPOINTS / f"{encoder_id}.bin", CHECKPOINTS / "hashes.lock"
    yield "file", _present(entry, checkpoint, lock)
    sha256 = sha256_file(checkpoint)
    yield "SHA-256", f"{sha256} ({_pinned(entry, lock, sha256, checkpoint)})"
    arrays = None
    if definition.layout in READ_ELSEWHERE:
        arrays = checkpoint.with_suffix(".npz")
        unpack_foreign(definition.layout, checkpoint, arrays)
        yield "arrays", str(arrays)
    encoder = convert_published(entry, checkpoint, arrays)
    record, tensors = encoder.record, encoder.body.network.state_dict()
    source = record.source
    found = f", {source['layout']}, prefix {source['prefix']!r}" if "prefix" in source else ""
    yield "layout", f"{definition.layout}{found}"
    numbers = sum(tensor.numel() for tensor in tensors.values())
    yield "tensors", f"{len(tensors)} of {record.architecture.name}, {numbers:,} numbers"
    feature = definition.feature
    called = f"{feature.name}, as the catalogue says" if feature else "not described"
    yield "feature", f"{record.width} wide, {encoder.body.pooling or 'pooling unknown'} ({called})"
    known = "as in the catalogue" if feature and feature.checksum else "the catalogue has none"
    yield "checksum", f"{source['feature_checksum']} ({known})"


def _planned(name: str, catalogues: Path, path: str | None) -> tuple[str, FileEncoder]:
    """Return id and definition of an entry as every experiment that takes it has them."""
    experiment = {
        "name": "check",
        "datasets": {"digits": {"kind": "digits"}},
        "fit": ["digits"],
        "encoders": {name: {"path": path} if path else None},
        "clusterings": [{"method": "kmeans"}],
    }
    (encoder,) = make_plan(load_config(experiment, catalogues)).encoders.values()
    assert isinstance(encoder.definition, FileEncoder), "the catalogue holds files only"
    return encoder.id, encoder.definition


def _present(entry: Mapping[str, Any], checkpoint: Path, lock: Path) -> str:
    """Make sure that the file is there; say where it came from."""
    was_there = checkpoint.exists() and not entry["path"]
    if not was_there:
        obtain(entry, checkpoint, lock)
    size = checkpoint.stat().st_size / 1e6
    origin = "was there" if was_there else f"from {entry['path'] or entry['url']}"
    return f"{checkpoint}, {size:,.1f} MB, {origin}"


def _pinned(entry: Mapping[str, Any], lock: Path, sha256: str, checkpoint: Path) -> str:
    """Say who vouches for a hash; raises UserError if it is not the one that is vouched for."""
    for who, pinned in (("the catalogue", entry["sha256"]), (str(lock), known_hash(lock, entry["origin"]))):
        if pinned and pinned != sha256:
            raise UserError(
                f"{checkpoint} has SHA-256 {sha256}, but {who} says {pinned}: delete it and run again"
            )
        if pinned:
            return f"pinned by {who}"
    return f"not pinned: add it to the entry, or download the file anew to have it in {lock}"
