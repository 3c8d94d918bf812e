# What people read: tables, figures, galleries, the first page, the PDF.

from clusterprobe.config import figure_cells, published_encoders, targets
from clusterprobe.report.names import method_title

CLASS_FACTS = {
    name: paths.facts(PLAN.dataset(name), "train")
    for name in PLAN.config.fit
    if PLAN.dataset(name).definition.labelled
}
TABLE_FACTS = cells.overview(PLAN)["datasets"]
PUBLISHED_AS = {
    dataset.name: dataset.definition.published_as
    for dataset in PLAN.datasets.values()
    if dataset.definition.published_as
}
DEFAULT_RUNS = [cells.shown_run(PLAN, run) for run in targets.default_runs(PLAN)]


def caption(kind, name):
    """The caption of a table, figure, gallery or page: one .rst file each."""
    return (HOME / f"workflow/report/{kind}-{name}.rst").read_text(encoding="utf-8")


def figure_runs(wildcards):
    """The runs whose assignments a figure shows: all for sizes, one for confusions (of a method, or the last)."""
    if wildcards.figure == "cluster-sizes":
        return DEFAULT_RUNS
    if wildcards.figure == "sela-label-entropy":
        return [shown for shown in DEFAULT_RUNS if shown["method"] == "sela"]
    kind, found, method = wildcards.figure.partition("confusion")
    if not found:
        return []
    method = method.removeprefix("-")
    return [shown for shown in DEFAULT_RUNS if method in ("", shown["method"])][-1:]


def table_runs(wildcards):
    """The runs whose assignments a table shows."""
    return DEFAULT_RUNS if wildcards.table == "confusions" else []


def table_catalogue(wildcards):
    """What the catalogue of encoders says of every entry, for the table that is made of it."""
    if wildcards.table != "kmeans-table-1":
        return []
    return published_encoders.catalogue_facts(
        published_encoders.read_catalogue(HOME / "config" / "encoders.yaml")
    )


def encoder_facts(name):
    """What the configuration says of encoders, for the tables and figures of the benchmark of encoders."""
    return cells.encoder_facts(PLAN) if name.startswith("kmeans-") else {}


def figure_classes(wildcards):
    """Where the classes of data sets are named, for the figures that keep to as many clusters."""
    return CLASS_FACTS if wildcards.figure.startswith("kmeans-") else {}


def figure_attributes(wildcards):
    """What a figure has to know beside its frame."""
    attributes = figure_cells.swept_defaults(PLAN, wildcards.figure)
    if wildcards.figure.startswith("kmeans-"):
        attributes |= {"encoders": encoder_facts(wildcards.figure), "published_as": PUBLISHED_AS}
    return attributes


def table_files(wildcards):
    return sorted({file for shown in table_runs(wildcards) for file in cells.shown_files(shown)})


def figure_histories(wildcards):
    """The trainings whose course a figure shows."""
    if wildcards.figure == "mmdc-training":
        return figure_cells.variant_histories(PLAN, "mmdc")
    return cells.histories(PLAN) if wildcards.figure == "training-curves" else []


def figure_files(wildcards):
    return sorted({file for shown in figure_runs(wildcards) for file in cells.shown_files(shown)})


rule make_table:
    """One table as LaTeX, HTML and CSV; a table with an empty cell is an error."""
    input:
        results=f"reports/{EXPERIMENT}/results.parquet",
        facts=[path for dataset in TABLE_FACTS for path in dataset["facts"].values()],
        runs=table_files,
    output:
        tex=f"reports/{EXPERIMENT}/tables/{{table}}.tex",
        html=report(
            f"reports/{EXPERIMENT}/tables/{{table}}.html",
            caption="../report/item.rst",
            category="Tables",
            labels={"table": "{table}"},
        ),
        csv=f"reports/{EXPERIMENT}/tables/{{table}}.csv",
    log:
        f"data/logs/make_table/{EXPERIMENT}.{{table}}.log",
    benchmark:
        f"data/benchmarks/make_table/{EXPERIMENT}.{{table}}.jsonl"
    threads: 1
    resources:
        mem_mb=memory,
        runtime=runtime,
    params:
        classes=CLASS_FACTS,
        facts=TABLE_FACTS,
        published_as=PUBLISHED_AS,
        runs=table_runs,
        catalogue=table_catalogue,
        encoders=lambda w: encoder_facts(w.table),
        caption=lambda w: caption("table", w.table),
        code=digest("make_table.py"),
    script:
        "../scripts/make_table.py"


def prototypes_run(wildcards):
    """The run whose prototypes a figure shows."""
    return figure_cells.prototypes_run(PLAN, wildcards.figure)


rule draw_figure:
    """One figure as PDF and PNG; a figure with nothing in it is an error."""
    input:
        results=f"reports/{EXPERIMENT}/results.parquet",
        runs=figure_files,
        facts=lambda w: list(figure_classes(w).values()),
        histories=lambda w: [history["log"] for history in figure_histories(w)],
        found=lambda w: [
            file
            for entry in figure_cells.found_labels(PLAN, w.figure)
            for file in (entry["found"], entry["manifest"])
        ],
        compared=lambda w: [
            file
            for entry in figure_cells.compared_features(PLAN, w.figure)
            for file in (*entry["shards"], entry["manifest"])
        ],
        snapshots=lambda w: [
            file
            for entry in figure_cells.snapshot_courses(PLAN, w.figure)
            for file in (entry["found"], entry["manifest"])
        ],
    output:
        pdf=f"reports/{EXPERIMENT}/figures/{{figure}}.pdf",
        png=report(
            f"reports/{EXPERIMENT}/figures/{{figure}}.png",
            caption="../report/item.rst",
            category="Figures",
            labels={"figure": "{figure}"},
        ),
    log:
        f"data/logs/draw_figure/{EXPERIMENT}.{{figure}}.log",
    benchmark:
        f"data/benchmarks/draw_figure/{EXPERIMENT}.{{figure}}.jsonl"
    wildcard_constraints:
        figure=r"(?!prototypes|first-filters|neighbours|retrieval|snapshots|sela-low-entropy|sela-random)[a-z0-9-]+",
    threads: 1
    resources:
        mem_mb=memory,
        runtime=runtime,
    params:
        runs=figure_runs,
        histories=figure_histories,
        found=lambda w: figure_cells.found_labels(PLAN, w.figure),
        compared=lambda w: figure_cells.compared_features(PLAN, w.figure),
        snapshots=lambda w: figure_cells.snapshot_courses(PLAN, w.figure),
        classes=figure_classes,
        attributes=figure_attributes,
        caption=lambda w: caption("figure", w.figure),
        code=digest("draw_figure.py"),
    script:
        "../scripts/draw_figure.py"


rule draw_prototypes:
    """One image of each cluster of a run; those of a head are picked by the features of its network."""
    input:
        lambda w: figure_cells.prototypes_inputs(PLAN, prototypes_run(w)),
        location=lambda w: ancient(cells.shown_run(PLAN, prototypes_run(w))["location"]),
    output:
        pdf=f"reports/{EXPERIMENT}/figures/{{figure}}.pdf",
        png=report(
            f"reports/{EXPERIMENT}/figures/{{figure}}.png",
            caption="../report/item.rst",
            category="Figures",
            labels={"figure": "{figure}"},
        ),
    log:
        f"data/logs/draw_prototypes/{EXPERIMENT}.{{figure}}.log",
    benchmark:
        f"data/benchmarks/draw_prototypes/{EXPERIMENT}.{{figure}}.jsonl"
    wildcard_constraints:
        figure=r"prototypes(-[a-z-]+)?",
    threads: COMPUTE.threads
    resources:
        mem_mb=memory,
        runtime=runtime,
        gpu=min(1, GPUS),
        workers=COMPUTE.workers,
        device=COMPUTE.device,
        batch_size=COMPUTE.batch_size,
    params:
        shown=lambda w: figure_cells.prototypes_cell(PLAN, prototypes_run(w)),
        caption=lambda w: caption("figure", w.figure),
        code=digest("draw_prototypes.py"),
    script:
        "../scripts/draw_prototypes.py"


rule draw_filters:
    """The filters of the first convolution of a network."""
    input:
        lambda w: paths.encoder_files(Path(figure_cells.filters_cell(PLAN)["network"]).name),
    output:
        pdf=f"reports/{EXPERIMENT}/figures/first-filters.pdf",
        png=report(
            f"reports/{EXPERIMENT}/figures/first-filters.png",
            caption="../report/item.rst",
            category="Figures",
            labels={"figure": "first-filters"},
        ),
    log:
        f"data/logs/draw_filters/{EXPERIMENT}.log",
    benchmark:
        f"data/benchmarks/draw_filters/{EXPERIMENT}.jsonl"
    threads: 1
    resources:
        mem_mb=memory,
        runtime=runtime,
    params:
        shown=lambda w: figure_cells.filters_cell(PLAN),
        caption=caption("figure", "first-filters"),
        code=digest("draw_filters.py"),
    script:
        "../scripts/draw_filters.py"


rule draw_neighbours:
    """Some images with their mined neighbours."""
    input:
        lambda w: [figure_cells.neighbours_cell(PLAN)[part] for part in ("neighbours", "manifest")],
        location=lambda w: ancient(figure_cells.neighbours_cell(PLAN)["location"]),
    output:
        pdf=f"reports/{EXPERIMENT}/figures/neighbours.pdf",
        png=report(
            f"reports/{EXPERIMENT}/figures/neighbours.png",
            caption="../report/item.rst",
            category="Figures",
            labels={"figure": "neighbours"},
        ),
    log:
        f"data/logs/draw_neighbours/{EXPERIMENT}.log",
    benchmark:
        f"data/benchmarks/draw_neighbours/{EXPERIMENT}.jsonl"
    threads: 1
    resources:
        mem_mb=memory,
        runtime=runtime,
    params:
        shown=lambda w: figure_cells.neighbours_cell(PLAN),
        caption=caption("figure", "neighbours"),
        code=digest("draw_neighbours.py"),
    script:
        "../scripts/draw_neighbours.py"


rule draw_retrieval:
    """Some images with the train images that are nearest to them, by several encoders."""
    input:
        lambda w: figure_cells.retrieval_inputs(PLAN),
        locations=lambda w: ancient(
            [figure_cells.retrieval_cell(PLAN)[part] for part in ("location", "train_location")]
        ),
    output:
        pdf=f"reports/{EXPERIMENT}/figures/retrieval.pdf",
        png=report(
            f"reports/{EXPERIMENT}/figures/retrieval.png",
            caption="../report/item.rst",
            category="Figures",
            labels={"figure": "retrieval"},
        ),
    log:
        f"data/logs/draw_retrieval/{EXPERIMENT}.log",
    benchmark:
        f"data/benchmarks/draw_retrieval/{EXPERIMENT}.jsonl"
    threads: 1
    resources:
        mem_mb=memory,
        runtime=runtime,
    params:
        shown=lambda w: figure_cells.retrieval_cell(PLAN),
        caption=caption("figure", "retrieval"),
        code=digest("draw_retrieval.py"),
    script:
        "../scripts/draw_retrieval.py"


rule draw_snapshots:
    """Maps of the same images over the epochs of trainings."""
    input:
        lambda w: [
            training[part]
            for training in figure_cells.snapshots_cell(PLAN)
            for part in ("found", "manifest")
        ],
    output:
        pdf=f"reports/{EXPERIMENT}/figures/snapshots.pdf",
        png=report(
            f"reports/{EXPERIMENT}/figures/snapshots.png",
            caption="../report/item.rst",
            category="Figures",
            labels={"figure": "snapshots"},
        ),
    log:
        f"data/logs/draw_snapshots/{EXPERIMENT}.log",
    benchmark:
        f"data/benchmarks/draw_snapshots/{EXPERIMENT}.jsonl"
    threads: 1
    resources:
        mem_mb=memory,
        runtime=runtime,
    params:
        trainings=lambda w: figure_cells.snapshots_cell(PLAN),
        caption=caption("figure", "snapshots"),
        code=digest("draw_snapshots.py"),
    script:
        "../scripts/draw_snapshots.py"


def cluster_examples(wildcards):
    """The clusters of which a figure shows some."""
    return figure_cells.cluster_examples_cell(PLAN, wildcards.figure)


rule draw_clusters:
    """Some clusters with images in them: those of the lowest entropy of classes, or drawn at random."""
    input:
        lambda w: [cluster_examples(w)[part] for part in ("assignments", "train_manifest")],
        location=lambda w: ancient(cluster_examples(w)["train_location"]),
    output:
        pdf=f"reports/{EXPERIMENT}/figures/{{figure}}.pdf",
        png=report(
            f"reports/{EXPERIMENT}/figures/{{figure}}.png",
            caption="../report/item.rst",
            category="Figures",
            labels={"figure": "{figure}"},
        ),
    log:
        f"data/logs/draw_clusters/{EXPERIMENT}.{{figure}}.log",
    benchmark:
        f"data/benchmarks/draw_clusters/{EXPERIMENT}.{{figure}}.jsonl"
    wildcard_constraints:
        figure="sela-low-entropy|sela-random",
    threads: 1
    resources:
        mem_mb=memory,
        runtime=runtime,
    params:
        shown=cluster_examples,
        caption=lambda w: caption("figure", w.figure),
        code=digest("draw_clusters.py"),
    script:
        "../scripts/draw_clusters.py"


rule build_gallery:
    """What is in the clusters of one run: prototypes, most and least confident images, on one HTML page."""
    input:
        lambda w: cells.shown_files(cells.shown_run(PLAN, PLAN.runs[w.run])),
        location=lambda w: ancient(cells.shown_run(PLAN, PLAN.runs[w.run])["location"]),
    output:
        report(
            f"reports/{EXPERIMENT}/galleries/{{run}}.html",
            caption="../report/item.rst",
            category="Galleries",
            labels=lambda w: {
                "encoder": PLAN.title("encoder", PLAN.runs[w.run].encoder),
                "method": method_title(PLAN.runs[w.run].method),
            },
        ),
    log:
        f"data/logs/build_gallery/{EXPERIMENT}.{{run}}.log",
    benchmark:
        f"data/benchmarks/build_gallery/{EXPERIMENT}.{{run}}.jsonl"
    threads: 1
    resources:
        mem_mb=memory,
        runtime=runtime,
    params:
        shown=lambda w: cells.shown_run(PLAN, PLAN.runs[w.run]),
        caption=caption("gallery", "clusters"),
        code=digest("build_gallery.py"),
    script:
        "../scripts/build_gallery.py"


rule write_overview:
    """The first page, the cost of every stage, and where every number comes from."""
    input:
        results=f"reports/{EXPERIMENT}/results.parquet",
        facts=[paths.facts(dataset, split) for dataset in PLAN.datasets.values() for split in dataset.splits],
    output:
        overview=report(
            f"reports/{EXPERIMENT}/overview.html",
            caption="../report/item.rst",
            category="Overview",
            labels={"page": "overview"},
        ),
        cost=report(
            f"reports/{EXPERIMENT}/cost.html",
            caption="../report/item.rst",
            category="Overview",
            labels={"page": "cost"},
        ),
        provenance=f"reports/{EXPERIMENT}/provenance.json",
    log:
        f"data/logs/write_overview/{EXPERIMENT}.log",
    benchmark:
        f"data/benchmarks/write_overview/{EXPERIMENT}.jsonl"
    threads: 1
    resources:
        mem_mb=memory,
        runtime=runtime,
    params:
        asked=cells.overview(PLAN),
        ids=cells.planned_ids(PLAN),
        caption=caption("page", "overview"),
        code=digest("write_overview.py"),
    script:
        "../scripts/write_overview.py"


rule compile_paper:
    """All tables and figures in one PDF; needs pdflatex and says so where there is none."""
    input:
        tables=[f"reports/{EXPERIMENT}/tables/{name}.tex" for name in targets.tables(PLAN)],
        figures=[f"reports/{EXPERIMENT}/figures/{name}.pdf" for name in targets.figures(PLAN)],
    output:
        tex=f"reports/{EXPERIMENT}/paper.tex",
        pdf=f"reports/{EXPERIMENT}/paper.pdf",
    log:
        f"data/logs/compile_paper/{EXPERIMENT}.log",
    benchmark:
        f"data/benchmarks/compile_paper/{EXPERIMENT}.jsonl"
    threads: 1
    resources:
        mem_mb=memory,
        runtime=runtime,
    params:
        title=PLAN.config.title or EXPERIMENT,
        code=digest("compile_paper.py"),
    script:
        "../scripts/compile_paper.py"
