"""From mistakes that pydantic found to messages that name key, value and the nearest valid choice."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, get_args

from pydantic import BaseModel, ValidationError

from clusterprobe.config.datasets import Dataset
from clusterprobe.config.encoders import Encoder
from clusterprobe.config.errors import nearest


def explain(error: ValidationError, root: Any) -> str:
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
