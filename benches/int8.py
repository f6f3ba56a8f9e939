#!/usr/bin/env python3
"""What --weights int8 changes: how many answers, and tokens of them, are those of the weights as stored.

usage: int8.py --prompts FILE MODEL [MODEL ...] [--mosa target/release/mosa] [--limit 100] [--flags "--gen-length 32"]

Decodes the first prompts of FILE twice with every model and prints a Markdown table.
"""
import argparse
import json
import subprocess
import sys


def answers(a, model, *flags):
    words = [a.mosa, "generate", "--model", model, "--prompts", a.prompts, "--limit", str(a.limit), "--json", "--quiet", *a.flags.split(), *flags]
    done = subprocess.run(words, capture_output=True, text=True)
    if done.returncode:
        sys.exit(done.stderr)
    return [json.loads(line)["ids"] for line in done.stdout.splitlines()]


def main():
    ap = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    ap.add_argument("models", nargs="+")
    ap.add_argument("--prompts", required=True)
    ap.add_argument("--mosa", default="target/release/mosa")
    ap.add_argument("--limit", type=int, default=100)
    ap.add_argument("--flags", default="--gen-length 32")
    a = ap.parse_args()
    print("| model | answers the same | tokens the same |\n|---|---|---|")
    for model in a.models:
        stored, rounded = answers(a, model), answers(a, model, "--weights", "int8")
        same = sum(x == y for x, y in zip(stored, rounded))
        tokens = sum(i == j for x, y in zip(stored, rounded) for i, j in zip(x, y))
        print(f"| {model} | {same} of {len(stored)} | {100 * tokens / sum(map(len, stored)):.0f}% |", flush=True)


if __name__ == "__main__":
    main()
