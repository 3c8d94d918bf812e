"""The frame of the benchmarks, and the large one at a tiny size."""

from __future__ import annotations

from pathlib import Path

import pytest

from benchmarks import __main__ as command
from benchmarks import harness, results
from benchmarks.harness import Outcome, Question, Size
from benchmarks.questions import growth, sinkhorn, stage_full

QUESTION = Question("thing", "1000 things", "a peer", 10, quick="10 things")


@pytest.fixture
def records(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.setattr(harness, "RECORDS", tmp_path)
    monkeypatch.setattr(results, "RECORDS", tmp_path)
    monkeypatch.setattr(results, "HERE", tmp_path)
    return tmp_path


@pytest.mark.parametrize(
    ("outcome", "expected"),
    [
        (Outcome(10.0), "BENCH thing ratio=10.00 target=10 REACHED"),
        (Outcome(9.9), "BENCH thing ratio=9.90 target=10 MISSED"),
        (Outcome(20.0, holds=False), "BENCH thing ratio=20.00 target=10 MISSED"),
        (Outcome(None), "BENCH thing ratio=- target=10 NOT-RUN"),
    ],
)
def test_lines(outcome: Outcome, expected: str) -> None:
    assert harness.line(QUESTION, outcome) == expected


def test_records_name_the_size_that_was_run(records: Path) -> None:
    for size in ("quick", "standard"):
        harness.record(QUESTION, Outcome(11.0, {"seconds": 2.0}), Size(size, records), 1.0, 0.0)  # type: ignore[arg-type]
    results.write_results()
    standard, quick = (records / "RESULTS.md").read_text(encoding="utf-8").split("## `BENCH=quick")
    assert "| thing | 1000 things | a peer | 11 | 10 | REACHED |" in standard
    assert "| thing | 10 things |" in quick


def test_what_did_not_run_replaces_nothing_that_did(records: Path) -> None:
    size = Size("full", records)
    harness.record(QUESTION, Outcome(None, note="no disk"), size, 1.0, 0.0)
    results.write_results()
    assert "NOT-RUN: no disk" in (records / "RESULTS.md").read_text(encoding="utf-8")
    harness.record(QUESTION, Outcome(12.0, {"seconds": 1.0}), size, 1.0, 0.0)
    harness.record(QUESTION, Outcome(None, note="no disk"), size, 1.0, 0.0)
    results.write_results()
    assert "| 12 | 10 | REACHED |" in (records / "RESULTS.md").read_text(encoding="utf-8")


def test_full_runs_ask_only_what_others_cannot() -> None:
    assert command._asked_at("full") == ["stage-full"]
    asked = {"ami", "assign", "dag", "kmeans-faiss", "kmeans-minibatch", "knn-approx", "knn-exact", "pca"}
    assert asked | {"stage-full", "sinkhorn", "frozen-views"} <= set(command._asked_at("quick"))


def test_the_whole_stage_at_a_tiny_size(tmp_path: Path) -> None:
    outcome = stage_full.compare(stage_full.Stage(3000, 16, 12, 2, 2), Size("full", tmp_path))
    assert outcome.ratio is not None
    assert outcome.ratio > 0
    assert len(outcome.facts["our ACC on the same rows"]) == 2
    assert all(0 < value < 1 for value in outcome.facts["our AMI"])
    assert outcome.facts["the protocol, k-means, seconds, extrapolated"] > 0


def test_the_protocol_takes_its_steps_times_how_many_there_are() -> None:
    step = stage_full.ProtocolSteps(2.0, 100, 1.0, 50, 0.5, 10, 3.0, 7.0)
    seconds = stage_full.extrapolated(stage_full.Stage(1000, 16, 12, seeds=5, steps=1), step)
    assert seconds == {
        "PCA": 10 * 2.0 + 20 * 1.0,
        "k-means": 5 * 60 * 100 * 0.5,
        "assignment": 5 * 20 * 3.0,
        "metrics": 5 * 7.0,
    }


def test_the_whole_stage_runs_only_when_asked(tmp_path: Path) -> None:
    assert stage_full.measure(Size("standard", tmp_path)).ratio is None


def test_growth_has_exponents_and_a_figure(records: Path) -> None:
    grid = growth.Grid((500, 1000), (4, 8), (3, 6))
    outcome = growth.grow(grid, records)
    assert outcome.facts["curves"]["rows"]["at"] == [500, 1000]
    assert set(outcome.facts["exponent of dims"]) == {"components", "assignment", "k-means"}
    assert "components" not in outcome.facts["exponent of k"]
    assert growth.grow(grid, records).facts == outcome.facts, "what was measured is kept"
    harness.record(growth.QUESTION, outcome, Size("standard", records), 1.0, 0.0)
    results.write_results()
    assert "(growth.png)" in (records / "RESULTS.md").read_text(encoding="utf-8")
    assert (records / "growth.png").stat().st_size > 5000


def test_exponents_are_slopes_of_logarithms() -> None:
    assert growth.exponent((10, 20, 40), [3.0, 12.0, 48.0]) == pytest.approx(2)


def test_transport_labels_are_those_of_float64() -> None:
    solved = sinkhorn.solve(3000, 20)
    assert solved["labels that differ from a float64 solution"] == 0
    assert solved["its deviation"] <= 1e-3
