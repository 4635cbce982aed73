# Front door. `make demo` and `make test` do everything on a fresh machine with Python 3.11 and the package registries.
PYTHON ?= python3
BIN := .venv/bin
ARGS ?=

.DEFAULT_GOAL := help
.PHONY: help install demo test check fmt bench lock clean

help:  ## list the targets
	@grep -E '^[a-z-]+:.*##' $(MAKEFILE_LIST) | sed 's/:.*## /\t/'

install: .stamps/install  ## set up .venv from the hashed lock and build the front-end packages

.stamps/venv: requirements.lock
	@mkdir -p .stamps
	@echo 'Setting up .venv; the first time takes a few minutes.' >&2
	@$(PYTHON) -m venv .venv >&2
	@$(BIN)/python -m pip install --quiet --disable-pip-version-check --no-deps --require-hashes -r requirements.lock >&2
	@touch $@

.stamps/install: .stamps/venv pyproject.toml
	@$(BIN)/python -m pip install --quiet --disable-pip-version-check --no-deps --no-build-isolation --editable . >&2
	@touch $@

demo: .stamps/install  ## start everything and run three live acquisitions (ARGS="--exit-when-done --json")
	@$(BIN)/cisterna up --demo $(ARGS)

fmt: .stamps/install  ## format
	@$(BIN)/ruff format . && $(BIN)/ruff check --fix --quiet .

check: .stamps/install  ## formatting, lint, types, import contracts
	$(BIN)/ruff format --check .
	$(BIN)/ruff check .
	$(BIN)/mypy
	$(BIN)/lint-imports

test: .stamps/install  ## every test that fits in CI's time
	$(BIN)/python -m pytest $(ARGS)

lock:  ## renew requirements.lock (needs uv)
	uv pip compile --quiet pyproject.toml --extra demo --group dev --generate-hashes --no-emit-index-url --no-annotate --no-header --python-version 3.11 --output-file requirements.lock

clean:  ## remove what was built
	rm -rf .venv .stamps node_modules build dist
