from __future__ import annotations

import json
from pathlib import Path

from clusterprobe.report.cost import build_cost_page, read_benchmarks


def write(path: Path, *records: object) -> Path:
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text("".join(json.dumps(record) + "\n" for record in records), encoding="utf-8")
    return path


def test_stages_are_named_by_rule_or_folder_or_file(tmp_path: Path) -> None:
    root = tmp_path / "data" / "benchmarks"
    files = [
        write(root / "fit_pca" / "deep" / "a.jsonl", {"s": 1}),
        write(root / "fit_kmeans.b.jsonl", {"s": 1}),
        write(root / "x" / "c.jsonl", {"s": 1, "rule_name": "train_encoder"}),
    ]
    assert [job.stage for job in read_benchmarks(files).jobs] == ["fit_pca", "fit_kmeans", "train_encoder"]


def test_time_and_memory_add_up_per_stage(tmp_path: Path) -> None:
    root = tmp_path / "benchmarks"
    files = [
        write(root / "fit_pca" / "a.jsonl", {"s": 30.0, "max_rss": 300.0, "cpu_time": 20.0}),
        write(root / "fit_pca" / "b.jsonl", {"s": 60.0, "max_rss": 2048.0, "cpu_time": 50.0}),
        write(root / "fit_kmeans" / "a.jsonl", {"s": 4000, "max_rss": "NA", "cpu_time": "NA"}),
    ]
    page = build_cost_page(files)
    cells = (
        "<td>2</td><td>1 min 30 s</td><td>45.0 s</td><td>1 min 00 s</td><td>1 min 10 s</td><td>2.0 GiB</td>"
    )
    assert f"fit_pca</th>{cells}" in page
    assert page.index("fit_kmeans") < page.index("fit_pca"), "longest stage first"
    assert page.count("<td>not sampled</td>") == 2
    assert '<tr class="total"><th scope="row" class="label">All stages</th><td>3</td>' in page


def test_missing_files_and_damaged_lines_are_counted(tmp_path: Path) -> None:
    damaged = tmp_path / "benchmarks" / "fit_pca" / "a.jsonl"
    damaged.parent.mkdir(parents=True)
    damaged.write_text('{"s": 1}\n{"s": \n[1]\n{"s": "NA"}\n', encoding="utf-8")
    found = read_benchmarks([damaged, tmp_path / "gone.jsonl"])
    assert (len(found.jobs), found.missing, found.damaged) == (1, 1, 3)
    page = build_cost_page([damaged, tmp_path / "gone.jsonl"])
    assert "missing: 1" in page
    assert "not be read: 3" in page


def test_a_page_without_jobs_says_so() -> None:
    assert "No job of this experiment left a benchmark." in build_cost_page([])


def test_names_are_text(tmp_path: Path) -> None:
    file = write(tmp_path / "benchmarks" / "a.jsonl", {"s": 1, "rule_name": "<script>"})
    assert "<script" not in build_cost_page([file])
