# Before anything is begun: can the folder be written, are the images there, and is no other run at work here?
# Whoever only looks (--dry-run, --report, --summary) is let through.

import logging
import sys
from pathlib import Path

from clusterprobe.config.errors import UserError
from clusterprobe.config.stamps import absent_places
from clusterprobe.config.targets import unused_encoders
from clusterprobe.store.disk import check_writable
from clusterprobe.store.occupancy import occupy

LOCAL = workflow.nodes is None and not workflow.remote_exec
WILL_WRITE = workflow.resource_settings.cores or workflow.nodes or "--unlock" in sys.argv
OCCUPANCY = None

# On a full disk Snakemake's own log takes no line either: no traceback for each of them.
logging.raiseExceptions = False


def check_images():
    """Raise UserError if indexed images are gone: Snakemake would remove their index and start all over."""
    for dataset in PLAN.datasets.values():
        indexed = any(Path(paths.location(dataset, split)).exists() for split in dataset.splits)
        if indexed and (absent := absent_places(dataset.definition)):
            raise UserError(
                f"data set {dataset.name}: {Path(absent[0]).absolute()} does not exist or is empty, but was indexed "
                "before: mount its disk, or correct the path in the configuration"
            )


if workflow.is_main_process and (unused := unused_encoders(PLAN)):
    print(
        f"no clustering and no probe takes, so that they are not made: encoders {', '.join(unused)}",
        file=sys.stderr,
    )

if WILL_WRITE and workflow.is_main_process and not workflow.output_settings.dryrun:
    try:
        check_writable(Path(), Path("data"), Path("reports"))
        check_images()
        OCCUPANCY = occupy(Path(".snakemake"))
    except UserError as error:
        sys.exit(f"\n{error}")


onstart:
    if OCCUPANCY:
        OCCUPANCY.sign(local=LOCAL)
