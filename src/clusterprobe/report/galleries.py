"""A page that shows what is in the clusters: one HTML file that holds all its images."""

from __future__ import annotations

import base64
import io
from collections.abc import Callable, Sequence
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt
from PIL import Image

from clusterprobe.config.errors import UserError
from clusterprobe.report.pages import page, text

THUMBNAIL = 72
"""Largest side of an embedded image, in pixels. Smaller images are embedded as they are, shown enlarged."""

_STYLE = f"""
section {{ border-top: 1px solid #d5d9de; padding-top: .25rem; }}
.row {{ display: flex; flex-wrap: wrap; gap: .4rem; margin: 0 0 .6rem; padding: 0; list-style: none; }}
.row li {{ width: {THUMBNAIL}px; font-size: .75rem; line-height: 1.2; text-align: center; }}
.row span {{ display: block; overflow: hidden; text-overflow: ellipsis; white-space: nowrap; }}
.row img {{ width: {THUMBNAIL}px; height: {THUMBNAIL}px; display: block;
  object-fit: contain; background: #f3f4f6; }}
.row img.tiny {{ image-rendering: pixelated; }}
.other img {{ outline: 2px dashed #d55e00; outline-offset: -1px; }}
.other span {{ color: #a84400; font-weight: 600; }}
h3 {{ font-size: .85rem; font-weight: 400; color: #4d555e; margin: .25rem 0; }}
nav a {{ display: inline-block; margin-right: .6rem; }}
"""

Images = npt.NDArray[np.int64]

DISTANCE_CONFIDENCE = "one minus the distance to the nearest centre over that to the second nearest"
HEAD_CONFIDENCE = "the probability of the cluster"
"""What confidence means for methods with centres, and for those with a trained head."""


@dataclass(frozen=True)
class _Gallery:
    """What all sections need to show an image."""

    distances: npt.NDArray[np.float32] | None
    confidences: npt.NDArray[np.float32]
    ids: Sequence[str]
    labels: npt.NDArray[np.int64]
    class_names: Sequence[str]
    read_image: Callable[[int], Image.Image]
    per_row: int


def build_gallery(
    title: str,
    clusters: npt.NDArray[np.int32],
    distances: npt.NDArray[np.float32] | None,
    confidences: npt.NDArray[np.float32],
    ids: Sequence[str],
    labels: npt.NDArray[np.int64] | None,
    class_names: Sequence[str],
    read_image: Callable[[int], Image.Image],
    per_row: int = 12,
    *,
    k: int | None = None,
    most_clusters: int = 60,
    confidence_meaning: str = DISTANCE_CONFIDENCE,
) -> str:
    """Return a page that shows, per cluster, the images nearest to its centre, most and least confident.

    Arrays have one entry per image; `labels` are indices into `class_names`, -1 where there is none.
    `read_image` gets the position of an image. `k` is the number of clusters asked for: empty ones are
    listed. Of more than `most_clusters` clusters only the largest are shown, and the page says so.
    `confidence_meaning` ends the sentence "Confidence is ..."; `distances` None: there are no centres.
    """
    lengths = {len(clusters), len(confidences), len(ids), *([] if distances is None else [len(distances)])}
    if len(lengths) > 1:
        raise ValueError("clusters, distances, confidences and ids differ in length")
    if not len(clusters):
        raise UserError(f"gallery {title!r} has nothing to show: there are no images")
    known = np.full(len(clusters), -1, dtype=np.int64) if labels is None else np.asarray(labels)
    gallery = _Gallery(distances, confidences, ids, known, class_names, read_image, per_row)
    sizes = np.bincount(clusters, minlength=k or 0)
    shown = sorted(np.argsort(-sizes, kind="stable")[:most_clusters].tolist())
    sections = [_section(gallery, cluster, np.flatnonzero(clusters == cluster)) for cluster in shown]
    return page(
        title,
        "\n".join([*_introduction(title, sizes, shown, gallery, confidence_meaning), *sections]),
        _STYLE,
    )


def _introduction(
    title: str, sizes: npt.NDArray[np.int64], shown: list[int], gallery: _Gallery, meaning: str
) -> list[str]:
    lines = [f"<h1>{text(title)}</h1>"]
    counts = f"{sizes.sum():,} images in {np.count_nonzero(sizes)} clusters."
    if len(shown) < len(sizes):
        counts += f" The {len(shown)} largest of {len(sizes)} are shown."
    empty = ", ".join(str(cluster) for cluster in np.flatnonzero(sizes == 0)[:100])
    if empty:
        counts += f" Empty: {empty}."
    lines.append(f"<p>{counts}</p>")
    legend = f"Confidence is {text(meaning)}."
    if (gallery.labels >= 0).any():
        legend += " A dashed frame marks an image of another class than most of its cluster."
    lines.append(f'<p class="note">{legend}</p>')
    links = " ".join(f'<a href="#cluster-{cluster}">{cluster}</a>' for cluster in shown)
    return [*lines, f'<nav aria-label="Clusters"><p>Clusters: {links}</p></nav>']


def _section(gallery: _Gallery, cluster: int, members: Images) -> str:
    head = f'<section id="cluster-{cluster}">\n<h2>Cluster {cluster}</h2>'
    if not len(members):
        return f"{head}\n<p>Empty: no image was assigned to it.</p>\n</section>"
    majority, share = _majority(gallery.labels[members])
    facts = f"{len(members):,} image{'s' if len(members) > 1 else ''}"
    if majority >= 0:
        facts += f", mostly <b>{text(_class_name(gallery, majority))}</b> ({100 * share:.0f} %)"
    confidences = gallery.confidences[members]
    rows = {
        "Most confident": members[np.argsort(-confidences, kind="stable")],
        "Least confident": members[np.argsort(confidences, kind="stable")],
    }
    if gallery.distances is not None:
        nearest = members[np.argsort(gallery.distances[members], kind="stable")]
        rows = {"Nearest to the centre": nearest} | rows
    body = "\n".join(
        f"<h3>{name}</h3>\n{_row(gallery, images[: gallery.per_row], majority)}"
        for name, images in rows.items()
    )
    return f"{head}\n<p>{facts}</p>\n{body}\n</section>"


def _row(gallery: _Gallery, images: Images, majority: int) -> str:
    return f'<ul class="row">{"".join(_item(gallery, int(image), majority) for image in images)}</ul>'


def _item(gallery: _Gallery, image: int, majority: int) -> str:
    label = int(gallery.labels[image])
    name = gallery.ids[image]
    words = _class_name(gallery, label) if label >= 0 else ""
    alt = f"{name}, {words}" if words else name
    distance = "" if gallery.distances is None else f"distance {gallery.distances[image]:.3g}, "
    numbers = f"{distance}confidence {gallery.confidences[image]:.2f}"
    data, tiny = _embed(gallery.read_image(image))
    shape = ' class="tiny"' if tiny else ""
    other = ' class="other"' if label >= 0 and label != majority else ""
    caption = f"<span>{text(words)}</span>" if words else ""
    return (
        f'<li{other}><img{shape} src="{data}" alt="{text(alt)}" title="{text(f"{alt}: {numbers}")}">'
        f"{caption}</li>"
    )


def _embed(image: Image.Image) -> tuple[str, bool]:
    """Return the image as a data URI, no larger than a thumbnail, and whether it is to be enlarged."""
    picture = image.convert("L" if image.mode in ("1", "L") else "RGB")
    tiny = max(picture.size) < THUMBNAIL
    picture.thumbnail((THUMBNAIL, THUMBNAIL), Image.Resampling.LANCZOS)
    out = io.BytesIO()
    picture.save(out, format="PNG", optimize=True)
    return f"data:image/png;base64,{base64.b64encode(out.getvalue()).decode('ascii')}", tiny


def _majority(labels: npt.NDArray[np.int64]) -> tuple[int, float]:
    """Return the most frequent label and its share of the labelled images; -1 if none is labelled."""
    labelled = labels[labels >= 0]
    if not len(labelled):
        return -1, 0.0
    counts = np.bincount(labelled)
    return int(counts.argmax()), float(counts.max() / len(labelled))


def _class_name(gallery: _Gallery, label: int) -> str:
    return str(gallery.class_names[label]) if label < len(gallery.class_names) else f"class {label}"
