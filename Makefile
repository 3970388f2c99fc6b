# The two commands of the README are `make demo` and `make test`. Each installs what it needs first, once: the stamp
# files in the environment are renewed only when the package's metadata or the constraints change.
PYTHON ?= $(shell for p in python3 python3.13 python3.12 python3.11; do \
	$$p -c 'import sys; sys.exit(sys.version_info < (3, 11))' 2>/dev/null && echo $$p && break; done)
VENV ?= .venv
DEMO_OUT ?= demo-output
PYTEST_ARGS ?= -n 2

PIP_INSTALL = $(VENV)/bin/python -m pip install --quiet --disable-pip-version-check -c constraints.txt
NOTEBOOKS = $(wildcard notebooks/*.ipynb)
METADATA = pyproject.toml constraints.txt symnum/__init__.py

.PHONY: demo test lint format typecheck notebooks docs bench clean help

help:
	@echo 'make demo       find known laws in real data, from nothing to a report'
	@echo 'make test       run the test suite'
	@echo 'make lint       ruff (rules and format) and the floors of the house'
	@echo 'make format     let ruff rewrite the files'
	@echo 'make typecheck  pyright over symnum/'
	@echo 'make notebooks  execute every notebook'
	@echo 'make docs       build the documentation site into site/; any warning is an error'
	@echo 'make bench      run the speed measurements under benchmarks/ (alone on the machine, please)'
	@echo 'make clean      remove caches and what the commands wrote (not $(VENV))'

demo: $(VENV)/.base
	$(VENV)/bin/symnum demo --out $(DEMO_OUT)

test: $(VENV)/.dev
	$(VENV)/bin/pytest $(PYTEST_ARGS)

lint: $(VENV)/.dev
	$(VENV)/bin/ruff check .
	$(VENV)/bin/ruff format --check .
	$(VENV)/bin/lint-imports

format: $(VENV)/.dev
	$(VENV)/bin/ruff check --fix .
	$(VENV)/bin/ruff format .

typecheck: $(VENV)/.dev
	$(VENV)/bin/pyright

notebooks: $(VENV)/.dev $(VENV)/.train
ifeq ($(NOTEBOOKS),)
	@echo 'notebooks: skipped, there is no notebook yet'
else
	$(VENV)/bin/pytest --nbmake --nbmake-timeout=300 --timeout=0 $(NOTEBOOKS)
endif

docs: $(VENV)/.docs
	NO_MKDOCS_2_WARNING=1 $(VENV)/bin/mkdocs build --strict --quiet

bench: $(VENV)/.base
	@set -e; for script in $(wildcard benchmarks/*.py); do echo "== $$script"; $(VENV)/bin/python $$script; done

clean:
	rm -rf build dist site demo-output runs .pytest_cache .ruff_cache .hypothesis .import_linter_cache
	find symnum tests eval datasets pretrain notebooks benchmarks -name __pycache__ -type d -prune \
		-exec rm -rf {} + 2>/dev/null || true

$(VENV)/bin/python:
	@test -n '$(PYTHON)' || { echo 'symnum needs Python 3.11 or newer; none was found. Name one: make PYTHON=/path/to/python3' >&2; exit 1; }
	@$(PYTHON) -c 'import venv, ensurepip' || { echo 'This Python cannot make environments: on Debian and Ubuntu, install python3-venv.' >&2; exit 1; }
	$(PYTHON) -m venv $(VENV)

$(VENV)/.base: $(METADATA) | $(VENV)/bin/python
	@echo 'installing symnum into $(VENV) (about a minute the first time)'
	$(PIP_INSTALL) -e .
	@touch $@

$(VENV)/.dev: $(METADATA) | $(VENV)/.base
	@echo 'installing the development tools into $(VENV)'
	$(PIP_INSTALL) -e '.[dev]'
	@touch $@

$(VENV)/.train: $(METADATA) | $(VENV)/.base
	@echo 'installing networks and what trains them into $(VENV)'
	$(PIP_INSTALL) -e '.[train]'
	@touch $@

$(VENV)/.docs: $(METADATA) | $(VENV)/.base
	@echo 'installing what the documentation is built with into $(VENV)'
	$(PIP_INSTALL) -e '.[docs]'
	@touch $@
