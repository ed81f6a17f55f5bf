# Each target makes its own virtual environment on a fresh machine (Python ≥ 3.11 and git are all it needs).
PYTHON ?= python3
VENV := .venv
BIN := $(VENV)/bin
PATHS := $(patsubst %/pyproject.toml,%,$(wildcard plugins/*/pyproject.toml))

.PHONY: demo test test-slow lint docs docs-check clean

demo: $(VENV)/installed
	$(BIN)/lima demo

test: $(VENV)/installed
	$(BIN)/python -m pytest -n 2 --dist worksteal -m "not slow"

# Kills, divided models, measured memory: minutes more.
test-slow: $(VENV)/installed
	$(BIN)/python -m pytest -n 2 --dist worksteal -m slow

lint: $(VENV)/installed
	$(BIN)/ruff format --check .
	$(BIN)/ruff check .
	$(BIN)/mypy

docs: $(VENV)/installed
	$(BIN)/cog -r README.md docs/*.md docs/objects/*.md dialogues/README.md plugins/*/README.md

docs-check: $(VENV)/installed
	$(BIN)/cog --check README.md docs/*.md docs/objects/*.md dialogues/README.md plugins/*/README.md

# torch first and by its pinned version: a range would take whatever build the resolver finds newest.
$(VENV)/installed: pyproject.toml constraints.txt $(addsuffix /pyproject.toml,$(PATHS))
	$(PYTHON) -c 'import sys; sys.exit(sys.version_info < (3, 11) and f"lima needs Python 3.11 or newer, found {sys.version.split()[0]}: make PYTHON=python3.11")'
	@echo "Installing lima, its plugins and torch (some 200 MB) into $(VENV): a few minutes."
	$(PYTHON) -m venv $(VENV)
	PIP_CONSTRAINT=$(CURDIR)/constraints.txt $(BIN)/python -m pip install -q --disable-pip-version-check torch==2.13.0
	PIP_CONSTRAINT=$(CURDIR)/constraints.txt $(BIN)/python -m pip install -q --disable-pip-version-check -e '.[dev]' $(addprefix -e ./,$(PATHS))
	touch $@

clean:
	rm -rf $(VENV) dist build lima-demo
