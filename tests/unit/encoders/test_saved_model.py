"""The pipe to a SavedModel's process, with a stand-in for TensorFlow; the real one is in test_foreign.py."""

from __future__ import annotations

import copy
import sys
from pathlib import Path

import pytest
import torch

from clusterprobe.config.errors import UserError
from clusterprobe.encoders import foreign_worker
from clusterprobe.encoders.architectures import Body, build
from clusterprobe.encoders.isolated import VARIABLE

STAND_IN = """
import sys
sys.path.insert(0, {folder!r})
from foreign_worker import ERROR, ERROR_CODE, read_array, write_array
*_, archive, signature, output = sys.argv
print("a library says hello", file=sys.stderr)
if open(archive, "rb").read() != b"the archive":
    sys.exit("another archive")
if signature == "refuse":
    print(ERROR + "no such signature", file=sys.stderr)
    sys.exit(ERROR_CODE)
while (images := read_array(sys.stdin.buffer)) is not None:
    if signature == "crash":
        raise MemoryError("too much")
    write_array(sys.stdout.buffer, images.mean((1, 2)))
"""


@pytest.fixture(autouse=True)
def stand_in(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A Python that runs the stand-in whatever it is asked to run."""
    folder = str(Path(foreign_worker.__file__).parent)
    (tmp_path / "worker.py").write_text(STAND_IN.format(folder=folder), "utf-8")
    python = tmp_path / "python"
    python.write_text(f'#!/bin/sh\nexec {sys.executable} {tmp_path}/worker.py "$@"\n', "utf-8")
    python.chmod(0o755)
    monkeypatch.setenv(VARIABLE, str(python))


def network(signature: str = "encode", width: int = 3, archive: bytes = b"the archive") -> Body:
    options = {"signature": signature, "output": "mean", "width": width, "size": len(archive)}
    body = build("saved-model", options)
    body.network.load_state_dict({"archive": torch.frombuffer(bytearray(archive), dtype=torch.uint8)})
    return body


IMAGES = torch.randn(5, 3, 4, 6, generator=torch.Generator().manual_seed(0))


def test_images_go_there_channels_last_and_features_come_back() -> None:
    body = network()
    assert (body.width, body.pooling) == (3, "signature")
    for images in (IMAGES, IMAGES[:1], IMAGES.to(torch.float64)):
        torch.testing.assert_close(body(images), images.float().mean((2, 3)))


def test_copies_have_processes_of_their_own() -> None:
    body = network()
    body(IMAGES)
    again = copy.deepcopy(body)
    del body
    torch.testing.assert_close(again(IMAGES), IMAGES.mean((2, 3)))


@pytest.mark.parametrize(
    ("signature", "width", "archive", "message"),
    [
        ("refuse", 3, b"the archive", r"^no such signature$"),
        ("crash", 3, b"the archive", r"ended with code 1: .*MemoryError: too much"),
        ("encode", 3, b"something else", r"ended with code 1: .*another archive"),
        ("encode", 4, b"the archive", r"output 'mean' has 3 features, not 4: correct `width`"),
    ],
)
def test_what_the_process_says_is_the_error(signature: str, width: int, archive: bytes, message: str) -> None:
    body = network(signature, width, archive)
    with pytest.raises(UserError, match=message):
        body(IMAGES)
        body(IMAGES)


def test_missing_environment_is_explained(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv(VARIABLE, "/nowhere/python")
    with pytest.raises(UserError, match=r"/nowhere/python does not exist: .*docs/encoders\.md"):
        network()(IMAGES)
