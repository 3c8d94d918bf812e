"""The benchmark on ImageNet and ObjectNet: planned as a whole, and its tables out of a tiny tree."""

from __future__ import annotations

import resource
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest
from benchmark import BENCHMARK, TINY, check_tables, fewer
from layouts import LAYOUTS
from project import REPOSITORY, Project, job_counts

from benchmarks.questions.dag import plain_project
from clusterprobe.config import cells, paths
from clusterprobe.config.catalogue import read_yaml
from clusterprobe.config.dataset_identity import indexing_definition
from clusterprobe.config.loading import load_config
from clusterprobe.config.plan import make_plan
from clusterprobe.config.planned import Features, Plan, PlannedDataset, Run
from clusterprobe.evaluate.collection import collect
from clusterprobe.evaluate.runs import evaluate_run
from clusterprobe.features.pca import fit_pca, save_pca
from clusterprobe.images.manifest import Manifest
from clusterprobe.images.sources import index_dataset, open_source, write_split
from clusterprobe.report.figures import draw_figure, save_figure
from clusterprobe.report.table_builders import build_table
from clusterprobe.report.table_formats import save_table
from clusterprobe.runs.assignments import assignments_table
from clusterprobe.runs.kmeans import fit_cell, model_arrays
from clusterprobe.store.arrays import save_arrays
from clusterprobe.store.features import FeatureMatrix, write_shard
from clusterprobe.store.tables import results_table, write_table

SETS = [name for name in LAYOUTS if "OBJECTNET" in name or name.startswith("CLUSTERPROBE_IMAGENET")]


@pytest.fixture(scope="module")
def places(tmp_path_factory: pytest.TempPathFactory) -> dict[str, str]:
    """ImageNet, ObjectNet and the others in small, by the variable that says where they are."""
    root = tmp_path_factory.mktemp("data")
    for variable in SETS:
        LAYOUTS[variable](root / variable)
    return {variable: str(root / variable) for variable in SETS}


def dry_run(project: Project, *arguments: str, **environment: str) -> tuple[dict[str, int], float]:
    """Return the jobs of each rule, and the seconds of a processor that looking took."""
    before = resource.getrusage(resource.RUSAGE_CHILDREN)
    done = project.run("--dry-run", "--quiet", "rules", *arguments, **environment)
    after = resource.getrusage(resource.RUSAGE_CHILDREN)
    return job_counts(done.text), after.ru_utime + after.ru_stime - before.ru_utime - before.ru_stime


def test_the_whole_benchmark_is_planned_at_once_and_nothing_is_downloaded(
    places: dict[str, str], tmp_path: Path
) -> None:
    """What that means on this machine now is said by a Snakefile of as many jobs with nothing in them."""
    project = Project.create(tmp_path / "project")
    counts, seconds = dry_run(project, "--configfile", "config/imagenet.yaml", **places)
    _, plain = dry_run(Project(plain_project(tmp_path / "plain", counts["total"])))
    assert seconds < 3 * plain
    encoders = read_yaml(project.folder / "config/imagenet.yaml")["encoders"]
    assert len(encoders) > 50
    assert counts["fetch_checkpoint"] == counts["convert_checkpoint"] == counts["fit_pca"] == len(encoders)
    assert not project.found("data/**/*")


@pytest.mark.parametrize("name", ["imagenet", "objectnet"])
def test_a_tiny_tree_fills_every_table_and_figure(
    name: str, places: dict[str, str], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """From folders to tables in one process: thumbnails stand for features of networks, all else is real."""
    for variable, place in places.items():
        monkeypatch.setenv(variable, place)
    monkeypatch.chdir(tmp_path)
    plan = tiny_plan(name)
    thumbnails = {
        (dataset.id, split): indexed(dataset, split)
        for dataset in plan.datasets.values()
        for split in dataset.splits
    }
    for number, features in enumerate(plan.features.values()):
        extract(plan, features, thumbnails, number)
    parts = [results_table(clustered(run)) for run in plan.runs.values()]
    results = collect(parts, name, cells.readable_names(plan)).to_pandas()
    draw_and_tabulate(plan, results)
    check_tables(tmp_path / "tables", name)


def tiny_plan(name: str) -> Plan:
    """An experiment with four of its encoders, on parts of the sets."""
    values = read_yaml(REPOSITORY / "config" / f"{name}.yaml")
    values |= {"datasets": TINY[name], "encoders": dict.fromkeys(BENCHMARK), "seeds": 2}
    for group in values["clusterings"]:
        group |= fewer(group)
    return make_plan(load_config(values, REPOSITORY / "config"))


def indexed(dataset: PlannedDataset, split: str) -> tuple[Manifest, np.ndarray[Any, Any]]:
    """Index one split; return its manifest and its images as thumbnails, float32 [N, 48]."""
    found = index_dataset(indexing_definition(dataset.definition), dataset.name, [split])
    write_split(Path(paths.manifest(dataset, split)).parent, found, split)
    manifest, source = found.manifests[split], open_source(found.source, split)
    pictures = (
        source.read_verified(location, sha256).resize((4, 4))
        for location, sha256 in zip(manifest.locations, manifest.sha256, strict=True)
    )
    return manifest, np.stack([np.asarray(each, dtype=np.float32).ravel() / 255 for each in pictures])


def extract(plan: Plan, features: Features, thumbnails: Any, seed: int) -> None:
    """Write the features of an encoder, each another random projection, and their components."""
    projection = np.random.default_rng(seed).normal(size=(48, 12)).astype(np.float32)
    for dataset in plan.datasets.values():
        for split in dataset.splits:
            manifest, rows = thumbnails[dataset.id, split]
            [shard] = paths.shards(features, dataset, split)
            whole = {"first_row": 0, "total_rows": len(rows)}
            write_shard(Path(shard), rows @ projection, space=features.id, content=manifest.content, **whole)
    for name in plan.config.fit:
        fitted = plan.dataset(name)
        rows = FeatureMatrix.open([Path(shard) for shard in paths.shards(features, fitted, "train")])
        save_pca(Path(paths.basis(features, fitted)), fit_pca(rows))


def clustered(run: Run) -> list[dict[str, Any]]:
    """Fit, assign and score one run."""
    models, parts = {}, []
    for model, assigned in fit_cell(cells.fitting_cell(run), "code"):
        models[assigned[0].encoder_seed, assigned[0].seed] = model
        parts += assigned
    write_table(Path(paths.assignments(run)), assignments_table(parts))
    save_arrays(Path(paths.model(run)), model_arrays(models))
    return evaluate_run(cells.evaluation_cell(run), Path(paths.model(run)), Path(paths.assignments(run)))


def draw_and_tabulate(plan: Plan, results: pd.DataFrame) -> None:
    """Make the tables and figures of the benchmark that an experiment asks for."""
    names = {each.name: each.definition.published_as for each in plan.datasets.values()}
    known = {ours: theirs for ours, theirs in names.items() if theirs}
    facts = cells.encoder_facts(plan)
    classes = {"imagenet": 40, "objectnet": 12}
    for table in plan.config.report.tables or []:
        if table.startswith("kmeans-") and table != "kmeans-table-1":
            made = build_table(table, results, classes, published_as=known, encoders=facts)
            save_table(made, *(Path("tables", f"{table}.{suffix}") for suffix in ("tex", "html", "csv")))
    results.attrs |= {"encoders": facts, "published_as": known}
    for figure in plan.config.report.figures or []:
        if figure.startswith("kmeans-"):
            save_figure(draw_figure(figure, results), Path(f"{figure}.pdf"), Path(f"{figure}.png"))
            assert Path(f"{figure}.png").stat().st_size > 10_000
