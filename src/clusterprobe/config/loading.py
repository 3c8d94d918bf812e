"""From YAML to a checked configuration; every mistake becomes one readable message."""

from __future__ import annotations

import os
from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path
from typing import Any, get_args

import yaml
from pydantic import BaseModel, TypeAdapter, ValidationError

from clusterprobe.config.datasets import Dataset
from clusterprobe.config.encoders import Encoder
from clusterprobe.config.errors import UserError, nearest
from clusterprobe.config.model import HEAD_METHODS, Clusterings, Config, Reducer


def load_config(values: Mapping[str, Any], catalogues: Path) -> Config:
    """Check the values of a configuration and fill empty entries from the catalogues beside it.

    Raises UserError that names key, value and the nearest valid choice.
    """
    try:
        config = Config.model_validate(dict(values))
    except ValidationError as error:
        raise UserError(_explain(error, Config)) from error
    datasets = _fill(config.datasets, catalogues / "datasets.yaml", Dataset, "datasets")
    encoders = _fill(config.encoders, catalogues / "encoders.yaml", Encoder, "encoders")
    filled = config.model_copy(update={"datasets": datasets, "encoders": encoders})
    _check_names(filled)
    return filled


def read_yaml(path: Path) -> dict[str, Any]:
    """Read a YAML mapping; raises UserError that names file and place of a mistake."""
    try:
        values = yaml.safe_load(Path(path).read_text(encoding="utf-8"))
    except yaml.YAMLError as error:
        raise UserError(f"{path} is not valid YAML: {error}") from error
    except FileNotFoundError as error:
        raise UserError(f"{path} does not exist") from error
    if not isinstance(values, dict):
        raise UserError(f"{path} must hold a mapping of keys to values")
    return values


def _fill(entries: Mapping[str, Any], catalogue: Path, choice: Any, where: str) -> dict[str, Any]:
    filled: dict[str, Any] = {}
    for name, entry in entries.items():
        filled[name] = entry if entry is not None else _look_up(name, catalogue, choice, where)
    return filled


def _look_up(name: str, catalogue: Path, choice: Any, where: str) -> Any:
    known = read_yaml(catalogue) if catalogue.exists() else {}
    if name not in known:
        raise UserError(f"{where}.{name}: not in {catalogue.name}; {nearest(name, known)}")
    try:
        return TypeAdapter(choice).validate_python(_expand(known[name]))
    except ValidationError as error:
        raise UserError(f"{catalogue}, entry {name}: {_explain(error, choice)}") from error


def _expand(value: Any) -> Any:
    """Expand $VARIABLES in the texts of a catalogue entry, so that paths can come from the environment."""
    if isinstance(value, dict):
        return {key: _expand(entry) for key, entry in value.items()}
    if isinstance(value, list):
        return [_expand(entry) for entry in value]
    if not isinstance(value, str):
        return value
    expanded = os.path.expandvars(value)
    if "$" in expanded:
        raise UserError(f"{value}: set this environment variable, or give the path in the configuration")
    return expanded


def _check_names(config: Config) -> None:
    _known("fit", config.fit, config.datasets)
    _known("transfer", config.transfer, config.fit)
    for name, sets in config.transfer.items():
        _known(f"transfer.{name}", [entry.dataset for entry in sets], config.datasets)
    for number, group in enumerate(config.clusterings):
        _known(f"clusterings.{number}.encoders", group.encoders or [], config.encoders)
        _known(f"clusterings.{number}.datasets", group.datasets or [], config.fit)
    for name, dataset in config.datasets.items():
        if dataset is not None and dataset.kind == "shifted":
            _known(f"datasets.{name}.source", [dataset.source], config.datasets)
    for name, encoder in config.encoders.items():
        if encoder is not None and encoder.kind == "trained" and encoder.trained_on:
            _known(f"encoders.{name}.trained_on", [encoder.trained_on], config.datasets)
        if encoder is not None and encoder.kind == "trained" and encoder.start:
            _known(f"encoders.{name}.start", [encoder.start], config.encoders)
            _check_chain(name, config)
    for number, group in enumerate(config.clusterings):
        _check_heads(f"clusterings.{number}", group, config)
    _known("report.galleries", config.report.galleries or [], config.encoders)


def _check_chain(name: str, config: Config) -> None:
    """Refuse an encoder that goes on from itself, through whatever others."""
    seen = [name]
    while (start := getattr(config.encoders[seen[-1]], "start", None)) is not None:
        if start in seen:
            raise UserError(f"encoders.{name}.start: goes round in a circle: {' -> '.join([*seen, start])}")
        seen.append(start)


def _check_heads(key: str, group: Clusterings, config: Config) -> None:
    """Refuse a head method without its network, and reducers or options where a head decides."""
    if group.method not in HEAD_METHODS:
        return
    trained = {
        name
        for name, encoder in config.encoders.items()
        if encoder is not None
        and encoder.kind == "trained"
        and encoder.objective.name == HEAD_METHODS[group.method]
    }
    if not group.encoders:
        raise UserError(f"{key}.encoders: name the encoders trained by {group.method!r}: {sorted(trained)}")
    _known(f"{key}.encoders, trained by {group.method!r}", group.encoders, trained)
    if group.reducers != [Reducer()] or group.options.given():
        raise UserError(
            f"{key}: `reducers` and `options` have no meaning for {group.method!r}: leave them out"
        )


def _known(key: str, names: Iterable[str], choices: Iterable[str]) -> None:
    choices = list(choices)
    for name in names:
        if name not in choices:
            raise UserError(f"{key}: {name!r} is not defined; {nearest(name, choices)}")


def _explain(error: ValidationError, root: Any) -> str:
    """Return the first mistakes as `key: what is wrong (value); nearest choice`, one per line."""
    return "\n".join(_explain_one(mistake, root) for mistake in error.errors()[:5])


def _explain_one(mistake: Any, root: Any) -> str:
    place, key = _place(mistake["loc"])
    if mistake["type"] == "extra_forbidden":
        hint = nearest(str(place[-1]), _valid_keys(place[:-1], root))
        return f"{key}: unknown key (value {mistake['input']!r}); {hint}"
    if mistake["type"] == "missing":
        return f"{key}: this key is required"
    return f"{key}: {mistake['msg']} (value {mistake['input']!r}){_choices(mistake)}"


def _place(loc: tuple[int | str, ...]) -> tuple[tuple[int | str, ...], str]:
    """Return a place without names that people gave, and the key as people write it, without kinds."""
    if loc and loc[0] in ("datasets", "encoders"):
        return (loc[0], *loc[2:]), ".".join(map(str, (*loc[:2], *loc[3:])))
    written = loc[1:] if loc and loc[0] in _KINDS else loc
    return loc, ".".join(map(str, written)) or "configuration"


def _choices(mistake: Any) -> str:
    context = mistake.get("ctx", {})
    expected = str(context.get("expected") or context.get("expected_tags") or "")
    words = [word.strip(" '\"") for word in expected.replace(" or ", ",").split(",") if word.strip()]
    found = context.get("tag") or mistake["input"]
    return f"; {nearest(found, words)}" if words and isinstance(found, str) else ""


def _kind(model: type[BaseModel]) -> str | None:
    field = model.model_fields.get("kind")
    return None if field is None else str(get_args(field.annotation)[0])


def _models_in(annotation: Any) -> list[type[BaseModel]]:
    if isinstance(annotation, type) and issubclass(annotation, BaseModel):
        return [annotation]
    return [model for part in get_args(annotation) for model in _models_in(part)]


_KINDS = {_kind(model) for model in _models_in(Dataset) + _models_in(Encoder)}


def _valid_keys(place: Sequence[int | str], root: Any) -> set[str]:
    """Return the keys that are valid at a place, found by walking it through the models."""
    models = _models_in(root)
    for part in place:
        of_kind = [model for model in models if _kind(model) == part]
        fields = [model.model_fields[part] for model in models if part in model.model_fields]
        if of_kind:
            models = of_kind
        elif fields:
            models = [model for field in fields for model in _models_in(field.annotation)]
    return {key for model in models for key in model.model_fields}
