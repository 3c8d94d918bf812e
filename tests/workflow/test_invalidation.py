"""What starts again after a change, and what does not: by the job counts of a dry run on a finished run."""

from __future__ import annotations

import ast
import os
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pandas as pd
import pytest
from project import EXPERIMENT, SIMCLR, Project, experiment

COLLECTED = {"collect_results": 1, "make_table": 2, "draw_figure": 7, "write_overview": 1}
REPORTED = COLLECTED | {"build_gallery": 1, "draw_prototypes": 1}
CLUSTERED = {"fit_kmeans": 4, "evaluate_clustering": 4} | REPORTED
SIMCLR_CHAIN = {
    "train_encoder": 2,
    "extract_features": 8,
    "fit_pca": 2,
    "mine_neighbours": 1,
    "evaluate_neighbours": 1,
    "fit_kmeans": 3,
    "evaluate_clustering": 3,
} | REPORTED


def python_files(project: Project) -> list[Path]:
    return [
        *sorted((project.folder / "src").rglob("*.py")),
        *sorted(project.folder.glob("workflow/scripts/*.py")),
    ]


def rule_files(project: Project) -> list[Path]:
    return [project.folder / "Snakefile", *sorted(project.folder.glob("workflow/rules/*.smk"))]


def with_other_docstrings(text: str) -> str:
    """Return the source with another first line in every docstring, and comments at both ends."""
    tree = ast.parse(text)
    lines = text.splitlines()
    for node in ast.walk(tree):
        if isinstance(node, ast.Module | ast.ClassDef | ast.FunctionDef | ast.AsyncFunctionDef):
            first = node.body[0] if node.body else None
            if isinstance(first, ast.Expr) and isinstance(first.value, ast.Constant):
                row = first.value.lineno - 1
                lines[row] = lines[row].replace('"""', '"""Another beginning. ', 1)
    return "\n".join(["# a comment", "", *lines, "", "# the end", ""])


def test_touching_every_source_file_starts_nothing(copied: Project) -> None:
    for folder in ("src", "workflow", "config", "profiles"):
        for path in (copied.folder / folder).rglob("*"):
            os.utime(path)
    os.utime(copied.folder / "Snakefile")
    assert copied.jobs() == {}


def test_comments_and_docstrings_start_nothing(copied: Project) -> None:
    for path in python_files(copied):
        changed = with_other_docstrings(path.read_text(encoding="utf-8"))
        ast.parse(changed)
        path.write_text(changed, encoding="utf-8")
    for path in rule_files(copied):
        text = path.read_text(encoding="utf-8")
        changed = "# a comment\n" + text.replace('    """', '    """Another beginning. ')
        path.write_text(changed, encoding="utf-8")
    assert copied.jobs() == {}


def append(text: str) -> Callable[[str], str]:
    return lambda source: source + text


def replace(old: str, new: str) -> Callable[[str], str]:
    return lambda source: source.replace(old, new)


UNUSED = append("\n\ndef unused() -> int:\n    return 1\n")


@pytest.mark.parametrize(
    "change",
    [UNUSED, append("\n\n_before = fit_kmeans\n\n\ndef fit_kmeans(*a, **b):\n    return _before(*a, **b)\n")],
    ids=["unused function", "other behaviour"],
)
def test_kmeans_code_starts_the_fits_and_what_hangs_on_them(
    copied: Project, change: Callable[[str], str]
) -> None:
    copied.edit("src/clusterprobe/cluster/kmeans.py", change)
    assert copied.jobs() == CLUSTERED


@pytest.mark.parametrize(
    ("path", "expected"),
    [
        ("src/clusterprobe/objectives/simclr.py", SIMCLR_CHAIN),
        pytest.param("src/clusterprobe/train/loop.py", SIMCLR_CHAIN, marks=pytest.mark.slow),
        pytest.param(
            "src/clusterprobe/report/figures.py",
            {"draw_figure": 7, "draw_prototypes": 1},
            marks=pytest.mark.slow,
        ),
        ("src/clusterprobe/report/overview.py", {"write_overview": 1}),
        ("src/clusterprobe/evaluate/collection.py", COLLECTED),
        ("workflow/scripts/fit_kmeans.py", CLUSTERED),
        pytest.param("workflow/scripts/make_table.py", {"make_table": 2}, marks=pytest.mark.slow),
    ],
)
def test_code_starts_its_stage_and_what_hangs_on_it(
    copied: Project, path: str, expected: dict[str, int]
) -> None:
    copied.edit(path, UNUSED)
    assert copied.jobs() == expected


@pytest.mark.parametrize(
    "path", ["src/clusterprobe/config/documentation.py", "src/clusterprobe/train/__main__.py"]
)
def test_code_that_no_job_imports_starts_nothing(copied: Project, path: str) -> None:
    copied.edit(path, UNUSED)
    assert copied.jobs() == {}


def reconfigured(project: Project, **changes: Any) -> dict[str, int]:
    project.configure(experiment(**changes))
    return project.jobs()


def test_an_encoder_starts_its_own_chain(copied: Project) -> None:
    slower = SIMCLR | {"optimiser": {"name": "adam", "learning_rate": 0.001}}
    encoders = EXPERIMENT["encoders"] | {"simclr": slower}
    assert reconfigured(copied, encoders=encoders) == SIMCLR_CHAIN


def test_one_more_encoder_leaves_the_others_alone(copied: Project) -> None:
    smooth = EXPERIMENT["encoders"]["pixels"] | {
        "preprocessing": EXPERIMENT["encoders"]["pixels"]["preprocessing"] | {"interpolation": "bicubic"}
    }
    assert (
        reconfigured(copied, encoders=EXPERIMENT["encoders"] | {"smooth": smooth})
        == {
            "build_encoder": 1,
            "extract_features": 4,
            "fit_pca": 1,
            "mine_neighbours": 1,
            "evaluate_neighbours": 1,
            "fit_kmeans": 1,
            "evaluate_clustering": 1,
        }
        | REPORTED
    )


@pytest.mark.parametrize(
    "compute",
    [
        {
            "memory_mb": 3000,
            "batch_size": 16,
            "runtime_minutes": 7,
            "threads": 2,
            "workers": 1,
            "device": "cpu",
            "resize": "device",
            "compile": True,
        }
    ],
)
def test_compute_settings_start_nothing(copied: Project, compute: dict[str, Any]) -> None:
    assert reconfigured(copied, compute=compute) == {}


def test_a_readable_name_starts_the_report_only(copied: Project) -> None:
    encoders = EXPERIMENT["encoders"] | {"simclr": SIMCLR | {"title": "SimCLR, two epochs"}}
    counts = reconfigured(copied, encoders=encoders)
    assert counts["collect_results"] == 1
    assert set(counts) <= set(REPORTED)


def test_what_people_read_of_an_encoder_starts_the_overview_only(copied: Project) -> None:
    encoders = EXPERIMENT["encoders"] | {"simclr": SIMCLR | {"seen": "labels", "licence": "MIT"}}
    assert reconfigured(copied, encoders=encoders) == {"write_overview": 1}


def test_another_experiment_shares_all_cells(copied: Project) -> None:
    """Under its own name, and with another order and another selection of the same things."""
    other = copied.configure(experiment(name="other", clusterings=EXPERIMENT["clusterings"][::-1]), "other")
    assert copied.jobs("--configfile", other) == REPORTED
    assert copied.jobs() == {}


def test_deleted_shard_comes_back_the_same_when_asked_for(copied: Project) -> None:
    shard = copied.one("data/features/simclr-*/*/train/00001-of-00002.npy")
    name = str(shard.relative_to(copied.folder))
    before = copied.hashes("data", "reports")
    shard.unlink()
    assert copied.jobs() == {}, "nothing that people read needs it"
    assert copied.jobs(name) == {"extract_features": 1}
    copied.run(name)
    assert copied.hashes("data", "reports") == before
    assert copied.jobs() == {}


def test_one_more_seed_computes_one_seed(copied: Project) -> None:
    fits = {path: path.stat().st_mtime_ns for path in copied.found("data/clusterings/fits/*/*")}
    encoders = {path: path.stat().st_mtime_ns for path in copied.found("data/encoders/*/*")}
    results = pd.read_parquet(copied.folder / "reports/tiny/results.parquet")
    assert len(fits) == 8

    assert (
        reconfigured(copied, seeds=3)
        == {
            "train_encoder": 1,
            "extract_features": 4,
            "fit_pca": 1,
        }
        | CLUSTERED
    )
    copied.run("reports/tiny/results.parquet", warm=True)

    now = {path: path.stat().st_mtime_ns for path in copied.found("data/clusterings/fits/*/*")}
    assert {path: now[path] for path in fits} == fits, "the fits of the old seeds were loaded"
    assert sorted(path.name for path in now.keys() - fits.keys()) == ["seed-2.state"] * 4
    assert {path: path.stat().st_mtime_ns for path in encoders} == encoders
    more = pd.read_parquet(copied.folder / "reports/tiny/results.parquet")
    old = more[more["seed"] != 2].reset_index(drop=True)
    place = ["encoder", "encoder_seed", "variant", "k", "split", "seed", "metric"]
    compared = [*place, "value", "n"]
    pd.testing.assert_frame_equal(
        old[compared].sort_values(place, ignore_index=True),
        results[compared].sort_values(place, ignore_index=True),
    )
    assert set(more["seed"].dropna()) == {0, 1, 2}
