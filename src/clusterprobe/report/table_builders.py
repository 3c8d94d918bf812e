"""The tables that an experiment can have, by name."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import pandas as pd

from clusterprobe.config.errors import UserError, nearest
from clusterprobe.report.attribution import TITLE as ATTRIBUTION
from clusterprobe.report.attribution import build_attribution_table
from clusterprobe.report.benchmark import BenchmarkTable
from clusterprobe.report.benchmark_tables import build_benchmark_table
from clusterprobe.report.catalogue_table import TITLE as CATALOGUE
from clusterprobe.report.catalogue_table import build_catalogue_table
from clusterprobe.report.cld_tables import CLD_TABLES
from clusterprobe.report.clustering_tables import RECIPES, Classes, Recipe, build_clusterings
from clusterprobe.report.confusion_table import TITLE as CONFUSIONS
from clusterprobe.report.confusion_table import build_confusion_table
from clusterprobe.report.criteria_table import TITLE as CRITERIA
from clusterprobe.report.criteria_table import build_criteria_table
from clusterprobe.report.fact_tables import (
    FACT_TABLES,
    FactTable,
    Intervals,
    build_dataset_table,
    build_operation_table,
)
from clusterprobe.report.kmeans_tables import KMEANS_TABLES
from clusterprobe.report.mmdc_tables import MMDC_TABLES
from clusterprobe.report.paper_probes import ProbeTable, build_paper_probes
from clusterprobe.report.paper_tables import PaperTable, build_paper_table
from clusterprobe.report.probe_table import TITLE as PROBES
from clusterprobe.report.probe_table import build_probe_table
from clusterprobe.report.scan_tables import SCAN_TABLES
from clusterprobe.report.sela_tables import SELA_TABLES
from clusterprobe.report.summary import tidy
from clusterprobe.report.tables import Table

TABLES: dict[str, Recipe | PaperTable | BenchmarkTable | ProbeTable | FactTable] = {
    **RECIPES,
    "confusions": FactTable(CONFUSIONS),
    "probes": FactTable(PROBES),
    "criteria": FactTable(CRITERIA),
    "attribution": FactTable(ATTRIBUTION),
    "kmeans-table-1": FactTable(CATALOGUE),
    **KMEANS_TABLES,
    **SCAN_TABLES,
    **MMDC_TABLES,
    **SELA_TABLES,
    **CLD_TABLES,
    **FACT_TABLES,
}
"""Every table by name."""


def build_table(
    name: str,
    results: pd.DataFrame,
    classes: Classes | None = None,
    *,
    published_as: Mapping[str, str] | None = None,
    pretext: str | None = None,
    facts: Sequence[Mapping[str, Any]] = (),
    operations: Intervals | None = None,
    confusions: Sequence[Mapping[str, Any]] = (),
    catalogue: Sequence[Mapping[str, Any]] = (),
    encoders: Mapping[str, Mapping[str, Any]] | None = None,
) -> Table:
    """Return the table `name` of a frame of results.

    `classes` gives the number of classes of each data set: with it, `clustering` (if there are any),
    `transfer` and the tables of papers keep the runs with the right number of clusters, and
    `overclustering` says which multiple of it a number of clusters is. Tables of papers print published
    numbers beside ours for the data sets in `published_as` (our name -> that of the paper), and follow one
    `pretext` (readable name of an encoder, the first with runs if not given). `facts`
    (traces.dataset_facts) are for tables of data sets, `operations` (name -> interval; those of the code if
    not given) for tables of augmentations, `confusions` (see `build_confusion_table`) for the table of that
    name, `catalogue` for that of its methods, `encoders` (see report.benchmark_tables) for those that
    compare published encoders.
    """
    if name not in TABLES:
        raise UserError(f"there is no table {name!r}: {nearest(name, TABLES)}")
    recipe = TABLES[name]
    if name == "confusions":
        return build_confusion_table(name, confusions)
    if name == "probes":
        return build_probe_table(name, tidy(results))
    if name == "criteria":
        return build_criteria_table(name, tidy(results))
    if name == "kmeans-table-1":
        return build_catalogue_table(name, catalogue)
    if name == "attribution":
        return build_attribution_table(name, tidy(results))
    if name == "scan-table-s1":
        return build_dataset_table(name, facts, published_as)
    if name == "scan-table-s2":
        return build_operation_table(name, operations)
    if isinstance(recipe, BenchmarkTable):
        return build_benchmark_table(
            name, recipe, tidy(results), classes or {}, published_as or {}, encoders or {}
        )
    if isinstance(recipe, ProbeTable):
        return build_paper_probes(name, recipe, tidy(results), classes, published_as)
    if isinstance(recipe, PaperTable):
        return build_paper_table(name, recipe, tidy(results), classes, published_as, pretext)
    return build_clusterings(name, tidy(results), classes or {})
