# A newcomer needs Python (3.11 or newer), make and a compiler; `make demo` and `make test` do the rest in .venv.
PYTHON ?= python3
BIN := .venv/bin

.PHONY: demo test lint benchmarks readme-pictures system-deps clean

# Draws a data set, checks it, and makes a picture of it.
demo: .venv/core
	$(BIN)/synthgen fractals --classes 10 --per-class 20 --out demo/fractals
	$(BIN)/synthgen verify demo/fractals --pixels
	$(BIN)/synthgen preview demo/fractals -o demo/fractals.png
	@echo "Look at demo/fractals.png"

test: .venv/test lint
	$(BIN)/python -m pytest

lint: .venv/test
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .

# About half an hour; each script can be run alone.
benchmarks: .venv/test
	cd benchmarks && for script in fractals attractor memory codecs reading mandelbulb mandelbulb_run multiformula stain_field plates cutpaste \
		metrics patchcore; do ../$(BIN)/python $$script.py || exit 1; done

# EGL draws parts with a shape; PoCL, an OpenCL runtime for CPUs, draws Mandelbulbs. Without these packages their
# tests are skipped by name. Intel's runtime, which is faster than PoCL, comes with pip (extra opencl-cpu).
system-deps:
	apt-get update -qq
	apt-get install -y -qq --no-install-recommends libegl1 libgl1-mesa-dri pocl-opencl-icd

readme-pictures: .venv/test
	$(BIN)/python docs/pictures.py

.venv/bin/python:
	$(PYTHON) -m venv .venv
	$(BIN)/python -m pip install --quiet --upgrade pip

.venv/core: .venv/bin/python setup.cfg pyproject.toml
	$(BIN)/python -m pip install --quiet -e .
	touch $@

.venv/test: .venv/core
	$(BIN)/python -m pip install --quiet -e ".[torch,opencl-cpu,scene,test]"
	touch $@

clean:
	rm -rf .venv demo build *.egg-info
