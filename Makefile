# SPDX-License-Identifier: GPL-2.0-only
# Two commands do everything: `make review` and `make test`.

PYTHON ?= python3
# make mutants: some modules instead of all, the time for each, and how many of a
# module's mutants are tried (0: all), by which choice.
MODULE  ?=
SECONDS ?= 1800
SAMPLE  ?= 0
SEED    ?= 1
VENV   := .venv
BIN    := $(VENV)/bin
READY  := $(VENV)/.ready

.PHONY: review test test-slow random mutants lint bench conform clean

review: $(READY)          ## check the shipped designs, print the table
	@$(BIN)/poolproof review

test: $(READY)            ## the tests, in minutes
	@$(BIN)/python -m pytest -n auto --dist worksteal

test-slow: $(READY)       ## the tests that take longer, or need a kernel
	@$(BIN)/python -m pytest -m slow

random: $(READY)          ## random texts through each engine: COUNT, SEED
	@$(BIN)/python -m tests.common.random_run --count $(or $(COUNT),20000) --seed $(or $(SEED),0)

mutants: $(READY)         ## which changes of the checker its tests miss: hours
	@$(BIN)/pip install --quiet --disable-pip-version-check -c constraints.txt --editable '.[mutants]'
	@SECONDS=$(SECONDS) SAMPLE=$(SAMPLE) SEED=$(SEED) $(BIN)/python -m tests.common.mutation $(MODULE)

lint: $(READY)            ## ruff, its format, and mypy --strict
	@$(BIN)/ruff check .
	@$(BIN)/ruff format --check --quiet .
	@$(BIN)/mypy --strict -p poolproof

conform: $(READY)         ## ask a real kernel: QEMU, two nodes, ten minutes
	@$(BIN)/poolproof conform Hugetlb --kernel 6.12 --install --sequences 20000 --budget 600

bench: $(READY)           ## this checker and its peers, side by side
	@$(BIN)/python -m bench.run

$(READY): pyproject.toml constraints.txt
	@$(PYTHON) -c 'import sys; sys.exit(sys.version_info < (3, 11))' || \
	    { echo "poolproof needs Python 3.11 or newer: make PYTHON=python3.11"; exit 1; }
	@$(PYTHON) -c 'import venv, ensurepip' 2>/dev/null || \
	    { echo "python3-venv is missing: apt-get install python3-venv"; exit 1; }
	@command -v cc >/dev/null || \
	    echo "no C compiler: the slower Python engine is used (apt-get install gcc)"
	@echo "installing into $(VENV) ..."
	@$(PYTHON) -m venv $(VENV)
	@$(BIN)/pip install --quiet --disable-pip-version-check -c constraints.txt --editable '.[test]'
	@touch $@

clean:
	rm -rf $(VENV) build *.egg-info .mypy_cache .ruff_cache .pytest_cache .hypothesis
