"""Plain mappings -> typed options, with an error that a person can act on."""

from __future__ import annotations

import dataclasses
from collections.abc import Mapping
from typing import Any, TypeVar

from clusterprobe.config.errors import UserError, nearest

Options = TypeVar("Options")


def read_options(kind: type[Options], values: Mapping[str, Any], where: str) -> Options:
    """Build the dataclass `kind` from a mapping of its fields.

    Args:
        kind: a dataclass; its __post_init__ may raise ValueError for values out of range.
        values: field -> value; fields with a default may be left out.
        where: what the mapping describes, for the message.

    Raises:
        UserError: a key is unknown, a field is missing, or a value is out of range.
    """
    fields = {field.name: field for field in dataclasses.fields(kind)}  # type: ignore[arg-type]
    for key in values.keys() - fields.keys():
        hint = nearest(key, fields) if fields else "it takes no options"
        raise UserError(f"{where}: unknown key {key!r}; {hint}")
    try:
        return kind(**values)
    except (TypeError, ValueError) as error:
        raise UserError(f"{where}: {error}") from error
