# `make help` says what there is. Everything lands in .venv, web/node_modules, backend/static/app and .state (all git-ignored).
SHELL := /bin/bash
.SHELLFLAGS := -eu -o pipefail -c
.DELETE_ON_ERROR:
.DEFAULT_GOAL := help
MAKEFLAGS += --no-builtin-rules --no-print-directory
.NOTPARALLEL:

PORT ?= 8080
export PATH := $(CURDIR)/.venv/bin:$(PATH)
PACKAGES := $(wildcard backend intercom mobile_api notifications)
PYTHON_FILES := $(PACKAGES) tests scripts hatch_build.py
WEB_SOURCES := $(shell find web -type f -not -path 'web/node_modules/*' -not -path '*/.*' 2>/dev/null)
DEMO_LOCKS := requirements-server.lock requirements-build.lock

.PHONY: help setup setup-demo system system-bench demo run test proof bench build lock lint format types web unit

help: ## What there is
	@awk -F ':.*## ' '/^[a-z-]+:.*## / { printf "  make %-8s %s\n", $$1, $$2 }' $(firstword $(MAKEFILE_LIST))
	@echo "  PORT=$(PORT) and GATEHOUSE_DATA=<folder> change where demo and run listen and keep their data."

demo: setup-demo ## The seeded community 幸福里小区 at http://localhost:8080/demo
	exec .venv/bin/gatehouse demo --port $(PORT) --data "$${GATEHOUSE_DATA:-./var/demo}"

run: setup-demo ## An empty service; a one-time set-up code in the terminal opens its set-up page
	exec .venv/bin/gatehouse run --port $(PORT) --data "$${GATEHOUSE_DATA:-./var/run}"

setup: .state/python-all web ## Everything for development: .venv, hash-locked packages, Node.js, the built pages

test: system setup lint types unit ## Linters, types, contracts, the whole test suite with browsers (under 15 minutes)

proof: system setup ## The larger counts: races, kill -9 (under 30 minutes; FULL=1 for full size)
	FULL="$${FULL:-0}" .venv/bin/python -m pytest -p tests.no_skips --timeout=1500 tests/proof

bench: system-bench setup ## Figures beside the raw hub and Kamailio (docs/benchmarks.md)
	.venv/bin/python -m tests.benchmarks

build: setup ## The sdist and the wheel, with the built pages inside, in dist/
	.venv/bin/python -m build --no-isolation --outdir dist .

lock: .state/venv ## Remake the hash-locked requirements (UPGRADE=1 takes newer versions)
	scripts/lock.sh

lint: .state/python-all ## ruff and the import contracts
	.venv/bin/ruff check $(PYTHON_FILES)
	.venv/bin/ruff format --check $(PYTHON_FILES)
	.venv/bin/lint-imports

format: .state/python-all ## Let ruff fix and format what it can
	.venv/bin/ruff check --fix $(PYTHON_FILES)
	.venv/bin/ruff format $(PYTHON_FILES)

types: .state/python-all .state/web-packages ## mypy --strict, vue-tsc, and whether the pages' API types are stale
	.venv/bin/mypy
	npm --prefix web run --silent check
	npm --prefix web run --silent types:check

unit: .state/lighthouse
	npm --prefix web run --silent test
	.venv/bin/python -m pytest -p tests.no_skips tests --ignore=tests/proof --ignore=tests/benchmarks

# Steps below run when their inputs changed; .state/ holds their stamps.

setup-demo: .state/python-demo web

system:
	@scripts/system_packages.sh test

system-bench:
	@scripts/system_packages.sh bench

.state/venv: requirements-bootstrap.lock scripts/create_venv.sh $(if $(wildcard .venv/bin/uv),,remake-venv)
	@echo "Making .venv"
	@scripts/create_venv.sh
	@mkdir -p .state && touch $@

.state/python-demo: .state/venv $(DEMO_LOCKS) pyproject.toml hatch_build.py
	@echo "Installing the server and Node.js into .venv"
	@scripts/install_locked.sh $(DEMO_LOCKS)
	@touch $@

.state/python-all: .state/venv requirements.lock pyproject.toml hatch_build.py
	@echo "Installing everything for development into .venv"
	@scripts/install_locked.sh requirements.lock
	@mkdir -p .state && touch $@ .state/python-demo

web: .state/web-pages

# Node.js comes with the Python packages; either set will do, and `setup` has made its own by now.
.state/web-packages: web/package.json web/package-lock.json $(wildcard web/.npmrc) $(if $(wildcard web/node_modules/.bin/vite),,remake-packages) | $(if $(wildcard .state/python-all),.state/python-all,$(if $(filter setup test proof bench build types unit,$(MAKECMDGOALS)),.state/python-all,.state/python-demo))
	@echo "Installing the pages' packages"
	@npm --prefix web ci --silent --no-audit --no-fund
	@touch $@

# Apart from the pages' packages, so that the demo does not wait for it.
.state/lighthouse: tests/browser/lighthouse/package-lock.json $(if $(wildcard tests/browser/lighthouse/node_modules),,remake-packages) | .state/python-all
	@echo "Installing Lighthouse"
	@npm --prefix tests/browser/lighthouse ci --silent --no-audit --no-fund
	@touch $@

.state/web-pages: .state/web-packages $(WEB_SOURCES) $(if $(wildcard backend/static/app/assets),,remake-pages)
	@echo "Building the pages"
	@npm --prefix web run --silent build
	@touch $@

# What a stamp cannot see: the folder it stands for was deleted.
.PHONY: remake-venv remake-packages remake-pages
remake-venv remake-packages remake-pages:
