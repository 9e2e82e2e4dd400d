# Each target works from nothing on a machine with only Python 3.11 or newer and make.

PYTHON ?= python3
VENV := .venv
BIN := $(VENV)/bin
STAMP := $(VENV)/.installed
CELESTIAL := "$(CURDIR)/$(BIN)/celestial"

.PHONY: setup demo test slow lint site bench clean

setup: $(STAMP)

$(STAMP): pyproject.toml constraints.txt
	@$(PYTHON) -c 'import sys; sys.exit(sys.version_info < (3, 11) and "Python 3.11 or newer is needed to train: make PYTHON=python3.11")'
	$(PYTHON) -m venv $(VENV)
	$(BIN)/python -m pip install --quiet --upgrade pip
	$(BIN)/python -m pip install --quiet --constraint constraints.txt --editable '.[train,data,simulate,sign,onnx,cluster,docs,dev]'
	@touch $@

# The main job as a user types it, in a folder of its own.
demo: setup
	mkdir -p demo
	cd demo && $(CELESTIAL) data simulate --preset demo
	cd demo && $(CELESTIAL) data build celestial-data/demo/frames/manifest.csv
	cd demo && $(CELESTIAL) train
	cd demo && $(CELESTIAL) evaluate
	cd demo && $(CELESTIAL) quantize --int8
	cd demo && $(CELESTIAL) bench --tflite --fits $$(ls celestial-data/demo/frames/*_raw.fits | head -n 1)
	cd demo && $(CELESTIAL) predict $$(ls celestial-data/demo/frames/*_raw.fits | head -n 3)

lint: setup
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .
	$(BIN)/mypy
	$(BIN)/lint-imports

# Two processes, each with TensorFlow in it: some 4 GB in all. Files stay whole, so that what they share is made once.
test: lint
	$(BIN)/python -m pytest -n 2 --dist loadfile

slow: setup
	$(BIN)/python -m pytest -m slow

# Timings of this machine, on the demo's frames and network; benchmarks/ has the rest.
bench: demo
	$(BIN)/python benchmarks/bench_decode.py
	$(BIN)/python benchmarks/bench_simulate.py --frames 30
	$(BIN)/python benchmarks/bench_pipeline.py demo/celestial-data/demo/frames/manifest.csv
	cd demo && ../$(BIN)/python ../benchmarks/bench_edge.py runs/latest --fits $$(ls celestial-data/demo/frames/*_raw.fits | head -n 1)

# The documentation as pages in site/, warnings as errors; `make test` builds it as well.
site: setup
	NO_MKDOCS_2_WARNING=1 $(BIN)/mkdocs build --strict

clean:
	rm -rf $(VENV) build dist site *.egg-info .pytest_cache .mypy_cache .ruff_cache
