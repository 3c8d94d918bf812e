"""The catalogue of published encoders, as a whole: for people who choose from it, and for tables about it."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Annotated, Any

from pydantic import Field, TypeAdapter, ValidationError

from clusterprobe.config.catalogue import read_yaml
from clusterprobe.config.encoders import FileEncoder
from clusterprobe.config.errors import UserError
from clusterprobe.config.mistakes import explain
from clusterprobe.config.publications import UnavailableEncoder

Entry = Annotated[FileEncoder | UnavailableEncoder, Field(discriminator="kind")]
_ENTRY: TypeAdapter[FileEncoder | UnavailableEncoder] = TypeAdapter(Entry)


def read_catalogue(path: Path) -> dict[str, FileEncoder | UnavailableEncoder]:
    """Return all entries by name, in the order of the file; raises UserError that names a wrong entry."""
    entries: dict[str, FileEncoder | UnavailableEncoder] = {}
    for name, values in read_yaml(path).items():
        try:
            entries[name] = _ENTRY.validate_python(values)
        except ValidationError as error:
            raise UserError(f"{path}, entry {name}: {explain(error, Entry)}") from error
    return entries


def catalogue_facts(entries: Mapping[str, FileEncoder | UnavailableEncoder]) -> list[dict[str, Any]]:
    """Return method, network, published linear accuracy with source, and why an entry has no file, if so."""
    return [
        {
            "name": name,
            "method": entry.method,
            "network": entry.network,
            "linear": entry.linear.top1 if entry.linear else None,
            "source": entry.linear.source if entry.linear else None,
            "seen": entry.seen,
            "reason": entry.reason if isinstance(entry, UnavailableEncoder) else None,
        }
        for name, entry in entries.items()
    ]


_COLUMNS = ("name", "network", "width", "seen", "linear", "licence", "file")


def catalogue_table(entries: Mapping[str, FileEncoder | UnavailableEncoder]) -> Iterator[str]:
    """Yield the catalogue line by line; below it what the columns mean and why some have no file."""
    rows = [_COLUMNS, *(_row(name, entry) for name, entry in entries.items())]
    widths = [max(len(row[column]) for row in rows) for column in range(len(_COLUMNS))]
    for row in rows:
        yield "  ".join(cell.ljust(width) for cell, width in zip(row, widths, strict=True)).rstrip()
    yield ""
    yield "seen: in training (same: images of ImageNet without labels); linear: published accuracy, percent"
    yield "Without a file that could be used here:"
    for name, entry in entries.items():
        if isinstance(entry, UnavailableEncoder):
            yield f"  {name}: {entry.reason}"


def _row(name: str, entry: FileEncoder | UnavailableEncoder) -> tuple[str, ...]:
    linear = f"{entry.linear.top1:.1f}" if entry.linear else "-"
    facts = (entry.seen, linear, entry.licence or "not stated")
    network = f"{entry.method}, {entry.network}"
    if isinstance(entry, UnavailableEncoder):
        return name, network, "-", *facts, "none"
    place = entry.path or ("download" if entry.url else "by hand")
    through = "" if entry.layout == "torch" else ", through TensorFlow's environment"
    return name, network, str(entry.feature.width) if entry.feature else "-", *facts, place + through
