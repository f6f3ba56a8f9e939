#!/usr/bin/env python3
"""Times an alignment and a decode of the embedded model, and passes over windows of a larger one, on an idle machine and beside busy
processes, for several ways to wait.

usage: beside_others.py [--mosa target/release/mosa] [--before OLD_BINARY] [--busy 0 4] [--steps 30] [--rounds 3] [--out FILE.jsonl]

Ways: as mosa chooses, OMP_WAIT_POLICY=passive, libtorch's own default (--before: a binary of a version that left it alone, else
GOMP_SPINCOUNT=300000, which is that default), and one thread.  Rounds alternate between the ways; the median of each is printed.
Run it on a machine on which nothing else runs.
"""
import argparse
import json
import os
import shutil
import statistics
import subprocess
import sys
import tempfile
import time

from against_oracle import CONFIG

ROOT = os.path.dirname(os.path.dirname(os.path.abspath(__file__)))
SPIN = "while True: pass"


def timed(words, extra):
    """Wall and processor seconds."""
    env = {k: v for k, v in os.environ.items() if k not in ("OMP_WAIT_POLICY", "GOMP_SPINCOUNT")}
    start = time.perf_counter()
    child = subprocess.Popen(words, stdout=subprocess.DEVNULL, env=dict(env, **extra))
    _, status, usage = os.wait4(child.pid, 0)
    if status:
        sys.exit(f"{' '.join(words)} failed")
    return time.perf_counter() - start, usage.ru_utime + usage.ru_stime


def main():
    ap = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    ap.add_argument("--mosa", default=os.path.join(ROOT, "target", "release", "mosa"))
    ap.add_argument("--before")
    ap.add_argument("--busy", type=int, nargs="*", default=[0, 4], help="how many busy processes, one after the other")
    ap.add_argument("--steps", type=int, default=30)
    ap.add_argument("--rounds", type=int, default=3)
    ap.add_argument("--only", nargs="*", help="ways to measure")
    ap.add_argument("--out")
    a = ap.parse_args()
    work = tempfile.mkdtemp(prefix="mosa-beside-")
    model, data = os.path.join(ROOT, "assets", "world", "model"), os.path.join(work, "world")
    subprocess.run([a.mosa, "world", "data", "--out", data], check=True, stdout=subprocess.DEVNULL)
    part = lambda *p: os.path.join(data, *p)

    def align(binary):
        out = os.path.join(work, "run")
        shutil.rmtree(out, ignore_errors=True)
        return [binary, "align", "--model", model, "--data", part("sorry_bench", "question.jsonl"), "--retain", part("retain", "retain.jsonl"),
                "--safe-sentences", part("sentences", "safe.txt"), "--harmful-sentences", part("sentences", "harmful.txt"),
                "--config", os.path.join(ROOT, "recipes", "world.toml"), "--set", f"steps={a.steps}", "--quiet", "--out", out]

    def decode(binary):
        return [binary, "bench", "generate", "--model", model, "--prompt-len", "40", "--gen-length", "96", "--steps", "96", "--block-length", "32",
                "--batch-size", "2", "--json"]

    def windows(binary):
        return [binary, "bench", "generate", "--config", config, "--dtype", "f32", "--prompt-len", "64", "--gen-length", "32", "--steps", "32",
                "--block-length", "32", "--cache", "dual", "--json"]

    config = os.path.join(work, "config.json")
    with open(config, "w") as f:
        json.dump(CONFIG, f)
    work_of = {f"align, {a.steps} steps": align, "decode, 2 rows": decode, "32 windows": windows}
    ways = {
        "mosa": (a.mosa, {}, []),
        "passive": (a.mosa, {"OMP_WAIT_POLICY": "passive"}, []),
        "libtorch's default": (a.before, {}, []) if a.before else (a.mosa, {"GOMP_SPINCOUNT": "300000"}, []),
        "one thread": (a.mosa, {}, ["--threads", "1"]),
    }
    for n in (0, 1000, 2000, 3000, 10000):
        ways[f"spin {n}"] = (a.mosa, {"GOMP_SPINCOUNT": str(n)}, [])
    ways = {name: way for name, way in ways.items() if not a.only or name in a.only}
    rows = []
    print(f"{os.cpu_count()} cores, {a.rounds} rounds\n\n| work | beside | way | seconds | processor seconds |\n|---|---|---|---|---|")
    for busy in a.busy:
        others = [subprocess.Popen([sys.executable, "-c", SPIN]) for _ in range(busy)]
        try:
            for what, command in work_of.items():
                found = {name: [] for name in ways}
                for _ in range(a.rounds):
                    for name, (binary, extra, flags) in ways.items():
                        found[name].append(timed([*command(binary), *flags], extra))
                for name, times in found.items():
                    wall, cpu = (statistics.median(t[i] for t in times) for i in (0, 1))
                    beside = f"{busy} busy processes" if busy else "nothing"
                    rows.append(dict(work=what, busy=busy, way=name, seconds=wall, processor_seconds=cpu, all=[t[0] for t in times]))
                    print(f"| {what} | {beside} | {name} | {wall:.2f} | {cpu:.2f} |", flush=True)
        finally:
            for other in others:
                other.kill()
                other.wait()
    if a.out:
        with open(a.out, "w") as f:
            f.writelines(json.dumps(r) + "\n" for r in rows)
    shutil.rmtree(work)


if __name__ == "__main__":
    main()
