from __future__ import annotations

import importlib
import subprocess
import sys
from pathlib import Path

import pytest

from clusterprobe.config.errors import UserError
from clusterprobe.objectives.loading import load_objective, objective_module, objective_names


def test_every_module_of_the_folder_is_an_objective_with_a_make_function():
    folder = Path(importlib.import_module("clusterprobe.objectives.loading").__file__).parent
    files = {path.stem for path in folder.glob("*.py")} - {"__init__", "loading"}
    assert {objective_module(name).rpartition(".")[2] for name in objective_names()} == files
    assert "simclr" in objective_names()


def test_an_unknown_name_is_a_user_error_that_names_the_nearest():
    with pytest.raises(UserError, match="did you mean 'simclr'"):
        load_objective("simclrr")
    with pytest.raises(UserError):
        load_objective("loading")


@pytest.fixture(scope="module")
def imported() -> list[set[str]]:
    """Modules that are there after importing the loop, and after loading one objective on top."""
    code = (
        "import sys, clusterprobe.train.job; print(*sys.modules);"
        "from clusterprobe.objectives.loading import load_objective; load_objective('simclr');"
        "print(*sys.modules)"
    )
    result = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    return [set(line.split()) for line in result.stdout.splitlines()]


def test_the_loop_imports_no_objective(imported):
    assert not [name for name in imported[0] if name.startswith("clusterprobe.objectives")]


def test_only_the_objective_that_is_asked_for_is_imported(imported):
    ours = {name for name in imported[1] if name.startswith("clusterprobe.objectives.")}
    ours -= {name for name in ours if name.startswith("clusterprobe.objectives.kernels")}  # shared parts
    assert ours == {"clusterprobe.objectives.loading", "clusterprobe.objectives.simclr"}


def test_training_needs_no_table_reader_and_no_model_library(imported):
    assert not {"pandas", "pyarrow", "sklearn", "torchvision", "timm"} & imported[1]
