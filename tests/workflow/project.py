"""A copy of the workflow in a folder of its own, with a tiny experiment: tests run it and edit its code."""

from __future__ import annotations

import hashlib
import io
import os
import re
import shutil
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import yaml
from PIL import Image

REPOSITORY = Path(__file__).resolve().parents[2]
WARM = Path(__file__).with_name("warm.py")
COPIED = ("Snakefile", "workflow", "config", "profiles", "src")
CLASSES = {"blue": (60, 80, 200), "green & <b>": (70, 190, 60), "red": (210, 60, 50)}

# Files that say when, where and how long, or that hold work in progress: no two runs agree on them.
VOLATILE = re.compile(
    r"data/(logs|benchmarks|training|clusterings/fits)/"
    r"|data/manifests/[^/]+/[^/]+\.source\.json$"
    r"|reports/[^/]+/(provenance\.json|report\.html|cost\.html|overview\.html)$"
)


@dataclass(frozen=True)
class Result:
    """What one call of snakemake said."""

    code: int
    stdout: str
    stderr: str

    @property
    def text(self) -> str:
        return f"{self.stdout}\n{self.stderr}"


class Project:
    """The workflow, its code and its configuration in one folder."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.environment = {
            name: value
            for name, value in os.environ.items()
            if not name.startswith(("PYTEST_", "PYTHON", "SNAKEMAKE_", "SLURM_", "CLUSTERPROBE_"))
        } | {"PYTHONPATH": str(folder / "src")}

    @classmethod
    def create(cls, folder: Path, experiment: Mapping[str, Any] | None = None) -> Project:
        """Copy the repository's workflow to `folder` and write the experiment as its default."""
        folder.mkdir(parents=True)
        for name in COPIED:
            source = REPOSITORY / name
            if source.is_dir():
                shutil.copytree(source, folder / name, ignore=shutil.ignore_patterns("__pycache__"))
            else:
                shutil.copy2(source, folder / name)
        project = cls(folder)
        if experiment is not None:
            project.configure(experiment)
        where = "import clusterprobe; print(clusterprobe.__path__[0])"
        done = subprocess.run(
            [sys.executable, "-c", where],
            cwd=folder,
            env=project.environment,
            text=True,
            capture_output=True,
            check=True,
        )
        assert Path(done.stdout.strip()) == folder / "src" / "clusterprobe", done.stdout
        return project

    def copy(self, folder: Path) -> Project:
        """Copy everything, times of modification and Snakemake's memory included."""
        subprocess.run(["cp", "-a", str(self.folder), str(folder)], check=True)
        return Project(folder)

    def configure(self, experiment: Mapping[str, Any], name: str = "config") -> str:
        """Write one configuration; return its path relative to the project."""
        path = f"config/{name}.yaml"
        (self.folder / path).write_text(yaml.safe_dump(dict(experiment), sort_keys=False), encoding="utf-8")
        return path

    def edit(self, path: str, change: Callable[[str], str]) -> None:
        """Rewrite one file; a change that changes nothing is a mistake of the test."""
        file = self.folder / path
        before = file.read_text(encoding="utf-8")
        after = change(before)
        assert after != before, f"{path} is as it was"
        file.write_text(after, encoding="utf-8")

    def command(self, *arguments: str, warm: bool = False) -> list[str]:
        program = [str(WARM)] if warm and sys.platform == "linux" else ["-m", "snakemake"]
        return [sys.executable, *program, "--cores", "2", *arguments]

    def run(self, *arguments: str, ok: bool = True, warm: bool = False, **environment: str) -> Result:
        """Run snakemake to its end; with `ok`, a failure of it fails the test and shows what it said.

        With `warm`, jobs find their libraries loaded (warm.py): for runs of many jobs.
        """
        done = subprocess.run(
            self.command(*arguments, warm=warm),
            cwd=self.folder,
            env=self.environment | environment,
            text=True,
            capture_output=True,
        )
        result = Result(done.returncode, done.stdout, done.stderr)
        assert not ok or result.code == 0, result.text
        return result

    def killed(self, *arguments: str, **environment: str) -> None:
        """Run snakemake in a process group of its own, in which something kills everything."""
        done = subprocess.run(
            self.command(*arguments),
            cwd=self.folder,
            env=self.environment | environment,
            text=True,
            capture_output=True,
            start_new_session=True,
        )
        assert done.returncode == -signal.SIGKILL, f"{done.stdout}\n{done.stderr}"

    def jobs(self, *arguments: str) -> dict[str, int]:
        """Return how many jobs of each rule a dry run would start, the targets `all` and `total` apart."""
        counts = job_counts(self.run("--dry-run", *arguments).text)
        return {rule: count for rule, count in counts.items() if rule not in ("all", "total")}

    @contextmanager
    def running(self, *arguments: str) -> Iterator[subprocess.Popen[bytes]]:
        """Start snakemake in a process group of its own; whatever is left of it in the end is killed."""
        with (self.folder / "running.txt").open("wb") as out:
            process = subprocess.Popen(
                self.command(*arguments),
                cwd=self.folder,
                env=self.environment,
                stdout=out,
                stderr=out,
                start_new_session=True,
            )
        try:
            yield process
        finally:
            kill_group(process)

    def wait_for(
        self, there: Callable[[], object], process: subprocess.Popen[bytes], seconds: float = 120
    ) -> None:
        """Wait until something is there; fail when the run ends before, or takes too long."""
        limit = time.monotonic() + seconds
        while not there():
            said = (self.folder / "running.txt").read_text(errors="replace")
            assert process.poll() is None, f"the run ended too early:\n{said}"
            assert time.monotonic() < limit, f"nothing happened for {seconds} s:\n{said}"
            time.sleep(0.02)

    def found(self, pattern: str) -> list[Path]:
        """Return the files that match a pattern, hidden ones left out."""
        return sorted(
            path for path in self.folder.glob(pattern) if path.is_file() and not path.name.startswith(".")
        )

    def one(self, pattern: str) -> Path:
        """Return the first file that matches a pattern."""
        found = self.found(pattern)
        assert found, f"there is no {pattern}"
        return found[0]

    def hashes(self, *below: str) -> dict[str, str]:
        """Return the hash of every reproducible file below data/ and reports/, or some other folders."""
        return {
            name: hashlib.sha256(path.read_bytes()).hexdigest()
            for folder in below or ("data", "reports")
            for path in self.found(f"{folder}/**/*")
            if not VOLATILE.match(name := str(path.relative_to(self.folder)))
        }


def kill_group(process: subprocess.Popen[bytes]) -> None:
    """Kill a process and all that it started, at once: nothing is left to say goodbye."""
    with suppress(ProcessLookupError):
        os.killpg(process.pid, signal.SIGKILL)
    process.wait()


def job_counts(text: str) -> dict[str, int]:
    """Return the last `Job stats` table of snakemake; a run with nothing to do has none."""
    _, found, table = text.rpartition("Job stats:\n")
    counts = {}
    for line in table.splitlines() if found else []:
        words = line.split()
        if len(words) == 2 and words[1].isdigit():
            counts[words[0]] = int(words[1])
        elif not words:
            break
    return counts


def picture(colour: tuple[int, int, int], seed: int, size: int = 12) -> Image.Image:
    """A disc of a colour on a noisy ground; which one, the seed says."""
    generator = np.random.default_rng(seed)
    pixels = generator.integers(0, 90, (size, size, 3)).astype(np.float64)
    rows, columns = np.mgrid[:size, :size]
    centre = generator.uniform(0.25, 0.75, 2) * size
    disc = (rows - centre[0]) ** 2 + (columns - centre[1]) ** 2 < (0.3 * size) ** 2
    pixels[disc] = np.asarray(colour) + generator.normal(0, 60, 3)  # so that some are taken for others
    return Image.fromarray(pixels.clip(0, 255).astype(np.uint8))


def encoded(image: Image.Image, kind: str) -> bytes:
    buffer = io.BytesIO()
    image.save(buffer, format=kind)
    return buffer.getvalue()


def write_pictures(folder: Path, each: int = 30, classes: bool = True) -> None:
    """Write a folder of pictures: one sub-folder for each class, or all in one and nothing to tell them."""
    for number, (name, colour) in enumerate(CLASSES.items()):
        inner = folder / name if classes else folder
        inner.mkdir(parents=True, exist_ok=True)
        for index in range(each):
            path = inner / f"{number}{index:02d} <i>.png"
            path.write_bytes(encoded(picture(colour, 1000 * number + index), "PNG"))


PREPROCESSING = {"size": 12, "channels": 3, "mean": [0.3, 0.3, 0.3], "std": [0.25, 0.25, 0.25]}

SIMCLR: dict[str, Any] = {
    "kind": "trained",
    "seen": "same",
    "objective": {"name": "simclr", "options": {"temperature": 0.5}},
    "architecture": {"name": "small-convnet", "options": {"widths": [8, 12], "strides": [2, 2]}},
    "head": {"kind": "mlp", "options": {"hidden": 16, "dimensions": 8}},
    "preprocessing": PREPROCESSING,
    "augmentation": [{"name": "random-resized-crop", "scale": [0.5, 1.0]}],
    "optimiser": {"name": "adam", "learning_rate": 0.003},
    "epochs": 2,
    "batch_size": 32,
}

EXPERIMENT: dict[str, Any] = {
    "name": "tiny",
    "title": "Tiny pictures",
    "datasets": {"pictures": {"kind": "folder", "path": "images", "shards": 2}},
    "fit": ["pictures"],
    "encoders": {"pixels": {"kind": "pixels", "preprocessing": PREPROCESSING}, "simclr": SIMCLR},
    "seeds": 2,
    "clusterings": [
        {"method": "kmeans"},
        {"method": "kmeans", "variant": "over-clustering", "encoders": ["simclr"], "factors": [2]},
        {"method": "kmeans", "variant": "dims", "encoders": ["simclr"], "reducers": [{"dims": 4}]},
    ],
    "neighbours": {"k": 5, "purity_at": [1, 5]},
    "compute": {"memory_mb": 1000, "batch_size": 32},
}


def experiment(**changes: Any) -> dict[str, Any]:
    """The tiny experiment with other values for some of its keys; a key with None is left out."""
    values = EXPERIMENT | changes
    return {key: value for key, value in values.items() if value is not None}


def small_experiment(name: str, datasets: Mapping[str, Any], **changes: Any) -> dict[str, Any]:
    """One data set, the pixels, one seed, one table: as few jobs as there can be."""
    return experiment(
        name=name,
        datasets=dict(datasets),
        fit=list(datasets)[:1],
        seeds=1,
        clusterings=[{"method": "kmeans"}],
        report={"tables": ["clustering"], "figures": [], "galleries": []},
        **{"encoders": {"pixels": EXPERIMENT["encoders"]["pixels"]}, **changes},
    )
