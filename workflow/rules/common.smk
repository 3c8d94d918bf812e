# Only the wiring of the configuration: the plan says what there is, paths say where.

import shlex
import subprocess
import sys
from pathlib import Path

from snakemake.exceptions import WorkflowError

from clusterprobe.config import loading, paths
from clusterprobe.config.dataset_identity import indexing_definition
from clusterprobe.config.errors import UserError
from clusterprobe.config.picture_cells import check_pictures
from clusterprobe.config.plan import make_plan
from clusterprobe.config.stamps import location_stamp
from clusterprobe.config.targets import report_targets
from clusterprobe.store.devices import visible_devices
from clusterprobe.store.digests import code_digest

# The workflow may lie elsewhere than the folder of a run (`--directory`): what it brings along is found beside it.
HOME = Path() if Path("workflow").is_dir() else Path(workflow.basedir)

try:
    PLAN = make_plan(loading.load_config(config, HOME / "config"))
    check_pictures(PLAN)
except UserError as error:
    raise WorkflowError(f"the configuration does not hold together:\n{error}")

EXPERIMENT = PLAN.config.name
COMPUTE = PLAN.config.compute

# Under a scheduler jobs ask for `compute.gpus`. On this machine every job that can use a GPU gets one, and so many
# run at once; where there is none they get none, as the number of GPUs bounds what a job can ask for.
GPUS = COMPUTE.gpus
if workflow.nodes is None and not workflow.remote_exec:
    GPUS = max(1, GPUS)
    if "gpu" not in workflow.global_resources:
        workflow.register_resource("gpu", len(visible_devices()))
if COMPUTE.device == "cpu":
    GPUS = 0
# Components, clusters and neighbours are computed on arrays, the same on every machine, unless a GPU is asked for.
ARRAY_GPUS = min(1, GPUS) if COMPUTE.device == "cuda" else 0

SCRIPTS = Path(workflow.basedir) / "workflow" / "scripts"


wildcard_constraints:
    dataset=r"[a-z0-9-]+",
    split=r"[a-z]+",
    encoder=r"[a-z0-9-]+",
    features=r"[a-z0-9-]+",
    shard=r"\d{5}",
    shards=r"\d{5}",
    run=r"[a-z0-9-]+",
    probe=r"probe-[a-z0-9-]+",


def digest(script, *modules):
    """The code of an adapter and all that it imports, for `params: code=`."""
    return code_digest(SCRIPTS / script, modules)


def told(function):
    """A parameter whose change starts nothing: Snakemake compares none whose function asks for the output."""
    return lambda wildcards, output: function(wildcards)


def memory(wildcards, attempt):
    """Twice the memory at every retry."""
    return COMPUTE.memory_mb * 2 ** (attempt - 1)


def runtime(wildcards, attempt):
    """Twice the time at every retry."""
    return COMPUTE.runtime_minutes * 2 ** (attempt - 1)


def report_files():
    """All files below reports/ that the configuration asks for."""
    return report_targets(PLAN)


def configuration():
    """The part of the command line that chose the configuration of this run."""
    files, values = workflow.overwrite_configfiles, workflow.config_settings.config_args
    chosen = ["--configfile", *map(str, files)] if files else []
    return chosen + (["--config", *values] if values else [])


def build_report():
    """Wrap what was made into one HTML file that opens with no network; a part of it makes no report."""
    if not all(Path(path).exists() for path in report_files()):
        return
    target = Path(f"reports/{EXPERIMENT}/report.html")
    partial = target.with_name(".report.html")
    target.unlink(missing_ok=True)
    command = [sys.executable, "-m", "snakemake", "--snakefile", workflow.main_snakefile]
    command += ["--report", str(partial), "--nolock", *configuration()]
    done = subprocess.run([*command, "--workflow-profile", "none"], capture_output=True, text=True)
    if done.returncode:
        partial.unlink(missing_ok=True)
        reason = done.stderr.strip().rpartition("\n")[2]
        again = shlex.join(["snakemake", "--report", str(target), *configuration()])
        raise WorkflowError(f"all is made but {target}: {reason}\nWhen that is mended: {again}")
    partial.replace(target)
    print(f"The report: {target}", file=sys.stderr)
