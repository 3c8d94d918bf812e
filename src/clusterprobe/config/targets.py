"""What is made for people to read: the files below reports/ that a plan asks for."""

from __future__ import annotations

from clusterprobe.config.pass_cells import traced_runs
from clusterprobe.config.picture_cells import picture_files
from clusterprobe.config.planned import Plan, Run


def report_targets(plan: Plan) -> list[str]:
    """Return every declared file of the report, the HTML page around them apart."""
    folder = f"reports/{plan.config.name}"
    pages = ("results.parquet", "overview.html", "cost.html", "provenance.json")
    targets = [f"{folder}/{page}" for page in pages]
    targets += [
        f"{folder}/tables/{name}.{suffix}" for name in tables(plan) for suffix in ("tex", "html", "csv")
    ]
    targets += [f"{folder}/figures/{name}.{suffix}" for name in figures(plan) for suffix in ("pdf", "png")]
    targets += [f"{folder}/galleries/{run.id}.html" for run in galleries(plan)]
    return targets + picture_files(plan)


def tables(plan: Plan) -> list[str]:
    """Return the tables that the configuration names, or all that its runs can fill."""
    if plan.config.report.tables is not None:
        return plan.config.report.tables
    names = ["clustering"]
    names += ["transfer"] if _labelled(plan) and plan.config.transfer else []
    names += ["overclustering"] if _labelled(plan) and _varies(plan, "clusters") else []
    names += ["probes"] if plan.probes else []
    names += ["attribution"] if _labelled(plan) and _deviates(plan) else []
    names += ["criteria"] if _labelled(plan) and _leaves_a_choice(plan) else []
    return names


def figures(plan: Plan) -> list[str]:
    """Return the figures that the configuration names, or all that its runs can fill."""
    if plan.config.report.figures is not None:
        return plan.config.report.figures
    names = ["cluster-sizes"]
    names += ["prototypes"] if default_runs(plan) else []
    if _labelled(plan):
        names += ["acc-by-method", "ari-against-acc", "confusion"]
        names += ["neighbour-purity"] if plan.purity else []
        names += ["pca-dims"] if _varies(plan, "reducer") else []
        names += ["k-sweep"] if _varies(plan, "clusters") else []
        names += ["acc-by-epoch"] if traced_runs(plan) else []
    return names


def galleries(plan: Plan) -> list[Run]:
    """Return the runs whose clusters are shown: the first default run of each chosen encoder."""
    chosen = plan.config.report.galleries
    encoders = [list(plan.config.encoders)[-1]] if chosen is None else chosen
    runs = [main_run(plan, encoder) for encoder in encoders]
    return [run for run in runs if run is not None]


def main_run(plan: Plan, encoder: str) -> Run | None:
    """Return the first run on an encoder (for a head: on its network) with the variant `default`.

    One of the protocol `published` counts only if there is no other, and not where it stands in for another
    encoder.
    """
    runs = [run for run in plan.runs.values() if (run.network, run.variant) == (encoder, "default")]
    clean = [run for run in runs if run.protocol == "clean"]
    return next(iter(clean or [run for run in runs if run.encoder == encoder]), None)


def default_runs(plan: Plan) -> list[Run]:
    """Return the main run of every encoder."""
    return [run for name in plan.config.encoders if (run := main_run(plan, name)) is not None]


def _labelled(plan: Plan) -> bool:
    return all(plan.dataset(name).definition.labelled for name in plan.config.fit)


def _deviates(plan: Plan) -> bool:
    """Whether some encoder is clustered as published, and clean beside it."""
    runs = {(run.dataset.id, run.encoder, run.method, run.protocol) for run in plan.runs.values()}
    return any((*cell, "clean") in runs for *cell, protocol in runs if protocol == "published")


def _leaves_a_choice(plan: Plan) -> bool:
    """Whether criteria compare two settings of one method, oracles apart, at one number of clusters."""
    runs = [scored.run for scored in plan.criteria.values() if "oracle" not in scored.run.variant]
    grids = [(run.dataset.id, run.method, run.clusters) for run in runs]
    return len(set(grids)) < len(grids)


def _varies(plan: Plan, *attributes: str) -> bool:
    """Whether some encoder and method are run at more than one value of the attributes."""
    groups: dict[tuple[str, str, str], set[str]] = {}
    for run in plan.runs.values():
        value = str([getattr(run, name) for name in attributes])
        groups.setdefault((run.dataset.id, run.encoder, run.method), set()).add(value)
    return any(len(values) > 1 for values in groups.values())


def unused_encoders(plan: Plan) -> list[str]:
    """Return the encoders that no clustering or probe takes, not even by way of `start`: none is made."""
    names = [name for run in plan.runs.values() for name in (run.encoder, run.network)]
    names += [probe.encoder for probe in plan.probes.values()]
    used: set[str] = set()
    while names:
        name = names.pop()
        start = getattr(plan.config.encoders[name], "start", None)
        used |= {name}
        names += [start] if start else []
    return [name for name in plan.config.encoders if name not in used]
