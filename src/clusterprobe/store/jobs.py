"""What surrounds every job of the workflow: its log, one clear error, its provenance record."""

from __future__ import annotations

import os
import sys
import traceback
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from clusterprobe.config.errors import UserError
from clusterprobe.store.devices import own_devices
from clusterprobe.store.provenance import recorded


@contextmanager
def job(snakemake: Any) -> Iterator[dict[str, Any]]:
    """Run a job: everything it prints goes to its log, a mistake of the user ends it with one message.

    Yields the facts of the provenance record, written beside the log when the job ends well.
    """
    log = Path(snakemake.log[0])
    log.parent.mkdir(parents=True, exist_ok=True)
    with log.open("w", encoding="utf-8") as handle:
        terminal = _redirect(handle.fileno())
        facts = {"rule": snakemake.rule, "wildcards": dict(snakemake.wildcards.items())}
        try:
            with (
                own_devices(getattr(snakemake.resources, "gpu", 0)),
                recorded(log.with_suffix(".provenance.json"), **facts) as record,
            ):
                yield record
        except UserError as error:
            traceback.print_exc()
            _say(terminal, f"\n{snakemake.rule}: {error}\n")
            raise SystemExit(1) from None
        except Exception:
            traceback.print_exc()
            raise
        finally:
            sys.stdout.flush()
            sys.stderr.flush()
            os.dup2(terminal, 1)
            os.dup2(terminal, 2)


def _redirect(target: int) -> int:
    """Send file descriptors 1 and 2 to `target`, for libraries too; return a copy of the old stderr."""
    sys.stdout.flush()
    sys.stderr.flush()
    terminal = os.dup(2)
    os.dup2(target, 1)
    os.dup2(target, 2)
    return terminal


def _say(terminal: int, message: str) -> None:
    os.write(terminal, message.encode("utf-8", "replace"))
