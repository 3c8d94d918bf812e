from __future__ import annotations

import json
from pathlib import Path

from clusterprobe.report.traces import dataset_facts, histories_frame
from clusterprobe.store.atomic import write_json


def test_facts_keep_the_name_in_the_results_beside_the_title(tmp_path: Path) -> None:
    fact = {"rows": 7, "classes": ["a", "b"], "skipped": [1], "side": 8}
    for split, changes in (("train", {}), ("test", {"side": 9})):
        write_json(tmp_path / f"{split}.json", fact | changes)
    facts = {split: str(tmp_path / f"{split}.json") for split in ("train", "test")}
    entry = {"name": "Handwritten digits", "facts": {"train": facts["train"]}}
    titled, plain = dataset_facts([entry | {"dataset": "digits"}, entry | {"facts": facts}])
    assert (titled["name"], titled["dataset"], titled["side"]) == ("Handwritten digits", "digits", 8)
    assert (titled["splits"], titled["classes"], titled["skipped"]) == ({"train": 7}, 2, 1)
    assert (plain["dataset"], plain["side"]) == ("Handwritten digits", None)


def test_histories_hold_a_row_for_every_number(tmp_path: Path) -> None:
    lines = [{"epoch": 1, "loss": 2.5, "confident": 7, "head": None}, {"epoch": 2, "loss": 2.0, "note": "x"}]
    log = tmp_path / "training.jsonl"
    log.write_text("".join(json.dumps(line) + "\n" for line in lines), encoding="utf-8")
    frame = histories_frame([{"encoder": "scan", "encoder_seed": 3, "objective": "scan", "log": str(log)}])
    assert frame[["epoch", "name", "value"]].to_numpy().tolist() == [
        [1, "loss", 2.5],
        [1, "confident", 7.0],
        [2, "loss", 2.0],
    ]
    assert set(zip(frame["encoder"], frame["encoder_seed"], frame["objective"], strict=True)) == {
        ("scan", 3, "scan")
    }
    assert histories_frame([]).empty
