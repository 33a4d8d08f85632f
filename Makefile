# Begin with `make demo` and `make test`. `make help` lists the other commands.
PYTHON ?= python3
VENV ?= .venv
BIN := $(VENV)/bin
RUN_READY := $(VENV)/.ready-to-run
DEV_READY := $(VENV)/.ready-to-develop
CODE := src tests benchmarks compat docs
PIP := $(BIN)/python -m pip --disable-pip-version-check --quiet

.DEFAULT_GOAL := help
.PHONY: help demo mariadb test lint types layers migrations unit coverage matrix browser chaos bench size compat docs screenshots lock clean

help: ## List the commands
	@grep -E '^[a-z]+:.*##' $(MAKEFILE_LIST) | sed -E 's/^([a-z]+):.*## (.*)/  make \1\t\2/' | expand -t 22

demo: $(RUN_READY) ## Start a demo observatory on SQLite (ARGS=--once: without a browser, then exit)
	@$(BIN)/heliostat demo $(ARGS)

test: lint types layers migrations unit ## Check and test (under 6 minutes; SLOW=yes: with whole projects and killed servers)

mariadb: $(DEV_READY) ## Let the tests use MariaDB too (compiles its client: gcc, pkg-config, libmariadb-dev)
	$(PIP) install --constraint requirements-dev.txt --editable '.[mariadb]'

lint: $(DEV_READY) ## Check the style (ruff)
	$(BIN)/ruff check $(CODE)
	$(BIN)/ruff format --check $(CODE)

types: $(DEV_READY) ## Check the types (mypy)
	$(BIN)/mypy

layers: $(DEV_READY) ## Packages import only from layers below them (import-linter)
	$(BIN)/lint-imports --no-cache

migrations: $(DEV_READY) ## Check that each model has its migration
	DJANGO_SETTINGS_MODULE=tests.settings $(BIN)/python -m django makemigrations --check --dry-run

unit: $(DEV_READY) ## Only the tests (ARGS="-k name" for some of them)
	$(BIN)/pytest -n 2 --dist loadgroup -m "not chaos $(if $(SLOW),,and not slow)" $(ARGS)

coverage: $(DEV_READY) ## Print how much of the code the tests of seconds run, on SQLite
	$(BIN)/pytest -q -n 2 --dist loadgroup -m "not chaos and not slow and not browser" -k "not postgresql and not mariadb" \
	    --cov --cov-report=term $(ARGS)

matrix: $(DEV_READY) ## Run the tests on each supported Python and Django that this machine has (ARGS="-e py312-django60")
	$(BIN)/tox run $(ARGS)

chaos: $(DEV_READY) ## Kill workers and restart databases at random, and count lost events
	$(BIN)/pytest -m chaos -s $(ARGS)

bench: $(DEV_READY) ## Measure performance, and print each figure beside its goal (ARGS=--quick: in two minutes)
	$(BIN)/python -m benchmarks $(ARGS)

size: $(DEV_READY) ## Count lines, private functions used once, and what one event passes (ARGS=--names)
	$(BIN)/python -m benchmarks.size $(ARGS)

compat: $(DEV_READY) ## Run the tests of Django and other packages without Heliostat and with it (ARGS="taggit wagtail")
	$(BIN)/python -m compat $(ARGS)

docs: $(DEV_READY) ## Build the documentation site into build/site, and check its links
	PYTHONPATH=. $(BIN)/sphinx-build -q -W --keep-going -b html docs build/site
	@echo "The site is in build/site/index.html"

screenshots: $(DEV_READY) ## Take the pictures of docs/ again, from the browser tests (all of them: build/screenshots)
	HELIOSTAT_SCREENSHOTS=build/screenshots $(BIN)/pytest -m browser $(ARGS)
	for picture in docs/images/*.png; do cp build/screenshots/$$(basename $$picture) $$picture; done

lock: $(DEV_READY) ## Lock the versions of the development dependencies
	$(PIP) install "uv>=0.5"
	$(BIN)/uv pip compile --quiet --universal --python-version 3.11 --no-header --no-emit-index-url \
	    --extra tom --extra postgres --extra api --extra celery --extra tasks \
	    --extra redis --extra rabbitmq --extra nats --extra kafka --group dev pyproject.toml -o requirements-dev.txt

clean: ## Remove the files that these commands create
	rm -rf $(VENV) demo build dist

# Not python, which is there even where Debian has no python3-venv, and setting up failed.
$(VENV)/bin/pip:
	@echo "Setting up $(VENV) (once) ..."
	@$(PYTHON) -m venv $(VENV)

$(RUN_READY): pyproject.toml | $(VENV)/bin/pip
	@echo "Installing Heliostat (once) ..."
	@$(PIP) install --constraint requirements-dev.txt --editable '.[tom]'
	@touch $@

$(DEV_READY): pyproject.toml requirements-dev.txt | $(VENV)/bin/pip
	@echo "Installing what the tests need (once) ..."
	@$(PIP) install --requirement requirements-dev.txt
	@$(PIP) install --no-deps --editable .
	@touch $@ $(RUN_READY)
