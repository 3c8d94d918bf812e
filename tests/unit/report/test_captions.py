from __future__ import annotations

from pathlib import Path
from types import SimpleNamespace

import pytest

from clusterprobe.report.figures import FIGURES
from clusterprobe.report.table_builders import TABLES

FOLDER = Path(__file__).parents[3] / "workflow" / "report"
NAMES = [f"table-{name}" for name in TABLES] + [f"figure-{name}" for name in FIGURES]
NAMES += ["gallery-clusters", "page-choice", "page-overview"]


@pytest.mark.parametrize("name", NAMES)
def test_everything_in_the_report_has_a_caption_of_two_to_four_sentences(name: str) -> None:
    text = (FOLDER / f"{name}.rst").read_text(encoding="utf-8")
    assert "{" not in text, "captions are plain: what varies stands in the table or figure"
    assert 2 <= text.replace(".\n", ". ").count(". ") <= 5


def test_no_caption_is_left_over() -> None:
    assert {path.stem for path in FOLDER.glob("*.rst")} == {*NAMES, "item", "workflow"}


@pytest.mark.parametrize(
    ("config", "words"),
    [
        ({"name": "digits", "fit": ["digits", "other"]}, "images of ``digits``, ``other`` into"),
        ({"name": "digits"}, "images of its data sets into"),
    ],
)
def test_the_landing_page_renders(config: dict[str, object], words: str) -> None:
    jinja2 = pytest.importorskip("jinja2")
    environment = jinja2.Environment(trim_blocks=True, lstrip_blocks=True, undefined=jinja2.StrictUndefined)
    template = environment.from_string((FOLDER / "workflow.rst").read_text(encoding="utf-8"))
    text = template.render(snakemake=SimpleNamespace(config=config))
    assert words in text
    assert "``digits``" in text


@pytest.mark.parametrize("path", sorted(FOLDER.glob("*-*.rst")), ids=lambda path: path.stem)
def test_captions_are_valid_restructured_text(path: Path) -> None:
    core = pytest.importorskip("docutils.core")
    settings = {"report_level": 1, "halt_level": 2}
    parts = core.publish_parts(path.read_text(encoding="utf-8"), writer="html", settings_overrides=settings)
    assert parts["body"].startswith("<p>")
