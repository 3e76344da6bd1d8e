# Everything runs from .venv; bare `make` prints this help.
PYTHON ?= $(shell command -v python3.11 || command -v python3)
VENV   := .venv
BIN    := $(VENV)/bin
STAMP  := $(VENV)/.installed
PROCESSES ?= 3

.DEFAULT_GOAL := help
.PHONY: help setup demo sandbox test chaos check format bench clean

help: ## print this help
	@grep -hE '^[a-z]+:.*## ' $(MAKEFILE_LIST) | awk -F ':.*## ' '{printf "  make %-9s %s\n", $$1, $$2}'

$(STAMP): pyproject.toml constraints.txt
	@$(PYTHON) -c 'import sys; sys.exit("qstore needs Python 3.11 or newer; name one with: make PYTHON=/path/to/python3.11") if sys.version_info < (3, 11) else None'
	@test -x $(BIN)/python || $(PYTHON) -m venv $(VENV)
	@echo "installing pinned dependencies into $(VENV) …"
	@$(BIN)/python -m pip install --quiet --disable-pip-version-check --no-compile --constraint constraints.txt --editable '.[dev]'
	@$(BIN)/python -m compileall -qq -j 0 $(VENV)/lib || true # on all cores, where pip takes one; some files are examples of errors
	@touch $@

setup: $(STAMP) ## create .venv with pinned dependencies

demo: $(STAMP) ## run the main job on embedded real servers (KEEP=1 leaves them running)
	@$(BIN)/qstore demo $(if $(KEEP),--keep)

sandbox: $(STAMP) ## embedded Redis, PostgreSQL, IonQ stand-in, workers and Flower, in the foreground
	@$(BIN)/qstore sandbox

# Whole files, for what they share is a module's; in their order, for those that wait come first and fill up last.
test: $(STAMP) ## run the tests, in three processes at once
	@$(BIN)/python -m pytest --numprocesses $(PROCESSES) --dist loadfile --no-loadscope-reorder

chaos: $(STAMP) ## kill, freeze and fail everything in turn, 15 minutes: nothing lost, nothing paid twice
	@$(BIN)/python -m pytest tests/chaos --chaos=full --quiet

check: $(STAMP) ## lint, types, import contract
	@$(BIN)/ruff check .
	@$(BIN)/ruff format --check .
	@$(BIN)/mypy
	@$(BIN)/lint-imports

format: $(STAMP) ## format the code
	@$(BIN)/ruff format .
	@$(BIN)/ruff check --fix .

bench: $(STAMP) ## naming, compiling, pooling, published workloads, ranking, jobs per second, beside what one would otherwise use
	@$(BIN)/python benchmarks/fingerprint.py
	@$(BIN)/python benchmarks/compile.py
	@$(BIN)/python benchmarks/pools.py
	@$(BIN)/python benchmarks/workloads.py
	@$(BIN)/python benchmarks/ranking.py
	@$(BIN)/python benchmarks/throughput.py
	@$(BIN)/python benchmarks/scaling.py

clean: ## remove .venv and what runs left
	rm -rf $(VENV) .sandbox .demo build *.egg-info
