"""Every number of clusters that there is a choice of, fitted and judged in one go."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from clusterprobe.evaluate.scoring import score_cell
from clusterprobe.runs.kmeans import fit_cell, write_fits
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
    fits = fit_cell(entry["fitting"], code, memory_bytes, device)
    write_fits(fits, Path(entry["model"]), Path(entry["assignments"]))


def _judge(entry: Mapping[str, Any]) -> None:
    rows = score_cell(entry["scoring"], Path(entry["model"]), Path(entry["assignments"]))
    write_table(Path(entry["criteria"]), results_table(rows))
