"""The environments of envs/: one for everything, and a smaller one for each family of jobs."""

from __future__ import annotations

import ast
import re
import sys
from pathlib import Path

import pytest
import yaml
from packaging.requirements import Requirement

from clusterprobe.store.digests import import_closure, module_path, read_source

ROOT = Path(__file__).parents[1]
ADAPTERS = {path.stem: path for path in (ROOT / "workflow" / "scripts").glob("*.py")}
FAMILIES = {
    "networks": {
        "index_dataset",
        "render_shifted",
        "fetch_checkpoint",
        "unpack_checkpoint",
        "convert_checkpoint",
        "build_encoder",
        "train_encoder",
        "extract_features",
        "assign_clusters",
        "build_gallery",
        "draw_prototypes",
        "draw_filters",
        "draw_neighbours",
        "draw_retrieval",
        "draw_snapshots",
        "draw_clusters",
        "draw_thumbnails",
        "arrange_pictures",
        "build_picture_gallery",
    },
    "clustering": {
        "fit_pca",
        "fit_kmeans",
        "mine_neighbours",
        "evaluate_clustering",
        "evaluate_neighbours",
        "probe_features",
        "score_clusterings",
        "score_passes",
        "collect_results",
        "try_candidates",
        "evaluate_candidates",
        "choose_clusters",
    },
    "report": {"make_table", "draw_figure", "write_overview", "compile_paper"},
}
DISTRIBUTIONS = {"PIL": "pillow", "sklearn": "scikit-learn", "faiss": "faiss-cpu", "yaml": "pyyaml"}


def pinned(family: str) -> dict[str, str]:
    environment = yaml.safe_load((ROOT / "envs" / f"{family}.yaml").read_text(encoding="utf-8"))
    (pip,) = [entry["pip"] for entry in environment["dependencies"] if isinstance(entry, dict)]
    return dict(line.split("==") for line in pip)


def locked() -> dict[str, str]:
    """Versions that the lock gives to Python 3.12."""
    versions = {}
    for line in (ROOT / "envs" / "requirements.lock").read_text(encoding="utf-8").splitlines():
        if re.match(r"^[a-z0-9]", line):
            requirement = Requirement(line.rstrip(" \\"))
            environment = {"python_full_version": "3.12.0", "python_version": "3.12"}
            if requirement.marker is None or requirement.marker.evaluate(environment):
                versions[requirement.name] = str(requirement.specifier).removeprefix("==")
    return versions


def imported(adapter: str) -> set[str]:
    """Packages of others that an adapter and all that it imports ask for."""
    paths = [module_path(name) for name in import_closure(read_source(ADAPTERS[adapter]).imports)]
    names: set[str] = set()
    for path in (ADAPTERS[adapter], *paths):
        for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
            if isinstance(node, ast.Import):
                names |= {alias.name.split(".")[0] for alias in node.names}
            elif isinstance(node, ast.ImportFrom) and node.module:
                names.add(node.module.split(".")[0])
    ours = names - set(sys.stdlib_module_names) - {"clusterprobe"}
    return {DISTRIBUTIONS.get(name, name) for name in ours}


@pytest.mark.parametrize("family", FAMILIES)
def test_versions_are_those_of_the_lock(family: str) -> None:
    versions = locked()
    assert pinned(family) == {name: versions[name] for name in pinned(family)}


@pytest.mark.parametrize("family", FAMILIES)
def test_a_family_has_what_its_jobs_import(family: str) -> None:
    needed = set().union(*(imported(adapter) for adapter in FAMILIES[family]))
    assert needed <= set(pinned(family))


def test_every_adapter_has_a_family() -> None:
    assert set().union(*FAMILIES.values()) == set(ADAPTERS)


def test_clustering_needs_no_torch() -> None:
    assert not {"torch", "torchvision", "timm"} & set(pinned("clustering"))
