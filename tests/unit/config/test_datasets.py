from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
from pydantic import TypeAdapter, ValidationError

from clusterprobe.config.cells import shown_run
from clusterprobe.config.dataset_identity import dataset_identity, indexing_definition
from clusterprobe.config.datasets import Dataset
from clusterprobe.config.loading import load_config
from clusterprobe.config.plan import make_plan

KINDS: TypeAdapter[Any] = TypeAdapter(Dataset)
GROUPS = {"cat": "animal", "car": "vehicle"}


def folder(**keys: Any) -> Any:
    return KINDS.validate_python({"kind": "folder", "path": "images", **keys})


def test_classes_and_superclass_labels_make_another_data_set() -> None:
    labels = {"superclasses": GROUPS, "labels": "superclasses"}
    turned = labels | {"superclasses": dict(reversed(GROUPS.items()))}
    sets = [folder(), folder(classes=["cat"]), folder(classes=["dog"]), folder(**labels), folder(**turned)]
    identities = [str(dataset_identity(each)) for each in sets]
    assert len(set(identities)) == len(sets)


def test_what_orders_results_makes_no_other_data_set_and_is_not_indexed() -> None:
    ordered = folder(superclasses=GROUPS)
    assert ordered.class_order == GROUPS
    assert dataset_identity(ordered) == dataset_identity(folder())
    assert indexing_definition(ordered) == indexing_definition(folder())
    assert folder(superclasses=GROUPS, labels="superclasses").class_order == {}


def test_figures_are_told_what_orders_results() -> None:
    preprocessing = {"size": 8, "mean": [0.0] * 3, "std": [1.0] * 3}
    values = {
        "name": "things",
        "datasets": {"things": {"kind": "folder", "path": "images", "superclasses": GROUPS}},
        "fit": ["things"],
        "encoders": {"pixels": {"kind": "pixels", "preprocessing": preprocessing}},
        "clusterings": [{"method": "kmeans"}],
    }
    plan = make_plan(load_config(values, Path("config")))
    [run] = plan.runs.values()
    assert shown_run(plan, run)["superclasses"] == GROUPS


def test_the_content_of_a_list_counts_not_its_file(tmp_path: Path) -> None:
    for name in ("one", "two"):
        (tmp_path / f"{name}.csv").write_text("class\ncat\n")
    one, two = (folder(classes=str(tmp_path / f"{name}.csv")) for name in ("one", "two"))
    assert dataset_identity(one) == dataset_identity(two) == dataset_identity(folder(classes=["cat"]))
    (tmp_path / "two.csv").write_text("class\ndog\n")
    assert dataset_identity(folder(classes=str(tmp_path / "two.csv"))) != dataset_identity(one)


def test_a_long_tail_and_a_list_make_another_data_set_and_no_other_one_changes(tmp_path: Path) -> None:
    for name in ("one", "two", "other"):
        (tmp_path / f"{name}.txt").write_text("cat/1.jpg 0\n" if name != "other" else "cat/2.jpg 0\n")
    lists = [folder(lists={"train": str(tmp_path / f"{name}.txt")}) for name in ("one", "two", "other")]
    one, two, other = map(dataset_identity, lists)
    assert one == two
    sets = [
        one,
        other,
        dataset_identity(folder()),
        *(dataset_identity(folder(imbalance=n)) for n in (10, 100)),
    ]
    assert len({str(each) for each in sets}) == 5
    assert not {"imbalance", "lists"} & (
        dataset_identity(folder()).keys() | indexing_definition(folder()).keys()
    )
    assert indexing_definition(folder(imbalance=10))["imbalance"] == 10
    assert indexing_definition(lists[0])["lists"] == {"train": str(tmp_path / "one.txt")}


def test_the_words_of_a_torchvision_set_for_its_splits_are_no_places() -> None:
    stl = {"kind": "torchvision", "name": "STL10", "root": "here"}
    both = [
        KINDS.validate_python({**stl, "splits": {"train": word}}) for word in ("train", "train+unlabeled")
    ]
    assert dataset_identity(both[0]) != dataset_identity(both[1])


@pytest.mark.parametrize(
    ("keys", "message"),
    [
        ({"classes": []}, "at least 1 item"),
        ({"classes": ["cat", "cat"]}, "names one class twice"),
        ({"classes": 3}, "valid list"),
        ({"classes": "imagenet-51"}, "did you mean 'imagenet-50'"),
        ({"labels": "superclasses"}, "needs `superclasses`"),
        ({"bursts": 1}, "greater than or equal to 2"),
        ({"label_lists": "real.json"}, "`label_lists` needs `numbered_classes`"),
        (
            {"path": None, "splits": {"train": "a", "val2": "b"}},
            "the split 'val2' .* only the letters a to z",
        ),
        ({"path": None, "splits": {"Test": "b"}}, "the split 'Test' .* only the letters a to z"),
        ({"limit": {"tset": 5}}, "`limit`: there is no split 'tset'; did you mean 'test'"),
        ({"limit": {"test": 5}, "merge": ["train", "test"]}, "`limit`: there is no split 'test'"),
        ({"limit": {"train": 0}}, "greater than or equal to 1"),
    ],
)
def test_mistakes_are_named(keys: dict[str, Any], message: str) -> None:
    with pytest.raises(ValidationError, match=message):
        folder(**keys)


def test_keys_that_came_later_leave_identities_as_they_were() -> None:
    plain, later = folder(), {"numbered_classes", "label_lists", "class_limit", "expected", "bursts"}
    assert later.isdisjoint(dataset_identity(plain))
    assert later.isdisjoint(indexing_definition(plain))
    other = [folder(class_limit=2), folder(bursts=5), folder(numbered_classes=["a"])]
    other.append(folder(numbered_classes=["a"], label_lists="real.json"))
    assert len({str(dataset_identity(each)) for each in [plain, *other]}) == 5
    moved = folder(numbered_classes=["a"], label_lists="elsewhere/real.json")
    assert dataset_identity(moved) == dataset_identity(other[-1])
    assert dataset_identity(folder(expected={"images": 3, "classes": 1})) == dataset_identity(plain)


def test_objectnet_is_the_same_set_wherever_it_lies() -> None:
    here, there = (KINDS.validate_python({"kind": "objectnet", "root": root}) for root in ("a", "b"))
    assert here.split_names == ("test",)
    assert dataset_identity(here) == dataset_identity(there)
    framed = KINDS.validate_python({"kind": "objectnet", "root": "a", "border": 0})
    assert dataset_identity(framed) != dataset_identity(here)
