#!/usr/bin/env python3
"""Attacks every behaviour of HarmBench (standard) and AdvBench, killed and resumed on the way, and checks what is left.

usage: whole_benchmarks.py --data DIR --model DIR [--long-model DIR] [--mosa target/release/mosa] [--attacks NAME ...]
                           [--twice NAME ...] [--work DIR] [--out FILE]

DIR of --data holds harmbench/harmbench_behaviors_text_all.csv and advbench/harmful_behaviors.csv. Helpers and judges are
fixtures/endpoint.py, which fails one request in fifty at the first attempt. Every run is killed (-9) twice and goes on with
the same command. --long-model is attacked by dia, whose dialogues do not fit into a short context. Attacks of --twice run a
second time without a kill and must leave the same bytes. Every run is exported to HarmBench's files (to JSONL where words
are forced, which those files cannot hold), read back and exported again, which must give the same files. One report is
drawn of everything.
"""
import argparse
import collections
import filecmp
import json
import os
import random
import shutil
import subprocess
import sys
import time

PAPER = "avatar tap speak-easy aos pal ept dia adv-prefix tap-adaptive ept-adaptive adv-prefix-adaptive".split()
# HarmBench has no place for the words that these force.
FORCED = "ept adv-prefix ept-adaptive adv-prefix-adaptive".split()
RECORDS = ["cases.jsonl", "answers.jsonl", "verdicts.jsonl"]


def command(a, attack, file, out):
    endpoint = f"http://127.0.0.1:{a.port}/v1"
    model = a.long_model if attack == "dia" and a.long_model else a.model
    words = [a.mosa, "attack", attack, "--model", model, "--behaviors", file, "--subsets", "standard", "--out", out, "--label", os.path.basename(model)]
    words += "--profile smoke --gen-length 64 --steps 16 --cases 64 --threads 1 --quiet --judge rubric,strongreject".split()
    words += ["--helper-endpoint", endpoint, "--helper-model", "helper", "--judge-endpoint", endpoint, "--judge-model", "judge"]
    return words + (["--set", "decomposer=helper"] if attack == "speak-easy" else [])


def done(out):
    """Behaviours with a record, or nothing yet."""
    try:
        with open(os.path.join(out, "cases.jsonl")) as f:
            return sum(1 for _ in f)
    except FileNotFoundError:
        return 0


def finished(words):
    p = subprocess.run(words, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True)
    if p.returncode:
        sys.exit(f"{' '.join(words)}\n{p.stderr}")
    return p.stdout


def killed(words, out, at):
    """Starts the command and kills it once that many behaviours are recorded, in the middle of others."""
    p = subprocess.Popen(words, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
    while p.poll() is None and done(out) < at:
        time.sleep(0.05)
    p.kill()
    p.wait()
    return done(out)


def rows(out, name):
    with open(os.path.join(out, name)) as f:
        return [json.loads(line) for line in f]


def loads_back(a, attack, out):
    """Whether exported files, imported and exported again, are the same."""
    form = "jsonl" if attack in FORCED else "harmbench"
    first, again, back = (f"{out}-{name}" for name in ("exported", "again", "back"))
    for path in (first, again, back):
        shutil.rmtree(path, ignore_errors=True)
    export = [a.mosa, "data", "export", "--format", form, "--judge", "rubric-above3"]
    finished(export + [out, "--out", first])
    label = [] if form == "jsonl" else ["--judge", "rubric-above3"]
    finished([a.mosa, "data", "import", first, "--format", form, *label, "--benchmark", a.files[out], "--out", back])
    finished(export + [back, "--out", again])
    if form == "jsonl":
        return filecmp.cmp(first, again, shallow=False)
    names = [os.path.relpath(os.path.join(d, f), first) for d, _, files in os.walk(first) for f in files]
    _, differ, missing = filecmp.cmpfiles(first, again, names, shallow=False)
    return not differ and not missing


def measured(a, benchmark, file, attack):
    out = os.path.join(a.work, benchmark, attack)
    a.files[out] = file
    words, rng = command(a, attack, file, out), random.Random(f"{benchmark} {attack}")
    started = time.time()
    n = a.sizes[benchmark]
    kills = [killed(words, out, rng.randrange(1 + i * n // 2, (i + 1) * n // 2)) for i in range(2)]
    finished(words)
    seconds = time.time() - started
    cases = rows(out, "cases.jsonl")
    same = None
    if attack in a.twice:
        other = out + "-whole"
        finished(command(a, attack, file, other))
        same = all(filecmp.cmp(os.path.join(out, f), os.path.join(other, f), shallow=False) for f in RECORDS)
    verdicts = rows(out, "verdicts.jsonl")
    row = dict(
        benchmark=benchmark, attack=attack, behaviours=len(cases), killed_at=kills, seconds=round(seconds, 1),
        reasons=dict(collections.Counter(c["reason"] for c in cases)), queries=sum(c["used"]["queries"] for c in cases),
        helper_calls=sum(c["used"]["helper_calls"] for c in cases), verdicts=len(verdicts),
        no_verdict=sum(v["success"] is None for v in verdicts), same_bytes=same, loads_back=loads_back(a, attack, out),
    )
    if row["behaviours"] != n or same is False or not row["loads_back"]:
        sys.exit(f"not as it should be: {row}")
    return row


def main():
    p = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    p.add_argument("--data", required=True)
    p.add_argument("--model", required=True)
    p.add_argument("--long-model")
    p.add_argument("--mosa", default="target/release/mosa")
    p.add_argument("--attacks", nargs="+", default=PAPER)
    p.add_argument("--twice", nargs="*", default=["tap", "adv-prefix-adaptive"])
    p.add_argument("--work", default="runs/whole-benchmarks")
    p.add_argument("--port", type=int, default=8177)
    p.add_argument("--out")
    a = p.parse_args()
    here = os.path.dirname(os.path.abspath(__file__))
    server = subprocess.Popen([sys.executable, os.path.join(here, "../fixtures/endpoint.py"), "--port", str(a.port), "--fail", "0.02"], stdout=subprocess.DEVNULL)
    time.sleep(1)
    a.files, a.sizes = {}, dict(harmbench=200, advbench=520)
    sets = dict(harmbench="harmbench/harmbench_behaviors_text_all.csv", advbench="advbench/harmful_behaviors.csv")
    try:
        print("| benchmark | attack | behaviours | killed at | seconds | ended | queries | helper calls | verdicts | none | same bytes | loads back |")
        print("|" + "---|" * 12)
        for attack in a.attacks:
            for benchmark, file in sets.items():
                row = measured(a, benchmark, os.path.join(a.data, file), attack)
                ended = ", ".join(f"{n} {why}" for why, n in sorted(row["reasons"].items()))
                yes = {True: "yes", False: "NO", None: "-"}
                print(f"| {benchmark} | {attack} | {row['behaviours']} | {', '.join(map(str, row['killed_at']))} | {row['seconds']} | {ended} | {row['queries']} | {row['helper_calls']} | {row['verdicts']} | {row['no_verdict']} | {yes[row['same_bytes']]} | {yes[row['loads_back']]} |", flush=True)
                if a.out:
                    with open(a.out, "a") as f:
                        f.write(json.dumps(row) + "\n")
        page = os.path.join(a.work, "report.html")
        finished([a.mosa, "report", *a.files, "--out", page])
        print(page)
    finally:
        server.terminate()


if __name__ == "__main__":
    main()
