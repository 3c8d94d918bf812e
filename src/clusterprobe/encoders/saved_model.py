"""A TensorFlow SavedModel as a body: it runs in a process of its own, images and features go by pipe."""

from __future__ import annotations

import subprocess
import tempfile
from contextlib import suppress
from pathlib import Path
from typing import Any

import torch
from torch import nn

from clusterprobe.config.errors import UserError
from clusterprobe.encoders.foreign_worker import read_array, write_array
from clusterprobe.encoders.isolated import worker_command, worker_message


class SavedModel(nn.Module):
    """Output `output` of a signature: images [B, 3, S, S] to features [B, width], always on the CPU.

    The archive (tar or zip) with the SavedModel is the one tensor of this network: uint8 [size]. The process
    starts with the first images and ends with this object. Raises UserError for what it cannot run.
    """

    archive: torch.Tensor

    def __init__(self, signature: str, output: str, width: int, size: int = 0) -> None:
        super().__init__()
        self.register_buffer("archive", torch.zeros(size, dtype=torch.uint8))
        self.signature, self.output, self.width = signature, output, width
        self._process: _Process | None = None

    def forward(self, images: torch.Tensor) -> torch.Tensor:
        if self._process is None:
            self._process = _Process(self.archive.cpu(), self.signature, self.output)
        features = self._process.answer(images.detach().float().permute(0, 2, 3, 1).cpu())
        if features.shape != (len(images), self.width):
            raise UserError(
                f"output {self.output!r} has {features.shape[1]} features, not {self.width}: correct `width`"
            )
        return features.to(images.device)

    def __getstate__(self) -> dict[str, Any]:
        return {**self.__dict__, "_process": None}


class _Process:
    """A running worker and the folder that its archive lies in."""

    def __init__(self, archive: torch.Tensor, signature: str, output: str) -> None:
        self._folder = tempfile.TemporaryDirectory()
        path = Path(self._folder.name) / "archive"
        command = worker_command("saved-model", str(path), signature, output)
        path.write_bytes(archive.numpy().data)
        self._said = (Path(self._folder.name) / "said").open("w+", encoding="utf-8")
        self._running = subprocess.Popen(
            command,
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=self._said,
        )

    def answer(self, images: torch.Tensor) -> torch.Tensor:
        """Return the features of images [B, H, W, 3], float32."""
        assert self._running.stdin
        assert self._running.stdout
        try:
            write_array(self._running.stdin, images.numpy())
            features = read_array(self._running.stdout)
        except BrokenPipeError:
            features = None
        if features is None:
            code = self._running.wait()
            self._said.seek(0)
            raise UserError(worker_message(self._said.read(), code))
        return torch.from_numpy(features.copy())

    def __del__(self) -> None:
        running = getattr(self, "_running", None)
        if running is not None:
            with suppress(OSError):
                running.stdin.close()
            running.wait()
            running.stdout.close()
            self._said.close()
            self._folder.cleanup()
