from __future__ import annotations

from clusterprobe.report.style import looks


def test_every_name_has_a_look_of_its_own() -> None:
    found = looks(f"encoder {number}" for number in range(28))
    assert len(set(found.values())) == 28


def test_neighbours_differ_in_colour_and_shape() -> None:
    first, second = looks(["a", "b"]).values()
    assert first.colour != second.colour
    assert first.marker != second.marker


def test_a_name_given_twice_counts_once() -> None:
    assert list(looks(["a", "b", "a"])) == ["a", "b"]
