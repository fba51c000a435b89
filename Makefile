# make demo, make test, make check, make bench: each sets up .venv first, if need be.
PYTHON ?= python3
BIN := .venv/bin

.PHONY: demo test check bench clean
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
	$(BIN)/python benchmarks/packed_array_record.py

.venv/ready: pyproject.toml constraints.txt
	$(PYTHON) -m venv .venv
	$(BIN)/python -m pip install --quiet --constraint constraints.txt --editable '.[dev,examples,benchmarks]'
	touch $@

clean:
	rm -rf .venv
