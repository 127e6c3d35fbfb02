# Two commands do everything: `make demo` and `make test`. Each makes the virtual environment it needs.
PYTHON ?= python3
VENV   := .venv
BIN    := $(VENV)/bin
PIP    := $(BIN)/python -m pip --disable-pip-version-check
SLIPCOVER := $(BIN)/python -m slipcover

.DEFAULT_GOAL := help
.PHONY: help demo test lint format constraints clean

help: ## this list
	@awk -F':.*## ' '/^[a-z]+:.*## /{printf "  make %-12s %s\n", $$1, $$2}' $(MAKEFILE_LIST)

# A stamp file per set of extras: re-running installs nothing unless a pin or a dependency changed.
$(BIN)/python:
	@$(PYTHON) -c 'import sys; sys.exit(sys.version_info < (3, 11))' || { echo "Regimecast needs Python 3.11 or newer; say which with: make demo PYTHON=python3.11"; exit 1; }
	$(PYTHON) -m venv $(VENV)

$(VENV)/run.stamp: pyproject.toml constraints.txt | $(BIN)/python
	$(PIP) install --quiet --constraint constraints.txt --editable .
	@touch $@

$(VENV)/test.stamp: pyproject.toml constraints.txt | $(BIN)/python
	$(PIP) install --quiet --constraint constraints.txt --editable '.[test]'
	@touch $@ $(VENV)/run.stamp

$(VENV)/lint.stamp: pyproject.toml constraints.txt | $(BIN)/python
	$(PIP) install --quiet --constraint constraints.txt --editable '.[test,lint]'
	@touch $@ $(VENV)/test.stamp $(VENV)/run.stamp

demo: $(VENV)/run.stamp ## install, train a handful of models on embedded data, print the leaderboard
	$(BIN)/regimecast train -m experiment=demo

# One thread per worker: two workers with all threads each would fight for the cores.
test: $(VENV)/test.stamp ## install with the test tools and run the whole suite
	OMP_NUM_THREADS=1 $(SLIPCOVER) --json --out .coverage.json -m pytest -n 2 --dist worksteal
	$(SLIPCOVER) --merge .coverage.json --out .coverage.json --skip-covered --fail-under 85

lint: $(VENV)/lint.stamp ## ruff, mypy --strict and the import floors
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .
	$(BIN)/mypy --strict src
	$(BIN)/lint-imports

format: $(VENV)/lint.stamp ## let ruff rewrite what it can
	$(BIN)/ruff check --fix .
	$(BIN)/ruff format .

constraints: ## pin everything anew, from an empty environment
	rm -rf .venv-pins && $(PYTHON) -m venv .venv-pins
	.venv-pins/bin/python -m pip --disable-pip-version-check install --quiet --editable '.[test,lint,yfinance,ccxt]'
	{ echo "# Every version the suite passes with. Made by: make constraints"; \
	  .venv-pins/bin/python -m pip --disable-pip-version-check freeze --exclude-editable | sed 's/+cpu$$//'; } > constraints.txt
	rm -rf .venv-pins

clean: ## remove the environment, caches and runs of the demo
	rm -rf $(VENV) .venv-pins .mypy_cache .ruff_cache .pytest_cache .import_linter_cache dist runs
