# Two commands do everything on a fresh machine with Python 3.11 or newer: make demo, make test.

PYTHON ?= python3
CORES ?= 2
BENCH ?= standard
BIN := .venv/bin
SNAKEMAKE := $(BIN)/snakemake --cores $(CORES)
# docs/operations.md, Hundreds of jobs
MANY_JOBS := --max-jobs-per-timespan 1000/10s
export PATH := $(CURDIR)/$(BIN):$(PATH)
# Every job imports its libraries: without compiled bytecode each import would compile them again.
unexport PYTHONDONTWRITEBYTECODE

.PHONY: help install demo demo-all cluster bench test test-all lint format docs paper report lock ci-deps clean

help:  ## what there is
	@grep -E '^[a-z-]+:.*##' Makefile | sed 's/:.*## /\t/' | expand -t 14

install: $(BIN)/.installed  ## the environment of envs/requirements.lock in .venv

$(BIN)/.installed: envs/requirements.lock pyproject.toml
	@$(PYTHON) -c 'import sys; sys.exit(not (3, 11) <= sys.version_info[:2] < (3, 14))' || \
	  { echo "Python 3.11, 3.12 or 3.13 is needed; give one by: make PYTHON=python3.12 $(MAKECMDGOALS)"; exit 1; }
	test -x $(BIN)/python || $(PYTHON) -m venv .venv
	test -x $(BIN)/uv || $(BIN)/python -m pip install --quiet --disable-pip-version-check uv
	$(BIN)/uv pip sync --quiet --compile-bytecode --python $(BIN)/python --require-hashes envs/requirements.lock
	$(BIN)/uv pip install --quiet --python $(BIN)/python --no-deps --no-build-isolation --editable .
	touch $@

demo: install  ## the default experiment: reports/digits/report.html
	$(SNAKEMAKE)
	@test -e reports/digits/report.html || $(MAKE) --no-print-directory report
	@echo "Open reports/digits/report.html in a browser."

demo-all: install  ## every method on the digits at full length: reports/digits-all/report.html
	$(SNAKEMAKE) $(MANY_JOBS) --configfile config/digits-all.yaml

cluster: install  ## a folder of pictures: make cluster IMAGES=path/to/images K=20 [OUT=folder]
	$(BIN)/clusterprobe cluster "$(IMAGES)" --k $(or $(K),auto) --cores $(CORES) $(if $(OUT),--out "$(OUT)")

report: install  ## the HTML report of the default experiment once more
	$(BIN)/snakemake --report reports/digits/.report.html --workflow-profile none
	mv reports/digits/.report.html reports/digits/report.html

paper: install  ## tables and figures of the default experiment in one PDF
	$(SNAKEMAKE) paper

# Three processes on two cores: tests of Slurm and of kills wait more than they work.
test: install  ## the test suite
	$(BIN)/python -m pytest -n 3 --dist worksteal -m "not slow"

test-all: install  ## the test suite with its long tests
	$(BIN)/python -m pytest -n 3 --dist worksteal

bench: install  ## measurements side by side with peers: benchmarks/RESULTS.md (BENCH=quick: minutes, BENCH=full: hours)
	$(BIN)/python -m benchmarks --size $(BENCH)

lint: install  ## formatting, types, style of workflow and code
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .
	$(BIN)/mypy
	$(BIN)/snakefmt --check Snakefile workflow
	$(BIN)/python -m clusterprobe.config.documentation --check
	$(BIN)/python tests/lint_workflow.py

format: install  ## format all code
	$(BIN)/ruff check --fix .
	$(BIN)/ruff format .
	$(BIN)/snakefmt Snakefile workflow

docs: install  ## the schema and the documentation of the configuration from its model
	$(BIN)/python -m clusterprobe.config.documentation

lock:  ## resolve the dependencies anew for all platforms
	test -x $(BIN)/uv || { $(PYTHON) -m venv .venv && $(BIN)/python -m pip install --quiet uv; }
	$(BIN)/uv pip compile --quiet --universal --generate-hashes --python-version 3.11 --extra dev \
	  pyproject.toml --output-file envs/requirements.lock

ci-deps:  ## Debian packages that tests use: Slurm, Chromium, a small LaTeX, disks with quotas
	apt-get update --quiet --quiet
	apt-get install --yes --quiet --no-install-recommends slurm-wlm munge chromium \
	  texlive-latex-base texlive-latex-recommended lmodern poppler-utils btrfs-progs

clean:  ## remove what this machine built, not data/ and reports/
	rm -rf .venv .mypy_cache .pytest_cache .ruff_cache .hypothesis
