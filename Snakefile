# From images to a readable report. The default experiment is config/config.yaml; another one is
# chosen by --configfile config/NAME.yaml, and then the default is not read at all.

from snakemake.utils import min_version

min_version("9.20")

if not workflow.overwrite_configfiles:

    configfile: "config/config.yaml"


include: "workflow/rules/common.smk"
include: "workflow/rules/guard.smk"
include: "workflow/rules/data.smk"
include: "workflow/rules/encoders.smk"
include: "workflow/rules/training.smk"
include: "workflow/rules/features.smk"
include: "workflow/rules/clusters.smk"
include: "workflow/rules/evaluation.smk"
include: "workflow/rules/paper.smk"
include: "workflow/rules/pictures.smk"


report: "workflow/report/workflow.rst"


localrules:
    all,
    paper,


rule all:
    """Everything that a person reads, except the report around it (made after the run)."""
    default_target: True
    input:
        report_files(),


rule paper:
    """The tables and figures in one PDF."""
    input:
        f"reports/{EXPERIMENT}/paper.pdf",


onsuccess:
    build_report()
