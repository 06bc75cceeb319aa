# Two commands: `make demo` and `make test`. Everything else is a part of them.
PYTHON ?= python3
PY := .venv/bin/python

.PHONY: demo test soak verify redteam bench setup dev clean

demo: setup
	$(PY) -I examples/demo.py

test:
	bash .ci/run

# Hours of what `test` does for minutes; MINUTES is for comparing at random, for fuzzing each target, and for mutants.
verify: setup
	bash .ci/verify $(MINUTES)

# A hundred engineers of each kind under each kernel, event loop and level, and the runtimes that are broken on purpose.
redteam: setup
	$(PY) -m redteam --matrix --broken

# Mixed load and attack for hours: HOURS=8, or MINUTES=10, with SEED=1; then the machine on new stories.
# One arena: an allocator that keeps more for each thread grows without a reason (docs/assurance.md).
soak: setup
	MALLOC_ARENA_MAX=1 $(PY) -m redteam.soak --minutes $(or $(MINUTES),$$((60 * $(or $(HOURS),1)))) --seed $(or $(SEED),1)
	MACHINE_EXAMPLES=1000 .venv/bin/pytest redteam/machine/test_machine.py --timeout 7200

bench: setup
	bash .ci/rivals $(PY)
	$(PY) -m benches.step
	$(PY) -m benches.sandbox
	$(PY) -m benches.log
	$(PY) -m benches.kernel

setup:
	PYTHON=$(PYTHON) bash .ci/setup .venv

# An editable install for work on the code; `make test` puts the wheel back.
dev: setup
	VIRTUAL_ENV=$(CURDIR)/.venv .venv/bin/maturin develop

clean:
	rm -rf .venv .venv-* target demo-out
