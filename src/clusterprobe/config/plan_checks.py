"""What is refused on a plan: rows that tables and figures could not tell apart."""

from __future__ import annotations

from clusterprobe.config.errors import UserError
from clusterprobe.config.model import HEAD_METHODS
from clusterprobe.config.planned import Plan, Run


def check_cells(plan: Plan) -> None:
    """Raise UserError for two runs of one cell, as results name it (see report.summary).

    How many clusters a factor makes is not known before there are images.
    """
    cells: dict[str, Run] = {}
    for run in plan.runs.values():
        cell = _cell(plan, run)
        other = cells.setdefault(cell, run)
        if other is not run:
            raise UserError(
                f"two runs fall into one cell ({cell}; runs {other.id}, {run.id}): give the groups of "
                "`clusterings:` that they come from different variants"
            )


def _cell(plan: Plan, run: Run) -> str:
    """Return the words for the cell of a run."""
    reduced = run.method not in HEAD_METHODS
    words = {
        "fit_dataset": run.dataset.name,
        "encoder": plan.title("encoder", run.encoder),
        "method": run.method,
        "variant": run.variant,
        "reducer": run.reducer.name if reduced else None,
        "dims": run.reducer.dims if reduced else None,
        "k": run.clusters.k,
        "factor": run.clusters.factor,
        "protocol": run.protocol,
    }
    return ", ".join(f"{key}={value}" for key, value in words.items() if value is not None)
