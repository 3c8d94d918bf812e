"""A project whose jobs go through Slurm."""

from __future__ import annotations

from typing import Any

from cluster import Cluster
from project import SIMCLR, Project, Result, experiment

# Look at jobs soon and trust the file system: a real site needs the times of the profile.
IN_A_HURRY = ("--slurm-init-seconds-before-status-checks", "3", "--latency-wait", "5")


class Submitted:
    """A project whose jobs go through Slurm."""

    def __init__(self, project: Project, cluster: Cluster) -> None:
        self.project, self.folder, self.cluster = project, project.folder, cluster
        project.environment |= cluster.environment

    def run(self, *arguments: str, ok: bool = True, **environment: str) -> Result:
        """Run snakemake with the profile of the repository to its end."""
        before = len(self.cluster.ended_jobs())
        result = self.project.run("--profile", "slurm", *IN_A_HURRY, *arguments, ok=ok, **environment)
        self.jobs = self.cluster.ended_jobs()[before:]
        return result

    def states(self) -> list[str]:
        """Return how the Slurm jobs of the last run ended."""
        return [job["JobState"] for job in self.jobs]


def tiny(**changes: Any) -> dict[str, Any]:
    """One trained encoder, one run, one table: ten jobs."""
    values: dict[str, Any] = {
        "datasets": {"pictures": {"kind": "folder", "path": "images"}},
        "encoders": {"simclr": SIMCLR},
        "seeds": 1,
        "clusterings": [{"method": "kmeans", "reducers": [{"name": "none"}]}],
        "neighbours": {"encoder_seeds": 0},
        "report": {"tables": ["clustering"], "figures": [], "galleries": []},
        "compute": {"memory_mb": 1000, "batch_size": 32},
    }
    return experiment(**values | changes)
