# `make` alone lists the targets. Everything lives in .venv; nothing else on the machine is touched.

PYTHON ?= python3
VENV := .venv
BIN := $(VENV)/bin
UV ?= uv

RUN_STAMP := $(VENV)/.ready-to-run
DEV_STAMP := $(VENV)/.ready-to-develop
TYPED := src tests $(wildcard benchmarks)
PIP := $(BIN)/python -m pip --disable-pip-version-check
PIP_INSTALL := $(PIP) install --quiet --no-input
GUESTS := metricflow boring-semantic-layer

.DEFAULT_GOAL := help
.PHONY: help setup demo test test-fast test-data lint format bench bench-environments docs lock clean

help:  ## this list
	@grep -hE '^[a-z-]+:.*## ' $(MAKEFILE_LIST) | sed -E 's/:.*## /|/' | awk -F'|' '{printf "make %-18s %s\n", $$1, $$2}'

setup: $(RUN_STAMP)  ## .venv with the revgauge command and what it needs
	@echo "ready: $(BIN)/revgauge"

demo: $(RUN_STAMP)  ## a sample company: created, loaded, built, shown
	$(BIN)/revgauge demo demo-company

test: lint  ## everything that has to hold: lint and all tests
	$(BIN)/python -m pytest -n 2

test-fast: $(DEV_STAMP)  ## the tests that take seconds at most, in two or three minutes
	$(BIN)/python -m pytest -n auto --dist loadfile -m "not slow"

test-data: $(DEV_STAMP)  ## what reads data that are not shipped: make test-data REVGAUGE_DATA=folder
	@test -n "$(REVGAUGE_DATA)" || { echo "Say where the data are: make test-data REVGAUGE_DATA=folder (see examples/README.md)"; exit 1; }
	REVGAUGE_DATA="$(abspath $(REVGAUGE_DATA))" $(BIN)/python -m pytest -m needs_data tests

lint: $(DEV_STAMP)  ## style, types, layers
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .
	$(BIN)/mypy $(TYPED)
	$(BIN)/lint-imports --no-logo

format: $(DEV_STAMP)  ## put the code into its form
	$(BIN)/ruff check --fix-only --quiet .
	$(BIN)/ruff format .

bench: $(DEV_STAMP)  ## speed and memory, beside hand-written SQL, other engines and other tools
	-@$(MAKE) --no-print-directory --keep-going bench-environments
	$(BIN)/python -m benchmarks $(BENCH)

bench-environments: $(GUESTS:%=.venv-bench-%/.ready)  ## the tools that are measured beside us, each in a .venv-bench-...

docs: $(RUN_STAMP)  ## write the generated pages of docs/reference anew
	$(BIN)/python -m revgauge.reference docs/reference

lock: pyproject.toml  ## fix the versions anew (needs uv); no download address is kept
	printf '%s\n' 'flit_core>=3.11,<5' > $(VENV)/build.in
	$(UV) pip compile pyproject.toml $(VENV)/build.in $(LOCK_OPTIONS) --output-file requirements.txt
	$(UV) pip compile pyproject.toml $(VENV)/build.in --extra bench --extra dev --extra forecast --extra postgres --extra spark \
	  --constraint requirements.txt $(LOCK_OPTIONS) --output-file requirements-dev.txt
	rm $(VENV)/build.in

clean:  ## remove what `make` made
	rm -rf $(VENV) $(VENV)-bench-* demo-company build dist .mypy_cache .pytest_cache .ruff_cache .import_linter_cache .hypothesis
	find src tests benchmarks -name __pycache__ -type d -prune -exec rm -rf {} +

LOCK_OPTIONS := --universal --python-version 3.11 --generate-hashes --no-annotate --quiet \
  --custom-compile-command 'make lock'

$(BIN)/python:
	$(PYTHON) -c 'import sys; sys.exit(sys.version_info < (3, 11) and "RevGauge needs Python 3.11 or later: make setup PYTHON=python3.12")'
	$(PYTHON) -m venv $(VENV) || { rm -rf $(VENV); exit 1; }

# A stamp is older than the lock or pyproject.toml when something has to be installed anew.
$(RUN_STAMP): requirements.txt pyproject.toml | $(BIN)/python
	$(PIP_INSTALL) --require-hashes --requirement requirements.txt
	$(PIP_INSTALL) --no-deps --no-build-isolation --editable .
	touch $@

$(DEV_STAMP): requirements-dev.txt $(RUN_STAMP)
	$(PIP_INSTALL) --require-hashes --requirement requirements-dev.txt
	touch $@

# What is measured beside us asks for other versions of our own packages; one that cannot be installed is left out.
.venv-bench-%/.ready: benchmarks/latency/requirements-%.txt
	$(PYTHON) -m venv --clear $(@D)
	$(@D)/bin/python -m pip --disable-pip-version-check install --quiet --no-input --requirement $<
	touch $@
