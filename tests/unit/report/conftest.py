"""Results that look like those of a small experiment, without running one."""

from __future__ import annotations

import shutil
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest

from clusterprobe.report.paper import compile_paper
from clusterprobe.report.table_formats import render
from clusterprobe.report.tables import Table

CLASSES = {"digits": 10, "digits-shifted": 10}
LEVELS = {"pixels": 0.66, "untrained network": 0.48, "SimCLR": 0.83, "SimCLR + CLD": 0.86}
SCAN_LEVELS = {
    ("pixels", "kmeans", "default"): 0.75,
    ("simclr", "kmeans", "default"): 0.85,
    ("simclr", "kmeans", "over-clustering"): 0.87,
    ("simclr", "scan", "default"): 0.91,
    ("simclr", "scan", "simclr-augmentation"): 0.88,
    ("simclr", "scan", "over-clustering"): 0.92,
    ("simclr", "scan", "neighbours-5"): 0.84,
    ("simclr", "scan", "neighbours-10"): 0.89,
    ("simclr", "scan", "neighbours-50"): 0.90,
    ("simclr", "scan", "oracle-neighbours"): 0.97,
    ("simclr", "selflabel", "default"): 0.95,
    ("simclr", "selflabel", "simclr-augmentation"): 0.80,
    ("simclr", "selflabel", "after-simclr-augmentation"): 0.93,
    ("simclr", "selflabel", "over-clustering"): 0.955,
    ("simclr", "selflabel", "threshold-0.9"): 0.94,
    ("simclr", "selflabel", "threshold-0.95"): 0.945,
    ("supervised", "linear", "default"): 0.985,
}
MMDC_LEVELS = {
    ("pixels", "kmeans", "default"): 0.75,
    ("MMDC", "mmdc", "default"): 0.95,
    ("MMDC", "mmdc", "rotation"): 0.92,
    ("MMDC", "mmdc", "sobel"): 0.90,
    ("MMDC", "mmdc", "sobel-rotation"): 0.89,
    ("MMDC", "mmdc", "no-rotation"): 0.88,
    ("MMDC", "mmdc", "sobel-no-rotation"): 0.87,
    ("MMDC", "mmdc", "refined"): 0.96,
    ("MMDC", "mmdc", "before-refinement"): 0.93,
    ("MMDC", "mmdc", "kmeans-from-start"): 0.70,
    ("MMDC", "mmdc", "sigma-0.1"): 0.94,
    ("MMDC", "mmdc", "sigma-0.3"): 0.93,
    ("MMDC", "mmdc", "dimensions-5"): 0.86,
    ("MMDC", "mmdc", "dimensions-20"): 0.91,
    ("MMDC", "mmdc", "views-2"): 0.955,
    ("MMDC", "kmeans", "default"): 0.94,
    ("NAT", "kmeans", "default"): 0.60,
    ("RotNet", "kmeans", "default"): 0.50,
    ("NAT-RotNet", "kmeans", "default"): 0.65,
    ("ImageNet labels", "kmeans", "default"): 0.70,
}
BENCHMARK_LEVELS = {
    "MoCo v2 (ResNet-50, PyContrast)": (0.30, 67.5),
    "MoCo v2 (ResNet-50, 800 epochs)": (0.34, 71.1),
    "InfoMin (ResNet-50)": (0.36, 73.0),
    "SwAV (ResNet-50)": (0.28, 75.3),
    "SimCLRv2 (ResNet-152, SK)": (0.41, 77.2),
    "BigBiGAN (RevNet-50 4×, latent)": (0.05, None),
    "DINO (ViT-S/16)": (0.52, 77.0),
    "ResNet-152 (supervised)": (0.68, 81.0),
    "supervised of ours": (0.60, None),
}
BENCHMARK_CLASSES = {"imagenet": 1000, "objectnet": 313}
BENCHMARK_NAMES = {
    "imagenet": "ImageNet",
    "objectnet": "ObjectNet (113 ImageNet-overlap classes)",
    "objectnet-fitted": "ObjectNet (313 classes)",
}
METHOD_GAIN = {"kmeans": 0.0, "spherical-kmeans": 0.01, "scan": 0.06}


def make_results(seeds: int = 3) -> pd.DataFrame:
    """Return a frame in the columns of results: home and transfer, sweeps over k and dims, purity."""
    draw = np.random.default_rng(0)
    rows: list[dict[str, Any]] = []
    for encoder, level in LEVELS.items():
        for seed in range(seeds):
            for cell in _cells():
                rows += list(_metrics(cell | {"encoder": encoder, "seed": seed}, level, draw))
        for near in (1, 5, 10, 20):
            value = level + 0.12 - 0.004 * near
            rows.append(_row({"encoder": encoder, "split": "train"}, f"neighbour_purity@{near}", value))
    return pd.DataFrame(rows)


def make_scan_results(seeds: int = 5) -> pd.DataFrame:
    """Return results like those of digits-all: SCAN, self-labelling, their variants, a supervised row."""
    return make_variants(SCAN_LEVELS, seeds)


def make_mmdc_results(seeds: int = 3) -> pd.DataFrame:
    """Return results of MMDC with its variants, of k-means on features beside it, and of linear probes."""
    results = make_variants(MMDC_LEVELS, seeds)
    rows = results[(results["method"] == "kmeans") & (results["metric"] == "acc")]
    probes = rows.assign(method="linear", metric="linear_top1", k=None, value=rows["value"] + 0.03)
    return pd.concat([results, probes.assign(run="probe-" + rows["run"])], ignore_index=True)


def make_variants(levels: dict[tuple[str, str, str], float], seeds: int) -> pd.DataFrame:
    """Return results of encoders, methods and variants about their levels of accuracy."""
    draw = np.random.default_rng(1)
    rows: list[dict[str, Any]] = []
    for (encoder, method, variant), level in levels.items():
        for seed in range(seeds):
            k = 20 if variant == "over-clustering" else 10
            cell = {"encoder": encoder, "method": method, "variant": variant, "k": k, "seed": seed}
            cell |= {"dataset": "digits", "run": f"{encoder}-{method}-{variant}", "encoder_seed": seed}
            trained = method != "kmeans"
            cell |= {"reducer": None, "head": int(draw.integers(10))} if trained else {"reducer": "pca"}
            values = _values(level + draw.normal(0, 0.01), k)
            values |= {"top5": min(level + 0.05, 1.0)} if trained else {}
            rows += [_row(cell, metric, value) for metric, value in values.items()]
    return pd.DataFrame(rows)


def make_benchmark_results(seeds: int = 2) -> pd.DataFrame:
    """Return results on ImageNet and ObjectNet: clean, of some also as published, two sweeps, some probes.

    `attrs` says what the figures of the benchmark have to know.
    """
    draw = np.random.default_rng(2)
    rows: list[dict[str, Any]] = []
    for encoder, (level, _) in BENCHMARK_LEVELS.items():
        for cell in _benchmark_cells(encoder):
            for seed in range(seeds):
                acc = level + draw.normal(0, 0.01) - 0.03 * (cell["protocol"] == "published")
                acc -= 0.5 / cell["dims"]
                values = _values(0.4 * acc if cell["dataset"] != "imagenet" else acc, cell["k"])
                if cell["fit_dataset"] == "objectnet-fitted":
                    values |= {"recall_shared": 0.6 * acc, "recall_unshared": 0.3 * acc}
                run = "-".join(str(cell[key]) for key in ("protocol", "variant", "k", "dims"))
                named = cell | {"encoder": encoder, "seed": seed, "run": f"{encoder}-{run}"}
                rows += [_row(named, metric, value) for metric, value in values.items()]
        if level < 0.3 or encoder == "InfoMin (ResNet-50)":
            probe = {"encoder": encoder, "dataset": "imagenet", "fit_dataset": "imagenet", "seed": 0}
            probe |= {"method": "linear", "variant": "default", "run": f"probe-{encoder}"}
            rows.append(_row(probe, "linear_top1", level + 0.3))
    frame = pd.DataFrame(rows)
    frame.attrs["encoders"] = benchmark_facts()
    frame.attrs["published_as"] = dict(BENCHMARK_NAMES)
    return frame


def benchmark_facts() -> dict[str, dict[str, Any]]:
    """Return what the configuration says of the encoders of `make_benchmark_results`."""
    return {
        name: {"seen": "labels" if "supervised" in name else "same", "linear": linear}
        for name, (_, linear) in BENCHMARK_LEVELS.items()
    }


def _benchmark_cells(encoder: str) -> Iterator[dict[str, Any]]:
    home = {"fit_dataset": "imagenet", "dataset": "imagenet", "k": 1000, "dims": 2048, "protocol": "clean"}
    home |= {"method": "kmeans", "variant": "default"}
    away = home | {"dataset": "objectnet"}
    yield from (home, away)
    yield home | {"fit_dataset": "objectnet-fitted", "dataset": "objectnet-fitted", "k": 313}
    if encoder in ("MoCo v2 (ResNet-50, 800 epochs)", "SwAV (ResNet-50)", "SimCLRv2 (ResNet-152, SK)"):
        published = {"protocol": "published", "method": "minibatch-kmeans"}
        yield from (home | published, away | published)
        yield home | published | {"variant": "raw-transfer-features"}
    if encoder == "SimCLRv2 (ResNet-152, SK)":
        yield from (home | {"variant": "over-clustering", "k": k} for k in (1500, 2000))
        yield away | {"variant": "over-clustering", "k": 1500}
        yield from (home | {"variant": "dims", "dims": dims} for dims in (16, 64, 256))


@pytest.fixture(scope="session")
def _benchmark_results() -> pd.DataFrame:
    return make_benchmark_results()


@pytest.fixture
def benchmark_results(_benchmark_results: pd.DataFrame) -> pd.DataFrame:
    """Results on ImageNet and ObjectNet, two seeds, free to be changed."""
    copied = _benchmark_results.copy()
    copied.attrs = {key: dict(value) for key, value in _benchmark_results.attrs.items()}
    return copied


@pytest.fixture(scope="session")
def _scan_results() -> pd.DataFrame:
    return make_scan_results()


@pytest.fixture
def scan_results(_scan_results: pd.DataFrame) -> pd.DataFrame:
    """Results of SCAN on the digits, five seeds, free to be changed."""
    return _scan_results.copy()


@pytest.fixture
def mmdc_results() -> pd.DataFrame:
    """Results of MMDC on the digits, three seeds."""
    return make_mmdc_results()


@pytest.fixture(scope="session")
def _results() -> pd.DataFrame:
    return make_results()


@pytest.fixture
def results(_results: pd.DataFrame) -> pd.DataFrame:
    """Results of three seeds, free to be changed."""
    return _results.copy()


@pytest.fixture(scope="session")
def one_seed() -> pd.DataFrame:
    """Results of one seed."""
    return make_results(seeds=1)


@pytest.fixture(scope="session")
def classes() -> dict[str, int]:
    """Number of classes by data set."""
    return dict(CLASSES)


def _cells() -> Iterator[dict[str, Any]]:
    for method in METHOD_GAIN:
        for dataset in ("digits", "digits-shifted"):
            yield {"method": method, "dataset": dataset}
            if method == "kmeans":
                yield from ({"method": method, "dataset": dataset, "k": k} for k in (15, 20))
                yield from (
                    {"method": method, "dataset": dataset, "dims": dims} for dims in (2, 4, 8, 16, 32)
                )


def _metrics(cell: dict[str, Any], level: float, draw: np.random.Generator) -> Iterator[dict[str, Any]]:
    swept = "k" in cell or "dims" in cell
    cell = {"k": 10, "dims": None, "variant": "sweep" if swept else "default"} | cell
    away = cell["dataset"] != "digits"
    acc = level + METHOD_GAIN[cell["method"]] + draw.normal(0, 0.012) - 0.2 * away
    acc -= 0.0 if cell["dims"] is None else 0.3 / cell["dims"]
    acc += 0.03 * (cell["k"] - 10) / 10
    values = _values(acc, cell["k"]) | {"inertia": 4000.0}
    yield from (_row(cell, metric, value) for metric, value in values.items())


def _values(acc: float, k: int) -> dict[str, float]:
    values = {"acc": acc, "acc_val": acc + 0.004, "acc_majority": acc + 0.02, "ami": acc - 0.03}
    values |= {"ari": acc - 0.1, "nmi": acc - 0.02, "clusters_used": float(k), "entropy": 2.1}
    return values | {"largest_share": 0.14, "chance_acc": 0.17}


def _row(cell: dict[str, Any], metric: str, value: float) -> dict[str, Any]:
    trained = "SimCLR" in cell["encoder"]
    fixed = {
        "experiment": "synthetic",
        "fit_dataset": "digits",
        "dataset": "digits",
        "split": "test",
        "encoder_id": f"{cell['encoder']}-00000000",
        "encoder_seed": cell.get("seed") if trained else None,
        "features": "features-00000000",
        "reducer": "pca",
        "dims": None,
        "method": None,
        "variant": None,
        "head": None,
        "protocol": "clean",
        "k": None,
        "seed": None,
        "run": f"{cell.get('method')}-{cell.get('k')}-{cell.get('dims')}",
        "n": 360,
    }
    return fixed | cell | {"metric": metric, "value": value}


@pytest.fixture
def compiles_alone(tmp_path: Path) -> Callable[[Table], bool]:
    """Says whether the LaTeX of a table makes a PDF in a minimal document; skips where there is no LaTeX."""
    if shutil.which("pdflatex") is None:
        pytest.skip("pdflatex is not installed")

    def compiles(table: Table) -> bool:
        (tmp_path / "table.tex").write_text(render(table).tex, encoding="utf-8")
        document = r"\documentclass{article}\usepackage{booktabs}\begin{document}\input{table}\end{document}"
        (tmp_path / "alone.tex").write_text(document, encoding="utf-8")
        compile_paper(tmp_path / "alone.tex", tmp_path / "alone.pdf")
        return (tmp_path / "alone.pdf").read_bytes().startswith(b"%PDF")

    return compiles
