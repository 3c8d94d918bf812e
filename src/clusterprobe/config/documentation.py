"""The JSON schema and the reference page of the configuration, generated from its model."""

from __future__ import annotations

import json
import re
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from pydantic import BaseModel
from pydantic.fields import FieldInfo

from clusterprobe.config import (
    datasets,
    deviations,
    encoders,
    model,
    pictures,
    preprocessing,
    probes,
    publications,
)

SCHEMA = Path("workflow/schemas/config.schema.json")
PAGE = Path("config/README.md")

_BOUNDS = re.compile(r"Annotated\[(\w+), FieldInfo\([^\]]*\]\)\]")
"""How Python spells the elements of a list that have bounds; the schema has these."""

_SECTIONS: tuple[tuple[str, type[BaseModel]], ...] = (
    ("The experiment", model.Config),
    ("datasets: kind digits", datasets.DigitsDataset),
    ("datasets: kind folder", datasets.FolderDataset),
    ("datasets: kind tar", datasets.TarDataset),
    ("datasets: kind parquet", datasets.ParquetDataset),
    ("datasets: kind torchvision", datasets.TorchvisionDataset),
    ("datasets: kind voc", datasets.VocDataset),
    ("datasets: kind shifted", datasets.ShiftedDataset),
    ("transfer", model.Transfer),
    ("encoders: kind pixels", encoders.PixelsEncoder),
    ("encoders: kind random", encoders.RandomEncoder),
    ("encoders: kind file", encoders.FileEncoder),
    ("encoders: kind file, feature", publications.Feature),
    ("encoders: kind file, linear", publications.LinearAccuracy),
    ("encoders: kind trained", encoders.TrainedEncoder),
    ("encoders: published", deviations.AsPublished),
    ("preprocessing", preprocessing.Preprocessing),
    ("architecture, objective", encoders.Named),
    ("head", encoders.ProjectionHead),
    ("optimiser", encoders.Optimiser),
    ("schedule", encoders.Schedule),
    ("clusterings", model.Clusterings),
    ("reducers", model.Reducer),
    ("options", model.KMeansOptions),
    ("probes", probes.Probe),
    ("probes: options", probes.ProbeOptions),
    ("criteria", probes.Criteria),
    ("neighbours", model.Neighbours),
    ("report", model.Report),
    ("pictures", pictures.Pictures),
    ("compute", model.Compute),
)

_HEAD = """# Configuration

Generated from the model in `src/clusterprobe/config/` by `make docs`; edit the descriptions there.

One file is one experiment: `snakemake --cores 2 --configfile config/NAME.yaml`. Without `--configfile`
`config/config.yaml` is read. The JSON schema for editors is `workflow/schemas/config.schema.json`.
An entry of `datasets` or `encoders` with nothing behind its colon is taken from the catalogue
`config/datasets.yaml` or `config/encoders.yaml`, where `$VARIABLES` come from the environment. Keys in it
replace those of the catalogue, `from` names an entry that is called otherwise there:

    datasets:
      stl10:
      cifar10: {limit: {train: 5000, test: 1000}}
      few: {from: cifar10, classes: [cat, dog]}

An unknown key, a wrong type or an unknown name stops the run before its first job.
"""


def schema_text() -> str:
    """Return the JSON schema of the configuration."""
    return json.dumps(model.Config.model_json_schema(), indent=1, sort_keys=True) + "\n"


def page_text() -> str:
    """Return the reference page: every key with type, default and meaning."""
    parts = [_HEAD]
    for title, section in _SECTIONS:
        parts.append(
            f"\n## {title}\n\n{(section.__doc__ or '').strip()}\n\n" + "\n".join(_table(section)) + "\n"
        )
    return "".join(parts)


def generated() -> dict[Path, str]:
    """Return the generated files and what they must hold."""
    return {SCHEMA: schema_text(), PAGE: page_text()}


def _table(section: type[BaseModel]) -> Iterator[str]:
    yield "| key | type | default | meaning |"
    yield "|---|---|---|---|"
    for name, field in section.model_fields.items():
        cells = (f"`{name}`", _type(field.annotation), _default(field), field.description or "")
        yield "| " + " | ".join(cell.replace("|", "\\|") for cell in cells) + " |"


def _type(annotation: Any) -> str:
    text = (
        annotation.__name__
        if isinstance(annotation, type) and "[" not in str(annotation)
        else str(annotation)
    )
    for prefix in (
        "typing.",
        "clusterprobe.config.model.",
        "clusterprobe.config.encoders.",
        "clusterprobe.config.datasets.",
        "clusterprobe.config.dataset_keys.",
        "clusterprobe.config.deviations.",
        "clusterprobe.config.probes.",
    ):
        text = text.replace(prefix, "")
    text = _BOUNDS.sub(r"\1", text)
    for union in ("Annotated[DigitsDataset", "Annotated[PixelsEncoder"):
        if union in text:
            return "name: definition, or name: nothing (from the catalogue)"
    return text.replace("NoneType", "None").replace("None", "null")


def _default(field: FieldInfo) -> str:
    if field.is_required():
        return "required"
    value = field.get_default(call_default_factory=True)
    if isinstance(value, BaseModel):
        return "see below"
    if isinstance(value, list) and value and isinstance(value[0], BaseModel):
        return "one, see below"
    return f"`{json.dumps(value)}`"


def main(arguments: list[str]) -> int:
    """Write the generated files, or with --check say which are out of step (exit status 1)."""
    stale = [
        path for path, text in generated().items() if not path.exists() or path.read_text("utf-8") != text
    ]
    if "--check" in arguments:
        for path in stale:
            print(f"{path} is out of step with the configuration model: run `make docs`", file=sys.stderr)
        return 1 if stale else 0
    for path in stale:
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(generated()[path], "utf-8")
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
