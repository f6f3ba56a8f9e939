#!/usr/bin/env python3
"""Block-diffusion families beside the published loops, in one run: SDAR, LLaDA2, experts alone, and time against length.

usage: families.py --oracle DIR [--mosa target/release/mosa] [--work DIR] [--only sdar llada2 experts length memory] [--layers N]
                   [--llada2-layers N] [--experts N] [--dtype f32 bf16] [--new N] [--rounds N] [--flags "..."] [--device cuda:0] [--avx2]
                   [--out FILE]

DIR holds oracle.py; this python needs torch, safetensors and tokenizers. A checkpoint of random bf16 weights is written once per
shape; both programs read it and compute in f32 or bf16, one after the other, with the same number of threads. Both decode the same
prompt by quota (a fixed number of positions per step), SDAR's published loop with its cache, LLaDA2's without one, as published.
--dtype auto leaves the type to mosa and gives the loop bf16, as the file is. --avx2 hides wider vector units (AVX-512, bf16) from both. Prints Markdown tables; --out keeps the raw numbers.
"""
import argparse
import json
import os
import resource
import sys
import tempfile

from against_oracle import run

# The shape of SDAR-1.7B-Chat, and that of LLaDA2.0-mini with fewer layers and experts.
SDAR = dict(family="sdar", d_model=2048, heads=16, kv_heads=8, mlp=6144, vocab=151936, block=4)
LLADA2 = dict(family="llada2-moe", d_model=2048, heads=16, kv_heads=4, mlp=512, vocab=157184, experts_per_token=8)
PROMPT = 64

# Decodes the prompt of stdin with the published loop; what is loaded is timed once with one block to warm up.
LOOP = """
import json, sys, time
sys.path.insert(0, sys.argv[1])
import torch
import oracle as O
folder, dtype, cached, device = sys.argv[2], O.DTYPES[sys.argv[3]], sys.argv[4] == "cached", sys.argv[5]
a = json.load(sys.stdin)
m = O.Model(folder, dtype, device)

def decode(length):
    if m.family == "sdar":
        return O.generate_sdar(m, a["prompt"], length, a["block"], a["steps"], "low_confidence_static", stop_ids=[m.config["eos_token_id"]], cached=cached)
    return O.generate_llada2(m, a["prompt"], length, a["block"], a["steps"], threshold=2.0, eos=m.config["eos_token_id"], cached=cached)

decode(a["block"])
O.clock(device)
start = time.perf_counter()
tr = decode(a["gen_length"])
seconds = time.perf_counter() - start
print(json.dumps(dict(seconds=seconds, forwards=tr["forwards"], ids=tr["final"], threads=torch.get_num_threads(), margin=min(tr["token_margin"], tr["select_margin"]))))
"""


def checkpoint(a, name, **shape):
    folder = os.path.join(a.work, name)
    if not os.path.exists(os.path.join(folder, "config.json")):
        flags = [w for k, v in shape.items() for w in ("--" + k.replace("_", "-"), str(v))]
        run([sys.executable, a.oracle_py, "make-random", folder, *flags, "--dtype", "bf16"])
    return folder


def sdar(a, layers):
    return checkpoint(a, f"sdar-{layers}", layers=layers, **SDAR)


def llada2(a):
    return checkpoint(a, f"llada2-{a.llada2_layers}x{a.experts}", layers=a.llada2_layers, experts=a.experts, **LLADA2)


def mosa(a, folder, dtype, *flags, prompt=PROMPT, new):
    return run([a.mosa, "bench", "generate", "--model", folder, "--dtype", dtype, "--prompt-len", str(prompt), "--gen-length", str(new),
                "--batch-size", "1", "--device", a.device, "--json", "--tokens", *flags, *a.flags.split()])


def middle(values):
    return sorted(values)[len(values) // 2]


def agreeing(ours, theirs):
    """Leading tokens that are the same, and how many there are."""
    theirs = theirs[:len(ours)]
    return next((i for i, (x, y) in enumerate(zip(ours, theirs)) if x != y), len(theirs)), len(ours)


def beside(a, name, folder, dtype, block, cached):
    """One decode by mosa and one by the published loop, in turn; medians."""
    flags = ["--block-length", str(block), "--steps", str(block), "--remasking", "low_confidence_static"]
    pairs = []
    for _ in range(a.rounds):
        ours = mosa(a, folder, dtype, *flags, new=a.new)
        asked = json.dumps(dict(prompt=ours["prompt_ids"][0], gen_length=a.new, block=block, steps=block))
        loop = [a.oracle, folder, "bf16" if dtype == "auto" else dtype, "cached" if cached else "uncached", a.device]
        pairs.append((ours, run([sys.executable, "-c", LOOP, *loop], asked)))
    ours, theirs = pairs[-1]
    same, of = agreeing(ours["ids"][0], theirs["ids"])
    if dtype == "f32" and same < of and theirs["margin"] > 1e-3:
        print(f"{name}: token {same} differs", file=sys.stderr)
    return dict(case=name, device=a.device, avx2=a.avx2, flags=a.flags, loop_s=middle([t["seconds"] for _, t in pairs]), mosa_s=middle([o["seconds"] for o, _ in pairs]),
                ratio=middle([t["seconds"] / o["seconds"] for o, t in pairs]), loop_passes=theirs["forwards"], passes=ours["forwards"],
                ms_per_pass=ours["ms_per_forward"], loop_ms_per_pass=1e3 * theirs["seconds"] / theirs["forwards"], tokens_per_s=ours["tokens_per_s"],
                outside=ours["share_outside_model"], loop_mb=theirs["peak_mb"], mosa_mb=ours["peak_mb"], same=same, of=of, margin=theirs["margin"])


def decoding(a):
    print("| case | published loop | mosa | ratio | tokens/s | passes (loop / mosa) | ms/pass (loop / mosa) | outside model | peak memory (loop / mosa) | same tokens |")
    print("|---|---|---|---|---|---|---|---|---|---|")
    for family, folder, block, cached in [("sdar", lambda: sdar(a, a.layers), 4, True), ("llada2", lambda: llada2(a), 32, False), ("llada2", lambda: llada2(a), 32, True)]:
        for dtype in a.dtype if family in a.only else ():
            name = f"{family}, {dtype}" + (", loop given a cache" if family == "llada2" and cached else "")
            r = beside(a, name, folder(), dtype, block, cached)
            print(f"| {r['case']} | {r['loop_s']:.2f} s | {r['mosa_s']:.2f} s | {r['ratio']:.1f}x | {r['tokens_per_s']:.1f} | {r['loop_passes']} / {r['passes']} | "
                  f"{r['loop_ms_per_pass']:.0f} / {r['ms_per_pass']:.0f} | {100 * r['outside']:.0f}% | {r['loop_mb']:.0f} / {r['mosa_mb']:.0f} MB | {r['same']} of {r['of']} |", flush=True)
            yield r


def experts(a):
    """Whole passes without a cache: four steps over one block of 32 masks behind a long prompt."""
    print("\n| positions of a pass | dtype | ms/pass | GFLOP/s of active parameters | GEMM GFLOP/s | share |\n|---|---|---|---|---|---|")
    for dtype in a.dtype:
        for width in (256, 512, 1024):
            flags = ["--block-length", "32", "--steps", "4", "--remasking", "low_confidence_static", "--cache", "none"]
            r = middle_of([mosa(a, llada2(a), dtype, *flags, prompt=width - 32, new=32) for _ in range(max(3, a.rounds))])
            print(f"| {width} | {dtype} | {r['ms_per_forward']:.0f} | {r['gflops']:.0f} | {r['machine_gemm_gflops']:.0f} | {100 * r['fraction_of_gemm']:.0f}% |", flush=True)
            yield dict(case="experts", dtype=dtype, positions=width, avx2=a.avx2, flags=a.flags, **{k: r[k] for k in ("ms_per_forward", "gflops", "machine_gemm_gflops", "fraction_of_gemm", "peak_mb")})


def middle_of(reports):
    return sorted(reports, key=lambda r: r["ms_per_forward"])[len(reports) // 2]


def length(a):
    """Seconds per new token as the answer grows; flat means linear time."""
    print(f"\n| new tokens (SDAR, {a.length_layers} layers) | dtype | seconds | ms/token | ms/pass | against the shortest, per token |\n|---|---|---|---|---|---|")
    flags = ["--block-length", "4", "--steps", "4", "--remasking", "low_confidence_static"]
    for dtype in a.dtype:
        first = None
        for new in (128, 256, 512, 1024, 2048):
            r = mosa(a, sdar(a, a.length_layers), dtype, *flags, new=new)
            each = 1e3 * r["seconds"] / new
            first = first or each
            print(f"| {new} | {dtype} | {r['seconds']:.2f} | {each:.1f} | {r['ms_per_forward']:.1f} | {each / first:.2f} |", flush=True)
            yield dict(case="length", dtype=dtype, new=new, layers=a.length_layers, flags=a.flags, **{k: r[k] for k in ("seconds", "forwards", "ms_per_forward", "tokens_per_s", "peak_mb")})


MEMORY = """
import json, time
import torch
x = torch.ones(1 << 29)
x.sum()
start = time.perf_counter()
for _ in range(8):
    x.sum()
print(json.dumps(dict(gb_per_s=8 * 4 * x.numel() / 1e9 / (time.perf_counter() - start), threads=torch.get_num_threads())))
"""


def memory(a):
    """How fast a sum reads 2 GB that are in no cache."""
    r = run([sys.executable, "-c", MEMORY])
    print(f"\nmemory: {r['gb_per_s']:.0f} GB/s with {r['threads']} threads", flush=True)
    yield dict(case="memory", **r)


def main():
    ap = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    ap.add_argument("--oracle", required=True, help="the folder of oracle.py")
    ap.add_argument("--mosa", default="target/release/mosa")
    ap.add_argument("--work", default=os.path.join(tempfile.gettempdir(), "mosa-families"))
    ap.add_argument("--only", nargs="*", default=["sdar", "llada2", "experts", "length", "memory"])
    ap.add_argument("--layers", type=int, default=28)
    ap.add_argument("--length-layers", type=int, default=8)
    ap.add_argument("--llada2-layers", type=int, default=6)
    ap.add_argument("--experts", type=int, default=64)
    ap.add_argument("--dtype", nargs="*", default=["f32", "bf16"])
    ap.add_argument("--new", type=int, default=128, help="new tokens of sdar and llada2")
    ap.add_argument("--rounds", type=int, default=1)
    ap.add_argument("--flags", default="", help="further flags of mosa bench generate")
    ap.add_argument("--device", default="cpu", help="where both compute: cpu or cuda:N")
    ap.add_argument("--avx2", action="store_true")
    ap.add_argument("--out")
    a = ap.parse_args()
    a.oracle_py = os.path.join(a.oracle, "oracle.py")
    os.makedirs(a.work, exist_ok=True)
    resource.setrlimit(resource.RLIMIT_CORE, (0, 0))
    if a.avx2:
        os.environ.update(ONEDNN_MAX_CPU_ISA="AVX2", ATEN_CPU_CAPABILITY="avx2")
    raw = []
    parts = {"sdar": decoding, "llada2": decoding, "experts": experts, "length": length, "memory": memory}
    for part in dict.fromkeys(parts[name] for name in parts if name in a.only):
        for row in part(a):
            raw.append(row)
            if a.out:
                with open(a.out, "w") as f:
                    f.writelines(json.dumps(r) + "\n" for r in raw)


if __name__ == "__main__":
    main()
