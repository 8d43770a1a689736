# Two commands do everything from a bare checkout:
#   make demo   train, evaluate and draw LiteHRNet-18 on generated people
#   make test   run the linter and the tests
# Both make the environment first, if these pins have none yet.
SHELL := bash
export PYTHONPATH := $(CURDIR)$(if $(PYTHONPATH),:$(PYTHONPATH))
export PATH := $(CURDIR)/.venv/bin:$(PATH)

.PHONY: help demo test lint format env clean

help:
	@sed -n '1,/^SHELL/{/^#/s/^# \{0,1\}//p}' Makefile

env:
	@bash requirements/make_env.sh .venv

demo: env
	python tools/demo_pose.py --work-dir work_dirs/demo_pose

test: lint
	python -m pytest -n auto --dist worksteal tests

lint: env
	ruff check .
	ruff format --check .

format: env
	ruff check --fix .
	ruff format .

clean:
	rm -rf work_dirs build dist *.egg-info .pytest_cache .ruff_cache
