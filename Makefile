# `make test` and `make demo` do all their own set-up; they need Python 3.10 to 3.13 and make.
# Another Python than python3: make demo PYTHON=python3.12

PYTHON ?= python3
ENV := .venv
RUN := $(ENV)/bin/python
INSTALL := $(RUN) -m pip install --quiet --disable-pip-version-check --constraint requirements.lock --requirement
DEMO := demo
COG := --check --diff

# What is compiled stays in a process until it ends: several processes, each of less than 2 GB.
STEPS := tests/test_model.py
LAYERS := tests/test_nn.py tests/test_normalisation.py tests/test_own_data_walk.py
TRAINING := tests/test_trainer.py tests/test_cluster.py
TUNING := tests/test_first_weights.py
COMPILING := $(STEPS) $(LAYERS) $(TRAINING) $(TUNING)
QUICK := $(foreach room,channels conditioning config design edf epochs files filters finding fit formats hypnogram \
	hypnograms metrics opening pairs quality recording sleepstats spectrum split,$(wildcard tests/test_$(room).py))
VERSIONS := 3.10 3.13
EARLY := $(filter-out $(COMPILING),$(wildcard tests/test_[a-p]*.py))

.DEFAULT_GOAL := help
.DELETE_ON_ERROR:
.PHONY: help lint test quick pythons docs site kill fuzz audit demo clean

help:  ## list the targets
	@sed -n 's/^\([a-z]*\):.*  ## /make \1\t/p' Makefile | expand -t 12

lint: $(ENV)/ready-to-test  ## check style and types
	$(RUN) -m ruff check
	$(RUN) -m ruff format --check
	$(RUN) -m mypy

test: lint  ## check style and types, run all tests
	$(RUN) -m pytest $(STEPS)
	$(RUN) -m pytest $(LAYERS)
	$(RUN) -m pytest $(TRAINING)
	$(RUN) -m pytest $(TUNING)
	$(RUN) -m pytest $(EARLY)
	$(RUN) -m pytest tests $(addprefix --ignore=,$(COMPILING) $(EARLY))

docs: $(ENV)/ready-for-docs  ## see that the pages show what the commands print; make docs COG=-r renews them
	$(RUN) -m cogapp $(COG) -I docs -p "from pages import code_map, figures, public_sets, run" \
		README.md docs/*.md docs/develop/*.md pretrained_model/README.md

site: $(ENV)/ready-for-docs  ## the pages as a site, in ./site
	NO_MKDOCS_2_WARNING=1 $(RUN) -m mkdocs build --quiet

quick: $(ENV)/ready-to-test  ## run the tests that need no TensorFlow
	$(RUN) -m pytest $(QUICK)

pythons:  ## make demo and make quick on the oldest and the newest Python; 4 GB each
	for version in $(VERSIONS); do \
		$(MAKE) demo quick PYTHON=python$$version ENV=.venv-$$version DEMO=demo-$$version || exit; \
	done

kill: $(ENV)/ready-to-test  ## kill every command at seeded moments, and see that nothing is lost: half an hour
	$(RUN) -m tests.hostile.kills

fuzz: $(ENV)/ready-to-test  ## damage 6000 files and read them; some minutes
	$(RUN) -X faulthandler -m tests.hostile.fuzz --files 6000 --seed 1

audit: $(ENV)/ready-to-test  ## look up known faults of the pinned packages; needs the network
	$(RUN) -m pip install --quiet --disable-pip-version-check pip-audit
	$(RUN) -m pip_audit --requirement requirements.lock --no-deps --disable-pip

demo: $(ENV)/ready-to-run  ## simulate, prepare, train and score a few nights, all under ./demo
	$(RUN) simulate.py --db sleepedf --output_dir $(DEMO)/raw_data/sleepedf --subjects 0-3
	$(RUN) prepare_sleepedf.py --data_dir $(DEMO)/raw_data/sleepedf --output_dir $(DEMO)/data/sleepedf
	$(RUN) trainer.py --db sleepedf --data_dir $(DEMO)/data --output_dir $(DEMO)/output --gpu -1 --skip_missing \
		--from_fold 0 --to_fold 0 --recipe robust --n_epochs 5 --batch_size 4
	$(RUN) predict.py --db sleepedf --data_dir $(DEMO)/data --dir $(DEMO)/output \
		--output_dir $(DEMO)/scores --gpu -1

clean:  ## remove ./demo and the caches of the tools; .venv stays
	rm -rf $(DEMO) .hypothesis .mypy_cache .pytest_cache .ruff_cache __pycache__ */__pycache__

# ---- set-up: one environment, installed again only when what it should hold has changed ----

$(ENV)/ready-to-run: requirements.txt requirements.lock | $(RUN)
	@echo "Installing the pinned requirements into $(ENV): some minutes and 3 GB"
	$(INSTALL) requirements.txt
	@touch $@

$(ENV)/ready-to-test: requirements-dev.txt requirements-cluster.txt requirements-review.txt requirements-live.txt requirements-docs.txt $(ENV)/ready-to-run
	$(INSTALL) requirements-dev.txt
	@touch $@

$(ENV)/ready-for-docs: requirements-docs.txt $(ENV)/ready-to-run
	$(INSTALL) requirements-docs.txt
	@touch $@

$(RUN):
	@$(PYTHON) -c 'import sys; sys.exit(not (3, 10) <= sys.version_info[:2] <= (3, 13))' 2>/dev/null || { \
		echo "error: Python 3.10 to 3.13 is needed; $(PYTHON) is $$($(PYTHON) --version 2>/dev/null || echo not there)." \
			"Name another one: make $(or $(MAKECMDGOALS),test) PYTHON=python3.12" >&2; exit 2; }
	$(PYTHON) -m venv $(ENV) || { rm -rf $(ENV); exit 2; }
