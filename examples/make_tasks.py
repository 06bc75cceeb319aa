"""Write a policy for 100 agents and 1,000 tasks for them, some of which must be denied.

`python examples/make_tasks.py FOLDER` writes FOLDER/policy.toml and FOLDER/tasks.jsonl. The same
seed gives the same bytes. Agents come in ten groups; in each group another thing is amiss, so that
for every task it is known ahead whether it may be done.
"""

# ruff: noqa: INP001, T201 - a script, and no package

from __future__ import annotations

import argparse
import json
import os
import random
from pathlib import Path

AGENTS = 100
TASKS = 1000
SEED = 20
DOCS = Path(__file__).parent / "docs"

# What the last digit of an agent's number says about it: a name, and the jobs that it is denied.
GROUPS = {
    0: ("sound", set()),
    1: ("sound", set()),
    2: ("sound", set()),
    3: ("sound", set()),
    4: ("no-calculator", {"sum", "both"}),
    5: ("public-only", {"private", "both"}),
    6: ("expired", {"sum", "search", "public", "private", "both"}),
    7: ("unowned", {"sum", "search", "public", "private", "both"}),
    8: ("broken-chain", {"public", "private", "both"}),
    9: ("foreign", {"public", "private", "both"}),
}

PEOPLE = """\
# Made by examples/make_tasks.py.

[limits]
concurrency = 64

[[principals]]
name = "ada"
kind = "human"

[[resources]]
id = "file:workspace"
path = "{docs}"
trust_domain = "house"

[[resources]]
id = "search:web"

[[grants]]
id = "ada-docs"
holder = "human:ada"
resource = "file:workspace"
rights = ["read", "delegate"]

[[grants]]
id = "ada-reads"
holder = "human:ada"
resource = "file:workspace"
rights = ["read"]
"""


def agent_name(number: int) -> str:
    """Return the name of an agent, which tells its group."""
    return f"{GROUPS[number % 10][0]}-{number:02}"


def make_policy(docs: str) -> str:
    """Return the text of the policy; `docs` is the folder of documents as the policy sees it."""
    agents = [_agent(number) for number in range(AGENTS)]
    return "\n".join([PEOPLE.format(docs=docs), *agents])


def _agent(number: int) -> str:
    group, name = GROUPS[number % 10][0], agent_name(number)
    owner = "" if group == "unowned" else 'owner = "ada"\n'
    domain = "street" if group == "foreign" else "house"
    parts = [
        f'[[principals]]\nname = "{name}"\nkind = "machine"\n{owner}trust_domain = "{domain}"\n'
    ]
    late = "expires_at = 2020-01-01T00:00:00Z\n" if group == "expired" else ""
    scope = 'scope = "public"\n' if group == "public-only" else ""
    parent = "ada-reads" if group == "broken-chain" else "ada-docs"
    parts.append(
        _grant(
            name, "file:workspace", "read", f'confidence = 0.95\nparent = "{parent}"\n{scope}{late}'
        )
    )
    parts.append(_grant(name, "search:web", "read", late))
    if group != "no-calculator":
        parts.append(_grant(name, "compute:calculator", "execute", late))
    return "\n".join(parts)


def _grant(holder: str, resource: str, right: str, rest: str) -> str:
    keys = f'holder = "machine:{holder}"\nresource = "{resource}"\nrights = ["{right}"]\n'
    return f"[[grants]]\n{keys}{rest}"


def make_tasks(seed: int = SEED) -> list[dict[str, str]]:
    """Return the tasks; an id ends with `may` or `must-not`, which says what has to come out."""
    rng = random.Random(seed)  # noqa: S311 - examples, not keys
    jobs = ("sum", "search", "public", "private", "both")
    tasks = []
    for number in range(TASKS):
        agent, job = number % AGENTS, jobs[(number // AGENTS + number) % len(jobs)]
        verdict = "must-not" if job in GROUPS[agent % 10][1] else "may"
        tasks.append(
            {
                "id": f"task-{number:04}-{verdict}",
                "agent": agent_name(agent),
                "intent": _intent(job, rng),
            }
        )
    rng.shuffle(tasks)
    return tasks


def _intent(job: str, rng: random.Random) -> str:
    one, two, three = (rng.randint(1, 999) for _ in range(3))
    return {
        "sum": f"What is {one} * ({two} + {three})?",
        "search": f"Search for {rng.choice(['bread', 'the moon', 'prime numbers'])}.",
        "public": "Read public/opening-hours.txt.",
        "private": "Read private/prices.txt.",
        "both": f"Read private/prices.txt, then compute {one} * {two}.",
    }[job]


def write(folder: Path, seed: int = SEED) -> tuple[Path, Path]:
    """Write both files into a folder, and return their paths."""
    folder.mkdir(parents=True, exist_ok=True)
    policy, tasks = folder / "policy.toml", folder / "tasks.jsonl"
    docs = Path(os.path.relpath(DOCS.resolve(), folder.resolve())).as_posix()
    policy.write_text(make_policy(docs), encoding="utf-8")
    lines = [json.dumps(task) + "\n" for task in make_tasks(seed)]
    tasks.write_text("".join(lines), encoding="utf-8")
    return policy, tasks


def main() -> None:
    """Read the arguments and write the files."""
    parser = argparse.ArgumentParser(description="Write a policy and 1,000 tasks.")
    parser.add_argument("folder", type=Path)
    parser.add_argument("--seed", type=int, default=SEED)
    args = parser.parse_args()
    for path in write(args.folder, args.seed):
        print(path)


if __name__ == "__main__":
    main()
