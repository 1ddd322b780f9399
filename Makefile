# Everything that set-up needs is put below this folder: uv in .tools, its cache in .cache, the
# environments in .venv (control plane) and .venvs (one for each trainer).
PYTHON ?= python3
UV_VERSION := 0.13.8
ONCE ?=
ARGS ?=
FRAMEWORK ?=
# MLFLOW=1 runs MLflow's server beside the stack.
MLFLOW ?=
# Tests wait more than they work: a few at once, each file in one place.
WORKERS ?= 2

export UV_CACHE_DIR := $(CURDIR)/.cache/uv
export PIP_CACHE_DIR := $(CURDIR)/.cache/pip
export UV_PYTHON_DOWNLOADS := never
export UV_COMPILE_BYTECODE := 1
export UV_NO_PROGRESS := 1
export UV_SYSTEM_CERTS := 1
export PYRIGHT_PYTHON_CACHE_DIR := $(CURDIR)/.cache/pyright
export ONCE
export MLFLOW

UV := $(CURDIR)/.tools/bin/uv
WITH_MLFLOW := $(if $(filter-out 0,$(MLFLOW)),.venvs/mlflow/.made)
BIN := $(CURDIR)/.venv/bin

.DEFAULT_GOAL := help
.PHONY: help setup demo up env lock test test-frameworks test-previous check bench bench-cold kind fmt clean

help: ## Say what can be made
	@awk -F ':.*## ' '/^[a-z-]+:.*## / {printf "  make %-14s %s\n", $$1, $$2}' $(MAKEFILE_LIST)

setup: .venv/.made .venvs/trainer-sklearn/.made ## Install all that demo, up and test need, below this folder

demo: setup $(WITH_MLFLOW) ## Run a training job from submit to a registered model (ONCE=1: then stop everything)
	@$(BIN)/eventrain demo $(ARGS)

up: setup $(WITH_MLFLOW) ## Run the local stack until Ctrl-C (MLFLOW=1: MLflow's server too)
	@$(BIN)/eventrain up $(ARGS)

env: .venv/.made ## Make the environment of a framework, as its first job would (FRAMEWORK=pytorch)
	@$(BIN)/python -m infra.local.environments $(FRAMEWORK)

lock: .venv/.made ## Write trainer/locks from the extras of trainer/pyproject.toml (ARGS=--upgrade)
	@$(BIN)/python -m infra.local.environments.lock $(ARGS)

test: setup .venvs/mlflow/.made ## Run every test, on real parts (ARGS="-k name" for some)
	@$(BIN)/python -m pytest -n $(WORKERS) --dist loadfile $(ARGS)

test-frameworks: setup .venvs/mlflow/.made ## Train with every framework that can run here, three times (ARGS="timm pytorch")
	@$(BIN)/python -m tests.frameworks $(ARGS)

test-previous: setup .venvs/mlflow/.made ## Run the tests of the release before on the schema of this tree
	@$(BIN)/python -m tests.previous -n $(WORKERS) --dist loadfile $(ARGS)

check: .venv/.made ## Format, lint, types, import contracts, spelling, manifests
	@$(BIN)/ruff format --check .
	@$(BIN)/ruff check .
	@$(BIN)/pyright
	@$(BIN)/lint-imports
	@$(BIN)/codespell $$(git ls-files)
	@$(BIN)/python -m pytest -q tests/manifests

bench: setup ## Measure what is promised, all of it (ARGS=--quick, ARGS="sdk idle")
	@$(BIN)/python -m tests.bench $(ARGS)

bench-cold: setup ## CPU from the start of each function to its first answer
	@$(BIN)/python -m tests.bench.cold $(ARGS)

kind: .venv/.made ## A kind cluster with everything in it (needs Docker, kind, kubectl)
	@infra/kind/up.sh

fmt: .venv/.made ## Format, and mend what can be mended
	@$(BIN)/ruff format .
	@$(BIN)/ruff check --fix .

clean: ## Remove what set-up made; EVENTRAIN_HOME stays
	@rm -rf .venv .venvs .tools .cache

.venv/.made: pyproject.toml uv.lock trainer/pyproject.toml | $(UV)
	@echo "installing Eventrain into .venv"
	@$(UV) sync --quiet --locked --python $(PYTHON) --extra local
	@touch $@

.venvs/trainer-sklearn/.made: trainer/pyproject.toml trainer/locks/sklearn.txt | .venv/.made
	@$(BIN)/python -m infra.local.environments sklearn
	@touch $@

.venvs/mlflow/.made: pyproject.toml uv.lock | $(UV)
	@echo "installing MLflow's server into .venvs/mlflow"
	@UV_PROJECT_ENVIRONMENT=$(CURDIR)/.venvs/mlflow $(UV) sync --quiet --locked --python $(PYTHON) --no-dev --no-install-project --extra mlflow
	@touch $@

$(UV):
	@$(PYTHON) -c 'import sys; sys.exit("Eventrain needs Python 3.11 or newer; this is " + sys.version.split()[0] + ". Name another: make PYTHON=python3.12") if sys.version_info < (3, 11) else None'
	@echo "installing uv into .tools"
	@$(PYTHON) -m venv .tools
	@.tools/bin/python -m pip install --quiet --disable-pip-version-check uv==$(UV_VERSION)
