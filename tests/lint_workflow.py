"""Style of the workflow: `snakemake --lint` but for what is excused below, and what every rule must say.

python tests/lint_workflow.py
"""

from __future__ import annotations

import os
import re
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

ROOT = Path(__file__).resolve().parents[1]

# Lints that are let through, by title, each with the reason.
EXCUSED = {
    "Specify a conda environment or container for each rule.": (
        "all rules run in the one environment that envs/requirements.lock pins with hashes"
    ),
    "Mixed rules and functions in same snakefile.": (
        "an input function stands beside the one rule that it serves; logic is in src/clusterprobe"
    ),
}

TARGETS = {"all", "paper"}
"""Rules that only name files."""

DIRECTIVES = ("input", "output", "log", "benchmark", "threads", "resources", "params", "script")
RESOURCES = ("mem_mb", "runtime")


def snakemake_lints() -> list[tuple[str, str]]:
    """Return what `snakemake --lint` finds: where and what."""
    done = subprocess.run(
        [sys.executable, "-m", "snakemake", "--lint"],
        cwd=ROOT,
        env=os.environ | {"PYTHONPATH": str(ROOT / "src")},
        text=True,
        capture_output=True,
    )
    said = done.stdout + done.stderr
    blocks = re.split(r"^Lints for (.+):$", said, flags=re.MULTILINE)
    lints = [
        (where, title)
        for where, block in zip(blocks[1::2], blocks[2::2], strict=True)
        for title in re.findall(r"^    \* (.+?):?$", block, flags=re.MULTILINE)
    ]
    if not lints and "Congratulations" not in said:
        sys.exit(f"snakemake --lint did not work:\n{said}")
    return lints


def lint_problems(lints: list[tuple[str, str]]) -> Iterator[str]:
    """Yield the lints that nothing excuses, and the excuses that nothing needs."""
    for where, title in lints:
        if title not in EXCUSED:
            yield f"{where}: {title} (python -m snakemake --lint says more)"
    for title in EXCUSED.keys() - {title for _, title in lints}:
        yield f"tests/lint_workflow.py: no rule has the lint {title!r}: drop its excuse"


def rules(text: str) -> Iterator[tuple[str, str]]:
    """Yield name and body of every rule in the text of a snakefile."""
    parts = re.split(r"^(?:rule|checkpoint) (\w+):\n", text, flags=re.MULTILINE)
    for name, rest in zip(parts[1::2], parts[2::2], strict=True):
        lines = rest.splitlines()
        end = next((n for n, line in enumerate(lines) if line and not line.startswith(" ")), len(lines))
        yield name, "\n".join(lines[:end])


def directives(body: str) -> dict[str, str]:
    """Return the directives of a rule with their text."""
    parts = re.split(r"^    (\w+):", body, flags=re.MULTILINE)
    return dict(zip(parts[1::2], parts[2::2], strict=True))


def rule_problems(name: str, body: str) -> Iterator[str]:
    """Yield what a rule lacks."""
    if not re.match(r'\s*"""\S', body):
        yield "has no docstring"
    if name in TARGETS:
        return
    said = directives(body)
    needed = [word for word in DIRECTIVES if word not in ("input", "params")]
    yield from (f"has no `{word}`" for word in needed if word not in said)
    resources = said.get("resources", "")
    yield from (f"has no resource `{word}`" for word in RESOURCES if f"{word}=" not in resources)
    if f'"data/logs/{name}/' not in said.get("log", ""):
        yield f"does not log to data/logs/{name}/"
    if f'"data/benchmarks/{name}/' not in said.get("benchmark", "") or '.jsonl"' not in said["benchmark"]:
        yield f"is not benchmarked to data/benchmarks/{name}/*.jsonl"
    if "code=" not in said.get("params", ""):
        yield "has no `params: code=`, so that a change of its code starts nothing"
    if said.get("script", "").strip() != f'"../scripts/{name}.py"':
        yield f"does not run workflow/scripts/{name}.py"


def main() -> int:
    problems = list(lint_problems(snakemake_lints()))
    names = []
    for path in [ROOT / "Snakefile", *sorted(ROOT.glob("workflow/rules/*.smk"))]:
        for name, body in rules(path.read_text(encoding="utf-8")):
            names.append(name)
            place = f"{path.relative_to(ROOT)}: rule {name}"
            problems += [f"{place} {problem}" for problem in rule_problems(name, body)]
    unused = {path.stem for path in ROOT.glob("workflow/scripts/*.py")} - set(names)
    problems += [f"workflow/scripts/{name}.py belongs to no rule" for name in sorted(unused)]
    if len(names) < 10:
        problems.append(f"only {len(names)} rules were found: this check no longer sees them")
    print("\n".join(problems) or f"{len(names)} rules are in order")
    return 1 if problems else 0


if __name__ == "__main__":
    sys.exit(main())
