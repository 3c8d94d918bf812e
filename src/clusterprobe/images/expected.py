"""Is what lies on this disk the whole of a published set?"""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping

from clusterprobe.config.errors import UserError
from clusterprobe.images.listing import ListedDataset


def check_expected(listed: ListedDataset, expected: Mapping[str, int | None] | None, dataset: str) -> None:
    """Raise UserError that says what was found if a data set has other counts than its definition says."""
    if expected is None:
        return
    by_class = Counter(name for listing in listed.splits.values() for name in listing.names)
    shared = set(listed.counterparts.values())
    found = {
        "images": by_class.total(),
        "classes": len(listed.classes),
        "shared_images": sum(by_class[name] for name in shared),
        "shared_classes": len(shared),
    }
    wrong = [word for word in found if expected.get(word) is not None and expected[word] != found[word]]
    if wrong:
        there = ", ".join(f"{found[word]:,} {_TITLES[word]}" for word in wrong)
        wanted = ", ".join(f"{expected[word]:,}" for word in wrong)
        raise UserError(
            f"data set {dataset!r}: found {there}, but the published set has {wanted}: complete it, or, for "
            "a part of it, say `expected: null` in its definition"
        )


_TITLES = {
    "images": "images",
    "classes": "classes",
    "shared_images": "images of classes with a counterpart",
    "shared_classes": "classes with a counterpart",
}
