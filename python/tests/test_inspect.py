"""Logs of `mosa data export --format inspect`, opened by the real inspect_ai."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import mosa
import pytest
from conftest import EXPECTED

log_api: Any = pytest.importorskip("inspect_ai.log", reason="inspect_ai is not installed: its logs are not checked")
analysis: Any = pytest.importorskip("inspect_ai.analysis", reason="inspect_ai lacks pandas and pyarrow")

EXPORTED = sorted(name for name, kinds in EXPECTED.items() if kinds & {"answer", "sample"})


@pytest.fixture(scope="session")
def logs(runs: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder with a folder of logs for every run that has answers."""
    at = tmp_path_factory.mktemp("logs")
    for name in EXPORTED:
        mosa.run(["data", "export", runs / name, "--format", "inspect", "--out", at / name])
    return at


@pytest.mark.parametrize("name", EXPORTED)
def test_inspect_finds_and_reads_every_log(runs: Path, logs: Path, name: str) -> None:
    found = log_api.list_eval_logs(str(logs / name))
    rows = [row for row in mosa.records(runs / name) if row["schema"] in ("answer/1", "sample/1")]
    assert len(found) == len({row.get("group") if name != "choices" else 0 for row in rows})
    for info in found:
        header = log_api.read_eval_log(info, header_only=True)
        log = log_api.read_eval_log(info)
        assert log.status == "success" and log.eval == header.eval and log.results == header.results
        assert log.results.total_samples == len(log.samples) > 0
        for sample in log.samples:
            assert sample.messages[-1].text == sample.output.completion
        assert [s.model_dump() for s in log_api.read_eval_log_samples(info)] == [s.model_dump() for s in log.samples]


def test_samples_hold_what_the_records_hold(runs: Path, logs: Path) -> None:
    (info,) = log_api.list_eval_logs(str(logs / "attack"))
    log = log_api.read_eval_log(info)
    assert (log.eval.task, log.eval.model, log.eval.model_generate_config.max_tokens) == ("attack/tap", "model", 96)
    cases = {row["case"]: row for row in mosa.records(runs / "attack", kind="case")}
    answers = {f"tap/{row['id']}": row for row in mosa.records(runs / "attack", kind="answer")}
    verdicts = {row["answer"]: row for row in mosa.records(runs / "attack", kind="verdict")}
    assert [sample.id for sample in log.samples] == list(cases)
    for sample in log.samples:
        selected = cases[str(sample.id)]["selected"]
        answer = answers[selected]
        assert sample.input[0].text == answer["prompt"] and sample.target == answer["behaviour"]
        assert sample.output.completion == answer["texts.to_end"]
        assert sample.scores["exact"].value == verdicts[selected]["outcome"]
        assert sample.metadata["decode"]["steps"] == answer["steps"]
        assert sample.metadata["used"]["queries"] == cases[str(sample.id)]["used.queries"]


def test_data_frames_are_made_of_the_logs(runs: Path, logs: Path) -> None:
    evals = analysis.evals_df(str(logs))
    samples = analysis.samples_df(str(logs))
    assert len(evals) == sum(1 for _ in logs.rglob("20*.json")) and len(samples) == evals["total_samples"].sum()
    attack = evals[evals["task_name"] == "tap"].iloc[0]
    own = samples[samples["eval_id"] == attack["eval_id"]]
    assert attack["score_exact_success_rate"] == (own["score_exact"] == "complied").mean()
    assert attack["score_exact_complied"] + attack["score_exact_refused"] <= len(own)
    assert set(own["metadata_attack"]) == {"tap"}
    sums = samples[samples["log"].str.contains("utility-gsm8k")]
    records = mosa.records(runs / "sums")
    assert (sums["score_strict-match"] == "C").tolist() == [row["scores.strict-match.correct"] for row in records]


def test_a_redacted_log_holds_no_answer_that_succeeded(runs: Path, tmp_path: Path) -> None:
    flags = ["--format", "inspect", "--all", "--redact"]
    (path,) = mosa.run(["data", "export", runs / "attack", "--out", tmp_path, *flags]).stdout.splitlines()
    text = Path(path).read_text()
    verdicts = {row["answer"]: row["success"] for row in mosa.records(runs / "attack", kind="verdict")}
    answers = mosa.records(runs / "attack", kind="answer")
    assert any(verdicts.values())
    for answer in answers:
        assert (answer["texts.to_end"] in text) == (verdicts[f"tap/{answer['id']}"] is False)
    assert len(log_api.read_eval_log(path).samples) == len(answers)
