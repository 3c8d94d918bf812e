"""From YAML to a checked configuration; every mistake becomes one readable message."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import Any

from pydantic import ValidationError

from clusterprobe.config.catalogue import Catalogue
from clusterprobe.config.catalogue import read_yaml as read_yaml
from clusterprobe.config.datasets import Dataset
from clusterprobe.config.encoders import Encoder, Named, TrainedEncoder
from clusterprobe.config.errors import UserError, nearest
from clusterprobe.config.known_names import captioned, label_maps, objectives
from clusterprobe.config.mistakes import explain
from clusterprobe.config.model import HEAD_METHODS, Clusterings, Config, Reducer

_LEARN_FOUND_LABELS = {"relabelled"}  # objectives that take labels from `start`, and not its network


def load_config(values: Mapping[str, Any], catalogues: Path) -> Config:
    """Check the values of a configuration, with what it takes from the catalogues beside it.

    Raises UserError that names key, value and the nearest valid choice.
    """
    filled = dict(values)
    for section, kinds in (("datasets", Dataset), ("encoders", Encoder)):
        catalogue = Catalogue(catalogues / f"{section}.yaml", section, kinds)
        filled[section] = catalogue.fill(values.get(section))
    try:
        config = Config.model_validate({key: value for key, value in filled.items() if value is not None})
    except ValidationError as error:
        raise UserError(explain(error, Config)) from error
    _check_shipped(config, catalogues.parent)
    _check_names(config)
    _check_splits(config)
    return config


def _check_shipped(config: Config, home: Path) -> None:
    """Refuse names of what comes along and is not there; `home` holds the workflow."""
    for name, sets in config.transfer.items():
        for entry in sets:
            key = f"transfer.{name}.{entry.dataset}.label_map"
            _check_label_map(key, entry.label_map, {"same-names", "provided", *label_maps()})
    for name, dataset in config.datasets.items():
        if dataset is not None and dataset.kind == "shifted":
            _check_label_map(f"datasets.{name}.label_map", dataset.label_map, label_maps())
    for name, encoder in config.encoders.items():
        if encoder is not None and encoder.kind == "trained":
            key, base = f"encoders.{name}.objective", encoder.objective.options.get("base")
            _known(f"{key}.name", [encoder.objective.name], objectives())
            if isinstance(base, Mapping) and "name" in base:
                _known(f"{key}.options.base.name", [str(base["name"])], objectives())
    _known("report.tables", config.report.tables or [], captioned("table", home))
    _known("report.figures", config.report.figures or [], captioned("figure", home))


def _check_label_map(key: str, label_map: str, choices: Iterable[str]) -> None:
    """Refuse an unknown name; what ends in .csv is a file."""
    _known(key, [] if label_map.endswith(".csv") else [label_map], choices)


def _check_names(config: Config) -> None:
    _known("fit", config.fit, config.datasets)
    _known("transfer", config.transfer, config.fit)
    for name, sets in config.transfer.items():
        _known(f"transfer.{name}", [entry.dataset for entry in sets], config.datasets)
    for number, group in enumerate(config.clusterings):
        _known(f"clusterings.{number}.encoders", group.encoders or [], config.encoders)
        _known(f"clusterings.{number}.datasets", group.datasets or [], config.fit)
    for number, probe in enumerate(config.probes):
        _known(f"probes.{number}.encoders", probe.encoders or [], config.encoders)
        _known(f"probes.{number}.datasets", probe.datasets or [], config.datasets)
    if config.criteria and config.criteria.methods:
        _known("criteria.methods", config.criteria.methods, {group.method for group in config.clusterings})
    for name, dataset in config.datasets.items():
        if dataset is not None and dataset.kind == "shifted":
            _known(f"datasets.{name}.source", [dataset.source], config.datasets)
    for name, encoder in config.encoders.items():
        if encoder is not None and encoder.kind == "trained" and encoder.trained_on:
            _known(f"encoders.{name}.trained_on", [encoder.trained_on], config.datasets)
        if encoder is not None and encoder.kind == "trained" and encoder.start:
            _known(f"encoders.{name}.start", [encoder.start], config.encoders)
            _check_chain(name, config)
            _check_architecture(name, encoder, config.encoders[encoder.start])
    for number, group in enumerate(config.clusterings):
        _check_heads(f"clusterings.{number}", group, config)
    _known("report.galleries", config.report.galleries or [], config.encoders)


def _check_splits(config: Config) -> None:
    """Refuse data sets without a train split where something is learnt on it, and shifts of no split."""
    learnt_on = [("fit", name) for name in config.fit]
    for number, probe in enumerate(config.probes):
        learnt_on += [(f"probes.{number}.datasets", name) for name in probe.datasets or []]
    for name, encoder in config.encoders.items():
        if encoder is not None and encoder.kind == "trained" and encoder.trained_on:
            learnt_on.append((f"encoders.{name}.trained_on", encoder.trained_on))
    splits = {name: dataset.split_names for name, dataset in config.datasets.items() if dataset is not None}
    for key, name in learnt_on:
        if "train" not in splits[name]:
            raise UserError(f"{key}: {name} has no train split, only {', '.join(splits[name])}")
    for name, dataset in config.datasets.items():
        if dataset is not None and dataset.kind == "shifted":
            _known(f"datasets.{name}.split", [dataset.split], splits[dataset.source])


def _check_chain(name: str, config: Config) -> None:
    """Refuse an encoder that goes on from itself, through whatever others."""
    seen = [name]
    while (start := getattr(config.encoders[seen[-1]], "start", None)) is not None:
        if start in seen:
            raise UserError(f"encoders.{name}.start: goes round in a circle: {' -> '.join([*seen, start])}")
        seen.append(start)


def _check_architecture(name: str, encoder: TrainedEncoder, start: Encoder | None) -> None:
    """Refuse an encoder that goes on with weights of another network; options alone may change no shape."""
    before = getattr(start, "architecture", None)
    if before in (None, encoder.architecture) or encoder.objective.name in _LEARN_FOUND_LABELS:
        return
    raise UserError(
        f"encoders.{name}.architecture: {_spelt(encoder.architecture)}, but it goes on from "
        f"{encoder.start!r}, which is {_spelt(before)}: give it the same"
    )


def _spelt(architecture: Named) -> str:
    return f"{architecture.name} {architecture.options or ''}".strip()


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
