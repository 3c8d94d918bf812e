"""`python -m clusterprobe.train job.json`: one training run, also under torchrun.

A face, like cli.py: it brings the loop and an objective together, which the rooms themselves never do.
"""

from __future__ import annotations

import argparse
import json
import sys
from collections.abc import Sequence
from pathlib import Path

from clusterprobe.config.errors import UserError
from clusterprobe.objectives.loading import load_objective
from clusterprobe.train.interrupt import TrainingInterrupted
from clusterprobe.train.job import run_training


def main(arguments: Sequence[str] | None = None) -> int:
    """Run the job; return 0, 2 for a mistake in the job, 75 (try again) or 130 (Ctrl-C)."""
    parser = argparse.ArgumentParser(prog="python -m clusterprobe.train", description=__doc__)
    parser.add_argument("job", type=Path, help="JSON file that describes the run")
    path: Path = parser.parse_args(arguments).job
    try:
        job = json.loads(path.read_text(encoding="utf-8"))
        run_training(job, load_objective(job["objective"]["name"]))
    except TrainingInterrupted as interruption:
        print(interruption, file=sys.stderr)
        return interruption.exit_code
    except (UserError, OSError, KeyError, json.JSONDecodeError) as error:
        print(f"{path}: {error}", file=sys.stderr)
        return 2
    return 0


if __name__ == "__main__":
    sys.exit(main())
