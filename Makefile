# make setup: a virtual environment in .venv with the tested versions
# make test:  style, types and tests
# make demo:  the shipped optimizer on unseen networks

PYTHON ?= python3
BIN := .venv/bin

.PHONY: setup test demo

setup: .venv/installed

.venv/installed: pyproject.toml constraints.txt
	$(PYTHON) -m venv .venv
	$(BIN)/python -m pip install --quiet -c constraints.txt -e '.[test]'
	touch $@

test: setup
	$(BIN)/ruff check
	$(BIN)/ruff format --check
	$(BIN)/mypy
	$(BIN)/python -m pytest --quiet

demo: setup
	$(BIN)/python evaluate.py --model milodo_local milodo_gnn --algorithms prox_ed dapg admm admm_diagonal --dataset breast_cancer \
		--topology real:name=topozoo/Abilene --instances 2 --iterations 1000 --tuning_budget 9 \
		--tuning_instances 1 --threads 1 --output out/demo/breast_cancer --overwrite
	$(BIN)/python evaluate.py --model milodo_local milodo_gnn --algorithms prox_ed dapg admm admm_diagonal --dataset lasso \
		--topology erdos_renyi --nodes 10 50 --instances 2 --iterations 300 --tuning_budget 9 \
		--tuning_instances 1 --threads 1 --output out/demo/lasso --overwrite
