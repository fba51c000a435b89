# make demo, make test, make check, make bench, make tables: each sets up .venv first, if need be.
PYTHON ?= python3
BIN := .venv/bin

.PHONY: demo test check bench tables clean
.NOTPARALLEL:

demo: .venv/ready
	$(BIN)/python examples/train_lm.py

test: .venv/ready
	$(BIN)/python -m pytest -n 2 tests property_tests

check: .venv/ready
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .
	$(BIN)/lint-imports
	$(BIN)/pyright --pythonpath $(BIN)/python
	$(BIN)/python -m pytest --doctest-modules resumable_data

bench: .venv/ready
	$(BIN)/python benchmarks/exact_epochs.py
	$(BIN)/python benchmarks/packed_array_record.py

# The tables of docs/elastic_resume.md and docs/faults.md, from what their tests find.
tables: .venv/ready
	RESUMABLE_DATA_WRITE_TABLES=1 $(BIN)/python -m pytest -n 0 property_tests/test_elastic_processes.py property_tests/test_faults.py

.venv/ready: pyproject.toml constraints.txt
	$(PYTHON) -m venv .venv
	$(BIN)/python -m pip install --quiet --constraint constraints.txt --editable '.[dev,examples,benchmarks]'
	touch $@

clean:
	rm -rf .venv
