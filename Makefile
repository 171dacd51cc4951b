# Everything a newcomer or CI runs. Needs Python >= 3.11 with venv and pip, and the package index; nothing else.

PYTHON ?= python3
VENV := .venv
BIN := $(VENV)/bin
PIP := $(BIN)/python -m pip --disable-pip-version-check --quiet

.PHONY: demo test check fast lint types bench wheel lock clean

## demo: install, run the packaged example to its report, print where it is
demo: $(VENV)/runtime
	$(BIN)/bioresearcher run --example breast-cancer --yes --reuse

## test: install what tests need and run them all
test: $(VENV)/dev
	$(BIN)/python -m pytest -n 2 --dist loadgroup

## check: what CI runs: format, lint, types, lock, all tests, and the built wheel and sdist
check: lint types test wheel

## fast: the quick tests only
fast: $(VENV)/dev
	$(BIN)/python -m pytest -m "not slow" -n 2 --dist loadgroup

lint: $(VENV)/dev
	$(BIN)/ruff format --check .
	$(BIN)/ruff check .

types: $(VENV)/dev
	$(BIN)/mypy

## wheel: build sdist and wheel, install the wheel into a clean environment and try it there
wheel: $(VENV)/dev
	$(BIN)/python tests/packaging/try_wheel.py

## bench: the measured figures (see benchmarks/README.md)
bench: $(VENV)/dev
	$(BIN)/python benchmarks/run.py

## lock: resolve the dependencies anew (needs uv)
lock:
	uv pip compile --quiet --universal --python-version 3.11 --generate-hashes --no-header --no-emit-index-url \
	  --no-annotate pyproject.toml -o requirements.lock
	uv pip compile --quiet --universal --python-version 3.11 --generate-hashes --no-header --no-emit-index-url \
	  --no-annotate pyproject.toml --group dev -c requirements.lock -o requirements-dev.lock
	uv pip compile --quiet --universal --python-version 3.11 --generate-hashes --no-header --no-emit-index-url \
	  --no-annotate pyproject.toml --extra omics -c requirements-dev.lock -o requirements-omics.lock
	echo "roc-validator==0.13.0" | uv pip compile --quiet --universal --python-version 3.11 --generate-hashes --no-header \
	  --no-emit-index-url --no-annotate - -o requirements-crate.lock

clean:
	rm -rf $(VENV) dist build

$(VENV)/bin/python:
	$(PYTHON) -c 'import sys; sys.exit("BioResearcher needs Python 3.11 or newer, this is " + sys.version.split()[0]) if sys.version_info < (3, 11) else None'
	$(PYTHON) -m venv $(VENV)

# The lock pins every package with hashes, so nothing is resolved; the project itself is installed in place.
$(VENV)/runtime: requirements.lock pyproject.toml | $(VENV)/bin/python
	$(PIP) install --require-hashes --no-deps -r requirements.lock
	$(PIP) install --no-deps --editable .
	@touch $@

$(VENV)/dev: requirements-dev.lock pyproject.toml | $(VENV)/bin/python
	$(PIP) install --require-hashes --no-deps -r requirements-dev.lock
	$(PIP) install --no-deps --editable .
	@touch $@ $(VENV)/runtime
