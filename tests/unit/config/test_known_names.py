"""The names that a configuration is checked against are those that the other rooms know."""

from __future__ import annotations

from pathlib import Path

from clusterprobe.config.known_names import captioned, label_maps, objectives
from clusterprobe.config.model import HEAD_METHODS
from clusterprobe.images.label_maps import load_label_map
from clusterprobe.objectives.loading import objective_names
from clusterprobe.report.figures import FIGURES
from clusterprobe.report.table_builders import TABLES


def test_objectives_are_those_that_can_be_loaded() -> None:
    assert objectives() == set(objective_names())
    assert set(HEAD_METHODS.values()) <= objectives()


def test_label_maps_are_those_that_are_shipped() -> None:
    assert {load_label_map(name).name for name in label_maps()} == label_maps() >= {"digits_to_shifted"}


def test_figures_and_tables_are_those_with_a_caption() -> None:
    assert captioned("figure", Path()) == set(FIGURES)
    assert captioned("table", Path()) == set(TABLES)
