"""From YAML to a checked configuration; every mistake becomes one readable message."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import Any

from pydantic import ValidationError

from clusterprobe.config.catalogue import Catalogue
from clusterprobe.config.catalogue import read_yaml as read_yaml
from clusterprobe.config.datasets import Dataset
from clusterprobe.config.encoders import Encoder
from clusterprobe.config.errors import UserError, nearest
from clusterprobe.config.mistakes import explain
from clusterprobe.config.model import HEAD_METHODS, Clusterings, Config, Reducer


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
    _check_names(config)
    return config


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
