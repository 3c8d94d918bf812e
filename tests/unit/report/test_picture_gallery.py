"""The gallery: names are only names, thumbnails lie in the page or beside it, and curves have their point."""

from __future__ import annotations

import base64
import json
import re
from html.parser import HTMLParser

import numpy as np
import pyarrow as pa
import pytest

from clusterprobe.cluster.hierarchy import ward_tree
from clusterprobe.report.charts import cut_heights, dendrogram
from clusterprobe.report.choice_page import choice_page
from clusterprobe.report.picture_gallery import CHUNK, Gallery, script_json, write_gallery
from clusterprobe.runs.pictures import SCHEMA

HOSTILE = "<img src=x onerror=alert(1)>.png"
NAMES = [
    HOSTILE,
    "</script><script>alert(2)</script>.png",
    '"><b>&amp;.png',
    "two\nlines\u2028.png",
    "plain.png",
]
CHOICE = {
    "k": 3,
    "run": "r",
    "curves": {"silhouette": {"2": 0.1, "3": 0.4}, "stability": {"2": 0.9, "3": 0.8}},
    "agreement": {"2": 0.5, "3": 0.5},
    "offered": [2, 3],
}
ASKED = {"k": 3, "run": "r", "curves": {}, "agreement": {}, "offered": []}


def gallery(names=NAMES, choice=ASKED, title="Holiday <1>"):
    count, generator = len(names), np.random.default_rng(0)
    leaf = np.arange(count) % 3
    columns = {
        "id": names,
        "leaf": leaf,
        "cluster": leaf,
        "second": (leaf + 1) % 3,
        "distance": generator.random(count),
        "confidence": generator.random(count),
        "first": [0, 0, *range(2, count)],
        "copy": [False, True] + [False] * (count - 2),
        "x": [None, *generator.uniform(-1, 1, count - 1)],
        "y": [None, *generator.uniform(-1, 1, count - 1)],
    }
    merges = ward_tree(np.array([[0.0], [1.0], [5.0]]), np.array([2, 2, 1]))
    jpegs = pa.chunked_array([[f"jpeg {number}".encode() for number in range(count)]])
    arrays = {"merges": merges, "groups": np.arange(3)}
    return Gallery(title, pa.table(columns, schema=SCHEMA), arrays, jpegs, choice, ["Encoder: <x>"])


def written(tmp_path, most_bytes=10**6, **changes):
    write_gallery(tmp_path / "gallery.html", tmp_path / "gallery-files", gallery(**changes), most_bytes)
    return (tmp_path / "gallery.html").read_text(encoding="utf-8")


def data_of(page):
    [text] = re.findall(r'<script type="application/json" id="data">(.*?)</script>', page, re.DOTALL)
    assert not set("<>&") & set(text)
    return json.loads(text)


class Elements(HTMLParser):
    def __init__(self):
        super().__init__()
        self.found = []

    def handle_starttag(self, tag, attrs):
        self.found.append((tag, dict(attrs)))


def test_names_are_only_names(tmp_path):
    page = written(tmp_path, title=HOSTILE)
    parser = Elements()
    parser.feed(page)
    assert not [attributes for _, attributes in parser.found if "onerror" in attributes]
    assert [tag for tag, _ in parser.found].count("script") == 2
    assert data_of(page)["names"] == NAMES
    assert "\\u003cimg src=x onerror=alert(1)\\u003e" in page


def test_json_for_a_script_is_the_same_value():
    value = {"<&>": ["\u2028\u2029</script>", 1.5, None, "日"]}
    assert json.loads(script_json(value)) == value
    assert not set("<>&\u2028\u2029") & set(script_json(value))


def test_thumbnails_are_in_the_page_in_the_order_of_the_names(tmp_path):
    data = data_of(written(tmp_path))
    assert [base64.b64decode(each) for each in data["thumbnails"]] == [f"jpeg {n}".encode() for n in range(5)]
    assert list((tmp_path / "gallery-files").iterdir()) == []


def test_many_thumbnails_lie_beside_the_page_where_it_looks_for_them(tmp_path):
    names = [f"{number}.png" for number in range(CHUNK + 3)]
    data = data_of(written(tmp_path, most_bytes=10, names=names))
    assert "thumbnails" not in data
    files = sorted((tmp_path / data["files"]).iterdir())
    assert [path.name for path in files] == ["chunk-00000.js", "chunk-00001.js"]
    shelves = [json.loads(re.fullmatch(r"thumbnails\(\d,(.*)\);\n", path.read_text())[1]) for path in files]
    for picture, place in enumerate(data["place"]):
        shelf = shelves[place // data["chunk"]]
        assert base64.b64decode(shelf[place % data["chunk"]]) == f"jpeg {picture}".encode()


def test_the_same_pictures_give_the_same_page(tmp_path):
    assert written(tmp_path / "a") == written(tmp_path / "b")


def test_duplicates_know_each_other(tmp_path):
    data = data_of(written(tmp_path))
    assert data["groups_of_twins"] == [[0, 1]]
    assert data["twins"] == {"0": 0, "1": 0}


def test_the_choice_is_a_curve_a_table_and_a_sentence():
    page = choice_page("How many?", CHOICE)
    assert "3 clusters were chosen" in page
    assert "Also worth a look: 2." in page
    assert page.count("<polyline") == 3
    assert "0.400" in page
    assert "as asked for" in choice_page("How many?", ASKED)


@pytest.mark.parametrize("leaves", [2, 5, 40])
def test_a_dendrogram_has_all_leaves_and_its_cuts_go_down(leaves):
    merges = ward_tree(np.random.default_rng(0).normal(size=(leaves, 2)), np.ones(leaves, dtype=int))
    drawing = dendrogram(merges, 2)
    assert drawing.count("M") == leaves - 1
    if leaves < 40:
        assert re.findall(r">(\d+)</text>", drawing).__len__() == leaves
    heights = cut_heights(merges)
    assert len(heights) == leaves
    assert heights == sorted(heights)


def test_a_single_cluster_has_no_dendrogram():
    assert dendrogram(np.empty((0, 4)), 1) == ""
    assert len(cut_heights(np.empty((0, 4)))) == 1
