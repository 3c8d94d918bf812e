from __future__ import annotations

import pandas as pd
import pytest

from clusterprobe.report.our_cells import find_encoder, places
from clusterprobe.report.summary import tidy


@pytest.mark.parametrize(
    ("names", "found"),
    [
        (("simclr",), "SimCLR, 500 epochs"),
        (("byol",), "BYOL"),
        (("rotnet", "byol"), "BYOL"),
        (("sim",), None),
        ((), None),
    ],
)
def test_an_encoder_is_found_by_its_first_word(names: tuple[str, ...], found: str | None) -> None:
    rows = pd.DataFrame({"encoder": ["simclrv2", "SimCLR, 500 epochs", "BYOL"]})
    assert find_encoder(rows, names) == found


def test_data_sets_go_by_their_name_in_the_paper_if_it_has_them(scan_results: pd.DataFrame) -> None:
    other = scan_results.assign(dataset="c10", fit_dataset="c10")
    results = tidy(pd.concat([scan_results, other]))
    names = {"c10": "CIFAR10", "digits": "MNIST"}
    digits, cifar = places(results, {"c10": 10}, names, {"CIFAR10", "STL10"})
    assert (digits.dataset, digits.published, digits.classes) == ("digits", None, None)
    assert (cifar.dataset, cifar.published, cifar.classes) == ("c10", "CIFAR10", 10)
    assert set(cifar.rows["dataset"]) == {"c10"}
    assert cifar.split == "test"
