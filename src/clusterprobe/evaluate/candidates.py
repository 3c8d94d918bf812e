"""Every number of clusters that there is a choice of, fitted and judged in one go."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from clusterprobe.evaluate.scoring import score_cell
from clusterprobe.runs.assignments import assignments_table
from clusterprobe.runs.kmeans import fit_cell, model_arrays
from clusterprobe.store.arrays import save_arrays
from clusterprobe.store.progress import Progress
from clusterprobe.store.tables import results_table, write_table
from clusterprobe.store.threads import in_order


def try_candidates(
    candidates: Sequence[Mapping[str, Any]], code: str, memory_bytes: int, device: str = "cpu"
) -> None:
    """Fit all `candidates`, one after the other, then judge them, several at a time; write their files.

    Each is what config.picture_cells.tried_together spells out. `code` is the digest of the code that fits
    and `memory_bytes` what a fit may hold, see runs.kmeans.fit_cell.
    """
    with Progress("try numbers of clusters", 2 * len(candidates), "steps") as progress:
        for entry in candidates:
            _fit(entry, code, memory_bytes, device)
            progress.update(1)
        for _ in in_order(_judge, candidates):
            progress.update(1)


def _fit(entry: Mapping[str, Any], code: str, memory_bytes: int, device: str) -> None:
    models, parts = {}, []
    for model, assigned in fit_cell(entry["fitting"], code, memory_bytes, device):
        models[assigned[0].encoder_seed, assigned[0].seed] = model
        parts += assigned
    write_table(Path(entry["assignments"]), assignments_table(parts))
    save_arrays(Path(entry["model"]), model_arrays(models))


def _judge(entry: Mapping[str, Any]) -> None:
    rows = score_cell(entry["scoring"], Path(entry["model"]), Path(entry["assignments"]))
    write_table(Path(entry["criteria"]), results_table(rows))
