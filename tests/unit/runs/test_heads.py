from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from clusterprobe.config.errors import UserError
from clusterprobe.encoders.canonical import Encoder, HeadRecord, untrained_encoder
from clusterprobe.encoders.heads import build_head
from clusterprobe.encoders.preprocessing import Preprocessing
from clusterprobe.runs.heads import HeadClusters, assign_logits, chosen_head, head_arrays


def test_logits_become_clusters_probabilities_and_a_ranking() -> None:
    logits = np.log(np.array([[0.1, 0.6, 0.3], [0.5, 0.25, 0.25]], dtype=np.float32))
    found = assign_logits(logits)
    assert found.cluster.tolist() == [1, 0]
    assert found.second.tolist() == [2, 1]
    np.testing.assert_allclose(found.confidence, [0.6, 0.5], rtol=1e-6)
    np.testing.assert_allclose(found.distance, [0.4, 0.5], rtol=1e-6)
    assert found.top is not None
    assert found.top.tolist() == [[1, 2, 0], [0, 1, 2]]


def test_one_cluster_has_no_second() -> None:
    assert assign_logits(np.zeros((3, 1), dtype=np.float32)).second.tolist() == [-1, -1, -1]


@given(st.integers(1, 9), st.floats(-50, 50))
def test_a_constant_added_to_all_logits_changes_nothing(clusters: int, shift: float) -> None:
    logits = np.random.default_rng(clusters).normal(size=(20, clusters)).astype(np.float32)
    one, other = assign_logits(logits), assign_logits(logits + np.float32(shift))
    np.testing.assert_allclose(one.confidence, other.confidence, atol=1e-4)
    assert (one.confidence >= 1 / clusters - 1e-6).all()


def _encoder(heads: int, chosen: str | None) -> Encoder:
    preprocessing = Preprocessing.from_dict(
        {"size": 8, "resize": 8, "interpolation": "bilinear", "crop_ratio": 1.0,
         "mean": [0.0], "std": [1.0], "channels": 1}
    )  # fmt: skip
    encoder = untrained_encoder("small-convnet", {"channels": 1}, 0, preprocessing)
    names = [str(number) for number in range(heads)]
    records = {name: HeadRecord("linear", {"dimensions": 3}) for name in names}
    source = {"kind": "trained"} | ({"head": chosen} if chosen else {})
    record = replace(encoder.record, heads=records, source=source)
    built = {name: build_head("linear", {"dimensions": 3}, encoder.body.width) for name in names}
    return Encoder(record, encoder.body, built)


def test_the_chosen_head_is_the_recorded_or_the_only_one() -> None:
    assert chosen_head(_encoder(3, "2"), "here") == "2"
    assert chosen_head(_encoder(1, None), "here") == "0"
    for heads, chosen in ((3, None), (3, "7"), (0, None)):
        with pytest.raises(UserError, match="here has no head that was chosen"):
            chosen_head(_encoder(heads, chosen), "here")


def test_heads_and_sizes_are_named_by_seed() -> None:
    arrays = head_arrays([HeadClusters(0, 0, "4", 10, ()), HeadClusters(1, 1, "0", 10, ())])
    assert int(arrays["head/0"]) == 4
    assert int(arrays["clusters/1"]) == 10
    assert arrays["encoder_seeds"].tolist() == [0, 1]
