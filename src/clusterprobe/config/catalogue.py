"""Catalogues of data sets and encoders: files of definitions that an experiment takes by name."""

from __future__ import annotations

import os
import re
from collections.abc import Mapping
from functools import cached_property
from pathlib import Path
from typing import Any

import yaml
from pydantic import TypeAdapter, ValidationError

from clusterprobe.config.dataset_identity import NOT_IDENTITY
from clusterprobe.config.errors import UserError, nearest
from clusterprobe.config.mistakes import explain

Definition = dict[str, Any]

# The C loader is ten times as fast; it is not there in every build of PyYAML.
_LOADER: Any = getattr(yaml, "CSafeLoader", yaml.SafeLoader)
_PLACES = {"path", "splits", "root"}
_VARIABLE = re.compile(r"\$\{?(\w+)\}?")


class Catalogue:
    """The entries of one file, config/{section}.yaml, read when the first one is asked for.

    An entry is a definition; or `from: NAME` and the keys that differ from the entry of that name; or a list
    of such: several layouts of one thing, of which the first whose files are there counts. `$VARIABLES` come
    from the environment. `kinds` is the type of a definition.
    """

    def __init__(self, path: Path, section: str, kinds: Any) -> None:
        self.path, self.section, self._kinds = path, section, kinds

    def fill(self, entries: Any) -> Any:
        """Return the entries of an experiment: empty ones from the catalogue, partial ones completed by it.

        A partial entry has no `kind`, or says `from: NAME`; its keys replace those of the catalogue's entry
        of that name, or of its own. Raises UserError for what is not in the catalogue, a variable that is not
        set, and a definition with a mistake.
        """
        if not isinstance(entries, Mapping):
            return entries
        return {name: self._filled(str(name), entry) for name, entry in entries.items()}

    def _filled(self, name: str, entry: Any) -> Any:
        if entry is None:
            return self._take(name, name, {})
        if isinstance(entry, Mapping) and "from" in entry:
            return self._take(name, entry["from"], {key: entry[key] for key in entry if key != "from"})
        if isinstance(entry, Mapping) and "kind" not in entry and name in self._known:
            return self._take(name, name, dict(entry))
        return entry

    def _take(self, name: str, base: Any, changes: Definition) -> Any:
        """Return the checked definition of the entry `base` with some keys replaced, for the entry `name`."""
        key = f"{self.section}.{name}"
        found = self._layouts(base, key, ())
        fitting = [layout for layout in found if _fits(layout, changes)] or found
        layouts = (self._expanded(layout, base, changes, key) for layout in fitting)
        first = next(layouts)
        chosen = first if len(fitting) == 1 or _is_there(first) else next(filter(_is_there, layouts), first)
        if chosen.get("kind") == "unavailable":
            raise UserError(f"{key}: there is no file of it to use: {chosen.get('reason')}")
        try:
            return TypeAdapter(self._kinds).validate_python(chosen)
        except ValidationError as error:
            mistakes = explain(error, self._kinds)
            raise UserError(f"{key}, from {self.path}, entry {base}: {mistakes}") from error

    def _layouts(self, base: Any, key: str, above: tuple[str, ...]) -> list[Definition]:
        """Return the layouts of an entry as they stand, each with the keys that it takes from another one."""
        if not isinstance(base, str) or base not in self._known:
            where = key if key.endswith(f".{base}") else f"{key}, from {base!r}"
            raise UserError(f"{where}: not in {self.path.name}; {nearest(str(base), self._known)}")
        if base in above:
            raise UserError(f"{self.path}: `from` goes round in a circle: {' -> '.join([*above, base])}")
        found = []
        entries = self._known[base]
        for entry in entries if isinstance(entries, list) else [entries]:
            if not isinstance(entry, Mapping):
                raise UserError(f"{self.path}, entry {base}: must hold a mapping of keys to values")
            own = {word: value for word, value in entry.items() if word != "from"}
            if "from" in entry:
                inherited = self._layouts(entry["from"], key, (*above, base))
                found += [_changed(layout, own) for layout in inherited]
            else:
                found.append(own)
        return found

    def _expanded(self, layout: Definition, base: str, changes: Definition, key: str) -> Definition:
        """Return a layout with the changes of an experiment; only what is left of it needs its variables."""
        name = key.removeprefix(f"{self.section}.")
        source = "" if name == base else f"from: {base}, "
        kept = {}
        for word in (word for word in layout if word not in changes):
            advice = f"`{self.section}: {{{name}: {{{source}{word}: ...}}}}`"
            kept[word] = _expand(layout[word], f"{key}.{word}", advice)
        return _changed(kept, changes)

    @cached_property
    def _known(self) -> Definition:
        return read_yaml(self.path) if self.path.exists() else {}


def read_yaml(path: Path) -> Definition:
    """Read a YAML mapping; raises UserError that names file and place of a mistake."""
    try:
        values = yaml.load(Path(path).read_text(encoding="utf-8"), Loader=_LOADER)
    except yaml.YAMLError as error:
        raise UserError(f"{path} is not valid YAML: {error}") from error
    except FileNotFoundError as error:
        raise UserError(f"{path} does not exist") from error
    if not isinstance(values, dict):
        raise UserError(f"{path} must hold a mapping of keys to values")
    return values


def _fits(layout: Definition, changes: Definition) -> bool:
    """Whether a layout is of the kind that is asked for, and has the places that are replaced."""
    places = {word for word in _PLACES if layout.get(word) is not None}
    asked = changes.get("kind", layout.get("kind"))
    return asked == layout.get("kind") and changes.keys() & _PLACES <= places


def _changed(layout: Definition, changes: Definition) -> Definition:
    """Return a definition with some keys replaced; what makes another set of it is not the published one."""
    another = changes.keys() - NOT_IDENTITY | changes.keys() & {"expected"}
    return {word: layout[word] for word in layout if not (another and word == "published_as")} | changes


def _expand(value: Any, key: str, advice: str) -> Any:
    """Expand $VARIABLES in the texts of a value; raises UserError for one that is not set or empty."""
    if isinstance(value, dict):
        return {word: _expand(entry, f"{key}.{word}", advice) for word, entry in value.items()}
    if isinstance(value, list):
        return [_expand(entry, key, advice) for entry in value]
    if not isinstance(value, str):
        return value
    for name in _VARIABLE.findall(value):
        if not os.environ.get(name):
            raise UserError(
                f"{key}: {value}: set this environment variable ({name}), or say in the configuration where "
                f"it is: {advice}"
            )
    return _VARIABLE.sub(lambda match: os.environ[match[1]], value)


def _is_there(definition: Definition) -> bool:
    """Whether the files of a data set are where its definition says, or can be downloaded."""
    if definition.get("kind") == "torchvision":
        return bool(definition.get("download")) or Path(str(definition.get("root"))).expanduser().exists()
    places = definition.get("splits") or {"all": definition.get("path") or definition.get("root", "")}
    return all(Path(str(place)).expanduser().exists() for place in dict(places).values())
