# `make check` is what CI runs after the README's quick start.
PYTHON ?= python3
BIN := .venv/bin

.PHONY: check lint types contracts test vectors docs install

check: lint types contracts vectors test

install: $(BIN)/pytest

$(BIN)/pytest: pyproject.toml
	$(PYTHON) -m venv .venv
	$(BIN)/pip install -q -e '.[dev]'
	touch $@

lint: install
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .

types: install
	$(BIN)/mypy

contracts: install
	$(BIN)/lint-imports

test: install
	$(BIN)/python -m pytest -n auto

vectors: install
	$(BIN)/python -m tests.vectors

docs: install
	$(BIN)/python -m docs.generate
