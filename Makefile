# Everything is set up by the target that needs it, with plain venv and pip.
#   make demo    the main job, shown: the quickstart runs, another process calls it, JupyterLab opens (LAB=0: it does not)
#   make test    all tests, those in a real browser included
#   make test-frameworks   real models of PyTorch, Keras, XGBoost, …: in an environment of their own, several GB
#   make test-app   programs that make_app wrote, each in an environment of its own: it installs what they ask for
#   make test-hub   behind a real JupyterHub with its proxy: in an environment of its own, and .cache/hub for the proxy
#   make test-kernels      the card while a cell runs, with each ipykernel: installed in folders of their own
#   make check   formatting, lint, types, the floors of the house
#   make bench   how fast, beside all that people use instead: bench-peers and bench-kernel
#   make bench-peers   requests a second; each peer in an environment of its own, several GB, more than an hour
#   make bench-quick   the same in two minutes, beside those that are set up quickly
#   make bench-kernel   from %serve to the first answer, what looking at a model takes, what memory comes back, and
#                       what the way through the Jupyter server costs

PYTHON ?= python3
VENV   ?= .venv
HEAVY  ?= .venv-frameworks
BIN    := $(VENV)/bin
HUB    ?= .venv-hub
PROXY  := .cache/hub/node_modules/.bin/configurable-http-proxy
LAB    ?= 1
KERNELS := 6.31.0 7.1.0 7.3.0 7.4.0
PIP    := $(BIN)/python -m pip --disable-pip-version-check --quiet

# Debian packages, and what to say where they cannot be installed
define install
if [ "$$(id -u)" = 0 ] && command -v apt-get >/dev/null; then \
	  echo "Installing $(1) …"; \
	  apt-get -qq update && DEBIAN_FRONTEND=noninteractive apt-get -qq -o DPkg::Lock::Timeout=300 install --yes --no-install-recommends $(1) >/dev/null; \
	else echo "$(2): install it with your system's packages." >&2; exit 1; fi
endef

.PHONY: demo test test-frameworks test-app test-hub test-kernels check bench bench-peers bench-quick bench-kernel wrk browser install-browser clean
.DEFAULT_GOAL := demo

demo: $(VENV)/demo
	$(BIN)/python notebooks/demo.py
	@if [ "$(LAB)" != 0 ]; then $(BIN)/jupyter lab notebooks/quickstart.ipynb; fi

test: $(VENV)/test browser
	$(BIN)/python -m pytest $(ARGS)

test-frameworks: $(HEAVY)/ready
	$(HEAVY)/bin/python -m pytest -m frameworks tests/frameworks $(ARGS)

test-app: $(VENV)/test
	$(BIN)/python -m pytest -m app tests/apps $(ARGS)

test-hub: $(HUB)/ready $(PROXY)
	$(HUB)/bin/python -m pytest -m hub tests/hub $(ARGS)

test-kernels: $(VENV)/test $(KERNELS:%=$(VENV)/ipykernels/%) browser
	NBSERVE_IPYKERNELS=$(VENV)/ipykernels $(BIN)/python -m pytest -m ipykernels tests/browser/test_busy_kernel.py $(ARGS)

$(VENV)/ipykernels/%: | $(VENV)/test
	$(PIP) install --no-deps --target $@ ipykernel==$*

check: $(VENV)/check
	$(BIN)/ruff format --check .
	$(BIN)/ruff check .
	$(BIN)/mypy
	$(BIN)/lint-imports

bench: bench-kernel bench-peers

bench-kernel: $(VENV)/test
	$(BIN)/python benchmarks/start.py
	$(BIN)/python benchmarks/start_cli.py
	$(BIN)/python benchmarks/looking.py
	$(BIN)/python benchmarks/memory.py
	$(BIN)/python benchmarks/beside.py
	$(BIN)/python -m benchmarks.proxied

bench-peers: wrk
	$(PYTHON) -m benchmarks.peers run $(ARGS)

bench-quick: wrk
	$(PYTHON) -m benchmarks.peers run --quick $(ARGS)

wrk:
	@command -v wrk >/dev/null || $(call install,wrk,The benchmark needs wrk)

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

$(HUB)/ready: pyproject.toml
	@echo "Setting up $(HUB) for the tests with JupyterHub …"
	test -x $(HUB)/bin/python || $(PYTHON) -m venv $(HUB)
	$(HUB)/bin/python -m pip --disable-pip-version-check --quiet install --upgrade pip
	$(HUB)/bin/python -m pip --disable-pip-version-check --quiet install --editable . --group hub
	@touch $@

$(PROXY):
	@command -v npm >/dev/null || $(call install,nodejs npm,The hub's proxy needs Node.js)
	@mkdir -p .cache/hub
	npm install --silent --no-audit --no-fund --prefix .cache/hub configurable-http-proxy@5

browser:
	@command -v chromium >/dev/null || command -v google-chrome >/dev/null || $(MAKE) --no-print-directory install-browser

install-browser:
	@$(call install,chromium fonts-dejavu-core,The browser tests need Chromium)

clean:
	rm -rf $(VENV) $(HEAVY) $(HUB) .cache .pytest_cache .mypy_cache .ruff_cache .import_linter_cache .hypothesis dist
