"""The gallery of a folder of pictures in a browser without network: seen, filtered, cut, named."""

from __future__ import annotations

import csv
import io
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pytest
from browser import Page
from PIL import Image

from clusterprobe.cluster.hierarchy import cut_tree, ward_tree
from clusterprobe.images.thumbnails import make_thumbnail
from clusterprobe.report.picture_gallery import Gallery, write_gallery
from clusterprobe.runs.pictures import SCHEMA

HOSTILE = "<img src=x onerror=alert(1)>.png"
ODD = [
    HOSTILE,
    "</script><script>alert(2)</script>.png",
    "two\nlines.png",
    'a "quoted", name.png',
    "=1+1.png",
]
COUNT, LEAVES = 120, 6
CHOICE = {
    "k": 4,
    "run": "r",
    "curves": {"silhouette": {"2": 0.1, "4": 0.4, "6": 0.2}, "stability": {"2": 0.9, "4": 1.0, "6": 0.8}},
    "agreement": {"2": 0.25, "4": 1.0, "6": 0.2},
    "offered": [4],
}


def gallery() -> Gallery:
    """Discs in six colours, four clusters of six leaves, some odd names."""
    generator = np.random.default_rng(0)
    leaf = np.sort(np.arange(COUNT) % LEAVES)
    centres = np.array([[0.0, 0], [0, 1], [9, 0], [9, 1], [0, 9], [9, 9]])
    merges = ward_tree(centres, np.bincount(leaf))
    groups = cut_tree(merges, 4)
    colours = [(200, 40, 40), (220, 120, 40), (40, 160, 60), (40, 160, 160), (40, 60, 200), (150, 40, 180)]
    jpegs = [make_thumbnail(Image.new("RGB", (60, 40), colours[each]), 96).jpeg for each in leaf]
    places = centres[leaf] + generator.normal(0, 0.3, (COUNT, 2))
    places = (places - places.min()) / (places.max() - places.min()) * 2 - 1
    columns: dict[str, Any] = {
        "id": [*ODD, *(f"folder/{number:03d}.jpg" for number in range(COUNT - len(ODD)))],
        "leaf": leaf,
        "cluster": groups[leaf],
        "second": (groups[leaf] + 1) % 4,
        "distance": generator.random(COUNT),
        "confidence": np.linspace(0, 1, COUNT),
        "first": [0, 0, *range(2, COUNT)],
        "copy": [False, True] + [False] * (COUNT - 2),
        "x": [None, *places[1:, 0]],
        "y": [None, *places[1:, 1]],
    }
    arrays = {"merges": merges, "groups": groups}
    table = pa.table(columns, schema=SCHEMA)
    return Gallery("Holiday", table, arrays, pa.chunked_array([jpegs]), CHOICE, ["Encoder: pixels."])


@pytest.fixture(params=["embedded", "beside"])
def opened(page: Page, tmp_path: Path, request: pytest.FixtureRequest, shots: Path) -> Page:
    """The page with its thumbnails in it, or in scripts beside it, after a first look at all of it."""
    most = 10**9 if request.param == "embedded" else 0
    write_gallery(tmp_path / "gallery.html", tmp_path / "gallery-files", gallery(), most)
    page.open(tmp_path / "gallery.html")
    page.screenshot(shots / f"picture-gallery-{request.param}.png")
    return page


def texts(page: Page, selector: str) -> list[str]:
    found: list[str] = page.run(f"[...document.querySelectorAll({selector!r})].map(node => node.textContent)")
    return found


def enter(page: Page, field: str, value: str) -> None:
    """Type a value into a field and wait until the page has followed."""
    page.run(
        f"(field => {{ field.value = {value!r}; "
        "field.dispatchEvent(new Event('input', {bubbles: true})); })"
        f"(document.getElementById({field!r}))"
    )
    page.run("new Promise(done => setTimeout(done, 300)) && 1")


def status(page: Page, beginning: str) -> None:
    page.wait_until(f"document.getElementById('status').textContent.startsWith({beginning!r})")


def test_everything_is_there_and_every_picture_that_is_seen_is_loaded(opened: Page) -> None:
    status(opened, "120 of 120 pictures in 4 of 4 clusters")
    assert texts(opened, "section.cluster h2")[0] == "Cluster 0"
    opened.wait_until("[...document.images].filter(image => image.naturalWidth === 60).length >= 40")
    assert opened.run("document.querySelectorAll('figure svg').length") == 2
    assert opened.run("document.documentElement.scrollWidth <= innerWidth")
    assert opened.run("document.documentElement.lang") == "en"
    assert "4 clusters were chosen" in opened.run("document.body.innerText")


def test_hostile_names_are_only_names(opened: Page) -> None:
    enter(opened, "search", "<img src")
    status(opened, "1 of 120")
    assert texts(opened, "ul.pictures .name") == [HOSTILE]
    assert opened.run("document.querySelectorAll('img[src=\"x\"], [onerror]').length") == 0
    label = opened.run(
        "document.querySelector('ul.pictures button[title^=\"<img\"]').getAttribute('aria-label')"
    )
    assert label.startswith(HOSTILE)


def test_prototypes_come_first_and_outliers_last(opened: Page) -> None:
    order = opened.run(
        "[...document.querySelectorAll('section.cluster')].map(section => "
        "[...section.querySelectorAll('img')].map(image => data.distance[Number(image.dataset.picture)]))"
    )
    assert len(order) == 4
    assert all(own == sorted(own) for own in order)
    sizes = [len(own) for own in order]
    assert max(sizes) == 24, "the first and the last of a large cluster"


def test_names_and_confidence_filter(opened: Page) -> None:
    enter(opened, "search", "FOLDER/00")
    status(opened, "10 of 120")
    enter(opened, "search", "")
    enter(opened, "low", "50")
    status(opened, "60 of 120")
    assert texts(opened, "#contents a")


def test_another_level_of_the_hierarchy_is_the_cut_of_the_library(opened: Page) -> None:
    expected = gallery()
    for level in range(1, LEAVES + 1):
        groups = cut_tree(expected.arrays["merges"], level).tolist()
        assert opened.run(f"cut({level})") == groups
    enter(opened, "level", "2")
    status(opened, "120 of 120 pictures in 2 of 2 clusters")
    enter(opened, "level", "6")
    status(opened, "120 of 120 pictures in 6 of 6 clusters")


def test_names_of_clusters_go_into_the_table_that_is_taken_away(opened: Page) -> None:
    opened.run(
        "(field => { field.value = 'Discs, \"red\"'; field.dispatchEvent(new Event('input')); })"
        "(document.querySelector('#cluster-0 h2 input'))"
    )
    assert texts(opened, "#contents a")[0] == 'Discs, "red"'
    rows = list(csv.DictReader(io.StringIO(opened.run("csv()"))))
    table = gallery().pictures
    assert [row["path"] for row in rows] == table["id"].to_pylist()
    assert [int(row["cluster"]) for row in rows] == table["cluster"].to_pylist()
    assert {row["name"] for row in rows if row["cluster"] == "0"} == {'Discs, "red"'}
    assert {row["name"] for row in rows if row["cluster"] != "0"} == {""}
    taken = (
        "(() => { let taken = ''; const click = HTMLAnchorElement.prototype.click;"
        " HTMLAnchorElement.prototype.click = function () { taken = this.download + ' ' + this.href; };"
        " document.getElementById('download').click();"
        " HTMLAnchorElement.prototype.click = click; return taken; })()"
    )
    assert opened.run(taken).startswith("named-clusters.csv blob:")


def test_a_picture_opens_by_keyboard_from_the_list_and_from_the_map(opened: Page) -> None:
    opened.run("document.querySelector('ul.pictures button').focus()")
    opened.run("document.activeElement.click()")
    opened.wait_until("document.getElementById('picture').open")
    terms = texts(opened, "#facts dt")
    assert terms[:4] == ["Name", "Cluster", "Confidence", "Distance"]
    opened.run("document.getElementById('go').click()")
    assert opened.run("document.activeElement.tagName") == "INPUT"
    press = (
        "document.getElementById('map').dispatchEvent(new KeyboardEvent('keydown', {key: %r, bubbles: true}))"
    )
    for key in ("ArrowRight", "ArrowRight", "ArrowDown"):
        opened.run(press % key)
    assert opened.run("document.getElementById('said').textContent.length") > 0
    assert opened.run("document.getElementById('tip').hidden") is False
    opened.run(press % "Enter")
    assert opened.run("document.getElementById('picture').open")


def test_the_map_shows_what_it_points_at(opened: Page) -> None:
    opened.run(
        "(() => { const box = canvas.getBoundingClientRect(), [x, y] = place(7); canvas.dispatchEvent("
        "new MouseEvent('mousemove', {clientX: box.left + x * box.width / canvas.width,"
        " clientY: box.top + y * box.height / canvas.height})); })()"
    )
    opened.wait_until("document.querySelector('#tip img').naturalWidth === 60")
    assert opened.run("current >= 0 && Math.hypot(...place(current).map((v, i) => v - place(7)[i])) < 12")
    assert opened.run("canvas.getContext('2d').getImageData(0, 0, 560, 560).data.some(value => value > 0)")


def test_copies_know_each_other(opened: Page) -> None:
    opened.run("show(0)")
    assert ODD[1] in texts(opened, "#facts dd")


def test_more_pictures_are_shown_on_demand(opened: Page) -> None:
    shown = "document.querySelectorAll('#cluster-0 ul.pictures li').length"
    before = opened.run(shown)
    opened.run("document.querySelector('#cluster-0 button.more').click()")
    assert opened.run(shown) == 40 > before
    assert opened.run("document.activeElement.closest('#cluster-0 ul.pictures') !== null")


def test_every_control_has_a_name(opened: Page) -> None:
    unnamed = (
        "[...document.querySelectorAll('button, input, select, canvas')].filter(node => "
        "!(node.getAttribute('aria-label') || node.labels?.length || node.textContent.trim())).length"
    )
    assert opened.run(unnamed) == 0
