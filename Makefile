# Two commands do everything from a bare checkout:
#   make demo   train, evaluate and draw Lite-HRNet-18 on generated people
#   make test   run the linters and the tests
# Both make the environment first, if these pins have none yet: CPython 3.11 to 3.13 and
# today's torch, installed from wheels. `make demo-seg` is the same for segmentation, on
# generated streets.
#   make test-fast     run the tests but for those with mim, packages, killed processes,
#                      networks of full size and compilers
#   make docs-check    run every command of the documentation that can be run on one
#                      machine, in a short form
#   make own-data-check
#                      follow docs/own_data.md with an unpacked wheel, to the end
#   make wheel-check   install the wheel by pip into a fresh environment, and train there
#   make mmdeploy-check STACK=reference
#                      convert pose and segmentation networks by mmdeploy 1.3.1
#   make ncnn-check    export pose and segmentation networks to ncnn, and run them there
#   make rtmlib-check  run exported recipes in rtmlib, on photographs
#   make browser-check run the page of examples/browser in Chromium
#   make litert-check  convert the networks to LiteRT, and run them there
#   make coreml-check STACK=reference
#                      convert the networks to Core ML
#   make machines-check
#                      train on two hosts that fail (network namespaces: needs root)
# `STACK=reference` takes the environment of torch 2.1 and compiled mmcv for any target.
SHELL := bash
STACK ?= default
VENV := .venv$(if $(filter-out default,$(STACK)),-$(STACK))
export PYTHONPATH := $(CURDIR)$(if $(PYTHONPATH),:$(PYTHONPATH))
export PATH := $(CURDIR)/$(VENV)/bin:$(PATH)

.PHONY: help demo demo-seg test test-fast docs-check own-data-check wheel-check mmdeploy-check ncnn-check rtmlib-check browser-check litert-check coreml-check machines-check lint format env clean

help:
	@sed -n '1,/^SHELL/{/^#/s/^# \{0,1\}//p}' Makefile

env:
	@bash requirements/make_env.sh $(VENV) $(STACK)

demo: env
	python tools/demo.py pose

demo-seg: env
	python tools/demo.py seg

# The linters are those of the default stack.
test: $(if $(filter default,$(STACK)),lint,env)
	python -m pytest -n auto --dist worksteal tests

test-fast: env
	python -m pytest -n auto --dist worksteal -m "not slow" tests

docs-check: env
	python -m tests.docs.run_all

own-data-check: env
	python -m tests.own_data_check

wheel-check: env
	python -m tests.wheel_check

mmdeploy-check: env
	python -m tests.mmdeploy_check

ncnn-check: env
	python -m tests.ncnn_check

rtmlib-check: env
	python -m tests.rtmlib_check

browser-check: env
	python -m tests.browser_check

litert-check: env
	@bash requirements/make_env.sh .venv-litert litert
	python -m tests.litert_check .venv-litert/bin/python

coreml-check: env
	python -m tests.coreml_check

machines-check: env
	python -m tests.machines_check

lint: env
	ruff check .
	ruff format --check .
	codespell
	mypy

format: env
	ruff check --fix .
	ruff format .

clean:
	rm -rf work_dirs build dist *.egg-info .pytest_cache .ruff_cache .mypy_cache
