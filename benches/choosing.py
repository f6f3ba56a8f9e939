"""Questions with four choices scored by likelihood: one pass a question, one a choice, and questions that share passes.

    python3 benches/choosing.py [--rounds N]

Runs crates/engine/examples/choose.rs on random weights of the shape of BENCHMARKS.md, f32 on the CPU, for prompts as long as those
of MMLU without examples and with five. The ways take turns in one process; ratios are of medians."""
import argparse
import json
import os
import subprocess
import tempfile

CONFIG = dict(architectures=["LLaDAModelLM"], activation_type="silu", block_type="llama", layer_norm_type="rms", rope=True, weight_tying=False, rope_theta=500000.0,
              rms_norm_eps=1e-5, mlp_hidden_size=1536, d_model=512, n_heads=8, n_kv_heads=8, n_layers=8, vocab_size=126464, embedding_size=126464,
              max_sequence_length=4096, mask_token_id=126336, eos_token_id=126081, pad_token_id=126081)
# Questions, and the shortest and the longest prompt.
CASES = [(32, 40, 130), (32, 60, 250), (8, 400, 1100), (4, 1500, 3000)]


def main():
    p = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    p.add_argument("--rounds", type=int, default=3)
    p.add_argument("--cases", type=int, nargs="*", default=range(len(CASES)), help="which of the cases, counted from 0")
    a = p.parse_args()
    # As mosa sets it for itself.
    env = dict(os.environ, GOMP_SPINCOUNT=os.environ.get("GOMP_SPINCOUNT", "3000"))
    with tempfile.TemporaryDirectory() as folder:
        path = os.path.join(folder, "config.json")
        with open(path, "w") as f:
            json.dump(CONFIG, f)
        for case in a.cases:
            count, shortest, longest = CASES[case]
            print(f"{count} questions of {shortest} to {longest} tokens", flush=True)
            words = [path, str(count), str(shortest), str(longest), "--rounds", str(a.rounds)]
            subprocess.run(["cargo", "run", "--locked", "--quiet", "-p", "mosa-engine", "--release", "--example", "choose", "--", *words], env=env, check=True)


if __name__ == "__main__":
    main()
