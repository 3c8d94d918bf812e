"""Features of a set that grows: what was computed before is taken, whatever comes, goes or moves."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from clusterprobe.features.seen import SeenFeatures
from clusterprobe.images.manifest import Manifest
from clusterprobe.store.features import FeatureMatrix

WIDTH = 3


def manifest(contents: list[int]) -> Manifest:
    ids = tuple(f"{row:03d}.png" for row in range(len(contents)))
    hashes = tuple(f"{content:064x}" for content in contents)
    return Manifest(ids, ids, np.full(len(ids), -1), (), hashes)


def expected(contents: list[int]) -> np.ndarray:
    return np.array([[content, content / 2, -content] for content in contents], dtype=np.float32)


class Network:
    """Computes features from hashes, in blocks of two, and remembers what it was asked."""

    def __init__(self) -> None:
        self.asked: list[int] = []

    def __call__(self, images: Manifest) -> Iterator[np.ndarray]:
        contents = [int(name, 16) for name in images.sha256]
        self.asked += contents
        for first in range(0, len(contents), 2):
            yield expected(contents[first : first + 2])


def extract(folder: Path, contents: list[int], network: Network, owner: object = "network") -> np.ndarray:
    shard = folder / "shard.npy"
    shard.unlink(missing_ok=True)  # as Snakemake does before a job
    shard.with_suffix(".json").unlink(missing_ok=True)
    images = manifest(contents)
    SeenFeatures(folder / "seen", owner).write(shard, images, network, WIDTH, space="space")
    found = FeatureMatrix.open([shard])
    assert (found.space, found.content) == ("space", images.content)
    return found.take(np.arange(len(contents)))


@settings(max_examples=25, deadline=None)
@given(st.lists(st.lists(st.integers(1, 9), min_size=1, max_size=8), min_size=1, max_size=4))
def test_every_content_goes_through_the_network_once_while_it_is_there(tmp_path_factory, visits):
    folder = tmp_path_factory.mktemp("seen")
    before: set[int] = set()
    for contents in visits:
        network = Network()
        np.testing.assert_array_equal(extract(folder, contents, network), expected(contents))
        assert sorted(network.asked) == sorted(set(contents) - before)
        before = set(contents)


def test_another_network_knows_nothing_of_what_was_seen(tmp_path):
    extract(tmp_path, [1, 2], Network())
    network = Network()
    extract(tmp_path, [1, 2], network, owner="another")
    assert network.asked == [1, 2]


@pytest.mark.parametrize("name", ["rows.npy", "rows.json", "seen.json"])
def test_a_damaged_memory_is_none(tmp_path, name, capsys):
    extract(tmp_path, [1, 2], Network())
    path = tmp_path / "seen" / name
    data = path.read_bytes()
    path.unlink()  # a file of its own: the shard keeps its bytes
    path.write_bytes(data[:-1] + b"?")
    network = Network()
    np.testing.assert_array_equal(extract(tmp_path, [1, 2, 3], network), expected([1, 2, 3]))
    assert network.asked == [1, 2, 3]
    assert "looked at anew" in capsys.readouterr().err


def test_nothing_is_left_of_the_new_rows(tmp_path):
    extract(tmp_path, [1, 2], Network())
    assert sorted(path.name for path in (tmp_path / "seen").iterdir()) == [
        "rows.json",
        "rows.npy",
        "seen.json",
    ]
