from __future__ import annotations

import json

from clusterprobe.commands.estimate import estimate, estimate_lines


def record(folder, rule, seconds, pictures):
    path = folder / "data" / "benchmarks" / rule / "one.jsonl"
    path.parent.mkdir(parents=True, exist_ok=True)
    with path.open("a") as handle:
        handle.write(json.dumps({"s": seconds, "rule_name": rule}) + "\n")
    manifest = folder / "data" / "manifests" / "pictures-1" / "train.json"
    manifest.parent.mkdir(parents=True, exist_ok=True)
    manifest.write_text(json.dumps({"rows": pictures}))


def test_times_come_from_earlier_runs_and_grow_with_the_pictures(tmp_path):
    record(tmp_path, "extract_features", 10.0, 100)
    record(tmp_path, "make_table", 2.0, 100)
    record(tmp_path, "make_table", 4.0, 100)
    found = estimate({"extract_features": 1, "make_table": 2, "train_encoder": 1}, 1000, [tmp_path])
    assert found == {"extract_features": 100.0, "make_table": 6.0, "train_encoder": None}


def test_the_first_folder_that_knows_counts_and_fewer_pictures_take_no_less(tmp_path):
    record(tmp_path / "a", "extract_features", 10.0, 100)
    record(tmp_path / "b", "extract_features", 99.0, 100)
    record(tmp_path / "b", "index_dataset", 5.0, 100)
    found = estimate({"extract_features": 1, "index_dataset": 1}, 10, [tmp_path / "a", tmp_path / "b"])
    assert found == {"extract_features": 10.0, "index_dataset": 5.0}


def test_a_folder_without_records_knows_nothing(tmp_path):
    assert estimate({"fit_kmeans": 3}, 10, [tmp_path]) == {"fit_kmeans": None}


def test_lines_say_stages_in_words_and_what_is_not_known():
    jobs = {"extract_features": 1, "make_table": 2, "draw_figure": 1, "train_encoder": 1}
    seconds = {"extract_features": 99.6, "make_table": 6.0, "draw_figure": 1.0, "train_encoder": None}
    assert list(estimate_lines(jobs, seconds)) == [
        "compute features: 1 job, about 100 s",
        "write the report: 3 jobs, about 7 s",
        "train: 1 job, no record of it yet",
        "All together: about 107 s, from the records of earlier runs; some jobs have none.",
    ]
    assert list(estimate_lines({}, {})) == ["Nothing would run: all is made."]
    assert list(estimate_lines({"train_encoder": 1}, {"train_encoder": None}))[1:] == [
        "How long all of it takes is not known: there is no earlier run here to go by."
    ]
