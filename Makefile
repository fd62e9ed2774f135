# Everything is set up by the target that needs it, with plain venv and pip.
#   make demo    the main job, shown: the quickstart runs, another process calls it, JupyterLab opens (LAB=0: it does not)
#   make test    all tests, those in a real browser included
#   make test-frameworks   real models of PyTorch, Keras, XGBoost, …: in an environment of their own, several GB
#   make check   formatting, lint, types, the floors of the house
#   make bench-peers   how fast, beside all that people use instead: each in an environment of its own, several GB
#   make bench-quick   the same in two minutes, beside those that are set up quickly
#   make bench   how long from %serve to the first answer, what looking at a model takes, what memory comes back

PYTHON ?= python3
VENV   ?= .venv
HEAVY  ?= .venv-frameworks
BIN    := $(VENV)/bin
LAB    ?= 1
PIP    := $(BIN)/python -m pip --disable-pip-version-check --quiet

.PHONY: demo test test-frameworks check bench bench-peers bench-quick wrk browser install-browser clean
.DEFAULT_GOAL := demo

demo: $(VENV)/demo
	$(BIN)/python notebooks/demo.py
	@if [ "$(LAB)" != 0 ]; then $(BIN)/jupyter lab notebooks/quickstart.ipynb; fi

test: $(VENV)/test browser
	$(BIN)/python -m pytest $(ARGS)

test-frameworks: $(HEAVY)/ready
	$(HEAVY)/bin/python -m pytest -m frameworks tests/frameworks $(ARGS)

check: $(VENV)/check
	$(BIN)/ruff format --check .
	$(BIN)/ruff check .
	$(BIN)/mypy
	$(BIN)/lint-imports

bench: $(VENV)/test
	$(BIN)/python benchmarks/start.py
	$(BIN)/python benchmarks/looking.py
	$(BIN)/python benchmarks/memory.py
	$(BIN)/python benchmarks/beside.py

bench-peers: wrk
	$(PYTHON) -m benchmarks.peers run --models logreg forest boosting torch $(ARGS)

bench-quick: wrk
	$(PYTHON) -m benchmarks.peers run --quick $(ARGS)

wrk:
	@command -v wrk >/dev/null || { echo "The benchmark needs wrk: install it with your system's packages." >&2; exit 1; }

$(BIN)/python:
	$(PYTHON) -c 'import sys; sys.version_info >= (3, 11) or sys.exit("nbserve needs Python 3.11 or newer")'
	$(PYTHON) -m venv $(VENV)
	$(PIP) install --upgrade pip

$(VENV)/demo: pyproject.toml | $(BIN)/python
	@echo "Setting up $(VENV) …"
	$(PIP) install --editable '.[demo]'
	@touch $@

$(VENV)/test: pyproject.toml | $(BIN)/python
	@echo "Setting up $(VENV) for the tests …"
	$(PIP) install --editable '.[demo]' --group test
	@touch $@

$(VENV)/check: pyproject.toml | $(BIN)/python
	@echo "Setting up $(VENV) for the checks …"
	$(PIP) install --editable '.[demo]' --group test --group check
	@touch $@

$(HEAVY)/ready: pyproject.toml
	@echo "Setting up $(HEAVY) for the tests with frameworks …"
	test -x $(HEAVY)/bin/python || $(PYTHON) -m venv $(HEAVY)
	$(HEAVY)/bin/python -m pip --disable-pip-version-check --quiet install --upgrade pip
	$(HEAVY)/bin/python -m pip --disable-pip-version-check --quiet install --editable '.[demo]' --group test --group frameworks
	@touch $@

browser:
	@command -v chromium >/dev/null || command -v google-chrome >/dev/null || $(MAKE) --no-print-directory install-browser

install-browser:
	@if [ "$$(id -u)" = 0 ] && command -v apt-get >/dev/null; then \
	  echo "Installing Chromium …"; \
	  apt-get -qq update && DEBIAN_FRONTEND=noninteractive apt-get -qq install --yes --no-install-recommends chromium fonts-dejavu-core >/dev/null; \
	else echo "The browser tests need Chromium: install it with your system's packages." >&2; exit 1; fi

clean:
	rm -rf $(VENV) $(HEAVY) .cache .pytest_cache .mypy_cache .ruff_cache .import_linter_cache .hypothesis dist
