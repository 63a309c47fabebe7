# `make` prints what there is. Everything happens in .venv, which `make` sets up when requirements.txt changes, with the
# newest Python from 3.11 to 3.14 that runs; `make PYTHON=/path/to/python VENV=.venv311` takes another.
.DEFAULT_GOAL := help
.ONESHELL:
SHELL := bash
.SHELLFLAGS := -euo pipefail -c
PYTHONS := python3.14 python3.13 python3.12 python3.11
PYTHON ?= $(firstword $(foreach name,$(PYTHONS),$(shell $(name) -c 'import ensurepip' 2> /dev/null && echo $(name))))
VENV ?= .venv
RUN := $(VENV)/bin/python
READY := $(VENV)/.ready
EXTRAS := $(VENV)/.ready-extras

.PHONY: help setup quickstart ablations test test-slow test-floor docs lint clean

help:  ## this list
	@grep -hE '^[a-z-]+:.*##' $(MAKEFILE_LIST) | sed -E 's/:[^#]*## */\t/' | expand -t 14

setup: $(READY)  ## make .venv and install requirements.txt into it

# .ready is written last: a .venv without it is what a broken run left behind, and is made anew.
$(READY): requirements.txt pyproject.toml
	@python='$(PYTHON)'
	if [ -z "$$python" ]; then
	  echo "no Python found: looked for $(PYTHONS), with venv and pip; make PYTHON=/path/to/python names another" >&2
	  exit 1
	fi
	echo "Setting up $(VENV) with $$python: about 3 minutes and 6 GB, once"
	rm -rf $(VENV)
	"$$python" -m venv $(VENV)
	$(RUN) -m pip install --quiet --disable-pip-version-check -r requirements.txt
	touch $(READY)

$(EXTRAS): $(READY) requirements-extras.txt
	@$(RUN) -m pip install --quiet --disable-pip-version-check -r requirements-extras.txt
	touch $(EXTRAS)

quickstart: $(READY)  ## train a first upscaler on sample photographs: 5 minutes on 2 cores
	@$(RUN) train.py experiment=quickstart

ablations: $(READY)  ## the paper's ablations on the sample photographs, as one page: 10 minutes on 2 cores
	@$(RUN) train.py -m experiment=quickstart name=ablations 'ablation=glob(*,exclude=no_sharpening)' stages.psnr.iterations=100 stages.gan.iterations=60 stages.psnr.iterations_per_epoch=1000 stages.gan.iterations_per_epoch=1000
	$(VENV)/bin/wildsr report runs/ablations -o runs/ablations.html

test: $(EXTRAS)  ## the test suite, under 10 minutes on 2 cores
	@$(RUN) -m ruff check .
	$(RUN) -m ruff format --check .
	$(RUN) -m mypy
	OMP_NUM_THREADS=1 $(RUN) -m pytest -n 2

test-slow: $(EXTRAS)  ## the slow checks, under 35 minutes
	@OMP_NUM_THREADS=1 $(RUN) -m pytest -m slow -n 2 --durations 15

# What breaks with an interpreter, not with a change: imports, dependencies, the core's arithmetic, composing, a search.
FLOOR := tests/degradation tests/networks tests/metrics tests/losses tests/images tests/data tests/test_config.py tests/test_search.py

test-floor: $(EXTRAS)  ## the core's tests, for another Python: make test-floor PYTHON=python3.11 VENV=.venv-3.11
	@OMP_NUM_THREADS=1 $(RUN) -m pytest -n 2 $(FLOOR)

docs: $(EXTRAS)  ## docs/ as a site, in build/docs
	@$(RUN) -m mkdocs build

lint: $(READY)  ## repair formatting and simple faults
	@$(RUN) -m ruff format .
	$(RUN) -m ruff check --fix .

clean:  ## remove .venv and caches; runs/ and data/ stay
	@rm -rf .venv .venv-* .pytest_cache .mypy_cache .ruff_cache .hypothesis
