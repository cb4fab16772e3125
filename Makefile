# A newcomer needs Python (3.11 or newer), make and a compiler; `make demo` and `make test` do the rest in .venv.
PYTHON ?= python3
BIN := .venv/bin
# Test processes at a time.
JOBS ?= $(shell $(PYTHON) -c "import os; print(os.cpu_count() or 1)")

.PHONY: demo test suite lint docs wheel benchmarks readme-pictures test-gpu test-lowest test-consumers test-wheel system-deps browser clean

# Draws a data set, checks it, and makes a picture of it.
demo: .venv/core
	$(BIN)/synthgen fractals --classes 10 --per-class 20 --out demo/fractals
	$(BIN)/synthgen verify demo/fractals --pixels
	$(BIN)/synthgen preview demo/fractals --out demo/fractals.png
	@echo "Look at demo/fractals.png"

# Beside each other: mypy keeps one core busy, and at the end the tests do not need all of them.
test: .venv/test
	$(MAKE) --jobs 2 lint suite

# Each process begins with its part of the files, so that what a file prepares is prepared once.
suite: .venv/test
	$(BIN)/python -m pytest -n $(JOBS) --dist worksteal

lint: .venv/test
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .
	$(BIN)/mypy
	$(BIN)/python tools/density.py --limit 7.5

# The pages under docs/, as HTML in docs/_build; a warning is an error.
docs: .venv/docs
	$(BIN)/python -m sphinx --fail-on-warning --keep-going -q docs docs/_build

# dist/synthgen_vision-VERSION-py3-none-any.whl: what `pip install` takes.
wheel: .venv/bin/python
	rm -rf dist build
	$(BIN)/python -m pip wheel --quiet --no-deps --wheel-dir dist .

# The wheel in a fresh environment: the demo runs from it, far from the sources.
test-wheel: .venv/test
	SYNTHGEN_TEST_WHEEL=1 $(BIN)/python -m pytest tests/consumers/test_wheel.py

# About an hour; each script can be run alone.
benchmarks: .venv/test
	cd benchmarks && for script in fractals attractor radial textures memory codecs reading mandelbulb mandelbulb_run multiformula stain_field plates \
		plans cutpaste metrics export gallery nearness patchcore detection methods depthwise dense refine; do ../$(BIN)/python $$script.py || exit 1; done

# Models and trainings on a GPU, beside those of the CPU; other tests are of the CPU alone.
test-gpu: .venv/test
	SYNTHGEN_TEST_GPU=1 $(BIN)/python -m pytest tests/torch/models/test_gpu.py tests/torch/pretrain/test_gpu.py

readme-pictures: .venv/test
	$(BIN)/python docs/pictures.py

# The whole suite with the oldest versions that setup.cfg allows, in an environment of its own.
test-lowest: .venv-lowest/installed
	.venv-lowest/bin/python -m pytest -n $(JOBS) -W default

# Programs that read what we write, in an environment of its own: they are large.
test-consumers: .venv-consumers/installed
	.venv-consumers/bin/python -m pytest -n $(JOBS) tests/consumers

# PoCL is an OpenCL device; by OpenGL the drawing of triangles is checked. Tests that need one of them are skipped by name.
system-deps:
	apt-get update -qq
	apt-get install -y -qq --no-install-recommends libegl1 libgl1-mesa-dri pocl-opencl-icd

# Looks at the pages that we write, in `make test-consumers`; without it those tests are skipped by name.
browser:
	apt-get update -qq
	apt-get install -y -qq --no-install-recommends chromium

.venv/bin/python:
	$(PYTHON) -m venv .venv
	$(BIN)/python -m pip install --quiet --upgrade pip

.venv/core: .venv/bin/python setup.cfg pyproject.toml
	$(BIN)/python -m pip install --quiet -e .
	touch $@

.venv/test: .venv/core
	$(BIN)/python -m pip install --quiet -e ".[torch,opencl-cpu,scene,docs,test]"
	touch $@

.venv/docs: .venv/core
	$(BIN)/python -m pip install --quiet -e ".[torch,docs]"
	touch $@

.venv-lowest/installed: setup.cfg tools/lowest.py
	$(PYTHON) -m venv .venv-lowest
	$(PYTHON) tools/lowest.py torch scene test > .venv-lowest/constraints.txt
	.venv-lowest/bin/python -m pip install --quiet -c .venv-lowest/constraints.txt -e ".[torch,scene,test]"
	touch $@

# Packages of .venv (7 GB, torch above all) are seen through a .pth file instead of being installed a second time.
.venv-consumers/installed: .venv/test
	$(PYTHON) -m venv --clear --without-pip .venv-consumers
	$(BIN)/python -c "import sysconfig; print(sysconfig.get_path('purelib'))" \
		> "$$(.venv-consumers/bin/python -c "import sysconfig; print(sysconfig.get_path('purelib'))")/shared.pth"
	$(BIN)/python -m pip --python .venv-consumers/bin/python install --quiet -e ".[torch,test,consumers]"
	# without what it asks for: its OpenCV would lie in one folder with that of anomalib
	$(BIN)/python -m pip --python .venv-consumers/bin/python install --quiet --no-deps "ultralytics >= 8.3"
	touch $@

clean:
	rm -rf .venv .venv-lowest .venv-consumers demo build dist docs/_build *.egg-info
