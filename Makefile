# `make help` lists the targets. A virtual environment in .venv is made on first use.
PYTHON ?= python3
BIN := .venv/bin
export PYTHONNOUSERSITE := 1
# Modules are compiled when they are first imported, and kept: most of what is installed never is, and to compile all of
# it takes a good part of an installation.
export PYTHONDONTWRITEBYTECODE :=
PIP := $(BIN)/python -m pip install --quiet --no-compile --disable-pip-version-check --constraint constraints.txt

.DEFAULT_GOAL := help

.PHONY: help
help: ## list the targets
	@grep -hE '^[a-z-]+:.*## ' $(MAKEFILE_LIST) | sed 's/:.*## /\t/' | expand -t 14

.venv/installed: pyproject.toml constraints.txt
	@$(PYTHON) -c 'import sys; v = sys.version_info[:2]; sys.exit(0 if (3, 10) <= v <= (3, 13) else "Python 3.10 to 3.13 is needed; PYTHON=/path/to/python makes make use another")'
	$(PYTHON) -m venv .venv
	$(PIP) torch==2.13.0
	$(PIP) --editable .
	@touch $@

.venv/installed-test: .venv/installed
	$(PIP) --editable '.[test]'
	@touch $@

.PHONY: install
install: .venv/installed ## make .venv with the pinned packages

.PHONY: run
run: .venv/installed ## materialize the whole graph (on the sample corpus when the landing folder is empty)
	$(BIN)/medembed run

.PHONY: study
study: .venv/installed ## search the recipe's settings on train and validation notes, 20 trials (each a training)
	$(BIN)/medembed study recipe --trials 20

.PHONY: ui
ui: .venv/installed ## open the Dagster UI with its daemon on http://127.0.0.1:3000
	$(BIN)/medembed ui

.PHONY: serve
serve: .venv/installed ## answer over HTTP from the released checkpoint, with a page on http://127.0.0.1:8000
	$(BIN)/medembed serve

# The types are checked beside the tests, which leave a core free now and then.
.PHONY: test
test: lint ## format, lint, types and tests
	@$(MAKE) --no-print-directory --jobs 2 types tests

.PHONY: lint
lint: .venv/installed-test ## format and lint
	$(BIN)/ruff format --check .
	$(BIN)/ruff check .

.PHONY: types
types: .venv/installed-test ## types
	$(BIN)/mypy

# Two processes with a thread each: with more threads than cores they wait for one another, and three processes on two
# cores took no less time.
.PHONY: tests
tests: .venv/installed-test ## tests alone
	OMP_NUM_THREADS=1 $(BIN)/python -m pytest --numprocesses 2 --dist loadfile --no-loadscope-reorder

.PHONY: format
format: .venv/installed-test ## format the code and mend what the linter can
	$(BIN)/ruff format .
	$(BIN)/ruff check --fix .

.PHONY: live
live: .venv/installed-test ## a running daemon, a step as a Ray job, kills, whole graphs in the UI and on S3 (forty minutes)
	$(BIN)/python -m pytest -m live

.PHONY: simulations
simulations: .venv/installed-test ## do the intervals cover; writes the tables of docs/statistics.md (forty minutes)
	$(BIN)/python -m medembed_pipeline_tests.simulations --write docs/statistics.md

.PHONY: faults
faults: .venv/installed-test ## kill, fill the disk and run twice at once; count what survives (forty minutes)
	$(BIN)/python -m medembed_pipeline_tests.faults.kill --points 50 --times 20 --bad-files 200

.PHONY: incremental
incremental: .venv/installed-test ## 20,000 notes, then 200 more: seconds per asset (ten minutes)
	$(BIN)/python -m medembed_pipeline_tests.measure_incremental

# The peer's OpenVINO backend takes other versions than ours. Texts need no torchvision, and transformers cannot be loaded
# beside one that was built for another torch.
.venv-openvino/installed: medembed_pipeline_tests/bench/openvino.txt
	$(PYTHON) -m venv .venv-openvino
	.venv-openvino/bin/python -m pip install --quiet --disable-pip-version-check --requirement $<
	.venv-openvino/bin/python -m pip uninstall --quiet --yes torchvision
	@touch $@

.PHONY: bench
bench: .venv/installed-test .venv-openvino/installed ## speed against the peers, side by side; writes docs/performance.md (three quarters of an hour)
	$(PIP) --editable '.[bench]'
	$(BIN)/python -m medembed_pipeline_tests.bench --openvino .venv-openvino/bin/python --write docs/performance.md

.PHONY: bench-serving
bench-serving: .venv/installed-test ## the service against its parts and against a plain one; writes docs/serving.md (thirty minutes)
	$(BIN)/python -m medembed_pipeline_tests.serving.bench --write docs/serving.md

.PHONY: fuzz-serving
fuzz-serving: .venv/installed-test ## 10,000 made-up requests to the service; none may be an error of it (ten minutes)
	$(PIP) --editable '.[fuzz]'
	$(BIN)/python -m medembed_pipeline_tests.serving.fuzz --cases 10000

.PHONY: demonstration
demonstration: .venv/installed-test ## automation on: files are dropped, nobody touches anything; seconds per asset (ten minutes)
	$(BIN)/python -m medembed_pipeline_tests.measure_automation

.PHONY: clean
clean: ## remove .venv, .venv-openvino, caches and Dagster's history; the data lake stays
	rm -rf .venv .venv-openvino .dagster_home .pytest_cache .mypy_cache .ruff_cache .hypothesis build dist *.egg-info
	find . -name __pycache__ -type d -prune -exec rm -rf {} +
