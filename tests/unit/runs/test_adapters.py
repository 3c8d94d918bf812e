"""Adapters on arrays: what they load, and what they say where a GPU is asked for and there is none."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
import torch

from clusterprobe.store.features import write_shard

SCRIPTS = Path(__file__).resolve().parents[3] / "workflow" / "scripts"

RUN = """
import sys
from pathlib import Path
from types import SimpleNamespace

class Files(list):
    shards, labels = property(list), ()

script, device, shard = Path(sys.argv[1]), sys.argv[2], sys.argv[3]
given = SimpleNamespace(
    rule=script.stem, wildcards={}, log=["job.log"], input=Files([shard]), output=["found.npz"],
    params=SimpleNamespace(k=3, oracle=False, approximate=False),
    resources=SimpleNamespace(device=device, gpu=0),
)
exec(compile(script.read_text(), str(script), "exec"), {"snakemake": given})
print("torch" if "torch" in sys.modules else "arrays")
"""


@pytest.mark.parametrize("script", ["fit_pca", "mine_neighbours"])
@pytest.mark.parametrize("device", ["auto", "cuda"])
def test_only_a_gpu_that_is_asked_for_loads_torch(script: str, device: str, tmp_path: Path) -> None:
    rows = np.random.default_rng(0).standard_normal((50, 6)).astype(np.float32)
    shard = tmp_path / "00000-of-00001.npy"
    write_shard(shard, rows, space="space", content="content", first_row=0, total_rows=50)
    command = [sys.executable, "-c", RUN, str(SCRIPTS / f"{script}.py"), device, str(shard)]
    done = subprocess.run(command, cwd=tmp_path, text=True, capture_output=True)
    if device == "auto":
        assert done.stdout.split() == ["arrays"], done.stderr
    elif torch.cuda.is_available():
        assert done.stdout.split() == ["torch"], done.stderr
    else:
        assert done.returncode == 1
        assert f"{script}: device cuda was asked for, but torch sees no GPU" in done.stderr
        assert not (tmp_path / "found.npz").exists()
