"""The gallery of a folder of pictures: one page to look at clusters, name them and take the result away."""

from __future__ import annotations

import base64
import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
import pyarrow as pa

from clusterprobe.report.charts import cut_heights, dendrogram
from clusterprobe.report.choice_page import choice_section
from clusterprobe.report.pages import page, text
from clusterprobe.store.atomic import write_text

FILES = "gallery-files"
CHUNK = 500
"""Thumbnails in one file beside the page."""

_HERE = Path(__file__).parent / "gallery_page"
Int64 = npt.NDArray[np.int64]


@dataclass(frozen=True)
class Gallery:
    """What is shown. `pictures`, `arrays`: table and arrays of runs.pictures; `jpegs`: a thumbnail each.

    `choice` is what evaluate.choosing found, `facts` are sentences about the run, `cluster_names` one text
    for each cluster or none.
    """

    title: str
    pictures: pa.Table
    arrays: Mapping[str, npt.NDArray[Any]]
    jpegs: pa.ChunkedArray
    choice: Mapping[str, Any]
    facts: Sequence[str] = ()
    cluster_names: Sequence[str] = ()


def write_gallery(path: Path, files: Path, gallery: Gallery, most_bytes: int) -> None:
    """Write the page to `path`; thumbnails of more than `most_bytes` lie beside it in `files`, by chunks."""
    files.mkdir(parents=True, exist_ok=True)
    embedded = gallery.jpegs.nbytes <= most_bytes
    order = _shelf_order(gallery.pictures)
    values = _values(gallery, order, files.name)
    if embedded:
        values["thumbnails"] = [_encoded(jpeg.as_py()) for jpeg in gallery.jpegs]
    else:
        for number, first in enumerate(range(0, len(order), CHUNK)):
            jpegs = gallery.jpegs.take(pa.array(order[first : first + CHUNK])).to_pylist()
            script = f"thumbnails({number},{json.dumps([_encoded(jpeg) for jpeg in jpegs])});\n"
            write_text(files / f"chunk-{number:05d}.js", script)
    write_text(path, _page(gallery, values))


def script_json(value: object) -> str:
    """Return JSON that is safe inside a script element: no text in it can end the element or be markup."""
    found = json.dumps(value, ensure_ascii=False, separators=(",", ":"), allow_nan=False)
    for character in "<>&\u2028\u2029":
        found = found.replace(character, f"\\u{ord(character):04x}")
    return found


def _page(gallery: Gallery, values: Mapping[str, Any]) -> str:
    style = (_HERE / "page.css").read_text(encoding="utf-8")
    script = (_HERE / "page.js").read_text(encoding="utf-8")
    body = [
        f"<h1>{text(gallery.title)}</h1>",
        *(f"<p>{text(fact)}</p>" for fact in gallery.facts),
        "<noscript><p>The script in this page shows its pictures: let it run.</p></noscript>",
        _TOOLS.format(leaves=len(values["groups"]), k=max(values["groups"]) + 1),
        '<div class="overview" data-needs-script hidden>',
        _MAP.format(count=f"{sum(x is not None for x in values['x']):,}"),
        "<div>",
        _hierarchy(gallery.arrays["merges"], max(values["groups"]) + 1),
        choice_section(gallery.choice),
        "</div></div>",
        '<nav aria-label="Clusters"><p id="contents"></p></nav>',
        '<p id="status" role="status"></p>',
        '<main id="clusters"></main>',
        _DIALOG,
        f'<script type="application/json" id="data">{script_json(values)}</script>',
        f"<script>{script}</script>",
    ]
    return page(gallery.title, "\n".join(body), style)


def _values(gallery: Gallery, order: Int64, files: str) -> dict[str, Any]:
    table, merges = gallery.pictures, gallery.arrays["merges"]
    distance = table["distance"].to_numpy()
    place = np.empty(len(order), dtype=np.int64)
    place[order] = np.arange(len(order))
    twins, groups = _twins(table["first"].to_numpy())
    return {
        "names": table["id"].to_pylist(),
        "leaf": table["leaf"].to_pylist(),
        "second": table["second"].to_pylist(),
        "distance": [float(f"{value:.5g}") for value in distance.tolist()],
        "confidence": [round(value, 4) for value in table["confidence"].to_pylist()],
        "x": _rounded(table["x"]),
        "y": _rounded(table["y"]),
        "order": np.argsort(distance, kind="stable").tolist(),
        "place": place.tolist(),
        "chunk": CHUNK,
        "files": files,
        "twins": twins,
        "groups_of_twins": groups,
        "merges": merges[:, :2].astype(int).tolist(),
        "cuts": cut_heights(merges),
        "groups": gallery.arrays["groups"].tolist(),
        "cluster_names": list(gallery.cluster_names),
    }


def _shelf_order(table: pa.Table) -> Int64:
    """Return the pictures cluster by cluster, nearest first, so that chunks fit clusters."""
    order: Int64 = np.lexsort(
        (table["distance"].to_numpy(), table["leaf"].to_numpy(), table["cluster"].to_numpy())
    )
    return order


def _twins(first: Int64) -> tuple[dict[int, int], list[list[int]]]:
    """Return, for pictures that are there more than once, the number of their group, and the groups."""
    counts = np.bincount(first, minlength=len(first))
    groups: dict[int, list[int]] = {}
    for picture in np.flatnonzero(counts[first] > 1).tolist():
        groups.setdefault(int(first[picture]), []).append(picture)
    members = list(groups.values())
    return {picture: number for number, group in enumerate(members) for picture in group}, members


def _rounded(column: pa.ChunkedArray) -> list[float | None]:
    return [None if value is None else round(value, 4) for value in column.to_pylist()]


def _encoded(jpeg: bytes) -> str:
    return base64.b64encode(jpeg).decode("ascii")


def _hierarchy(merges: npt.NDArray[np.float64], k: int) -> str:
    drawing = dendrogram(merges, k)
    if not drawing:
        return ""
    caption = "Which clusters are alike: the lower two meet, the more. The dashed line is where they are cut."
    return f"<figure>{drawing}<figcaption>{caption}</figcaption></figure>"


_TOOLS = """<div class="tools" data-needs-script hidden role="search" aria-label="What is shown">
<label>File name contains<input id="search" type="search"></label>
<label>Confidence from, in %<input id="low" type="number" min="0" max="100" value="0"></label>
<label>to<input id="high" type="number" min="0" max="100" value="100"></label>
<label>Clusters by<select id="sort"><option value="size">size</option>
<option value="tight">tightness</option><option value="number">number</option></select></label>
<label>Number of clusters, 1 to {leaves}
<input id="level" type="number" min="1" max="{leaves}" value="{k}"></label>
<button id="download" type="button">Download as CSV, with your names</button>
</div>"""

_MAP = """<figure><canvas id="map" width="560" height="560" tabindex="0" role="img"
aria-label="Map of {count} pictures; arrow keys go from one to the next, Enter opens it"></canvas>
<figcaption>A map of {count} pictures: near each other where their features are alike.</figcaption>
<p id="said" class="note" aria-live="polite"></p><div id="tip" hidden></div></figure>"""

_DIALOG = """<dialog id="picture" aria-label="One picture"><img id="large" alt=""><dl id="facts"></dl>
<button id="go" type="button">Go to its cluster</button>
<button id="close" type="button">Close</button></dialog>"""
