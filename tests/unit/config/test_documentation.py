from __future__ import annotations

from clusterprobe.config.documentation import generated


def test_schema_and_reference_page_are_in_step_with_the_model() -> None:
    for path, text in generated().items():
        assert path.read_text("utf-8") == text, f"{path} is stale: run `make docs`"


def test_every_key_is_explained() -> None:
    page = next(text for path, text in generated().items() if path.suffix == ".md")
    rows = [line for line in page.splitlines() if line.startswith("| `") and not line.startswith("| `kind`")]
    assert len(rows) > 60
    assert [row for row in rows if row.split("|")[-2].strip() == ""] == []
