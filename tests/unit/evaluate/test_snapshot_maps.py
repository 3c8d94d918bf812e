from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest

from clusterprobe.config.errors import UserError
from clusterprobe.evaluate.snapshot_maps import NAMED, snapshot_maps_frame
from clusterprobe.images.manifest import Manifest, write_manifest
from clusterprobe.report.figures import draw_figure
from clusterprobe.store.arrays import save_arrays


def training(folder: Path, classes: int = 3, encoder: str = "NPID") -> dict[str, Any]:
    """Snapshots of every other of 40 images: all mixed up at first, class by class in the end."""
    labels, ids = np.arange(40) % classes, tuple(map(str, range(40)))
    manifest = Manifest(ids, ids, labels, tuple(f"class {number:02}" for number in range(classes)), ids)
    write_manifest(folder / "manifest.parquet", manifest)
    draw, rows = np.random.default_rng(0), np.arange(0, 40, 2)
    mixed = draw.normal(size=(20, 16))
    apart = np.eye(16)[labels[rows]] + 0.05 * mixed
    found = {
        "snapshots": np.stack([mixed, apart]).astype(np.float32),
        "snapshot_epochs": np.array([0, 9]),
        "snapshot_rows": rows,
        "snapshot_content": manifest.content,
    }
    save_arrays(folder / "found.npz", found)
    files = {"found": str(folder / "found.npz"), "manifest": str(folder / "manifest.parquet")}
    return files | {"encoder": encoder}


def _apart(points: Any) -> float:
    """Mean distance between classes over that within them."""
    places, names = points[["x", "y"]].to_numpy(), points["name"].to_numpy()
    distances = np.linalg.norm(places[:, None] - places, axis=2)
    same = names[:, None] == names
    return float(distances[~same].mean() / distances[same & ~np.eye(len(names), dtype=bool)].mean())


def test_maps_show_how_classes_come_apart(tmp_path: Path) -> None:
    frame = snapshot_maps_frame([training(tmp_path), training(tmp_path, encoder="NPID + CLD")])
    assert frame.groupby(["encoder", "epoch"]).size().tolist() == [20] * 4
    assert sorted(frame["name"].unique()) == ["class 00", "class 01", "class 02"]
    own = frame[frame["encoder"] == "NPID"]
    assert own["name"].head(3).tolist() == ["class 00", "class 02", "class 01"]
    first, last = (_apart(own[own["epoch"] == epoch]) for epoch in (0, 9))
    assert last > 2 > first
    axes = np.array(draw_figure("snapshots", frame).axes).reshape(2, 2)
    assert [axis.get_title(loc="left") for axis in axes[0]] == ["before training", "epoch 9"]
    assert [row[0].get_ylabel() for row in axes] == ["NPID", "NPID + CLD"]
    assert {len(line.get_xdata()) for line in axes[0, 0].lines} == {0, 6, 7}


def test_only_the_first_classes_have_names(tmp_path: Path) -> None:
    frame = snapshot_maps_frame([training(tmp_path, classes=NAMED + 3)])
    assert set(frame["name"]) == {None, *(f"class {number:02}" for number in range(NAMED))}
    lines = draw_figure("snapshots", frame).axes[0].lines
    assert len({line.get_color() for line in lines}) == NAMED + 1, (
        "and each a colour of its own, as has the rest"
    )


def test_nothing_to_draw_is_an_error() -> None:
    with pytest.raises(UserError, match="'snapshots' has nothing to draw"):
        draw_figure("snapshots", snapshot_maps_frame([]))
