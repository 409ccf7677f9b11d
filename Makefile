# Everything runs in a virtual environment of its own; PYTHON chooses the interpreter for it.
PYTHON ?= python3
BIN := .venv/bin
export PATH := $(CURDIR)/$(BIN):$(PATH)
# `brl` ends with this make, also if that is killed: the shell between the two would not.
export BRL_LAUNCHER := $(shell echo $$PPID)

.DEFAULT_GOAL := help
.PHONY: help setup repro results preset weights why verify dag data-check test test-slow test-oldest test-newest audit test-faults fuzz lint compare probe summary model bench-data bench-training bench-accuracy bench-repro bench-networks bench-gpu release ui clean clean-runs bench-scale bench-pictures test-remotes

help:  ## what there is; `brl --help` says more
	@grep -E '^[a-z-]+:.*##' $(MAKEFILE_LIST) | awk -F ':.*## ' '{printf "  make %-10s %s\n", $$1, $$2}'

setup: .venv/installed  ## the virtual environment, with everything installed

.venv/installed: requirements.txt pyproject.toml
	@$(PYTHON) -c 'import sys; sys.exit(sys.version_info < (3, 11) and "error: Python 3.11 or newer is needed; name one: make PYTHON=python3.12")'
	@echo "Setting up .venv: once, a few minutes, 2.1 GB"
	@$(PYTHON) -m venv .venv
	@$(BIN)/pip install --quiet --disable-pip-version-check -r requirements.txt
	@$(BIN)/pip install --quiet --disable-pip-version-check --no-deps -e .
	@touch $@

repro: setup  ## the whole pipeline; only what changed runs; JOBS=1: one stream at a time; CLUSTER=slurm
	@brl repro $(if $(JOBS),--jobs "$(JOBS)") $(if $(CLUSTER),--cluster "$(CLUSTER)")

why: setup  ## which stages would run now, and because of what
	@brl why

dag: setup  ## the stages and what they read, with the streams as one
	@brl dag

results: setup  ## the table of the last run
	@brl results

preset: setup  ## a dataset, a method or both into params.yaml: NAME=nw_ucla MIRROR=folder METHOD=brl
	@brl preset $(if $(NAME),"$(NAME)") $(if $(METHOD),--method "$(METHOD)") $(if $(MIRROR),--mirror "$(MIRROR)")

compare: setup  ## methods side by side: NAME=nw_ucla JOBS=2 CLUSTER=slurm; done runs stay in .comparison
	@brl compare $(if $(NAME),"$(NAME)") $(if $(JOBS),--jobs "$(JOBS)") $(if $(CLUSTER),--cluster "$(CLUSTER)")

verify: setup  ## a published run trained again, compared clip by clip: NAME=nw_ucla ROW=brl
	@brl verify $(if $(NAME),"$(NAME)") $(if $(ROW),--row "$(ROW)")

probe: setup  ## pre-trained encoders beside random ones; needs a pre-training (make repro) first
	@brl probe

summary: setup  ## the methods over all compared datasets, from their committed reports
	@brl compare --summary

weights: setup  ## a checkpoint instead of a training: make weights STREAM=joint FILE=j.pth (or none)
	@brl weights "$(STREAM)" "$(FILE)"

data-check: setup  ## what the dataset's clips are like, and which need attention; AGAIN=1: a new mirror
	@brl data $(if $(AGAIN),--again)

test: setup  ## the fast tests, a process a core
	@OMP_NUM_THREADS=1 python -m pytest -n auto --dist loadfile

test-slow: setup  ## the slow ones, which run whole pipelines or take many seconds
	@OMP_NUM_THREADS=1 python -m pytest -n auto --dist loadfile -m 'slow and not faults and not remotes'

# Tools that are no dependencies: what they install lies in environments of its own.
.venv-tools/installed: Makefile
	@$(PYTHON) -m venv .venv-tools
	@.venv-tools/bin/pip install --quiet --disable-pip-version-check uv==0.13.9
	@touch $@

test-oldest test-newest audit: export PATH := $(CURDIR)/.venv-tools/bin:$(PATH)

test-oldest: .venv-tools/installed  ## the fast tests with the oldest versions of pyproject.toml: 6 GB
	@bash .ci/versions oldest

test-newest: .venv-tools/installed  ## the same with the newest: PYTHON=python3.13 is another Python
	@PYTHON="$(PYTHON)" bash .ci/versions newest

audit: .venv-tools/installed  ## known vulnerabilities of what requirements.txt installs
	@bash .ci/audit

test-faults: setup  ## what happens when processes are killed and files fail: 40 minutes
	@python -c 'import pgserver, psycopg2' 2> /dev/null || pip install --quiet -e '.[faults]'
	@OMP_NUM_THREADS=1 RELIABILITY=reports/benchmarks/reliability.json python -m pytest -n auto --dist loadfile -m faults

test-remotes: setup  ## results shared over SSH, S3 and a server of MLflow, which run here
	@python -c 'import dvc_ssh, dvc_s3, moto, flask_wtf, pgserver, psycopg2' 2> /dev/null || pip install --quiet -e '.[remotes]'
	@OMP_NUM_THREADS=1 python -m pytest -m remotes

fuzz: setup  ## damaged files for all readers, led by the code that they reach: MINUTES=60
	@python -c 'import atheris' 2> /dev/null || pip install --quiet -e '.[fuzz]'
	@python -m tests.fuzz $(or $(MINUTES),60)

lint: setup  ## format and check
	@ruff format --check .
	@ruff check .
	@mypy

bench-data: setup  ## time and memory of the clip store at NTU-120's size: 6 minutes, 10 GB of disk
	@python -m benchmarks.data

bench-scale: setup  ## the stages with a million clips of a thousand classes: 8 minutes, 10 GB of disk
	@python -m benchmarks.scale

bench-training: setup  ## training and test against the published way to compute: 10 minutes; MLFLOW=1
	@python -m benchmarks.training $(if $(MLFLOW),--mlflow)

bench-accuracy: setup  ## whether the fast path costs accuracy, on the dataset of params.yaml: SEEDS=3
	@python -m benchmarks.accuracy $(or $(SEEDS),3)

bench-repro: setup  ## how long the whole pipeline takes on this machine
	@python -m benchmarks.repro

bench-networks: setup  ## the networks side by side: size and speed
	@python -m benchmarks.networks

bench-pictures: setup  ## time and memory of the store of pictures: 2 minutes, 4 GB of disk
	@python -m benchmarks.pictures

bench-gpu:  ## how busy a GPU is kept, on a machine with one: 8 minutes; needs no make setup
	@$(PYTHON) -m benchmarks.gpu

model: setup  ## what was trained as a model in MLflow, to load or serve; NAME=… registers it
	@brl model $(if $(NAME),--register "$(NAME)")

release: setup  ## what was trained as one file to pass on: release/recognizer.zip
	@brl release

clean-runs: setup  ## failed runs and stale checkpoints: shows what would go; YES=1 removes it
	@brl clean $(if $(YES),--yes)

ui: setup  ## compare the runs in MLflow
	@brl ui

clean:  ## remove results and caches; keeps recorded runs, .comparison and the virtual environment
	rm -rf data pretrained models curves classifiers scores fused made logs release .checkpoints .probe
	rm -rf .dvc/cache .dvc/tmp
	rm -rf .pytest_cache .ruff_cache .mypy_cache .hypothesis
	find . -name __pycache__ -not -path './.venv*' -prune -exec rm -rf {} +
