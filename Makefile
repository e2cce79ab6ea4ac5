# Everything a developer does has a target here. A fresh machine needs Python 3.11 or newer and make;
# dev/venv.sh and dev/services.sh fetch the rest, and do nothing when it is there already.

.DEFAULT_GOAL := help
SHELL := /bin/sh
BIN := .venv/bin
INSTANCE_DIR ?= instance
# Numba keeps the renderer's compiled kernels here; without it every render would compile for a minute.
NUMBA_CACHE_DIR = $(abspath $(INSTANCE_DIR))/numba
export NUMBA_CACHE_DIR
# The lock file that a target needs: the site, the site on PostgreSQL and Redis, or all tools.
LOCK = runtime
CATALOGUES = $(patsubst %.po,%.mo,$(wildcard app/translations/*/LC_MESSAGES/*.po))
KERNELS = $(NUMBA_CACHE_DIR)/warm
# More words for pytest: make test ARGS="-k credits -x"
ARGS ?=

.PHONY: help run web worker test check lint proof-all bench seed migrate lock translations clean
.PHONY: packages services

help:  ## Show this list
	@awk -F ':.*## ' '/^[a-z-]+:.*## / { printf "make %-14s %s\n", $$1, $$2 }' $(MAKEFILE_LIST)

# The site --------------------------------------------------------------------------------------

run: LOCK = $(if $(strip $(DATABASE_URL)$(REDIS_URL)),server,runtime)
run: packages $(CATALOGUES) $(KERNELS)  ## Install what is missing, start the site, print its address (PORT=8000 HOST=127.0.0.1 PAYMENTS=simulator)
	@exec $(BIN)/python -m deploy.supervisor --with-parent

web: LOCK = server
web: packages $(CATALOGUES)  ## Start only the web server, as in production (after `make migrate`)
	@exec $(BIN)/python -m gunicorn --config deploy/gunicorn.py --no-control-socket wsgi:app

worker: LOCK = server
worker: packages $(CATALOGUES) $(KERNELS)  ## Start only a worker, as in production; any number may run
	@exec $(BIN)/python -m flask worker

migrate: LOCK = server
migrate: packages  ## Bring the database to the newest schema
	@exec $(BIN)/python -m flask db upgrade

seed: packages $(CATALOGUES)  ## Add a demo user, an admin and a few finished videos
	@exec $(BIN)/python -m flask seed

# Proof -----------------------------------------------------------------------------------------

test: LOCK = dev
test: packages services $(CATALOGUES) $(KERNELS)  ## Install what the tests need, run them all (ARGS="-k credits -x")
	@$(BIN)/python -m pytest -n 3 --dist loadfile $(ARGS)

check: lint test  ## What CI runs: the gates, then the tests

lint: LOCK = dev
lint: packages  ## The gates: ruff, mypy, the import law, templates
	@$(BIN)/ruff check .
	@$(BIN)/ruff format --check .
	@$(BIN)/mypy
	@$(BIN)/lint-imports
	@$(BIN)/djlint --lint --quiet templates

proof-all: LOCK = dev
proof-all: packages services $(CATALOGUES) $(KERNELS)  ## The slow proofs: crashes at many moments, long state machines, whole renders
	@$(BIN)/python -m pytest -m proof --timeout 3600 $(ARGS)

bench: LOCK = dev
bench: packages services $(CATALOGUES) $(KERNELS)  ## Measure speed, as ratios (docs say against what)
	@$(BIN)/python -m bench $(ARGS)

# Upkeep ----------------------------------------------------------------------------------------

# dev.txt is resolved first and holds the others to its versions: one environment can serve all three.
COMPILE = uv pip compile pyproject.toml --quiet --universal --python-version 3.11 \
	--generate-hashes --no-emit-index-url --no-annotate --no-header
lock:  ## Resolve pyproject.toml anew into requirements/ (wants uv; ARGS=--upgrade for newest versions)
	@command -v uv >/dev/null || { echo "make lock needs uv: python3 -m pip install uv" >&2; exit 1; }
	@$(COMPILE) $(ARGS) --all-extras --group dev --output-file requirements/dev.txt
	@$(COMPILE) --extra postgres --extra redis --extra s3 -c requirements/dev.txt --output-file requirements/server.txt
	@$(COMPILE) -c requirements/dev.txt --output-file requirements/runtime.txt

translations: packages  ## Collect every text into the catalogues under app/translations, compile them
	@mkdir -p $(INSTANCE_DIR)
	@$(BIN)/pybabel --quiet extract --mapping-file pyproject.toml --keywords "_l _n:1,2" \
		--add-location file --sort-by-file --width 100 -o $(INSTANCE_DIR)/messages.pot .
	@$(BIN)/pybabel --quiet update --no-fuzzy-matching --ignore-pot-creation-date --width 100 \
		-i $(INSTANCE_DIR)/messages.pot -d app/translations
	@$(BIN)/pybabel --quiet compile --statistics -d app/translations

clean:  ## Delete what can be made again; accounts, videos and the secret in instance/ stay
	rm -rf .venv .pytest_cache .mypy_cache .ruff_cache .import_linter_cache .hypothesis $(NUMBA_CACHE_DIR)
	rm -rf instance/creem-judge-*
	rm -f app/translations/*/LC_MESSAGES/*.mo
	find . -name __pycache__ -type d -prune -exec rm -rf {} +

packages:
	@dev/venv.sh $(LOCK)

services:
	@dev/services.sh

%.mo: %.po | packages
	@$(BIN)/pybabel --quiet compile -i $< -o $@

$(KERNELS): $(wildcard renderer/*.py renderer/*/*.py) requirements/runtime.txt | packages
	@echo "Compiling the renderer, once; this takes about a minute (progress: $@.log) ..."
	@umask 077; mkdir -p $(NUMBA_CACHE_DIR)
	@exec $(BIN)/python -m renderer --warm >$@.log
	@mv $@.log $@
