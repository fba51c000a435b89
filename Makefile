# make demo, make test, make test-newest, make check, make bench, make tables, make docs: each sets up .venv first, if need be;
# make ready does that alone.
# With PYTHON=python3.13 they have an environment of their own, .venv-3.13.
PYTHON ?= python3
VERSION := $(shell $(PYTHON) -c 'import sys; print("%d.%d" % sys.version_info[:2])')
ifeq ($(VERSION),)
$(error $(PYTHON) does not start)
endif
VENV := .venv$(if $(filter-out python3,$(PYTHON)),-$(VERSION))
BIN := $(VENV)/bin
# The newest JAX and NumPy are not to be had for Python 3.11.
CONSTRAINTS := constraints$(if $(filter-out 3.11,$(VERSION)),-newest).txt
# Three workers keep two cores busy: many tests wait for processes that they start. The slow tests come first, and a
# worker that has ended its share takes from another.
PARALLEL := -n 3 --dist worksteal

.PHONY: ready demo test test-newest check bench tables docs clean
.NOTPARALLEL:

demo: $(VENV)/ready
	$(BIN)/python examples/train_lm.py

ready: $(VENV)/ready

test: $(VENV)/ready
	$(BIN)/python -m pytest $(PARALLEL) property_tests tests

# What CI runs on a second Python, to save time: of the property tests the golden digests alone, and not the tests that
# find the same on every Python, JAX and NumPy, such as those of pages. Each says why, where it is marked.
test-newest: $(VENV)/ready
	$(BIN)/python -m pytest $(PARALLEL) -m "not one_python" property_tests/test_golden.py tests

check: $(VENV)/ready
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .
	$(BIN)/lint-imports
	$(BIN)/python tools/check_words.py
	$(BIN)/pyright --pythonpath $(BIN)/python
	$(BIN)/python -m pytest $(PARALLEL) --doctest-modules resumable_data

bench: $(VENV)/ready
	$(BIN)/python benchmarks/exact_epochs.py
	$(BIN)/python benchmarks/packed_array_record.py

# The tables of docs/elastic_resume.md and docs/faults.md, from what their tests find.
tables: $(VENV)/ready
	RESUMABLE_DATA_WRITE_TABLES=1 $(BIN)/python -m pytest -n 0 property_tests/test_elastic_processes.py property_tests/test_faults.py

# The site, in build/site. A warning, such as a link to nothing, is an error.
docs: $(VENV)/ready
	$(BIN)/python -m pip install --quiet --constraint $(CONSTRAINTS) --editable '.[docs]'
	$(BIN)/python -m sphinx --fail-on-warning --keep-going --quiet docs build/site
	@echo "Open build/site/index.html"

$(VENV)/ready: pyproject.toml $(CONSTRAINTS)
	$(PYTHON) -m venv --clear $(VENV)
	$(BIN)/python -m pip install --quiet --constraint $(CONSTRAINTS) --editable '.[dev,examples,benchmarks]'
	touch $@

clean:
	rm -rf .venv .venv-*
