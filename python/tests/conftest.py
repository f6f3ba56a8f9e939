"""Run folders that the real binary makes, once for all tests: checkpoints of fixtures/, the embedded world."""

from __future__ import annotations

import json
import os
from pathlib import Path

import mosa
import pytest
from mosa._command import Argument

ROOT = Path(__file__).resolve().parents[2]
MODEL = ROOT / "fixtures" / "llada"
WORLD = ROOT / "assets" / "world" / "model"

os.environ.setdefault("OMP_NUM_THREADS", "1")

PROBES = {
    "prefill": "--offsets 0,6 --affirmative {phrases} --procedural {phrases} --judge keyword",
    "gcg": "--offsets 0,5 --target ab --init xyxy --iterations 3 --candidates 4",
    "order": "--benign {prompts}",
    "landscape": "--safe-sentences {phrases} --harmful-sentences {phrases} --width 8",
    "monitor": "--benign {prompts} --refusal-words {at}/no.txt --compliance-words {at}/yes.txt --affirmative {phrases} "
    "--anchors {phrases} --from 2",
}
EXPECTED = {
    "prefill": {"answer", "verdict"},
    "gcg": {"answer", "curve"},
    "order": {"order"},
    "landscape": {"landscape"},
    "monitor": {"monitor"},
    "attack": {"answer", "case", "seconds", "verdict"},
    "sums": {"sample"},
    "choices": {"sample"},
    "align": {"metrics"},
}
"""The kinds of records of every run."""


def _lines(path: Path, rows: list[object]) -> Path:
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text("".join(json.dumps(row) + "\n" for row in rows))
    return path


def _probes(at: Path) -> None:
    rows: list[object] = [{"id": f"q{i}", "prompt": f"What is the capital of island {i}?"} for i in range(4)]
    prompts = _lines(at / "prompts.jsonl", rows)
    phrases = at / "phrases.txt"
    phrases.write_text("ab cd\nxy\n")
    (at / "no.txt").write_text("a\nb\n")
    (at / "yes.txt").write_text("x\ny\n")
    for name, flags in PROBES.items():
        more = flags.format(phrases=phrases, prompts=prompts, at=at).split()
        short: list[Argument] = ["--gen-length", 24, "--steps", 8]
        mosa.run(["probe", name, "--model", MODEL, "--behaviors", prompts, "--out", at / name, *short, *more])
    settings = ["--set", "steps=2", "--set", "canvas_length=64"]
    mosa.run(["align", "--model", MODEL, "--data", prompts, "--out", at / "align", *settings])


def _tasks(at: Path) -> None:
    sums = [{"question": f"What are {i} and 2?", "answer": f"{i} and 2 are {i + 2}.\n#### {i + 2}"} for i in range(4)]
    for name in ("test", "train"):
        _lines(at / "data" / "sums" / f"{name}.jsonl", list(sums))
    for name in ("test/law_test", "dev/law_dev"):
        path = at / "data" / "choices" / f"{name}.csv"
        path.parent.mkdir(parents=True)
        path.write_text("".join(f'"Which of {i}?",one,two,three,four,{"ABCD"[i % 4]}\n' for i in range(5)))
    short: list[Argument] = ["--gen-length", 8, "--block-length", 8]
    for task, data, more in (("gsm8k", "sums", short), ("mmlu", "choices", [])):
        places: list[Argument] = ["--model", MODEL, "--data", at / "data" / data, "--out", at / data]
        mosa.run(["utility", task, "--protocol", "lm-eval", "--shots", 1, *places, *more])


def _attack(at: Path) -> None:
    mosa.run(["world", "data", "--out", at / "world"])
    behaviours = at / "world" / "harmbench" / "harmbench_behaviors_text_all.csv"
    places: list[Argument] = ["--model", WORLD, "--behaviors", behaviours, "--out", at / "attack"]
    decode: list[Argument] = ["--gen-length", 96, "--threshold", 0.9, "--eos-stop"]
    helped: list[Argument] = ["--limit", 2, "--profile", "smoke", "--helper", "world", "--judge", "exact"]
    mosa.run(["attack", "tap", *places, *helped, *decode])


@pytest.fixture(scope="session")
def runs(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder with a run for every name of `EXPECTED`."""
    at = tmp_path_factory.mktemp("runs")
    _probes(at)
    _tasks(at)
    _attack(at)
    return at
