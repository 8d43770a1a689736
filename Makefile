# Two commands do everything from a bare checkout:
#   make demo   train, evaluate and draw Lite-HRNet-18 on generated people
#   make test   run the linter and the tests
# Both make the environment first, if these pins have none yet. `make demo-seg` is the
# same for segmentation, on generated streets.
#   make test-modern   run them in the modern environment, made beside the default one
#   make docs-check    run every command of the documentation that can be run on one
#                      machine, in a short form
# `STACK=modern` does so for every target.
SHELL := bash
STACK ?= default
VENV := .venv$(if $(filter-out default,$(STACK)),-$(STACK))
export PYTHONPATH := $(CURDIR)$(if $(PYTHONPATH),:$(PYTHONPATH))
export PATH := $(CURDIR)/$(VENV)/bin:$(PATH)

.PHONY: help demo demo-seg test test-modern docs-check lint format env clean

help:
	@sed -n '1,/^SHELL/{/^#/s/^# \{0,1\}//p}' Makefile

env:
	@bash requirements/make_env.sh $(VENV) $(STACK)

demo: env
	python tools/demo.py pose

demo-seg: env
	python tools/demo.py seg

test: lint
	python -m pytest -n auto --dist worksteal tests

docs-check: env
	python -m tests.docs.run_all

test-modern:
	$(MAKE) test STACK=modern

lint: env
	ruff check .
	ruff format --check .

format: env
	ruff check --fix .
	ruff format .

clean:
	rm -rf work_dirs build dist *.egg-info .pytest_cache .ruff_cache
