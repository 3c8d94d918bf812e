# A folder of pictures: its clusters as tables, a gallery and a model that travels.

from clusterprobe.config import cells, picture_cells

PICTURES = f"data/pictures/{EXPERIMENT}"


# All numbers of clusters that there is a choice of are tried in one job: to start some jobs for each of them would
# take longer than their work.
CANDIDATES = picture_cells.tried_together(PLAN)
CANDIDATE_RUNS = [PLAN.runs[entry["run"]] for entry in CANDIDATES]


ruleorder: try_candidates > fit_kmeans
ruleorder: try_candidates > score_clusterings
ruleorder: evaluate_candidates > evaluate_clustering


rule try_candidates:
    """Centres, clusters and label-free criteria of every number of clusters; labels are not among the input."""
    input:
        sorted({path for run in CANDIDATE_RUNS for path in cells.fitting_inputs(run)}),
    output:
        [paths.model(run) for run in CANDIDATE_RUNS],
        [paths.assignments(run) for run in CANDIDATE_RUNS],
        [paths.criteria(run) for run in CANDIDATE_RUNS],
    log:
        f"data/logs/try_candidates/{EXPERIMENT}.log",
    benchmark:
        f"data/benchmarks/try_candidates/{EXPERIMENT}.jsonl"
    threads: COMPUTE.threads
    resources:
        mem_mb=memory,
        runtime=runtime,
        gpu=ARRAY_GPUS,
        device=COMPUTE.device,
    params:
        candidates=CANDIDATES,
        fitting_code=digest("fit_kmeans.py"),
        code=digest("try_candidates.py"),
    script:
        "../scripts/try_candidates.py"


rule evaluate_candidates:
    """All metrics of every number of clusters that was tried."""
    input:
        sorted({path for run in CANDIDATE_RUNS for path in cells.evaluation_inputs(run)["labels"]}),
        [paths.model(run) for run in CANDIDATE_RUNS],
        [paths.assignments(run) for run in CANDIDATE_RUNS],
    output:
        [paths.run_results(run) for run in CANDIDATE_RUNS],
    log:
        f"data/logs/evaluate_candidates/{EXPERIMENT}.log",
    benchmark:
        f"data/benchmarks/evaluate_candidates/{EXPERIMENT}.jsonl"
    threads: 1
    resources:
        mem_mb=memory,
        runtime=runtime,
    params:
        candidates=[
            {
                "cell": cells.evaluation_cell(run),
                "model": paths.model(run),
                "assignments": paths.assignments(run),
                "results": paths.run_results(run),
            }
            for run in CANDIDATE_RUNS
        ],
        label_maps=told(lambda w: [cells.label_maps(run) for run in CANDIDATE_RUNS]),
        code=digest("evaluate_candidates.py"),
    script:
        "../scripts/evaluate_candidates.py"


rule choose_clusters:
    """How many clusters: what the criteria of all candidates agree on."""
    input:
        lambda w: [entry["criteria"] for entry in picture_cells.choosing_cell(PLAN) if entry["criteria"]],
    output:
        f"{PICTURES}/choice.json",
    log:
        f"data/logs/choose_clusters/{EXPERIMENT}.log",
    benchmark:
        f"data/benchmarks/choose_clusters/{EXPERIMENT}.jsonl"
    threads: 1
    resources:
        mem_mb=memory,
        runtime=runtime,
    params:
        candidates=lambda w: picture_cells.choosing_cell(PLAN),
        code=digest("choose_clusters.py"),
    script:
        "../scripts/choose_clusters.py"


rule draw_thumbnails:
    """Small copies of all pictures, and fingerprints by which near-duplicates are found."""
    input:
        manifest="data/manifests/{dataset}/{split}.parquet",
        location=ancient("data/manifests/{dataset}/{split}.source.json"),
    output:
        "data/thumbnails/{dataset}/{split}.parquet",
    log:
        "data/logs/draw_thumbnails/{dataset}/{split}.log",
    benchmark:
        "data/benchmarks/draw_thumbnails/{dataset}/{split}.jsonl"
    threads: COMPUTE.threads
    resources:
        mem_mb=memory,
        runtime=runtime,
    params:
        side=lambda w: PLAN.config.pictures.thumbnail,
        code=digest("draw_thumbnails.py"),
    script:
        "../scripts/draw_thumbnails.py"


rule arrange_pictures:
    """The chosen clustering for people: clusters by size, duplicates together, a map, and the model."""
    input:
        lambda w: picture_cells.arranging_inputs(PLAN),
    output:
        pictures=f"{PICTURES}/pictures.parquet",
        clusters=f"{PICTURES}/clusters.npz",
        assignments=f"reports/{EXPERIMENT}/assignments.csv",
        duplicates=f"reports/{EXPERIMENT}/duplicates.csv",
        skipped=f"reports/{EXPERIMENT}/skipped.csv",
        model=directory(f"reports/{EXPERIMENT}/model"),
    log:
        f"data/logs/arrange_pictures/{EXPERIMENT}.log",
    benchmark:
        f"data/benchmarks/arrange_pictures/{EXPERIMENT}.jsonl"
    threads: COMPUTE.threads
    resources:
        mem_mb=memory,
        runtime=runtime,
    params:
        cell=lambda w: picture_cells.arranging_cell(PLAN),
        code=digest("arrange_pictures.py"),
    script:
        "../scripts/arrange_pictures.py"


rule build_picture_gallery:
    """One page to look at the clusters, name them and take the result away; and one about their number."""
    input:
        pictures=f"{PICTURES}/pictures.parquet",
        clusters=f"{PICTURES}/clusters.npz",
        choice=f"{PICTURES}/choice.json",
        facts=lambda w: picture_cells.arranging_cell(PLAN)["facts"],
        thumbnails=lambda w: picture_cells.thumbnails_path(PLAN),
    output:
        gallery=f"reports/{EXPERIMENT}/gallery.html",
        files=directory(f"reports/{EXPERIMENT}/gallery-files"),
        choice=report(
            f"reports/{EXPERIMENT}/choice.html",
            caption="../report/item.rst",
            category="Overview",
            labels={"page": "number of clusters"},
        ),
    log:
        f"data/logs/build_picture_gallery/{EXPERIMENT}.log",
    benchmark:
        f"data/benchmarks/build_picture_gallery/{EXPERIMENT}.jsonl"
    threads: 1
    resources:
        mem_mb=memory,
        runtime=runtime,
    params:
        title=PLAN.config.title or EXPERIMENT,
        about=lambda w: picture_cells.about(PLAN),
        embedded_megabytes=lambda w: PLAN.config.pictures.embedded_megabytes,
        caption=caption("page", "choice"),
        code=digest("build_picture_gallery.py"),
    script:
        "../scripts/build_picture_gallery.py"
