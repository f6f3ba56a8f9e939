#!/usr/bin/env python3
"""Times `mosa bench` beside an independent PyTorch implementation of the published loop, in one run.

usage: against_oracle.py --oracle DIR [--mosa target/release/mosa] [--work DIR] [--only NAME ...] [--out FILE]
       against_oracle.py --before OLD_BINARY [--pairs 3] [--mosa ...] [--only NAME ...] [--out FILE]

With --before, every case is timed with the old binary and this one in turn, on random weights of the same shape, without the published loop.

DIR holds oracle.py.  Every case is one checkpoint with random weights that both programs read, the same number of
threads, one after the other on an otherwise idle machine.  Prints a Markdown table; --out keeps the raw numbers.
"""
import argparse
import json
import os
import platform
import resource
import subprocess
import sys

SHAPE = dict(d_model=512, heads=8, layers=8, vocab=126464)
RUN = dict(prompt_len=64, gen_length=128, steps=128, block=32)


SHARPEN = """
import sys
from safetensors.torch import load_file, save_file
t = load_file(sys.argv[1])
t["model.transformer.ff_out.weight"] *= float(sys.argv[2])
save_file(t, sys.argv[1], metadata={"format": "pt"})
"""


GCG = """
import json, sys, time
sys.path.insert(0, sys.argv[1])
import torch
import oracle as O
m, a = O.Model(sys.argv[2]), json.load(sys.stdin)
call = lambda candidates: O.gcg(m, a["prompt_ids"], a["suffix"], a["target_ids"], a["offset"], a["gen_length"], candidates)
call(a["substitutions"][:1])
t = [time.perf_counter()]
call([])
t.append(time.perf_counter())
loss, _, losses = call(a["substitutions"])
t.append(time.perf_counter())
print(json.dumps(dict(seconds=t[2] - t[1] - (t[1] - t[0]), gradient_seconds=t[1] - t[0], loss=loss, candidate_losses=losses)))
"""


def run(words, stdin=None):
    """The JSON a command prints, with its peak memory."""
    p = subprocess.Popen(words, stdin=subprocess.PIPE if stdin else None, stdout=subprocess.PIPE, text=True)
    if stdin:
        p.stdin.write(stdin)
        p.stdin.close()
    out = p.stdout.read()
    _, status, usage = os.wait4(p.pid, 0)
    if status:
        sys.exit(f"{' '.join(words)} failed")
    return dict(json.loads(out.strip().splitlines()[-1]), peak_mb=usage.ru_maxrss / 1024)


def checkpoint(a, name, dtype, gain=1.0, **shape):
    folder = os.path.join(a.work, name)
    if not os.path.exists(os.path.join(folder, "config.json")):
        s = dict(SHAPE, **shape)
        run([sys.executable, a.oracle_py, "make-random", folder, "--d-model", str(s["d_model"]), "--heads", str(s["heads"]),
             "--layers", str(s["layers"]), "--vocab", str(s["vocab"]), "--dtype", dtype])
        if gain != 1.0:                              # a sharper head: confidences near 1, as in a trained model
            # In a process of its own: what this one has held would count as its children's peak memory.
            subprocess.run([sys.executable, "-c", SHARPEN, os.path.join(folder, "model.safetensors"), str(gain)], check=True)
    return folder


def oracle(a, folder, batch, **kw):
    k = dict(RUN, **kw)
    return run([sys.executable, a.oracle_py, "bench", folder, "--prompt-len", str(k["prompt_len"]), "--gen-length", str(k["gen_length"]),
                "--steps", str(k["steps"]), "--block", str(k["block"]), "--batch", str(batch)])


def mosa(a, folder, batch, *flags, **kw):
    k = dict(RUN, **kw)
    return run([a.mosa, "bench", "generate", "--model", folder, "--prompt-len", str(k["prompt_len"]), "--gen-length", str(k["gen_length"]),
                "--steps", str(k["steps"]), "--block-length", str(k["block"]), "--batch-size", str(batch), "--json", *flags])


def same_tokens(a, folder, ours):
    """Rows of ours.ids that the published loop decodes to the same tokens."""
    ids = [w for row in ours["prompt_ids"] for w in ("--ids", ",".join(map(str, row)))]
    theirs = run([sys.executable, a.oracle_py, "generate", folder, *ids, "--gen-length", str(RUN["gen_length"]), "--steps", str(RUN["steps"]),
                  "--block", str(RUN["block"])])
    return sum(x == y for x, y in zip(ours["ids"], theirs["final"]))


def compare(a, name, folder, batch, *flags, tokens=False):
    ours = mosa(a, folder, batch, *flags, *(["--tokens"] if tokens else []))
    theirs = oracle(a, folder, batch)
    row = dict(case=name, oracle_s=theirs["seconds"], mosa_s=ours["seconds"], ratio=theirs["seconds"] / ours["seconds"],
               oracle_mb=theirs["peak_mb"], mosa_mb=ours["peak_mb"], forwards=ours["forwards"], ms_per_forward=ours["ms_per_forward"],
               outside=ours["share_outside_model"], gemm=ours["fraction_of_gemm"], tokens_per_s=ours["tokens_per_s"])
    if tokens:
        row["same_tokens"] = f"{same_tokens(a, folder, ours)} of {batch} rows"
    return row


def train(a, name, folder):
    """One MOSA step with LoRA on the block linears: batch 4, prompt 64, canvas 128, rank 32."""
    ours = run([a.mosa, "bench", "align", "--model", folder, "--json"])
    theirs = run([sys.executable, a.oracle_py, "bench-train", folder])
    return dict(case=name, oracle_s=theirs["seconds_per_step"], mosa_s=ours["seconds_per_step"],
                ratio=theirs["seconds_per_step"] / ours["seconds_per_step"], oracle_mb=theirs["peak_mb"], mosa_mb=ours["peak_mb"])


def gcg(a, name, folder, dtype):
    """An iteration of the suffix search: gradient, then the losses of 64 candidates; prompt 64, canvas 128, suffix 20, target 10."""
    ours = run([a.mosa, "bench", "gcg", "--model", folder, "--prompt-len", "64", "--gen-length", "128", "--candidates", "64", "--tokens", "--json"])
    theirs = run([sys.executable, "-c", GCG, a.oracle, folder], json.dumps(ours))
    pairs = list(zip([ours["loss"], *ours["candidate_losses"]], [theirs["loss"], *theirs["candidate_losses"]], strict=True))
    worst = max(abs(x - y) for x, y in pairs)
    if dtype == "f32" and not worst <= 1e-4:
        sys.exit(f"{name}: losses differ by {worst}")
    return dict(case=name, oracle_s=theirs["seconds"], mosa_s=ours["seconds"], ratio=theirs["seconds"] / ours["seconds"],
                oracle_gradient_s=theirs["gradient_seconds"], mosa_gradient_s=ours["gradient_seconds"], worst=worst,
                candidates=ours["candidates"], candidates_per_s=ours["candidates_per_s"], oracle_mb=theirs["peak_mb"], mosa_mb=ours["peak_mb"])


CONFIG = dict(architectures=["LLaDAModelLM"], activation_type="silu", block_type="llama", layer_norm_type="rms", rope=True, weight_tying=False, rope_theta=500000.0,
              rms_norm_eps=1e-5, mlp_hidden_size=3 * SHAPE["d_model"], d_model=SHAPE["d_model"], n_heads=SHAPE["heads"], n_kv_heads=SHAPE["heads"], n_layers=SHAPE["layers"],
              vocab_size=SHAPE["vocab"], embedding_size=SHAPE["vocab"], max_sequence_length=1024, mask_token_id=126336, eos_token_id=126081, pad_token_id=126081)


def paired(a):
    """Every case with the version before and this one in turn, on random weights of the same shape; seconds of work, without the time to load."""
    config = os.path.join(a.work, "paired.json")
    with open(config, "w") as f:
        json.dump(CONFIG, f)
    decode = lambda dtype, batch, *flags: ["bench", "generate", "--config", config, "--dtype", dtype, "--prompt-len", str(RUN["prompt_len"]), "--gen-length",
                                           str(RUN["gen_length"]), "--steps", str(RUN["steps"]), "--block-length", str(RUN["block"]), "--batch-size", str(batch), "--json", *flags]
    train = lambda dtype: ["bench", "align", "--config", config, "--dtype", dtype, "--json"]
    search = lambda dtype: ["bench", "gcg", "--config", config, "--dtype", dtype, "--prompt-len", "64", "--gen-length", "128", "--candidates", "64", "--json"]
    cases = {
        "f32, batch 1": decode("f32", 1), "f32, batch 8": decode("f32", 8), "bf16, batch 1": decode("bf16", 1), "bf16, batch 8": decode("bf16", 8),
        "f32, batch 8, padded": decode("f32", 8, "--batching", "padded"), "f32, temperature 1": decode("f32", 1, "--temperature", "1"),
        "f32, prefix cache": decode("f32", 1, "--cache", "prefix"), "f32, dual cache": decode("f32", 1, "--cache", "dual"),
        "train f32": train("f32"), "train bf16": train("bf16"), "gcg f32": search("f32"), "gcg bf16": search("bf16"),
    }
    for name, words in cases.items():
        if a.only and not any(o in name for o in a.only):
            continue
        seconds = lambda r: r["seconds_per_step"] if "seconds_per_step" in r else r["seconds"] + r.get("gradient_seconds", 0)
        pairs = [(run([a.before, *words]), run([a.mosa, *words])) for _ in range(a.pairs)]
        ratios = sorted(seconds(old) / seconds(new) for old, new in pairs)
        middle = lambda values: sorted(values)[len(values) // 2]
        yield dict(case=name, pairs=a.pairs, before_s=middle([seconds(o) for o, _ in pairs]), mosa_s=middle([seconds(n) for _, n in pairs]),
                   ratio=middle(ratios), lowest=ratios[0], highest=ratios[-1], before_mb=middle([o["peak_mb"] for o, _ in pairs]),
                   mosa_mb=middle([n["peak_mb"] for _, n in pairs]))


def scaling(a):
    f32 = checkpoint(a, "f32", "f32")
    for g in (32, 64, 128, 256, 512):
        yield "gen length", g, mosa(a, f32, 1, gen_length=g, steps=g, block=32)
    for b in (1, 2, 4, 8, 16):
        yield "batch", b, mosa(a, f32, b, gen_length=32, steps=32, block=32)
        yield "batch, padded", b, mosa(a, f32, b, "--batching", "padded", gen_length=32, steps=32, block=32)
    for v in (8192, 32768, 126464, 252928):
        yield "vocabulary", v, mosa(a, checkpoint(a, f"v{v}", "f32", vocab=v), 1, gen_length=64, steps=64, block=32)


def main():
    ap = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    ap.add_argument("--oracle", help="the folder of oracle.py")
    ap.add_argument("--mosa", default="target/release/mosa")
    ap.add_argument("--work", default="/tmp/mosa-bench")
    ap.add_argument("--only", nargs="*")
    ap.add_argument("--before", help="a binary of another version: timed in turn with this one instead of the published loop")
    ap.add_argument("--pairs", type=int, default=3)
    ap.add_argument("--out")
    a = ap.parse_args()
    if not (a.oracle or a.before):
        ap.error("--oracle or --before is needed")
    a.oracle_py = os.path.join(a.oracle or "", "oracle.py")
    os.makedirs(a.work, exist_ok=True)
    resource.setrlimit(resource.RLIMIT_CORE, (0, 0))
    cases = {
        "f32, batch 1": lambda n: compare(a, n, checkpoint(a, "f32", "f32"), 1, tokens=True),
        "f32, batch 8": lambda n: compare(a, n, checkpoint(a, "f32", "f32"), 8, tokens=True),
        "bf16, batch 1": lambda n: compare(a, n, checkpoint(a, "bf16", "bf16"), 1),
        "bf16, batch 8": lambda n: compare(a, n, checkpoint(a, "bf16", "bf16"), 8),
        "f32, prefix cache + threshold 0.9": lambda n: compare(a, n, checkpoint(a, "sharp", "f32", gain=3.0), 1, "--cache", "prefix", "--threshold", "0.9"),
        "f32, dual cache + threshold 0.9": lambda n: compare(a, n, checkpoint(a, "sharp", "f32", gain=3.0), 1, "--cache", "dual", "--threshold", "0.9"),
    }
    raw = []
    if a.before:
        print("| case | before | now | before / now | lowest, highest | peak memory (before / now) |\n|---|---|---|---|---|---|")
        for r in paired(a):
            raw.append(r)
            print(f"| {r['case']} | {r['before_s']:.2f} s | {r['mosa_s']:.2f} s | {r['ratio']:.3f} | {r['lowest']:.3f}, {r['highest']:.3f} | "
                  f"{r['before_mb']:.0f} / {r['mosa_mb']:.0f} MB |", flush=True)
        return write(a, raw)
    print(f"{platform.processor() or platform.machine()}, {os.cpu_count()} cores\n")
    print("| case | published loop | mosa | ratio | passes | ms/pass | outside model | of GEMM rate | peak memory (loop / mosa) | same tokens |")
    print("|---|---|---|---|---|---|---|---|---|---|")
    for name, case in cases.items():
        if a.only and not any(o in name for o in a.only):
            continue
        r = case(name)
        raw.append(r)
        print(f"| {name} | {r['oracle_s']:.1f} s | {r['mosa_s']:.2f} s | {r['ratio']:.1f}x | {r['forwards']} | {r['ms_per_forward']:.1f} | "
              f"{100 * r['outside']:.0f}% | {100 * r['gemm']:.0f}% | {r['oracle_mb']:.0f} / {r['mosa_mb']:.0f} MB | {r.get('same_tokens', '')} |", flush=True)
    if not a.only or "train" in a.only:
        print("\n| alignment step | PyTorch | mosa | ratio | peak memory (PyTorch / mosa) |\n|---|---|---|---|---|")
        for dtype in ("f32", "bf16"):
            r = train(a, f"train {dtype}", checkpoint(a, dtype, dtype))
            raw.append(r)
            print(f"| {dtype} | {r['oracle_s']:.2f} s | {r['mosa_s']:.2f} s | {r['ratio']:.1f}x | {r['oracle_mb']:.0f} / {r['mosa_mb']:.0f} MB |", flush=True)
    if not a.only or "gcg" in a.only:
        print("\n| suffix search | PyTorch: gradient, 64 candidates | mosa: gradient, 64 candidates | ratio, candidates | candidates/s | "
              "largest difference of a loss | peak memory (PyTorch / mosa) |\n|---|---|---|---|---|---|---|")
        for dtype in ("f32", "bf16"):
            r = gcg(a, f"gcg {dtype}", checkpoint(a, dtype, dtype), dtype)
            raw.append(r)
            print(f"| {dtype} | {r['oracle_gradient_s']:.2f} s, {r['oracle_s']:.2f} s | {r['mosa_gradient_s']:.2f} s, {r['mosa_s']:.2f} s | {r['ratio']:.1f}x | "
                  f"{r['candidates_per_s']:.1f} | {r['worst']:.1e} | {r['oracle_mb']:.0f} / {r['mosa_mb']:.0f} MB |", flush=True)
    if not a.only or "scaling" in a.only:
        print("\n| what grows | to | seconds | ms/pass | tokens/s |\n|---|---|---|---|---|")
        for what, n, r in scaling(a):
            raw.append(dict(case=what, to=n, **{k: r[k] for k in ("seconds", "forwards", "ms_per_forward", "tokens_per_s", "peak_mb")}))
            print(f"| {what} | {n} | {r['seconds']:.2f} | {r['ms_per_forward']:.1f} | {r['tokens_per_s']:.1f} |", flush=True)
    write(a, raw)


def write(a, raw):
    if a.out:
        with open(a.out, "w") as f:
            f.writelines(json.dumps(r) + "\n" for r in raw)


if __name__ == "__main__":
    main()
