"""Which deviations of the reference code a group of runs has on an encoder, and what it takes instead."""

from __future__ import annotations

from typing import NamedTuple

from clusterprobe.config.deviations import DEVIATIONS, LOADED, SUBSTITUTES, Deviation, Loader
from clusterprobe.config.encoders import Encoder, FileEncoder
from clusterprobe.config.errors import UserError, nearest
from clusterprobe.config.model import Clusterings, Config

_OF_TENSORFLOW = ("tensorflow", "saved-model")


class Taken(NamedTuple):
    """What a group takes for an encoder: the encoder itself or another one, its output, the deviations."""

    encoder: str
    output: str | None
    deviations: tuple[Deviation, ...]


def taken(config: Config, group: Clusterings, name: str) -> Taken:
    """Return what a group of runs takes for the encoder `name`: of the protocol `clean`, itself.

    Raises UserError for a deviation that needs an entry of the encoder, where there is none, and for the name
    of an encoder that the configuration does not have.
    """
    definition = config.encoders[name]
    assert definition is not None, "load_config fills empty entries"
    deviations = _deviations(group, name, definition)
    published, encoder, output = definition.published, name, None
    if "other-weights" in deviations:
        encoder = _known(config, f"{name}.published.other_weights", published.other_weights)
    if "other-output" in deviations:
        output = published.other_output
        if output != "pooled" and ":" not in (output or ""):
            encoder, output = _known(config, f"{name}.published.other_output", output), None
    return Taken(encoder, output, deviations)


def _deviations(group: Clusterings, name: str, definition: Encoder) -> tuple[Deviation, ...]:
    """Return the deviations of a group in the order of `DEVIATIONS`."""
    if group.protocol == "clean":
        return ()
    wanted = set(DEVIATIONS if group.deviations is None else group.deviations)
    named = {"other-output": definition.published.other_output}
    named |= {"other-weights": definition.published.other_weights}
    for each in SUBSTITUTES:
        if each in wanted and named[each] is None:
            if group.deviations is not None:
                key = f"encoders.{name}.published.{each.replace('-', '_')}"
                raise UserError(
                    f"{key}: the deviation {each!r} is asked for: say what the reference code took"
                )
            wanted.discard(each)
    if group.deviations is None:
        others = (each for loader, each in LOADED.items() if loader != _loader(definition))
        wanted.difference_update(*others)
    return tuple(each for each in DEVIATIONS if each in wanted)


def _loader(definition: Encoder) -> Loader:
    if definition.published.loader is not None:
        return definition.published.loader
    foreign = isinstance(definition, FileEncoder) and definition.layout in _OF_TENSORFLOW
    return "tensorflow" if foreign else "torch"


def _known(config: Config, key: str, name: str | None) -> str:
    if name not in config.encoders:
        raise UserError(f"encoders.{key}: {name!r} is not defined; {nearest(str(name), config.encoders)}")
    return name
