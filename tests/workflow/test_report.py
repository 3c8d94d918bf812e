"""The report around everything, which Snakemake wraps in a call of its own after the run."""

from __future__ import annotations

from project import Project


def test_report_is_of_the_configuration_of_its_run(copied: Project) -> None:
    """That is several files, one over the other, and values of the command line over all."""
    copied.configure({"title": "Other pictures"}, "title")
    files = ("--configfile", "config/config.yaml", "config/title.yaml")
    copied.run(*files, "--config", "report={tables: [clustering], figures: [], galleries: []}")
    report = (copied.folder / "reports/tiny/report.html").read_text(encoding="utf-8")
    assert "Overview" in report
    assert "cluster-sizes" not in report
