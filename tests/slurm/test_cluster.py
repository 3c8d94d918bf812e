"""The Slurm that the other tests use: two nodes, GPUs to hand out, nothing left behind."""

from __future__ import annotations

import os
import subprocess
from pathlib import Path

import cluster as slurm
import pytest


def test_two_nodes_hand_out_devices_and_only_on_request(cluster):
    show = ("sh", "-c", "echo $SLURMD_NODENAME:$CUDA_VISIBLE_DEVICES")
    one_each = cluster.run("srun", "-N2", "-n2", "--gpus-per-node=1", *show)
    assert sorted(one_each.split()) == ["n1:0", "n2:0"]
    assert cluster.run("srun", "-n1", "--gpus=fake:2", *show).strip().endswith(":0,1")
    assert cluster.run("srun", "-n1", *show).strip().endswith(":")


def test_leaving_ends_daemons_and_jobs(cluster, tmp_path):
    other = slurm.Cluster(tmp_path / "other")
    with other:
        other.run("sbatch", "--output=/dev/null", "--wrap", "sleep 1000")
        assert other.run("squeue", "--noheader", "--format=%T", "--states=all").strip()
        daemons = [process.pid for process in other._daemons]
        assert len(daemons) == 4
    assert other._strays() == []
    assert not any(Path(f"/proc/{pid}").exists() for pid in daemons)
    assert cluster.run("sinfo", "--noheader", "--format=%D") == "2\n", "the other one is still there"


@pytest.mark.parametrize(("required", "outcome"), [("0", "skipped"), ("1", "error")])
def test_without_slurm_tests_are_skipped_unless_it_is_required(required, outcome, tmp_path):
    """A test run whose PATH holds no Slurm."""
    test = f"{Path(__file__)}::test_two_nodes_hand_out_devices_and_only_on_request"
    command = (
        "import cluster, pytest, sys; cluster.PATH = '/nonexistent'; sys.exit(pytest.main(sys.argv[1:]))"
    )
    arguments = ("-p", "no:cacheprovider", "-o", "addopts=--import-mode=importlib -ra", test)
    done = subprocess.run(
        [os.sys.executable, "-c", command, *arguments],
        env=os.environ | {"PYTHONPATH": str(Path(__file__).parent), "REQUIRE_SLURM": required},
        cwd=Path(__file__).parents[2],
        text=True,
        capture_output=True,
    )
    assert f"1 {outcome}" in done.stdout, done.stdout + done.stderr
    assert "missing: munged" in done.stdout
