"""Names that other rooms give a meaning to, found by their files: the configuration imports none of them."""

from __future__ import annotations

from pathlib import Path

_PACKAGE = Path(__file__).parents[1]


def objectives() -> set[str]:
    """Return the names of all objectives."""
    modules = {path.stem for path in (_PACKAGE / "objectives").glob("*.py")} - {"__init__", "loading"}
    return {module.replace("_", "-") for module in modules}


def label_maps() -> set[str]:
    """Return the names of the label maps that are shipped."""
    return {path.stem for path in (_PACKAGE / "images" / "maps").glob("*.csv")}


def captioned(kind: str, home: Path) -> set[str]:
    """Return the names of all tables or figures (`kind`): each has a caption in the workflow below `home`."""
    captions = (home / "workflow" / "report").glob(f"{kind}-*.rst")
    return {path.stem.removeprefix(f"{kind}-") for path in captions}
