"""Training on a cluster: over two nodes, and over several jobs."""

from __future__ import annotations

import json
import sys

import numpy as np
import pytest
import torch
from cluster import free_ports
from project import SIMCLR
from safetensors.torch import load_file
from submitted import IN_A_HURRY, tiny

from clusterprobe.train.__main__ import main

# On a real cluster the meeting point is the first host of the allocation; here every node is this machine.
TWO_NODES = """
export GLOO_SOCKET_IFNAME=lo OMP_NUM_THREADS=1
{python} -m torch.distributed.run --nnodes=$SLURM_NNODES --nproc-per-node=1 --rdzv-id=$SLURM_JOB_ID \
  --rdzv-backend=c10d --rdzv-endpoint=127.0.0.1:{port} \
  -m clusterprobe.train {job} && echo trained on $SLURMD_NODENAME
"""

OBJECTIVE = "src/clusterprobe/objectives/simclr.py"

# Every step takes a while and leaves a line: which job took it.
SLOW_STEP = """
        import os, time
        with open("steps.txt", "a") as steps:
            steps.write(os.environ.get("SLURM_JOB_ID", "alone") + "\\n")
        time.sleep(float(os.environ.get("SECONDS_PER_STEP", "0")))
"""


def test_two_tasks_on_two_nodes_find_what_one_process_finds(cluster, tmp_path):
    images = np.random.default_rng(0).integers(0, 256, (33, 1, 8, 8), dtype=np.uint8)
    np.save(tmp_path / "images.npy", images)

    def job(name, **changes):
        """SimCLR with batches of 15, which do not divide into two equal shares."""
        values = {
            "images": str(tmp_path / "images.npy"),
            "destination": str(tmp_path / name),
            "objective": {"name": "simclr", "options": {"temperature": 0.5}},
            "architecture": {"name": "small-convnet", "options": {"channels": 1, "widths": [4, 8]}},
            "preprocessing": {"size": 8, "mean": [0.5], "std": [0.25]},
            "head": {"kind": "mlp", "options": {"dimensions": 4}},
            "augmentation": [{"name": "random-resized-crop", "scale": [0.5, 1.0]}],
            "optimiser": {"name": "sgd", "learning_rate": 0.1, "momentum": 0.9},
            "epochs": 3,
            "batch_size": 15,
            "device": "cpu",
        }
        (tmp_path / f"{name}.json").write_text(json.dumps(values | changes))
        return str(tmp_path / f"{name}.json")

    def weights(name):
        return tensors(torch.load(tmp_path / name / "network.pt", weights_only=True))

    script = TWO_NODES.format(python=sys.executable, job=job("together"), port=free_ports(1)[0])
    said = cluster.run("srun", "-N2", "-n2", "--ntasks-per-node=1", "--mem=3000", "bash", "-c", script)
    assert "trained on n1" in said
    assert "trained on n2" in said
    assert main([job("alone")]) == 0
    assert main([job("untrained", epochs=0)]) == 0
    torch.testing.assert_close(weights("together"), weights("alone"), rtol=1e-5, atol=1e-5)
    learned = [(a - b).abs().max() for a, b in zip(weights("alone"), weights("untrained"), strict=True)]
    assert max(learned) > 1e-2, "nothing was learned, so that anything would be equal"


def tensors(saved):
    """Return all tensors of a saved network, in order."""
    if isinstance(saved, dict):
        return [tensor for entry in saved.values() for tensor in tensors(entry)]
    return [saved.double()] if isinstance(saved, torch.Tensor) else []


@pytest.mark.slow
def test_a_job_with_two_gpus_trains_in_two_processes(submit):
    slurm = submit(tiny(compute={"memory_mb": 2000, "gpus": 2}))
    slurm.project.edit(OBJECTIVE, lambda text: text.replace("-> Loss:\n", "-> Loss:" + SLOW_STEP, 1))
    goal = ("--until", "train_encoder")
    slurm.project.run(*goal)
    alone = load_file(slurm.project.one("data/encoders/simclr-*/weights.safetensors"))
    steps = slurm.folder / "steps.txt"
    count = len(steps.read_text().split())
    slurm.project.run("--delete-all-output", *goal)
    slurm.run(*goal)
    assert slurm.states() == ["COMPLETED"] * 2
    assert len(steps.read_text().split()) == count + 2 * count
    together = load_file(slurm.project.one("data/encoders/simclr-*/weights.safetensors"))
    torch.testing.assert_close(together, alone, rtol=1e-5, atol=1e-5)


@pytest.mark.slow
def test_training_saves_before_its_time_limit_and_the_next_job_goes_on(submit):
    """54 steps of a second each do not fit into the first job, which has one minute."""
    values = tiny(
        encoders={"simclr": SIMCLR | {"epochs": 27, "batch_size": 30}},
        compute={"memory_mb": 1000, "runtime_minutes": 1},
    )
    slurm = submit(values)
    slurm.project.edit(OBJECTIVE, lambda text: text.replace("-> Loss:\n", "-> Loss:" + SLOW_STEP, 1))
    slurm.project.run("--until", "train_encoder")
    weights = slurm.project.one("data/encoders/simclr-*/weights.safetensors")
    undisturbed = slurm.project.hashes("data/encoders")
    steps = slurm.folder / "steps.txt"
    count = len(steps.read_text().split())
    assert count >= 45, "too few steps to be interrupted"
    for path in (weights, steps):
        path.unlink()

    said = slurm.run("--until", "train_encoder", SECONDS_PER_STEP="1").text
    assert slurm.states() == ["FAILED", "COMPLETED"], "the first job ended itself, it was not killed"
    assert "training stopped by SIGTERM or the time limit" in said + _slurm_logs(slurm)
    first, second = (int(job["TimeLimit"]) for job in slurm.jobs)
    assert (first, second) == (1, 2)
    by_job = steps.read_text().split()
    assert len(by_job) == count, "no step was lost or taken twice"
    assert len(set(by_job)) == 2
    assert slurm.project.hashes("data/encoders") == undisturbed


@pytest.mark.slow
def test_a_job_that_is_put_back_into_the_queue_goes_on_where_it_was(submit):
    """What Slurm does with preempted jobs where it may."""
    slurm = submit(tiny(encoders={"simclr": SIMCLR | {"epochs": 10, "batch_size": 30}}))
    slurm.project.edit(OBJECTIVE, lambda text: text.replace("-> Loss:\n", "-> Loss:" + SLOW_STEP, 1))
    slurm.project.environment["SECONDS_PER_STEP"] = "1"
    steps = slurm.folder / "steps.txt"

    def taken():
        return steps.read_text().split() if steps.exists() else []

    with slurm.project.running("--profile", "slurm", *IN_A_HURRY, "--until", "train_encoder") as run:
        slurm.project.wait_for(lambda: len(taken()) > 5, run)
        [job] = set(taken())
        slurm.cluster.run("scontrol", "requeue", job)
        show = ("squeue", "--noheader", "--states=all", "--format=%T", f"--jobs={job}")
        slurm.project.wait_for(lambda: slurm.cluster.run(*show) == "PENDING\n", run)
        assert len(taken()) < 15
        slurm.cluster.run("scontrol", "update", f"jobid={job}", "starttime=now")
        assert run.wait(300) == 0
    assert taken() == [job] * 20, "no step was lost or taken twice"


def _slurm_logs(slurm):
    return "".join(
        path.read_text(errors="replace") for path in slurm.folder.glob(".snakemake/slurm_logs/**/*.log")
    )
