"""The first page of the report: what was asked, what came out, where it comes from."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import pandas as pd

from clusterprobe.report.names import SUPERVISED, method_title
from clusterprobe.report.pages import page, simple_table, text
from clusterprobe.report.selection import abroad, at_home, default_variant
from clusterprobe.report.summary import cells, is_null, tidy

_CONTEXT = {"ami": "AMI", "chance_acc": "chance ACC", "largest_share": "largest cluster"}


def build_overview(
    title: str,
    results: pd.DataFrame,
    *,
    datasets: Sequence[Mapping[str, Any]],
    encoders: Sequence[Mapping[str, Any]],
    methods: Sequence[str],
    provenance: Mapping[str, Any],
    links: Sequence[Mapping[str, str]] = (),
) -> str:
    """Return the page.

    `datasets`: name, dataset (its name in the results, if another), splits ({split: number of images}),
    classes (number or null), skipped (number).
    `encoders`: name, seen (in training: nothing, same, web images, text, labels), licence or null.
    `provenance`: versions ({package: version}), commit or null, dirty (bool or null), seeds (number).
    `links`: name, what (one sentence) and, if there is one, href.
    """
    results = tidy(results)
    body = [
        f"<h1>{text(title)}</h1>",
        "<p>Do the classes of these images show up without any label? Each encoder turns the images into "
        "features, the features are clustered, and only then are the clusters compared with the labels.</p>",
        "<h2>What was asked</h2>",
        _datasets(datasets),
        _encoders(encoders),
        f"<p>Methods: {text(', '.join(method_title(method) for method in methods))}.</p>",
        "<h2>What came out</h2>",
        *_headlines(results, datasets),
        *_links(links),
        "<h2>Where it comes from</h2>",
        *_provenance(provenance),
    ]
    return page(title, "\n".join(body))


def headlines(
    results: pd.DataFrame,
    classes: Mapping[str, int] | None = None,
    titles: Mapping[str, str] | None = None,
) -> list[str]:
    """Return one sentence per data set, and per pair of data sets of a transfer: the best ACC, in context.

    `classes` gives the number of classes of data sets: runs with other numbers of clusters take no part.
    Neither do methods that were trained with labels. `titles` gives the readable names of data sets. Both go
    by the names in the results.
    """
    results = tidy(results)
    results = results[~results["method"].isin(list(SUPERVISED))]
    readable = dict(titles or {})
    found = []
    for rows, name in ((at_home(results), "ACC"), (abroad(results), "ACC-tr")):
        chosen = default_variant(rows, classes)
        if not (chosen["metric"] == "acc").any():
            continue
        table = cells(chosen)
        for _, part in table.dropna(subset=["acc"]).groupby(["fit_dataset", "dataset"], sort=False):
            best = part.iloc[int(part["acc"].to_numpy(dtype=float).argmax())]
            facts = best.to_dict()
            named = {key: readable.get(facts[key], facts[key]) for key in ("fit_dataset", "dataset")}
            found.append(_headline(facts | named, name, len(part)))
    return found


def _headline(best: Mapping[Any, Any], name: str, rivals: int) -> str:
    home, away = best["fit_dataset"], best["dataset"]
    where = str(home) if home == away else f"{home} → {away}"
    spread = "" if is_null(best["acc_std"]) else f" ± {100 * best['acc_std']:.1f}"
    context = [
        f"{words} {100 * best[metric]:.1f} %"
        for metric, words in _CONTEXT.items()
        if not is_null(best.get(metric))
    ]
    if not is_null(best.get("clusters_used")):
        context.append(f"clusters used {best['clusters_used']:.3g}")
    among = f", best of {rivals}" if rivals > 1 else ""
    return (
        f"{where}, {best['split']} split: {name} {100 * best['acc']:.1f}{spread} % by {best['encoder']} with "
        f"{method_title(str(best['method']))}{among} ({', '.join(context)})."
    )


def _headlines(results: pd.DataFrame, datasets: Sequence[Mapping[str, Any]]) -> list[str]:
    titles = {str(entry.get("dataset", entry["name"])): str(entry["name"]) for entry in datasets}
    classes = {
        str(entry.get("dataset", entry["name"])): int(entry["classes"])
        for entry in datasets
        if entry.get("classes")
    }
    sentences = headlines(results, classes, titles)
    if not sentences:
        return ["<p>The images carry no labels: clusters are described, not scored.</p>"]
    return [f"<ul>{''.join(f'<li>{text(sentence)}</li>' for sentence in sentences)}</ul>"]


def _datasets(datasets: Sequence[Mapping[str, Any]]) -> str:
    rows = [
        [
            str(entry["name"]),
            ", ".join(f"{split} {count:,}" for split, count in entry["splits"].items()),
            "no labels" if entry.get("classes") is None else str(entry["classes"]),
            f"{entry.get('skipped', 0):,}",
        ]
        for entry in datasets
    ]
    return simple_table(["Data set", "Images", "Classes", "Skipped images"], rows, labels=2)


def _encoders(encoders: Sequence[Mapping[str, Any]]) -> str:
    seen = {"nothing": "nothing", "same": "the same images, no labels"}
    rows = [
        [
            str(entry["name"]),
            seen.get(str(entry.get("seen", "nothing")), str(entry.get("seen"))),
            str(entry.get("licence") or "none stated"),
        ]
        for entry in encoders
    ]
    return simple_table(["Encoder", "Saw in training", "Licence of the weights"], rows, labels=3)


def _links(links: Sequence[Mapping[str, str]]) -> list[str]:
    if not links:
        return []
    items = []
    for link in links:
        name = text(link["name"])
        linked = f'<a href="{text(link["href"])}">{name}</a>' if link.get("href") else f"<b>{name}</b>"
        items.append(f"<li>{linked}: {text(link['what'])}</li>")
    return ["<h2>Where to look</h2>", f"<ul>{''.join(items)}</ul>"]


def _provenance(provenance: Mapping[str, Any]) -> list[str]:
    commit = provenance.get("commit")
    code = f"Commit <code>{text(commit)}</code>" if commit else "Not under version control"
    if provenance.get("dirty"):
        code += ", with changes that are not committed"
    versions = [[str(name), str(version)] for name, version in provenance["versions"].items()]
    return [
        f"<p>{code}. Seeds per cell: {text(provenance['seeds'])}.</p>",
        simple_table(["Package", "Version"], versions, labels=2),
    ]
