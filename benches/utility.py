#!/usr/bin/env python3
"""Asks all of GSM8K, MMLU and HumanEval, killed and resumed on the way; or times MMLU with and without shared passes.

usage: utility.py --model DIR --data DIR [--mosa target/release/mosa] [--tasks NAME ...] [--gsm8k FLAGS] [--mmlu FLAGS]
                  [--humaneval FLAGS] [--kill-at SHARE ...] [--work DIR] [--out FILE]
       utility.py --ratio --model DIR --data DIR [--wide WIDTHxLAYERSxVOCABULARY] [--shots N ...] [--rounds N]
                  [--limit N | --sample N] [--batch-size N] [--mosa ...] [--work DIR] [--out FILE]

DIR of --data holds gsm8k/test.jsonl and train.jsonl, mmlu/test and mmlu/dev, humaneval/HumanEval.jsonl.gz.

Every task is asked once whole, and once more with a kill (-9) when each share of its answers is recorded; the same
command goes on every time. Both must leave the same samples and print the same table, and no recorded answer may be
asked again. FLAGS are words for the task's command; without them a tiny checkpoint finishes in minutes.

--ratio scores MMLU by likelihood with a pass for every question (--batching rows) and with passes that questions share
(--batching padded), in turn, and compares the times, every log-probability and the scores. --wide does it on random f32
weights of that shape with the tokenizer of --model, which must be a Dream checkpoint. --sample draws from all subjects,
--limit takes the first questions.
"""
import argparse
import array
import filecmp
import json
import os
import platform
import random
import re
import resource
import shlex
import shutil
import statistics
import struct
import subprocess
import sys
import time

FIXED = dict(gsm8k=[], mmlu=["--protocol", "lm-eval"], humaneval=[])
FLAGS = dict(gsm8k="--shots 0 --gen-length 64 --steps 16", mmlu="--shots 5", humaneval="--gen-length 64 --steps 16")
SETS = {"avx2": "AVX2", "avx512f": "AVX-512", "avx512_bf16": "AVX-512 BF16", "amx_tile": "AMX", "asimd": "NEON"}
TOLD = re.compile(r"(\d+) answers? in ([\d.]+) s \([\d.]+ s each\), ([\d.]+)% of it in forward passes")


def machine():
    """Processor, cores, what matters of its instruction sets, and how busy it is."""
    name, has = platform.machine(), []
    try:
        with open("/proc/cpuinfo") as f:
            said = dict(line.split(":", 1) for line in f.read().split("\n\n")[0].splitlines() if ":" in line)
        said = {k.strip(): v.strip() for k, v in said.items()}
        flags = set(said.get("flags", said.get("Features", "")).split())
        name, has = said.get("model name", name), [text for flag, text in SETS.items() if flag in flags]
    except OSError:
        pass
    return f"{name}, {os.cpu_count()} cores, {', '.join(has) or 'instruction sets not known'}; load {load()}"


def load():
    return f"{os.getloadavg()[0]:.1f}"


def samples(out):
    return os.path.join(out, "samples.jsonl")


class Lines:
    """Whole lines of a file that grows; only what is new is read."""

    def __init__(self, path):
        self.path, self.seen, self.lines = path, 0, 0

    def count(self):
        try:
            with open(self.path, "rb") as f:
                if f.seek(0, os.SEEK_END) < self.seen:
                    self.seen = self.lines = 0
                f.seek(self.seen)
                new = f.read()
        except FileNotFoundError:
            return 0
        self.seen += len(new)
        self.lines += new.count(b"\n")
        return self.lines


def finished(words):
    """Runs a command to its end: its table, what it said of its time, the seconds it lasted and those of processors."""
    used = lambda: sum(resource.getrusage(resource.RUSAGE_CHILDREN)[:2])
    started, before = time.time(), used()
    p = subprocess.run(words, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True)
    wall, processor, told = time.time() - started, used() - before, TOLD.search(p.stderr)
    if p.returncode or not told:
        sys.exit(f"{shlex.join(words)}\nended with {p.returncode} and said:\n{p.stdout}{p.stderr}")
    seconds, share = float(told[2]), float(told[3]) / 100
    return dict(table=p.stdout, asked=int(told[1]), seconds=seconds, share=share, forward=seconds * share, wall=wall,
                processor=processor)


def killed(words, out, at, later):
    """Starts the command and kills it a moment after that many answers are recorded; how many there are then."""
    p = subprocess.Popen(words, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
    lines = Lines(samples(out))
    while p.poll() is None and lines.count() < at:
        time.sleep(0.02)
    time.sleep(later)
    if p.poll() is not None:
        sys.exit(f"{shlex.join(words)}\nended with {p.returncode} before it could be killed at {at} answers")
    p.kill()
    p.wait()
    return Lines(samples(out)).count()


def score(table):
    """What the first row of the table says is right."""
    head, row = (re.split(r"\s{2,}", line.strip()) for line in table.splitlines()[:2])
    return dict(zip(head, row))["right"]


def command(a, task, flags, out, model=None):
    data = os.path.join(a.data, task)
    words = [a.mosa, "utility", task, *FIXED[task], "--model", model or a.model, "--data", data, *flags]
    return words if out is None else [*words, "--out", out]


def shown(task, flags):
    words = [task, *FIXED[task], "--model", "DIR", "--data", f"DATA/{task}", *flags, "--out", "RUN"]
    return f"mosa utility {shlex.join(words)}"


def measured(a, task):
    """One task whole, then killed and resumed, and whether both left the same."""
    flags = shlex.split(getattr(a, task))
    whole, broken = (os.path.join(a.work, f"{task}-{name}") for name in ("whole", "killed"))
    for out in (whole, broken):
        shutil.rmtree(out, ignore_errors=True)
    before = load()
    one = finished(command(a, task, flags, whole))
    items = Lines(samples(whole)).count()
    words, rng = command(a, task, flags, broken), random.Random(task)
    # Answers come in batches: the moment makes a kill hit within one, and not only behind its last record.
    moment = min(1.0, 8 * one["seconds"] / items)
    kills = [killed(words, broken, max(1, int(share * items)), rng.uniform(0, moment)) for share in a.kill_at]
    end = finished(words)
    row = dict(
        task=task, command=shown(task, flags), items=items, asked=one["asked"], seconds=one["seconds"],
        per_item=one["seconds"] / items, forward_share=one["share"], outside_share=1 - one["share"], wall=one["wall"],
        score=score(one["table"]), killed_at=kills, asked_after_last_kill=end["asked"],
        same_bytes=filecmp.cmp(samples(whole), samples(broken), shallow=False), same_table=one["table"] == end["table"],
        load=[before, load()],
    )
    done = kills[-1] if kills else 0
    wrong = [name for name, right in dict(
        items=one["asked"] == items, asked_after_last_kill=end["asked"] == items - done, same_bytes=row["same_bytes"],
        same_table=row["same_table"], killed_at=all(0 < n < items for n in kills)).items() if not right]
    if wrong:
        sys.exit(f"not as it should be ({', '.join(wrong)}): {row}")
    return row


def tasks(a):
    print("| task | items | seconds | seconds an item | in forward passes | outside | score | killed at | same bytes "
          "| load |")
    print("|" + "---|" * 10)
    rows = []
    for task in a.tasks:
        r = measured(a, task)
        rows.append(r)
        print(f"| {task} | {r['items']} | {r['seconds']:.1f} | {r['per_item']:.4f} | {100 * r['forward_share']:.1f}% | "
              f"{100 * r['outside_share']:.1f}% | {r['score']} | {', '.join(map(str, r['killed_at']))} | "
              f"{'yes' if r['same_bytes'] else 'NO'} | {' to '.join(r['load'])} |", flush=True)
    print("\n" + "\n".join(f"    {r['command']}" for r in rows))
    return rows


class Weights:
    """Normal random numbers for tensors of any size, cut from one drawn block whose length divides no width."""
    BLOCK = 999_983

    def __init__(self):
        rng = random.Random(0)
        self.bytes = array.array("f", (rng.gauss(0, 0.02) for _ in range(self.BLOCK))).tobytes()
        self.at = 0

    def write(self, f, count):
        left = 4 * count
        while left:
            part = self.bytes[self.at:self.at + left]
            f.write(part)
            left, self.at = left - len(part), (self.at + len(part)) % len(self.bytes)


def shapes(width, inner, layers, vocabulary):
    """Names and shapes of the tensors of a Dream checkpoint."""
    yield "model.embed_tokens.weight", [vocabulary, width]
    for i in range(layers):
        at = f"model.layers.{i}"
        for name in "qkv":
            yield f"{at}.self_attn.{name}_proj.weight", [width, width]
            yield f"{at}.self_attn.{name}_proj.bias", [width]
        yield f"{at}.self_attn.o_proj.weight", [width, width]
        yield f"{at}.mlp.gate_proj.weight", [inner, width]
        yield f"{at}.mlp.up_proj.weight", [inner, width]
        yield f"{at}.mlp.down_proj.weight", [width, inner]
        yield f"{at}.input_layernorm.weight", [width]
        yield f"{at}.post_attention_layernorm.weight", [width]
    yield "model.norm.weight", [width]
    yield "lm_head.weight", [vocabulary, width]


def wide(a):
    """A checkpoint of random f32 weights of the shape of --wide, with the tokenizer of --model; its folder."""
    width, layers, vocabulary = map(int, a.wide.split("x"))
    folder, inner = os.path.join(a.work, f"wide-{a.wide}"), 3 * width
    with open(os.path.join(a.model, "config.json")) as f:
        config = json.load(f)
    if config.get("model_type") != "Dream" or vocabulary < config["vocab_size"] or width % 64:
        sys.exit("--wide takes the tokenizer of a Dream checkpoint, at least its vocabulary, a width that 64 divides")
    config.update(hidden_size=width, intermediate_size=inner, num_attention_heads=width // 64, vocab_size=vocabulary,
                  num_key_value_heads=width // 64, num_hidden_layers=layers, max_window_layers=layers)
    shutil.rmtree(folder, ignore_errors=True)
    os.makedirs(folder)
    for name in os.listdir(a.model):
        if "token" in name or name == "generation_config.json":
            shutil.copyfile(os.path.join(a.model, name), os.path.join(folder, name))
    with open(os.path.join(folder, "config.json"), "w") as f:
        json.dump(config, f)
    head, at = {}, 0
    for name, shape in shapes(width, inner, layers, vocabulary):
        size = 4 * shape[0] * (shape[1] if len(shape) == 2 else 1)
        head[name], at = dict(dtype="F32", shape=shape, data_offsets=[at, at + size]), at + size
    text, weights = json.dumps(head).encode(), Weights()
    text += b" " * (-len(text) % 8)
    with open(os.path.join(folder, "model.safetensors"), "wb") as f:
        f.write(struct.pack("<Q", len(text)) + text)
        for name, entry in head.items():
            count = (entry["data_offsets"][1] - entry["data_offsets"][0]) // 4
            if name.endswith("norm.weight"):
                f.write(struct.pack("<f", 1.0) * count)
            else:
                weights.write(f, count)
    return folder


def scored(out):
    """The log-probabilities of every question's choices, and the choice taken."""
    with open(samples(out)) as f:
        rows = [json.loads(line) for line in f]
    return {r["id"]: ([c["log_p"] for c in r["choices"]], r["scores"][0]["extracted"]) for r in rows}


def compared(one, other):
    """The largest difference of a log-probability, and how many questions have another answer."""
    if one.keys() != other.keys():
        sys.exit("the two ways answered different questions")
    worst = max(abs(x - y) for i in one for x, y in zip(one[i][0], other[i][0], strict=True))
    return worst, sum(one[i][1] != other[i][1] for i in one)


# In forward passes, of all the asking, of the whole process, and of its processors, which other work disturbs least.
TIMES = ["forward", "seconds", "wall", "processor"]


def turns(a, shots, model):
    """Both ways in turn: what every run of each said, and the answers of each."""
    runs, answers = dict(rows=[], padded=[]), {}
    chosen = ["--limit", str(a.limit)] if a.limit else ["--sample", str(a.sample)]
    batch = ["--batch-size", str(a.batch_size)] if a.batch_size else []
    for _ in range(a.rounds):
        for way in runs:
            out = os.path.join(a.work, f"mmlu-{way}")
            shutil.rmtree(out, ignore_errors=True)
            flags = ["--shots", str(shots), *chosen, *batch, "--batching", way]
            runs[way].append(finished(command(a, "mmlu", flags, out, model)))
            now = scored(out)
            if answers.setdefault(way, now) != now:
                sys.exit(f"--batching {way}: two runs of the same command scored differently")
    return runs, answers


def timed(a, shots, model):
    """MMLU question by question and with shared passes."""
    before = load()
    runs, answers = turns(a, shots, model)
    worst, other = compared(answers["rows"], answers["padded"])
    row = dict(model=a.wide or "as given", shots=shots, questions=len(answers["rows"]), rounds=a.rounds)
    for way in runs:
        for what in TIMES:
            row[f"{way}_{what}"] = [run[what] for run in runs[way]]
        row[f"{way}_score"] = score(runs[way][0]["table"])
    for what in TIMES:
        row[f"{what}_ratio"] = statistics.median(row[f"rows_{what}"]) / statistics.median(row[f"padded_{what}"])
    each = [r / p for r, p in zip(row["rows_forward"], row["padded_forward"])]
    row.update(each_ratio=each, worst=worst, other_answers=other, load=[before, load()])
    return row


def ratio(a):
    model = wide(a) if a.wide else a.model
    print("| shots | questions | question by question, s | shared, s | ratio of forward time | each round "
          "| of all time | of processor time | largest difference of log p | other answers | scores | load |")
    print("|" + "---|" * 12)
    rows = []
    for shots in a.shots:
        r = timed(a, shots, model)
        rows.append(r)
        one, shared = (statistics.median(r[f"{way}_forward"]) for way in ("rows", "padded"))
        each = ", ".join(f"{e:.2f}" for e in r["each_ratio"])
        print(f"| {shots} | {r['questions']} | {one:.2f} | {shared:.2f} | {r['forward_ratio']:.2f} | {each} | "
              f"{r['seconds_ratio']:.2f} | {r['processor_ratio']:.2f} | {r['worst']:.1e} | {r['other_answers']} | "
              f"{r['rows_score']}, {r['padded_score']} | {' to '.join(r['load'])} |", flush=True)
    return rows


def arguments():
    p = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    p.add_argument("--model", required=True)
    p.add_argument("--data", required=True)
    p.add_argument("--mosa", default="target/release/mosa")
    p.add_argument("--tasks", nargs="+", default=list(FLAGS), choices=list(FLAGS), metavar="NAME")
    for task, flags in FLAGS.items():
        p.add_argument(f"--{task}", default=flags, metavar="FLAGS", help=f"default: {flags}")
    p.add_argument("--kill-at", nargs="+", type=float, default=[0.1, 0.4, 0.75], metavar="SHARE")
    p.add_argument("--ratio", action="store_true")
    p.add_argument("--wide", metavar="WIDTHxLAYERSxVOCABULARY")
    p.add_argument("--shots", nargs="+", type=int, default=[0, 5])
    p.add_argument("--rounds", type=int, default=3)
    p.add_argument("--limit", type=int)
    p.add_argument("--sample", type=int, default=128)
    p.add_argument("--batch-size", type=int)
    p.add_argument("--work", default="runs/utility-bench")
    p.add_argument("--out")
    return p.parse_args()


def main():
    a = arguments()
    os.makedirs(a.work, exist_ok=True)
    print(machine() + "\n")
    rows = ratio(a) if a.ratio else tasks(a)
    if a.out:
        with open(a.out, "a") as f:
            f.writelines(json.dumps(r) + "\n" for r in rows)


if __name__ == "__main__":
    main()
