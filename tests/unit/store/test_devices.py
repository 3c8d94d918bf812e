from __future__ import annotations

import os
import subprocess
import sys
import threading

import pytest

from clusterprobe.store.devices import own_devices, visible_devices

HOLD = """
import sys
from clusterprobe.store.devices import own_devices
with own_devices(1, ("0", "1")) as held:
    print(*held, flush=True)
    sys.stdin.read()
"""


@pytest.fixture(autouse=True)
def own_scope(monkeypatch, tmp_path):
    """Locks of this test only."""
    monkeypatch.setenv("SLURM_JOB_ID", str(tmp_path)[-60:])
    monkeypatch.delenv("CUDA_VISIBLE_DEVICES", raising=False)


@pytest.mark.parametrize(
    ("given", "found"),
    [
        ("", ()),
        ("2,3", ("2", "3")),
        ("GPU-8a1f, MIG-77", ("GPU-8a1f", "MIG-77")),
        ("NoDevFiles", ()),
        ("1,-1,2", ("1",)),
    ],
)
def test_the_environment_says_which_devices_there_are(given, found, tmp_path):
    (tmp_path / "nvidia0").touch()
    assert visible_devices({"CUDA_VISIBLE_DEVICES": given}, tmp_path) == found


def test_without_it_device_files_are_counted(tmp_path):
    assert visible_devices({}, tmp_path) == ()
    for name in ("nvidia0", "nvidia1", "nvidia10", "nvidiactl", "nvidia-uvm", "null"):
        (tmp_path / name).touch()
    assert visible_devices({}, tmp_path) == ("0", "1", "2")


def test_devices_are_named_while_they_are_held():
    with own_devices(1, ("4", "5")) as first:
        assert os.environ["CUDA_VISIBLE_DEVICES"] == "4"
        with own_devices(1, ("4", "5")) as second:
            assert os.environ["CUDA_VISIBLE_DEVICES"] == "5"
        assert os.environ["CUDA_VISIBLE_DEVICES"] == "4"
    assert (first, second) == (("4",), ("5",))
    assert "CUDA_VISIBLE_DEVICES" not in os.environ
    with own_devices(2, ("4", "5")) as both:
        assert (both, os.environ["CUDA_VISIBLE_DEVICES"]) == (("4", "5"), "4,5")


def test_what_the_environment_names_is_handed_out(monkeypatch):
    monkeypatch.setenv("CUDA_VISIBLE_DEVICES", "6,7")
    with own_devices(1) as held:
        assert held == ("6",)
        assert os.environ["CUDA_VISIBLE_DEVICES"] == "6"
    assert os.environ["CUDA_VISIBLE_DEVICES"] == "6,7"


@pytest.mark.parametrize(("count", "among"), [(0, ("0",)), (2, ())])
def test_no_request_or_no_device_changes_nothing(count, among):
    with own_devices(count, among) as held:
        assert held == ()
        assert "CUDA_VISIBLE_DEVICES" not in os.environ


def test_a_request_for_more_than_there_are_gets_all():
    with own_devices(3, ("0", "1")) as held:
        assert held == ("0", "1")


def test_other_processes_hold_other_devices_and_a_killed_one_holds_none():
    command = [sys.executable, "-c", HOLD]
    pipes = {"stdin": subprocess.PIPE, "stdout": subprocess.PIPE, "text": True}
    processes = [subprocess.Popen(command, **pipes) for _ in range(2)]
    try:
        assert sorted(process.stdout.readline() for process in processes) == ["0\n", "1\n"]
        got = []

        def wait() -> None:
            with own_devices(1, ("0", "1")) as held:
                got.append(held)

        waiting = threading.Thread(target=wait)
        waiting.start()
        waiting.join(1)
        assert waiting.is_alive()
        assert not got
        processes[0].kill()
        waiting.join(20)
        assert len(got) == 1
    finally:
        for process in processes:
            process.kill()
            process.communicate()


def test_who_waits_for_two_does_not_keep_one():
    got = []

    def wait_for(count: int, *among: str) -> threading.Thread:
        def wait() -> None:
            with own_devices(count, among) as held:
                got.append(held)

        thread = threading.Thread(target=wait, daemon=True)
        thread.start()
        return thread

    with own_devices(1, ("1",)):
        both = wait_for(2, "0", "1")
        both.join(0.2)
        one = wait_for(1, "0")
        one.join(10)
        assert got == [("0",)]
    both.join(10)
    assert got == [("0",), ("0", "1")]
