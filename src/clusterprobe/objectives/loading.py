"""Objectives by name: each is one module of this folder, imported only when it is asked for."""

from __future__ import annotations

import importlib
from pathlib import Path

from clusterprobe.config.errors import UserError, nearest
from clusterprobe.train.objective import ObjectiveFactory

_NOT_OBJECTIVES = {"__init__", "loading"}


def objective_names() -> list[str]:
    """Return the names of all objectives: the modules of this folder, with hyphens."""
    modules = {path.stem for path in Path(__file__).parent.glob("*.py")} - _NOT_OBJECTIVES
    return sorted(module.replace("_", "-") for module in modules)


def objective_module(name: str) -> str:
    """Return the full name of the module that holds objective `name`, without importing it.

    Raises:
        UserError: there is no such objective.
    """
    if name not in objective_names():
        raise UserError(f"there is no objective {name!r}; {nearest(name, objective_names())}")
    return f"clusterprobe.objectives.{name.replace('-', '_')}"


def load_objective(name: str) -> ObjectiveFactory:
    """Import one objective and return its `make(networks, options, setting)`.

    Raises:
        UserError: there is no such objective.
    """
    make: ObjectiveFactory = importlib.import_module(objective_module(name)).make
    return make
