"""What Snakemake costs: a dry run over about 2,500 jobs, and jobs that have next to nothing to do.

Counted are seconds of the processors, those of the tiny jobs over the two cores that they share: others who
use the machine disturb these less than the clock. A dry run works on one core. How much of it is Snakemake's
own shows a dry run of as many jobs of a plain Snakefile.
"""

from __future__ import annotations

import os
import re
import resource
import subprocess
import sys
import tempfile
from pathlib import Path
from typing import Any, NamedTuple

import yaml

from benchmarks.harness import HERE, THREADS, Outcome, Question, Size, timed

QUESTION = Question(
    "dag",
    "dry run of the published matrix, 2,406 jobs, within 5 s; 100 tiny jobs at 0.6 s each",
    "the worse of both limits over ours",
    1,
    quick="dry run of the published matrix, 2,406 jobs, within 5 s; 20 tiny jobs at 0.6 s each",
)
_DRY_RUN, _PER_JOB = 5.0, 0.6
_WORKFLOW = ("Snakefile", "workflow", "profiles")
_PLAIN = """
rule all:
    input: expand("results/{run}.parquet", run=range(RUNS))

rule extract:
    output: "features/{shard}.npy"
    script: "nothing.py"

rule fit:
    input: expand("features/{shard}.npy", shard=range(18))
    output: "runs/{run}/model.npz", "runs/{run}/assignments.parquet"
    script: "nothing.py"

rule evaluate:
    input: "runs/{run}/model.npz", "runs/{run}/assignments.parquet"
    output: "results/{run}.parquet"
    script: "nothing.py"
"""
_ENCODERS = 11
_DIMS = (16, 32, 64, 128, 256, 512, 1024)
_FACTORS = (1.25, 1.5, 1.75, 2.0, 2.5, 3.0, 4.0, 5.0)


def measure(size: Size) -> Outcome:
    runs = size.choose(10, 50)
    with tempfile.TemporaryDirectory(prefix="clusterprobe-dag-") as folder:
        large = _project(Path(folder) / "large", published_matrix(Path(folder)))
        looks = [_snakemake(large, "--dry-run") for _ in range(size.choose(1, 3))]
        plain = plain_project(Path(folder) / "plain", _count(looks[0].said))
        alone = [_snakemake(plain, "--dry-run") for _ in looks]
        small = _project(Path(folder) / "small", tiny_runs(runs))
        for rule in ("extract_features", "fit_pca"):
            _snakemake(small, "--until", rule)
        pending = _count(_snakemake(small, "--dry-run", "--until", "evaluate_clustering").said)
        spent = _snakemake(small, "--until", "evaluate_clustering")
    look, per_job = min(look.processor for look in looks), spent.processor / THREADS / pending
    return Outcome(
        min(_DRY_RUN / look, _PER_JOB / per_job),
        {
            "jobs of the matrix": _count(looks[0].said),
            "dry run, seconds of a processor": look,
            "dry run, seconds by the clock": min(look.clock for look in looks),
            "as many jobs of a plain Snakefile, seconds of a processor": min(run.processor for run in alone),
            "tiny jobs": pending,
            "seconds of both processors per tiny job, start of Snakemake included": per_job,
            "seconds by the clock per tiny job": spent.clock / pending,
        },
    )


def published_matrix(folder: Path) -> dict[str, Any]:
    """Return the experiments of arXiv 2008.10312: 11 encoders on ImageNet with transfer to ObjectNet, every
    number of components and of clusters, and clusters of ObjectNet itself; as many shards as in
    config/datasets.yaml."""
    preprocessing = {"size": 224, "mean": [0.485, 0.456, 0.406], "std": [0.229, 0.224, 0.225]}
    encoder = {
        "kind": "file",
        "architecture": {"name": "torchvision:resnet50"},
        "preprocessing": preprocessing,
    }
    (folder / "images").mkdir()
    location = {"kind": "folder", "path": str(folder / "images")}
    return {
        "name": "matrix",
        "datasets": {
            "imagenet": location | {"shards": 8},
            "objectnet": location | {"shards": 1},
        },
        "fit": ["imagenet", "objectnet"],
        "transfer": {"imagenet": [{"dataset": "objectnet", "label_map": "digits_to_shifted"}]},
        "encoders": {
            f"network-{number}": encoder | {"url": f"https://example.org/network-{number}.pth"}
            for number in range(_ENCODERS)
        },
        "seeds": 5,
        "clusterings": [
            {"method": "kmeans", "reducers": [{}, *({"dims": dims} for dims in _DIMS)]},
            {"method": "kmeans", "variant": "k", "factors": list(_FACTORS)},
            {"method": "minibatch-kmeans", "factors": [1.0, *_FACTORS]},
            {"method": "minibatch-kmeans", "variant": "d", "reducers": [{"dims": dims} for dims in _DIMS]},
            {"method": "spherical-kmeans", "factors": [1.0, *_FACTORS]},
            {"method": "spherical-kmeans", "variant": "d", "reducers": [{"dims": dims} for dims in _DIMS]},
        ],
        "report": {"tables": ["clustering"], "figures": [], "galleries": []},
    }


def tiny_runs(count: int) -> dict[str, Any]:
    """Return clusterings of the digits, one seed and one start each."""
    return {
        "name": "tiny",
        "datasets": {"digits": {"kind": "digits"}},
        "fit": ["digits"],
        "encoders": {
            "pixels": {
                "kind": "pixels",
                "preprocessing": {"size": 8, "channels": 1, "mean": [0.3], "std": [0.38]},
            }
        },
        "seeds": 1,
        "clusterings": [{"method": "kmeans", "k": list(range(2, 2 + count)), "options": {"restarts": 1}}],
        "report": {"tables": ["clustering"], "figures": [], "galleries": []},
    }


def _project(folder: Path, experiment: dict[str, Any]) -> Path:
    """Make a folder with the workflow and one experiment."""
    (folder / "config").mkdir(parents=True)
    for name in _WORKFLOW:
        (folder / name).symlink_to(HERE.parent / name)
    (folder / "config" / "config.yaml").write_text(yaml.safe_dump(experiment), encoding="utf-8")
    return folder


def plain_project(folder: Path, jobs: int) -> Path:
    """Make a folder with a Snakefile of about as many jobs: no parameters, resources, logs or functions."""
    folder.mkdir()
    (folder / "nothing.py").touch()
    (folder / "Snakefile").write_text(f"RUNS = {jobs // 2}\n{_PLAIN}", encoding="utf-8")
    return folder


class _Run(NamedTuple):
    """What Snakemake said, and the seconds that it and its jobs took of processors and by the clock."""

    said: str
    processor: float
    clock: float


def _snakemake(folder: Path, *arguments: str) -> _Run:
    command = [sys.executable, "-m", "snakemake", "--cores", str(THREADS), *arguments]
    before = _processor_seconds()
    clock, done = timed(
        lambda: subprocess.run(command, cwd=folder, env=dict(os.environ), text=True, capture_output=True)
    )
    if done.returncode:
        raise RuntimeError(f"{' '.join(command)} failed:\n{done.stdout[-3000:]}\n{done.stderr[-3000:]}")
    return _Run(done.stdout + done.stderr, _processor_seconds() - before, clock)


def _processor_seconds() -> float:
    used = resource.getrusage(resource.RUSAGE_CHILDREN)
    return used.ru_utime + used.ru_stime


def _count(said: str) -> int:
    """Return the number of jobs that Snakemake announces."""
    return int(re.findall(r"^total\s+(\d+)$", said, flags=re.MULTILINE)[-1])
