from __future__ import annotations

import pytest

from clusterprobe.report.paper_tables import PaperTable
from clusterprobe.report.published import published, published_cell
from clusterprobe.report.scan_tables import SCAN_TABLES


@pytest.mark.parametrize("table", SCAN_TABLES.values(), ids=SCAN_TABLES)
def test_every_published_number_of_a_table_has_its_cell(table: PaperTable) -> None:
    rows = published(table.paper)
    rows = rows[rows["table"] == table.table]
    lines = [line.published for line in table.lines if line.published]
    assert sorted(lines) == sorted(rows["method"].unique())
    assert {measure.published for measure in table.measures} == set(rows["metric"])
    for dataset, part in rows.groupby("dataset"):
        for line in lines:
            for measure in table.measures:
                one = part[part["method"] == line]
                found = published_cell(one, measure.published, f"{dataset}, {line}")
                assert found.reason is None or "not reported" in one["note"].str.cat()


def test_over_clustering_alone_asks_for_more_clusters() -> None:
    factors = {line.variant: line.factor for table in SCAN_TABLES.values() for line in table.lines}
    assert {variant for variant, factor in factors.items() if factor != 1} == {"over-clustering"}
