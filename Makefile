# The one task runner. Each target sets up what it needs: Python 3.11 or newer and make suffice.
PYTHON ?= python3
VENV := .venv
BIN := $(VENV)/bin
PIP := $(BIN)/python -m pip install --quiet --disable-pip-version-check --constraint constraints.txt

.PHONY: demo test check format bench clean

demo: $(VENV)/demo.stamp  ## phantoms, predictions, explanations, scores: a page in demo/index.html
	$(BIN)/plainfilm demo --out demo

test: $(VENV)/test.stamp  ## every test that runs without an accelerator, in a few minutes
	OMP_NUM_THREADS=1 $(BIN)/python -m pytest -n 2

check: $(VENV)/test.stamp  ## style and types
	$(BIN)/ruff check src tests benchmarks
	$(BIN)/ruff format --check src tests benchmarks
	$(BIN)/mypy

format: $(VENV)/test.stamp
	$(BIN)/ruff check --fix src tests benchmarks
	$(BIN)/ruff format src tests benchmarks

bench: $(VENV)/test.stamp  ## speed as ratios against a peer; phantoms and lungs against real films, where there are any
	$(BIN)/python -m pytest benchmarks -s
	$(BIN)/python benchmarks/phantom_realism.py
	$(BIN)/python benchmarks/bench_lungs.py
	@echo "Studies that take minutes or train are run by hand: $(BIN)/python benchmarks/{shortcut,counterfactuals,counterfactuals_real,randomisation,localisation_table,bottleneck_claims,severity,severity_phantom,weighted_bce,resume}.py"

$(VENV)/demo.stamp: pyproject.toml constraints.txt
	$(PYTHON) -m venv $(VENV)
	$(PIP) --editable ".[dicom]"
	touch $@

$(VENV)/test.stamp: $(VENV)/demo.stamp
	$(PIP) --editable ".[test]"
	touch $@

clean:
	rm -rf $(VENV) demo build dist
