# What a contributor does often. `make help` lists it; each line is a command that one can also type.
PYTHON ?= .venv/bin/python
PACKAGE ?=
WORKERS ?= 2
SITE_PAGES = README.md CONTRIBUTING.md CHANGELOG.md CITATION.cff LICENSE Makefile demo/README.md docs

# PACKAGE=clustering is tests/analysis/clustering, PACKAGE=session is tests/pages/session,
# PACKAGE=rules is tests/rules; without PACKAGE, the unit tests of all packages and the rules.
ifeq ($(PACKAGE),)
chosen := tests/analysis tests/rules tests/coalesce
else
chosen = $(or $(wildcard tests/analysis/$(PACKAGE) tests/pages/$(PACKAGE) tests/$(PACKAGE)),\
	$(error There are no tests of a package “$(PACKAGE)”; choose a folder of tests/analysis, tests/pages or tests))
endif

.DEFAULT_GOAL := help
.PHONY: help install run test fast rules fuzz types format check docs site pictures shots wheel clean

help: ## list these targets
	@grep -E '^[a-z]+:.*## ' $(MAKEFILE_LIST) | sed -E 's/^([a-z]+):.*## (.*)/  make \1\t\2/' | expand -t 16

install: ## make .venv with everything that tests and tools need
	python3 -m venv .venv
	.venv/bin/pip install -c constraints.txt -e '.[dev]'

run: ## open the app in a browser
	$(PYTHON) -m coalesce app

test: ## run all tests, those in Chromium too
	$(PYTHON) -m pytest -n $(WORKERS) --dist loadfile

fast: ## run the unit tests that are not slow: make fast PACKAGE=clustering, or all and the rules
	$(PYTHON) -m pytest -n $(WORKERS) --dist loadfile -m "not slow" $(chosen)

rules: ## check the house rules: order of packages, names, notes, additions
	$(PYTHON) -m pytest tests/rules

fuzz: ## damage files of every kind for five minutes, and look at what comes of them
	$(PYTHON) -m tests.fuzz

types: ## check types with mypy
	$(PYTHON) -m mypy

format: ## format the code, and correct what ruff can correct
	$(PYTHON) -m ruff format .
	$(PYTHON) -m ruff check --fix .

check: types ## check types, style and format, and change nothing
	$(PYTHON) -m ruff check .
	$(PYTHON) -m ruff format --check .

docs: ## write the references of all options and of the shell into docs/
	$(PYTHON) -m analysis.plan.reference > docs/recipe.md
	$(PYTHON) -m analysis.cli.reference > docs/shell.md

# The pages lie in build/pages as in the repository, for links lead out of docs/, too.
site: ## build the documentation into site/: every warning is an error
	rm -rf build/pages
	mkdir -p build/pages
	tar cf - $(SITE_PAGES) | tar xf - -C build/pages
	$(PYTHON) -m zensical build --strict --clean

pictures: ## take the documentation's pictures and draw its figures, into docs/pictures
	$(PYTHON) -m tests.browser.illustrations

shots: ## take pictures of all pages: four states, both themes, three sizes, into build/shots
	$(PYTHON) -m tests.browser.shots

wheel: ## build the wheel into dist
	$(PYTHON) -m pip wheel --no-deps --wheel-dir dist .

clean: ## remove what was built and what tools keep
	rm -rf build dist site .cache *.egg-info .pytest_cache .mypy_cache .ruff_cache
	find . -name __pycache__ -not -path './.venv/*' -prune -exec rm -rf {} +
