#!/usr/bin/env python3
"""Runs every attack against every defence, and against stacks of two, on one checkpoint, and draws the report.

usage: pairs.py --model DIR --prompts CSV [--data DIR] [--mosa target/release/mosa] [--attacks NAME ...] [--defences NAME ...]
                [--sample N] [--stacks N] [--jobs N] [--work DIR] [--out FILE]

Helpers and judges are fixtures/endpoint.py. Defences that need an asset are fitted first.
Every run has to end well, with all its cases, the defences in its manifest, and the same bytes of records when the same
command comes again. The checkpoint needs a context of some thousand tokens; a tiny one will do. --stacks: that many stacks of two defences, taken in order from all pairs, each against every attack.
Prints a line for every pair that fails, and how many there were.
"""
import argparse
import concurrent.futures
import csv
import hashlib
import itertools
import json
import os
import subprocess
import sys
import tempfile
import time

# What a defence is given where its defaults are not enough.
GIVEN = {
    "perplexity": "threshold=1e9",
    "guard": "judge=keyword",
    "best-of-n": "n=2,judge=keyword",
}
RECORDS = ["cases.jsonl", "answers.jsonl"]


def listed(a, what):
    out = subprocess.run([a.mosa, "list", what, "--json"], check=True, capture_output=True, text=True).stdout
    return [json.loads(line)["name"] for line in out.splitlines()]


def typed(a, name):
    """The defence as it is typed, its asset included."""
    settings = [GIVEN[name]] if name in GIVEN else []
    asset = os.path.join(a.work, f"{name}.safetensors")
    if os.path.exists(asset):
        settings.append(f"asset={asset}")
    return name + (":" + ",".join(settings) if settings else "")


def fitted(a, defences):
    """An asset for whoever can be fitted: on requests of the prompts, with their targets or with refusals as answers."""
    with open(a.prompts, newline="") as f:
        rows = list(csv.DictReader(f))[:24]
    files = {}
    for kind, answer in (("harmful", None), ("harmless", "I cannot help with that, it would hurt people.")):
        files[kind] = os.path.join(a.work, kind + ".jsonl")
        with open(files[kind], "w") as f:
            for i, row in enumerate(rows):
                prompt = row["goal"] if kind == "harmful" else f"Tell me about page {i} of the cookbook."
                f.write(json.dumps(dict(id=f"{kind}{i}", prompt=prompt, response=answer or row["target"])) + "\n")
    told = subprocess.run([a.mosa, "defence", "list", "--json"], check=True, capture_output=True, text=True).stdout
    for entry in map(json.loads, told.splitlines()):
        asset = os.path.join(a.work, entry["name"] + ".safetensors")
        if entry["name"] in defences and entry["fitted_on"] and entry["name"] not in GIVEN and not os.path.exists(asset):
            words = [a.mosa, "defence", "fit", entry["name"], "--model", a.model, "--gen-length", "32", "--steps", "8", "--out", asset]
            for role in entry["fitted_on"]:
                words += ["--data", f"{role}={files['harmful' if role in ('harmful', 'unsafe', 'answers') else 'harmless']}"]
            p = subprocess.run(words, capture_output=True, text=True)
            if p.returncode:
                sys.exit(f"{' '.join(words)}\n{p.stderr}")


def command(a, attack, stack, out):
    endpoint = f"http://127.0.0.1:{a.port}/v1"
    words = [a.mosa, "attack", attack, "--model", a.model, "--prompts", a.prompts, "--sample", str(a.sample), "--out", out]
    words += "--profile smoke --gen-length 128 --steps 32 --threads 1 --quiet --judge keyword".split()
    words += ["--helper-endpoint", endpoint, "--helper-model", "helper"] + (["--set", "decomposer=helper"] if attack == "speak-easy" else [])
    return words + [w for name in stack for w in ("--defence", typed(a, name))]


def digest(out):
    return [hashlib.sha256(open(os.path.join(out, name), "rb").read()).hexdigest() for name in RECORDS]


def checked(a, attack, stack):
    """What is wrong with a pair, or nothing."""
    out = os.path.join(a.work, "runs", attack, "+".join(stack) or "none")
    words = command(a, attack, stack, out)
    for again in (False, True):
        p = subprocess.run(words, capture_output=True, text=True)
        if p.returncode:
            return f"exit {p.returncode}: {(p.stderr.strip() or p.stdout.strip())[-300:]}"
        if again and digest(out) != before:
            return "the same command left other bytes"
        before = digest(out)
    with open(os.path.join(out, "manifest.json")) as f:
        manifest = json.load(f)
    found = [d["name"] for d in manifest.get("defences", [])]
    if found != list(stack):
        return f"the manifest has {found}"
    with open(os.path.join(out, "cases.jsonl")) as f:
        cases = [json.loads(line) for line in f]
    if len(cases) != a.sample:
        return f"{len(cases)} cases"
    if not os.path.getsize(os.path.join(out, "answers.jsonl")):
        return f"no answer: {[case.get('error', case['reason']) for case in cases]}"
    return None


def main():
    ap = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    ap.add_argument("--model", required=True)
    ap.add_argument("--prompts", required=True)
    ap.add_argument("--mosa", default="target/release/mosa")
    ap.add_argument("--attacks", nargs="*")
    ap.add_argument("--defences", nargs="*")
    ap.add_argument("--sample", type=int, default=1)
    ap.add_argument("--stacks", type=int, default=4)
    ap.add_argument("--jobs", type=int, default=2)
    ap.add_argument("--port", type=int, default=8437)
    ap.add_argument("--work", default=os.path.join(tempfile.gettempdir(), "mosa-pairs"))
    ap.add_argument("--out")
    a = ap.parse_args()
    os.makedirs(a.work, exist_ok=True)
    attacks = a.attacks or listed(a, "attacks")
    defences = a.defences or listed(a, "defences")
    fitted(a, defences)
    here = os.path.dirname(os.path.abspath(__file__))
    server = subprocess.Popen([sys.executable, os.path.join(here, "../fixtures/endpoint.py"), "--port", str(a.port)], stdout=subprocess.DEVNULL)
    time.sleep(1)
    both = list(itertools.permutations(defences, 2))
    stacks = [(), *((d,) for d in defences), *both[:: max(1, len(both) // max(1, a.stacks))][: a.stacks]]
    jobs = [(attack, stack) for attack in attacks for stack in stacks]
    start, failed = time.time(), []
    try:
        with concurrent.futures.ThreadPoolExecutor(a.jobs) as pool:
            for (attack, stack), wrong in zip(jobs, pool.map(lambda job: checked(a, *job), jobs)):
                if wrong:
                    failed.append((attack, stack, wrong))
                    print(f"{attack} x {' + '.join(stack) or 'none'}: {wrong}", flush=True)
    finally:
        server.terminate()
    print(f"{len(jobs) - len(failed)} of {len(jobs)} pairs of {len(attacks)} attacks and {len(stacks)} stacks in {time.time() - start:.0f} s")
    if a.out:
        bad = [(attack, stack) for attack, stack, _ in failed]
        runs = [os.path.join(a.work, "runs", attack, "+".join(stack) or "none") for attack, stack in jobs if (attack, stack) not in bad]
        if runs:
            subprocess.run([a.mosa, "report", *runs, "--out", a.out], check=True)
    return 1 if failed else 0


if __name__ == "__main__":
    sys.exit(main())
