"""The command line: what it prints, what it refuses, and that it stays light."""

from __future__ import annotations

import os
import pickle
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest
import torch
import yaml

from clusterprobe.cli import main
from clusterprobe.encoders.architectures import initialise
from clusterprobe.encoders.isolated import VARIABLE

REPOSITORY = Path(__file__).resolve().parents[2]
ENTRY: dict[str, Any] = {
    "kind": "file",
    "title": "Tiny",
    "method": "tiny",
    "network": "ConvNet",
    "architecture": {"name": "small-convnet", "options": {"widths": [4, 8]}},
    "preprocessing": {"size": 16, "mean": [0.5] * 3, "std": [0.5] * 3},
    "feature": {"name": "average pool", "pooling": "average", "width": 8},
    "linear": {"top1": 12.3, "source": "nowhere"},
    "licence": "MIT",
    "seen": "same",
}
MISSING = {"kind": "unavailable", "method": "gone", "network": "best", "reason": "the disk was lost"}


@pytest.fixture
def project(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A folder with a catalogue of three and one checkpoint."""
    monkeypatch.chdir(tmp_path)
    network = initialise(ENTRY["architecture"]["name"], ENTRY["architecture"]["options"], 1).network
    torch.save({"state_dict": network.state_dict()}, tmp_path / "tiny.pth")
    write_catalogue(
        tmp_path, tiny={"url": str(tmp_path / "tiny.pth")}, byhand={"page": "https://x", "file": "t"}
    )
    return tmp_path


def write_catalogue(folder: Path, **changes: dict[str, Any]) -> None:
    entries: dict[str, Any] = {name: ENTRY | change for name, change in changes.items()}
    (folder / "config").mkdir(exist_ok=True)
    (folder / "config" / "encoders.yaml").write_text(yaml.safe_dump(entries | {"gone": MISSING}), "utf-8")


def test_list_prints_every_entry_with_its_facts(project: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["encoders", "list"]) == 0
    lines = capsys.readouterr().out.splitlines()
    columns = {line.split()[0]: line for line in lines if line}
    assert columns["tiny"].split()[1:] == ["tiny,", "ConvNet", "8", "same", "12.3", "MIT", "download"]
    assert columns["byhand"].endswith("by hand")
    assert columns["gone:"] == "  gone: the disk was lost"
    assert len({line.index("12.3") for line in lines if "12.3" in line}) == 1, "columns are aligned"


def test_check_goes_from_the_hash_to_the_features(project: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["encoders", "check", "tiny"]) == 0
    said = capsys.readouterr()
    found = {line.split()[0]: line.split(maxsplit=1)[1] for line in said.out.splitlines()}
    assert set(found) == {"file", "SHA-256", "layout", "tensors", "feature", "checksum", "tiny"}
    assert "hashes.lock" in found["SHA-256"]
    assert "prefix 'state_dict/'" in found["layout"]
    assert found["tensors"] == "12 of small-convnet, 446 numbers"
    assert found["feature"].startswith("8 wide, average")
    checksum = yaml.safe_load(found["checksum"].partition(" (")[0])
    assert len(checksum) == 4

    assert main(["encoders", "check", "tiny"]) == 0
    assert "was there" in capsys.readouterr().out
    feature = ENTRY["feature"] | {"checksum": checksum}
    write_catalogue(project, tiny={"url": str(project / "tiny.pth"), "feature": feature})
    assert main(["encoders", "check", "tiny"]) == 0
    assert "as in the catalogue" in capsys.readouterr().out
    feature["checksum"] = [value + 1 for value in checksum]
    write_catalogue(project, tiny={"url": str(project / "tiny.pth"), "feature": feature})
    assert main(["encoders", "check", "tiny"]) == 1
    assert "other weights or another network" in capsys.readouterr().err


def test_check_takes_a_file_that_a_person_got(project: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["encoders", "check", "byhand"]) == 1
    assert "get t by hand from https://x" in capsys.readouterr().err
    assert main(["encoders", "check", "byhand", "--path", str(project / "tiny.pth")]) == 0
    assert str(project / "tiny.pth") in capsys.readouterr().out
    assert main(["encoders", "check", "byhand"]) == 0, "it lies where the workflow looks for it"


def test_check_refuses_a_file_that_changed(project: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["encoders", "check", "tiny"]) == 0
    (file,) = (project / "data" / "checkpoints").glob("*.bin")
    file.write_bytes(file.read_bytes() + b"!")
    assert main(["encoders", "check", "tiny"]) == 1
    assert "delete it and run again" in capsys.readouterr().err


def test_check_reads_foreign_files_elsewhere(
    project: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setenv(VARIABLE, sys.executable)
    (project / "state.pkl").write_bytes(pickle.dumps({"w": torch.ones(2).numpy()}, protocol=2))
    write_catalogue(project, haiku={"url": str(project / "state.pkl"), "layout": "haiku"})
    assert main(["encoders", "check", "haiku"]) == 1
    said = capsys.readouterr()
    assert "arrays" in said.out
    assert "holds no small-convnet" in said.err


@pytest.mark.parametrize(
    ("name", "message"), [("tinny", "did you mean 'tiny'"), ("gone", "the disk was lost")]
)
def test_names_without_a_file_are_explained(
    project: Path, capsys: pytest.CaptureFixture[str], name: str, message: str
) -> None:
    assert main(["encoders", "check", name]) == 1
    assert message in capsys.readouterr().err


@pytest.mark.parametrize("action", [["list"], ["check", "tiny"]])
def test_another_folder_is_explained(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str], action: list[str]
) -> None:
    monkeypatch.chdir(tmp_path)
    assert main(["encoders", *action]) == 1
    assert "no config/encoders.yaml here" in capsys.readouterr().err


def test_list_runs_as_a_module_without_torch() -> None:
    code = "from clusterprobe.cli import main; main(['encoders', 'list'])"
    code += "; import sys; print('torch' in sys.modules)"
    environment = os.environ | {"PYTHONPATH": str(REPOSITORY / "src")}
    run = {"cwd": REPOSITORY, "env": environment, "capture_output": True, "text": True, "check": True}
    assert subprocess.run([sys.executable, "-c", code], **run).stdout.endswith("False\n")  # type: ignore[call-overload]
    module = [sys.executable, "-m", "clusterprobe.cli", "encoders", "list"]
    assert "swav" in subprocess.run(module, **run).stdout  # type: ignore[call-overload]


def test_reader_that_stops_early_is_no_error() -> None:
    command = f"{sys.executable} -m clusterprobe.cli encoders list | head -1"
    environment = os.environ | {"PYTHONPATH": str(REPOSITORY / "src")}
    done = subprocess.run(
        command, shell=True, cwd=REPOSITORY, env=environment, capture_output=True, text=True
    )
    assert done.stdout.startswith("name")
    assert done.stderr == ""


def test_wishes_for_a_folder_of_pictures_arrive_whole(monkeypatch: pytest.MonkeyPatch) -> None:
    from clusterprobe.commands import cluster as command

    heard: list[command.Wishes] = []
    monkeypatch.setattr(command, "cluster", heard.append)
    arguments = ["cluster", "a b", "--k", "7", "--merge-from", "30", "--tree", "links", "--labels", "folders"]
    assert main([*arguments, "--encoder", "pixels", "--", "--profile", "slurm", "--keep-going"]) == 0
    assert main(["cluster", "c"]) == 0
    first, second = heard
    assert (first.pictures, first.k, first.merge_from) == (Path("a b"), 7, 30)
    assert (first.tree, first.labels, first.encoder) == ("links", "folders", "pixels")
    assert first.more == ("--profile", "slurm", "--keep-going")
    assert second == command.Wishes(Path("c"))


@pytest.mark.parametrize("k", ["0", "-1", "many", "2.5"])
def test_numbers_of_clusters_are_numbers(k: str, capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit):
        main(["cluster", "a", f"--k={k}"])
    assert "neither auto nor a number from 1 on" in capsys.readouterr().err
