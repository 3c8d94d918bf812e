"""The frame around every job: its log, its errors, its GPUs, its provenance record."""

from __future__ import annotations

import os
import sys
import traceback
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import Any

from clusterprobe.config.errors import UserError
from clusterprobe.store.devices import own_devices
from clusterprobe.store.disk import advice
from clusterprobe.store.provenance import recorded


@contextmanager
def job(snakemake: Any) -> Iterator[dict[str, Any]]:
    """Run a job: everything it prints goes to its log, a mistake of the user ends it with one message.

    So does a disk that takes no more. The traceback then lies beside the log, as Snakemake shows the log.
    Yields the facts of the provenance record, written beside the log when the job ends well.
    """
    log = Path(snakemake.log[0])
    facts = {"rule": snakemake.rule, "wildcards": dict(snakemake.wildcards.items())}
    with (
        _one_message(snakemake.rule, log.with_suffix(".traceback")),
        _printing_to(log),
        own_devices(getattr(snakemake.resources, "gpu", 0)),
        recorded(log.with_suffix(".provenance.json"), **facts) as record,
    ):
        yield record


@contextmanager
def _one_message(rule: str, details: Path) -> Iterator[None]:
    with suppress(OSError):
        details.unlink(missing_ok=True)
    try:
        yield
    except (UserError, OSError) as error:
        message = str(error) if isinstance(error, UserError) else _refusal(error)
        if message is None:
            raise
        os.write(2, f"\n{rule}: {message}\n".encode("utf-8", "replace"))
        with suppress(OSError):
            details.write_text("".join(traceback.format_exception(error)), encoding="utf-8")
        raise SystemExit(1) from None


def _refusal(error: OSError) -> str | None:
    reason = advice(error)
    return f"{error.filename}: {reason}" if reason and error.filename else reason


@contextmanager
def _printing_to(log: Path) -> Iterator[None]:
    """Send file descriptors 1 and 2 to a file, for libraries too; the error that ends the block, too."""
    log.parent.mkdir(parents=True, exist_ok=True)
    with log.open("wb", buffering=0) as handle:
        terminals = {number: os.dup(number) for number in (1, 2)}
        _flush()
        for number in terminals:
            os.dup2(handle.fileno(), number)
        try:
            yield
        except Exception as error:
            last = str(error) if isinstance(error, UserError) else traceback.format_exc()
            with suppress(OSError):
                _flush()
                handle.write(f"{last}\n".encode("utf-8", "replace"))
            raise
        finally:
            with suppress(OSError):
                _flush()
            for number, terminal in terminals.items():
                os.dup2(terminal, number)
                os.close(terminal)


def _flush() -> None:
    sys.stdout.flush()
    sys.stderr.flush()
