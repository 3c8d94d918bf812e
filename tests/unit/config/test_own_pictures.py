"""The configuration of a folder of pictures: it holds together for every wish, and its ids are its own."""

from __future__ import annotations

from pathlib import Path

import pytest

from clusterprobe.config.cells import evaluation_cell
from clusterprobe.config.errors import UserError
from clusterprobe.config.loading import load_config
from clusterprobe.config.own_pictures import (
    Request,
    candidate_sizes,
    checkpoint,
    configuration,
    pixels,
    pretext,
)
from clusterprobe.config.picture_cells import (
    arranging_cell,
    candidates,
    check_pictures,
    choosing_cell,
    picture_files,
    tried_together,
)
from clusterprobe.config.plan import make_plan
from clusterprobe.config.planned import Plan
from clusterprobe.config.targets import report_targets


def request(**changes) -> Request:
    values = {"folder": Path("/a/b"), "pictures": 500, "k": 5, "method": "kmeans"}
    return Request(**values | {"encoder": ("simclr", pretext(500, False))} | changes)


def plan(**changes) -> Plan:
    return make_plan(load_config(configuration(request(**changes)), Path("config")))


@pytest.mark.parametrize("method", ["kmeans", "spherical-kmeans", "scan", "temi", "turtle"])
@pytest.mark.parametrize("gpu", [False, True])
def test_every_method_has_a_plan(method, gpu):
    made = plan(method=method, encoder=("simclr", pretext(500, gpu)), gpu=gpu)
    [run] = candidates(made)
    assert (run.method, run.clusters.k) == (method, 5)
    assert made.config.compute.gpus == int(gpu)
    assert picture_files(made)[0] == "reports/pictures/assignments.csv"
    assert set(picture_files(made)) < set(report_targets(made))


def test_auto_is_a_choice_among_candidates_by_three_criteria():
    made = plan(k=None, pictures=60)
    assert [entry["k"] for entry in choosing_cell(made)] == [2, 3, 4, 5, 6, 8, 10, 12]
    assert all(entry["criteria"] for entry in choosing_cell(made))
    assert len({entry["run"] for entry in choosing_cell(made)}) == 8
    assert len(made.encoders) == 1
    assert not [path for path in report_targets(made) if "/figures/" in path or "/tables/" in path]


def test_sub_folders_are_no_labels_unless_they_are_said_to_be():
    for labels in (False, True):
        made = plan(labels=labels)
        [part] = evaluation_cell(candidates(made)[0])["manifests"]
        assert part.get("labelled", True) == labels


def test_merging_starts_from_more_clusters():
    made = plan(merge_from=40)
    assert candidates(made)[0].clusters.k == 40
    assert arranging_cell(made)["settings"]["merge_to"] == 5


@pytest.mark.parametrize("encoder", ["pixels", "checkpoint"])
def test_encoders_that_are_not_trained_here(encoder):
    entry = pixels() if encoder == "pixels" else checkpoint(Path("/x/net.pth"), "torchvision:resnet50", 96)
    made = plan(encoder=(encoder, entry))
    assert arranging_cell(made)["normalise"] == (encoder != "pixels")
    assert candidates(made)[0].network == encoder


@pytest.mark.parametrize("method", ["scan", "temi", "turtle"])
def test_heads_on_a_checkpoint_are_trained_on_cached_views(method):
    entry = checkpoint(Path("/x/net.pth"), "torchvision:resnet50", 96)
    made = plan(method=method, encoder=("checkpoint", entry))
    [heads] = [encoder for encoder in made.encoders.values() if encoder.name == "heads"]
    assert heads.cached is not None
    assert (heads.neighbours is None) == (method == "turtle")


def test_a_folder_that_is_renamed_keeps_its_ids():
    one, other = plan(), plan(folder=Path("/elsewhere"), title="Elsewhere")
    assert one.runs.keys() == other.runs.keys()
    assert one.encoders.keys() == other.encoders.keys()


def test_a_growing_folder_is_the_same_data_set():
    values = configuration(request())
    plain = {**values, "datasets": {"pictures": values["datasets"]["pictures"] | {"growing": False}}}
    ids = [make_plan(load_config(each, Path("config"))).runs.keys() for each in (values, plain)]
    assert ids[0] == ids[1]


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"k": 501}, "501 clusters of 500 pictures"),
        ({"k": None, "pictures": 9}, "too few to estimate"),
        ({"k": None, "method": "scan"}, "scan needs the number of clusters"),
        ({"method": "temi", "encoder": ("pixels", pixels())}, "trains heads on a network"),
        ({"method": "scan", "merge_from": 20}, "merges by centres"),
        ({"k": None, "merge_from": 20}, "say --k"),
        ({"k": 5, "merge_from": 4}, "is below --k 5"),
    ],
)
def test_wishes_that_do_not_go_together_are_said(changes, message):
    with pytest.raises(UserError, match=message):
        configuration(request(**changes))


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"criteria": None}, "chooses among several k by `criteria`"),
        ({"clusterings": [{"method": "kmeans", "k": [3], "encoders": ["simclr"]}]}, "reducer"),
        ({"clusterings": [{"method": "kmeans", "k": [3], "encoders": ["simclr", "second"]}]}, "one encoder"),
    ],
)
def test_configurations_that_leave_open_what_to_show_are_refused(change, message):
    values = configuration(request(k=None)) | change
    values["encoders"] |= {"second": pixels()}
    made = make_plan(
        load_config({key: value for key, value in values.items() if value is not None}, Path("config"))
    )
    with pytest.raises(UserError, match=message):
        check_pictures(made)


def test_candidates_leave_some_pictures_in_each_cluster():
    assert candidate_sizes(15) == [2, 3]
    assert candidate_sizes(10**6)[-1] == 50


def test_a_longer_look_at_fewer_pictures():
    epochs = [pretext(count, False)["epochs"] for count in (100, 3000, 20_000, 10**6)]
    assert epochs == sorted(epochs, reverse=True)
    assert epochs[-1] == 5


@pytest.mark.parametrize("pictures", [10, 100, 400, 1000, 5000])
def test_few_pictures_get_as_many_steps_as_many(pictures):
    encoder = pretext(pictures, False)
    values = configuration(request(pictures=pictures, method="temi", encoder=("simclr", encoder)))
    for entry, wanted in ((encoder, 390), (values["encoders"]["heads"], 780)):
        steps = entry["epochs"] * (pictures // entry["batch_size"])
        assert wanted <= steps <= 1.2 * wanted


def test_heads_see_features_that_are_standardised():
    assert pretext(500, False)["architecture"]["options"]["standardise"]


def test_candidates_are_tried_together_where_there_is_a_choice():
    made = plan(k=None, pictures=60)
    together = tried_together(made)
    assert [entry["run"] for entry in together] == [run.id for run in candidates(made)]
    assert all(entry["scoring"]["settings"]["folds"] == 2 for entry in together)
    assert tried_together(plan()) == []
    assert tried_together(plan(method="temi")) == []


@pytest.mark.parametrize("method", ["kmeans", "scan", "temi", "turtle"])
def test_batches_fit_even_if_half_of_the_files_are_no_pictures(method):
    values = configuration(request(pictures=60, method=method, encoder=("simclr", pretext(60, False))))
    sizes = [entry["batch_size"] for entry in values["encoders"].values()]
    assert all(2 <= size <= 30 for size in sizes)
