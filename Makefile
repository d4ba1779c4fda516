# Set-up is one thing, shared by every target, and done once: .venv, from requirements.lock.
PYTHON ?= python3
BIN := .venv/bin
export PATH := $(CURDIR)/$(BIN):$(PATH)
# Memory in huge pages for all that is called here, tests included: no process starts twice for it.
ifndef GLIBC_TUNABLES
export GLIBC_TUNABLES := $(shell $(PYTHON) -c 'from pipeline.guard.huge_pages import HUGE_PAGES as a; print(a)')
endif
UV_VERSION := 0.13.8

.PHONY: help setup demo recipe compare plots seeds search tables zoo bench test test-slow check graph bad-inputs examples picture docs lock
.DEFAULT_GOAL := help

help:  ## what there is
	@grep -hE '^[a-z-]+:.*##' $(MAKEFILE_LIST) | sed -E 's/:.*## /\t/' | expand -t 14

setup: .venv/.installed  ## the environment (the other targets call it)

# `cxr`, from any folder; with setuptools as locked, so that nothing is fetched.
.venv/.installed: .venv/.ready pyproject.toml
	$(BIN)/uv pip install --quiet --no-deps --no-build-isolation --editable .
	@touch $@

.venv/.ready: requirements.lock
	@$(PYTHON) -c 'import sys; v = sys.version_info[:2]; sys.exit(0 if (3, 11) <= v <= (3, 13) else f"error: Python {v[0]}.{v[1]} found, 3.11 to 3.13 needed; name one: make PYTHON=python3.11 ...")'
	$(PYTHON) -m venv --clear .venv
	$(BIN)/python -m pip install --quiet --disable-pip-version-check uv==$(UV_VERSION)
	$(BIN)/uv pip install --quiet --compile-bytecode --require-hashes -r requirements.lock
	@touch $@

demo: setup  ## the whole pipeline, to the report; params.yaml as committed: the embedded cohort
	@git diff --quiet HEAD -- params.yaml || echo "note: params.yaml is not as committed, and run as it is"
	@$(BIN)/dvc --wait-for-lock repro report package
	@$(BIN)/cxr summary

recipe: setup  ## R=<name>: the whole pipeline with what recipes/<name>.yaml changes
	@$(BIN)/cxr recipe "$(R)"
	@$(BIN)/dvc --wait-for-lock repro report package
	@$(BIN)/cxr summary

compare: setup  ## experiments at a glance; S=auroc: the best first, R="main wider": of which commits
	@$(BIN)/cxr compare $(if $(S),--sort $(S)) $(R)

plots: setup  ## this run's plots on one page; E="exp-a exp-b": of experiments over each other
	@$(BIN)/cxr plots $(E)

N ?= 3
J ?= 1
seeds: setup  ## N=3: the same configuration under N seeds, mean and spread; J=2: two at a time
	@$(BIN)/cxr seeds --count $(N) --jobs $(J)

search: setup  ## other values of one branch's params tried with Ray Tune; F=<file>: as that file says
	$(if $(R),$(error make search: R= names a recipe; name the file of a search with F=))
	@$(BIN)/cxr search --spec "$(or $(F),search.yaml)"

tables: setup  ## the last run's AUROCs as the paper's two tables
	@$(BIN)/cxr tables

zoo: setup  ## each backbone trained for one epoch on the cohort of params.yaml, and what it costs
	@$(BIN)/dvc --wait-for-lock repro --quiet split
	@$(BIN)/cxr zoo

bench: setup  ## how fast training is; figures go to bench.json, those worth keeping to benchmarks/RESULTS.md
	@$(BIN)/python -m benchmarks

test: setup  ## the tests, which run at least 95 % of the lines of pipeline/
	$(BIN)/python -m pytest -p tests.coverage_gate --least-coverage 95 -n auto --dist loadgroup -m "not slow and not gpu"

test-slow: setup  ## the long proofs
	$(BIN)/python -m pytest -n auto --dist loadgroup -m slow

check: setup  ## format, lint, types and the fast tests
	$(BIN)/ruff format --check .
	$(BIN)/ruff check .
	$(BIN)/mypy
	$(BIN)/python -m pytest -n auto --dist loadgroup tests/unit tests/test_dag.py -m "not slow and not gpu and not long"

graph: setup  ## write each stage's code deps into dvc.yaml, what a change runs again and the drawing into docs/
	$(BIN)/cxr graph

bad-inputs: setup  ## write docs/bad_inputs.md from the tests of its rows
	PYTHONPATH=tests/unit $(BIN)/python tests/bad_inputs/rows.py

examples: setup  ## write what commands print into README.md and docs/, of the committed metrics/
	$(BIN)/python tests/docs/examples.py

picture: setup  ## docs/report.jpg anew, from this run's page; needs Chromium
	$(BIN)/python tests/docs/report_picture.py

docs: setup  ## README.md and docs/ as a site with search, which opens without a server or a network
	@$(BIN)/python -m sphinx -E -W --keep-going -q -d build/doctrees -c docs . build/docs
	@echo "build/docs/index.html"

lock:  ## pin the newest versions that pyproject.toml admits
	$(BIN)/uv pip compile -q --universal --python-version 3.11 --generate-hashes --no-annotate --no-header --no-emit-index-url --all-extras --group dev --group docs -U pyproject.toml -o requirements.lock
