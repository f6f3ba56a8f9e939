"""What runs wrote comes back as rows, and what cannot be read is said with file and line."""

from __future__ import annotations

import json
import math
import re
from importlib import import_module
from pathlib import Path
from typing import Any

import mosa
import pytest
from conftest import EXPECTED, ROOT
from mosa._records import NUMBERS, READABLE


@pytest.mark.parametrize("name", EXPECTED)
def test_every_line_of_a_run_is_a_row(runs: Path, name: str) -> None:
    rows = mosa.records(runs / name)
    assert {row["schema"].partition("/")[0] for row in rows} == EXPECTED[name]
    files = [file for file in (runs / name).glob("*.jsonl") if file.stem != "journal"]
    assert len(rows) == sum(len(file.read_text().splitlines()) for file in files) > 0
    assert (rows.unfinished, rows.repeated) == (0, 0)
    assert all(not isinstance(value, dict) for row in rows for value in row.values()), "objects are flattened"


@pytest.mark.parametrize("library", ["pandas", "polars", "pyarrow"])
@pytest.mark.parametrize("name", EXPECTED)
def test_rows_are_tables_of_every_library(runs: Path, name: str, library: str) -> None:
    module: Any = pytest.importorskip(library)
    for kind in EXPECTED[name]:
        rows = mosa.records(runs / name, kind=kind)
        if library == "pyarrow":
            table = module.Table.from_pylist(rows)
            assert table.num_rows == len(rows)
        else:
            more = {"infer_schema_length": None} if library == "polars" else {}
            assert len(module.DataFrame(rows, **more)) == len(rows)


def test_columns_have_the_names_of_the_records(runs: Path) -> None:
    answer = mosa.records(runs / "attack", kind="answer")[0]
    assert answer["texts.to_end"] and answer["tags.case"] and len(answer["steps"]) == len(answer["pieces"])
    case = mosa.records(runs / "attack", kind="case")[0]
    assert case["used.queries"] > 0 and json.loads(case["events"][0]["detail"]) is not None
    sample = mosa.records(runs / "sums")[0]
    assert sample["scores.strict-match.correct"] in (True, False) and sample["gold"] == "2"
    reading = mosa.records(runs / "monitor")[0]
    assert any(re.fullmatch(r"readings\..+\.value", key) for key in reading)
    assert mosa.records(runs / "align")[1]["step"] == 2
    verdicts = mosa.records(runs / "attack", kind="verdict")
    answers = mosa.records(runs / "attack", kind="answer")
    assert {row["answer"] for row in verdicts} <= {f"tap/{row['id']}" for row in answers}


def test_the_journal_is_read_if_it_is_asked_for(runs: Path) -> None:
    calls = mosa.records(runs / "attack", kind="call")
    assert calls == mosa.records(runs / "attack" / "journal.jsonl")
    assert {"generate", "tap/attacker"} <= {call["kind"] for call in calls}
    assert "messages" in json.loads(calls[0]["request"])


def test_a_manifest_says_what_the_run_was(runs: Path) -> None:
    assert mosa.manifest(runs / "attack")["command"] == "attack tap"
    with pytest.raises(FileNotFoundError):
        mosa.manifest(runs)


def _file(at: Path, *lines: str, name: str = "curves.jsonl") -> Path:
    file = at / name
    file.write_text("".join(lines))
    return file


CURVE = '{"schema":"curve/1","group":"g","id":"a","iteration":%d,"loss":%s,"best_loss":0.5,"text":"inf"}\n'


def test_numbers_that_json_has_no_words_for_come_back_as_floats(tmp_path: Path) -> None:
    written = ['"inf"', '"-inf"', '"NaN"', "null", "1", "0.1"]
    rows = mosa.records(_file(tmp_path, *(CURVE % (i, word) for i, word in enumerate(written))))
    losses = [row["loss"] for row in rows]
    assert losses[:2] == [math.inf, -math.inf] and losses[4:] == [1.0, 0.1]
    assert math.isnan(losses[2]) and math.isnan(losses[3]), "earlier versions wrote null"
    assert all(isinstance(loss, float) for loss in losses)
    assert rows[0]["text"] == "inf", "a text stays one"
    choices = [{"text": "NaN", "log_p": "-inf"}]
    sample = {"schema": "sample/1", "choices": choices, "scores": [], "defences": [{"value": None}]}
    (row,) = mosa.records(_file(tmp_path, json.dumps(sample) + "\n", name="samples.jsonl"))
    assert row["choices"] == [{"text": "NaN", "log_p": -math.inf}] and row["defences"] == [{"value": None}]


def test_half_a_last_line_is_left_out_and_counted(tmp_path: Path) -> None:
    file = _file(tmp_path, CURVE % (0, "1"), CURVE % (1, "1"), (CURVE % (2, "1"))[:40])
    assert (len(mosa.records(file)), mosa.records(tmp_path).unfinished) == (2, 1)
    whole = _file(tmp_path, CURVE % (0, "1"), "\0" * 30 + CURVE % (1, "1"), "\0" * 9 + "\n")
    assert [row["iteration"] for row in mosa.records(whole)] == [0, 1], "a crash fills with zero bytes"


def test_a_line_that_stands_there_twice_counts_once(tmp_path: Path) -> None:
    rows = mosa.records(_file(tmp_path, CURVE % (0, "1"), CURVE % (1, "1"), CURVE % (0, "1")))
    assert (len(rows), rows.repeated) == (2, 1)


@pytest.mark.parametrize(
    ("line", "said"),
    [
        ('{"schema":"curve/1",\n', "line 2"),
        ("[1]\n", "no record"),
        (CURVE % (1, "NaN"), "NaN is no JSON"),
        (CURVE % (1, '"much"'), "'much' is no number"),
        ('{"schema":"curve/2"}\n', "'curve/2'"),
        ('{"schema":"riddle/1"}\n', "'riddle/1'"),
        ("\xff\n", "line 2"),
        ('{"schema":"monitor/1","readings":[{"value":1}]}\n', "not a record of monitor"),
    ],
)
def test_a_line_that_cannot_be_read_is_an_error_with_its_place(tmp_path: Path, line: str, said: str) -> None:
    file = tmp_path / "curves.jsonl"
    file.write_bytes((CURVE % (0, "1")).encode() + line.encode("latin-1"))
    with pytest.raises(mosa.RecordsError) as error:
        mosa.records(file)
    assert f"{file}, line 2: " in str(error.value) and said in str(error.value)


def test_a_folder_that_is_no_run_says_where_runs_are(runs: Path, tmp_path: Path) -> None:
    with pytest.raises(mosa.RecordsError, match="run folders below it: .*align"):
        mosa.records(runs.parent)
    with pytest.raises(mosa.RecordsError, match="holds no records"):
        mosa.records(tmp_path)
    with pytest.raises(FileNotFoundError, match="no such run folder"):
        mosa.records(tmp_path / "nowhere")


def _sources() -> list[str]:
    folders = [ROOT / "crates" / name / "src" for name in ("records", "attack")]
    return [file.read_text() for folder in folders for file in folder.rglob("*.rs")]


def test_the_schemas_are_those_of_the_binary() -> None:
    found = re.findall(r"const SCHEMA: &'static str = \"(\w+)/(\d+)\"", "\n".join(_sources()))
    assert {name for name, _ in found} == READABLE and {version for _, version in found} == {"1"}


def test_every_number_that_may_be_infinite_is_known() -> None:
    records = "\n".join(file.read_text() for file in (ROOT / "crates" / "records" / "src").glob("*.rs"))
    fields = re.findall(r"with = \"(?:crate::)?number::f(?:32|64)[\w:]*\"\)\]\s+pub (\w+):", records)
    known = {path.rstrip("?").removesuffix("[]").rpartition(".")[2] for paths in NUMBERS.values() for path in paths}
    assert set(fields) == known and fields


def test_the_package_is_typed() -> None:
    assert Path(str(import_module("mosa").__file__)).with_name("py.typed").exists()
