from __future__ import annotations

import re
from pathlib import Path
from typing import Any

import pytest

from clusterprobe.config.catalogue import Catalogue, read_yaml
from clusterprobe.config.datasets import Dataset
from clusterprobe.config.errors import UserError
from clusterprobe.report.published import PAPERS, published

CATALOGUE = """
digits: {kind: digits}
pets:
  kind: parquet
  title: Pets
  published_as: PETS
  splits: {train: $CLUSTERPROBE_PETS/train.parquet, test: $CLUSTERPROBE_PETS/test.parquet}
few-pets: {from: pets, limit: {train: 10}}
cats: {from: few-pets, title: Cats, classes: [cat]}
numbers:
  - {kind: parquet, published_as: NUMBERS, splits: {train: "${CLUSTERPROBE_NUMBERS}/train.parquet"}}
  - {kind: torchvision, name: MNIST, root: "${CLUSTERPROBE_NUMBERS}", published_as: NUMBERS}
some-numbers: {from: numbers, limit: {train: 5}}
egg: {from: hen}
hen: {from: egg}
"""


@pytest.fixture
def taken(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Any:
    """Take entries from the catalogue, whose data lie in tmp_path."""
    (tmp_path / "datasets.yaml").write_text(CATALOGUE)
    monkeypatch.setenv("CLUSTERPROBE_PETS", str(tmp_path / "pets"))
    monkeypatch.setenv("CLUSTERPROBE_NUMBERS", str(tmp_path / "numbers"))

    def take(**entries: Any) -> Any:
        return Catalogue(tmp_path / "datasets.yaml", "datasets", Dataset).fill(entries)

    return take


def test_a_definition_of_ones_own_is_left_alone(taken: Any) -> None:
    own = {"pets": {"kind": "folder", "path": "$HOME"}, "new": {"path": "x"}, "text": "folder"}
    assert taken(**own) == own


def test_keys_of_an_experiment_replace_those_of_the_catalogue(taken: Any) -> None:
    pets = taken(pets={"limit": {"train": 3}})["pets"]
    assert pets.limit == {"train": 3}
    assert pets.splits["test"].endswith("pets/test.parquet")
    mine = taken(mine={"from": "pets", "splits": {"train": "a.parquet"}})["mine"]
    assert mine.splits == {"train": "a.parquet"}
    assert mine.title == "Pets"


def test_a_variable_is_needed_only_where_its_key_is_left(taken: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    for value in (None, ""):
        monkeypatch.delenv("CLUSTERPROBE_PETS") if value is None else monkeypatch.setenv(
            "CLUSTERPROBE_PETS", value
        )
        with pytest.raises(UserError) as raised:
            taken(mine={"from": "pets"})
        message = str(raised.value)
        assert message.startswith("datasets.mine.splits.train: $CLUSTERPROBE_PETS/train.parquet: set this")
        assert message.endswith("`datasets: {mine: {from: pets, splits: ...}}`")
        assert taken(pets={"splits": {"train": "a.parquet"}})["pets"].splits == {"train": "a.parquet"}


def test_entries_of_the_catalogue_build_on_one_another(taken: Any) -> None:
    cats = taken(cats=None)["cats"]
    assert (cats.title, cats.limit, cats.classes) == ("Cats", {"train": 10}, ["cat"])


def test_a_part_of_a_published_set_is_not_the_published_set(taken: Any) -> None:
    assert taken(pets=None)["pets"].published_as == "PETS"
    assert taken(pets={"title": "My pets", "shards": 3})["pets"].published_as == "PETS"
    assert taken(pets={"superclasses": {"cat": "animal"}})["pets"].published_as == "PETS"
    assert taken(pets={"limit": {"train": 3}})["pets"].published_as is None
    assert taken(cats=None)["cats"].published_as is None
    assert taken(pets={"limit": {"train": 3}, "published_as": "FEW"})["pets"].published_as == "FEW"


def test_the_first_layout_that_is_there_counts(taken: Any, tmp_path: Path) -> None:
    assert taken(numbers=None)["numbers"].kind == "parquet", "if none is there, the first one is missed"
    (tmp_path / "numbers").mkdir()
    assert taken(numbers=None)["numbers"].kind == "torchvision"
    assert taken(**{"some-numbers": None})["some-numbers"].limit == {"train": 5}
    (tmp_path / "numbers/train.parquet").touch()
    assert taken(numbers=None)["numbers"].kind == "parquet"


def test_keys_of_an_experiment_choose_the_layout_that_has_them(
    taken: Any, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "numbers").mkdir()
    (tmp_path / "numbers/train.parquet").touch()
    assert taken(numbers={"from": "numbers", "kind": "torchvision"})["numbers"].name == "MNIST"
    monkeypatch.delenv("CLUSTERPROBE_NUMBERS")
    assert taken(numbers={"root": "elsewhere"})["numbers"].root == "elsewhere"
    assert taken(numbers={"splits": {"train": "x.parquet"}})["numbers"].splits == {"train": "x.parquet"}


@pytest.mark.parametrize(
    ("entry", "message"),
    [
        ({"from": "pts"}, r"datasets.mine, from 'pts': not in datasets.yaml; did you mean 'pets'"),
        ({"from": ["pets"]}, r"datasets.mine, from \['pets'\]: not in"),
        (
            {"from": "pets", "limits": {}},
            r"datasets.mine, .*, entry pets: limits: .*did you mean 'limit'",
        ),
        ({"from": "pets", "limit": 3}, r"entry pets: limit: Input should be a valid dict"),
        ({"from": "hen"}, r"`from` goes round in a circle: hen -> egg -> hen"),
    ],
)
def test_mistakes_are_named(taken: Any, entry: Any, message: str) -> None:
    with pytest.raises(UserError, match=message):
        taken(mine=entry)


def test_what_the_catalogue_calls_published_was_published(monkeypatch: pytest.MonkeyPatch) -> None:
    path = Path("config/datasets.yaml")
    for variable in set(re.findall(r"\$(CLUSTERPROBE_\w+)", path.read_text("utf-8"))):
        monkeypatch.setenv(variable, "/data")
    entries = Catalogue(path, "datasets", Dataset).fill(dict.fromkeys(read_yaml(path)))
    ours = {entry.published_as for entry in entries.values()} - {None}
    papers = {paper: published(paper) for paper in PAPERS}
    assert ours <= {dataset for table in papers.values() for dataset in table["dataset"]}
    sizes = papers["scan"][papers["scan"]["table"] == "Table S1"]
    assert set(sizes["dataset"]) <= ours


def test_a_set_of_which_not_all_is_expected_is_not_the_published_one(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("CLUSTERPROBE_OBJECTNET", "/data")
    catalogue = Catalogue(Path("config/datasets.yaml"), "datasets", Dataset)
    [whole] = catalogue.fill({"objectnet": None}).values()
    assert whole.published_as
    assert (whole.expected.images, whole.expected.shared_images) == (50_273, 18_574)
    [part] = catalogue.fill({"objectnet": {"expected": None}}).values()
    assert part.expected is part.published_as is None
