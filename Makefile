# Everything there is to do. Only Python 3.11 or later, git and make are needed.
PYTHON ?= python3
VENV := .venv
BIN := $(VENV)/bin
PORT ?= 8000
# Tests write and flush a lot: in memory where there is such a folder.
TEMPROOT := $(shell test -w /dev/shm && echo /dev/shm || echo /tmp)

# Two processes at once; who is done first takes from the other.
SPREAD := -n 2 --dist worksteal
MOST := --ignore=tests/faults --ignore=tests/pages --ignore=tests/documents

export PYTEST_DEBUG_TEMPROOT := $(TEMPROOT)

# Runs what follows in a network of its own with nothing but loopback.
ALONE := unshare -n$(if $(filter-out 0,$(shell id -u)),r) \
	sh -c 'ip link set lo up && exec "$$@"' alone env ARCSECOND_OFFLINE=1

.PHONY: demo test test-documents test-pages test-faults test-clients test-offline check fix docs serve bench screenshots clean

demo: $(VENV)/ready  ## The main job with real frames, on 127.0.0.1:8000; ONCE=1 ends by itself.
	@$(BIN)/python demo/demo.py --port $(PORT) $(if $(ONCE),--once)

test: $(VENV)/dev check  ## All checks, and tests on SQLite and on PostgreSQL.
	$(if $(OFFLINE),$(ALONE)) $(BIN)/python -m pytest $(MOST) $(SPREAD) $(ARGS)

test-documents: $(VENV)/dev  ## Every page of the documents, typed as it stands there.
	$(if $(OFFLINE),$(ALONE)) $(BIN)/python -m pytest tests/documents $(SPREAD) $(ARGS)

test-pages: $(VENV)/dev  ## Every page in a real browser, and pictures of many frames.
	$(BIN)/python -m pytest tests/pages $(SPREAD) $(ARGS)

test-faults: $(VENV)/dev  ## Kill it, cut it, fill its disk: nothing that was acknowledged is lost.
	$(BIN)/python -m pytest tests/faults $(SPREAD) $(ARGS)

test-clients: $(VENV)/dev  ## Older clients and those of tus, as they were released, against this server.
	$(BIN)/python tests/clients/run.py $(ARGS)

test-offline: $(VENV)/dev  ## The same in a network of its own with nothing but loopback, and what it covers.
	$(BIN)/coverage erase
	$(ALONE) $(BIN)/coverage run -m pytest $(MOST) $(SPREAD) $(ARGS)
	$(BIN)/coverage combine -q
	$(BIN)/coverage report

check: $(VENV)/dev  ## Style, types and the order of imports.
	$(BIN)/ruff format --check .
	$(BIN)/ruff check .
	$(BIN)/mypy
	$(BIN)/lint-imports

fix: $(VENV)/dev  ## Put style in order.
	$(BIN)/ruff format .
	$(BIN)/ruff check --fix .

docs: $(VENV)/dev  ## Write the reference, and the help that is kept as text.
	$(BIN)/python -m arcsecond.cli.write_help
	$(BIN)/python docs/write_reference.py

serve: $(VENV)/ready  ## Serve your own data directory.
	$(BIN)/arcsecond serve --port $(PORT)

bench: $(VENV)/bench  ## Speed, each figure beside its baseline.
	$(BIN)/python -m bench.bench $(ARGS)

screenshots: $(VENV)/dev  ## Every page in light, dark and red, at two widths, into .screenshots.
	$(BIN)/python demo/screenshots.py $(ARGS)

clean:  ## Remove what was built.
	rm -rf $(VENV) .demo .bench .bench-kept .clients .screenshots

$(VENV)/ready: pyproject.toml constraints.txt
	@$(PYTHON) -c 'import sys; sys.exit(sys.version_info < (3, 11) and "Python 3.11 or later is needed.")'
	$(PYTHON) -m venv $(VENV)
	$(BIN)/python -m pip install -q --disable-pip-version-check -c constraints.txt -e .
	@$(BIN)/python -m compileall -q src
	@touch $@

$(VENV)/bench: $(VENV)/ready requirements-bench.txt
	$(BIN)/python -m pip install -q --disable-pip-version-check -c constraints.txt -r requirements-bench.txt
	@touch $@

$(VENV)/dev: $(VENV)/ready requirements-dev.txt
	$(BIN)/python -m pip install -q --disable-pip-version-check -c constraints.txt -r requirements-dev.txt
	@touch $@
