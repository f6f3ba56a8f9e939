"""Records of runs as rows: plain dicts of what pandas, polars and pyarrow take.

A run folder holds files of one JSON object a line. Every line says its schema (`answer/1`); lines of training metrics
and of prompts do not, and their schema is the name of their file. Objects become columns of dotted names
(`texts.to_end`), lists stay lists. What has a name in a list is a column of that name: the scores of a sample
(`scores.accuracy.correct`), the readings of monitors (`readings.d-ppl.value`). What is free in form is its JSON.
"""

from __future__ import annotations

import json
import os
from collections.abc import Iterator
from pathlib import Path
from typing import Any, NoReturn

from ._errors import RecordsError

Row = dict[str, Any]

MANIFEST = "manifest.json"

FILES = (
    "answers",
    "verdicts",
    "cases",
    "seconds",
    "samples",
    "orders",
    "curves",
    "landscapes",
    "monitors",
    "metrics",
    "prompts",
)
"""The files of a run folder, in the order they are read. The journal of an attack (every call of it) may be larger than
memory and is read if it is named."""

READABLE = frozenset(
    ("answer", "call", "case", "curve", "landscape", "monitor", "order", "sample", "seconds", "verdict")
)
"""The schemas this package reads, all in version 1."""

NUMBERS: dict[str, tuple[str, ...]] = {
    "answer": ("defences[].value?",),
    "curve": ("loss", "best_loss"),
    "landscape": ("safe[]", "harmful[]", "end[]", "refusal[]", "end_by_step[]"),
    "monitor": ("readings[].value?", "readings[].peak?", "readings[].values[]"),
    "sample": ("choices[].log_p", "defences[].value?"),
}
"""Where numbers stand that may be infinite or no number: mosa writes those as words, and earlier versions wrote null
for all three. `?`: null says that there is none."""

WORDS = {"inf": float("inf"), "-inf": float("-inf"), "NaN": float("nan")}

NAMED = {"sample": ("scores", "metric"), "monitor": ("readings", "monitor")}
"""Lists whose entries have a name."""

FREE = {"call": ("request", "reply"), "case": ("events[].detail",)}
"""What is free in form."""


class Records(list[Row]):
    """Rows, with what was left out."""

    unfinished: int = 0
    """Files whose last line is half written, by a kill or by a command that still writes; it is left out."""
    repeated: int = 0
    """Lines that stood there before, word for word, and are left out: two commands wrote at once."""


def records(path: str | os.PathLike[str], kind: str | None = None) -> Records:
    """The records of a run folder, or of one of its files, as rows; `kind` (`"answer"`, `"verdict"`, `"case"`, ...)
    takes those of one schema.

    Raises `RecordsError` naming file and line if a line cannot be read, `FileNotFoundError` if there is no such path.
    """
    found = Records()
    for file in _files(Path(path), kind):
        _add(found, file, kind)
    return found


def manifest(path: str | os.PathLike[str]) -> dict[str, Any]:
    """What a run folder says of its run: the command, its settings, the hashes of model and data."""
    file = Path(path, MANIFEST)
    try:
        whole = json.loads(file.read_bytes(), parse_constant=_refuse)
    except ValueError as why:
        raise RecordsError(f"{file}: cannot be read ({why}): a crash may have emptied it") from None
    if not isinstance(whole, dict):
        raise RecordsError(f"{file}: holds no object; is {path} a run folder?")
    return whole


def _files(path: Path, kind: str | None) -> list[Path]:
    """The files to read."""
    if not path.is_dir():
        if not path.exists():
            raise FileNotFoundError(f"{path}: no such run folder or file of records")
        return [path]
    names = (*FILES, "journal") if kind == "call" else FILES
    found = [path / f"{name}.jsonl" for name in names if (path / f"{name}.jsonl").is_file()]
    if not found:
        below = sorted(str(file.parent) for file in path.glob(f"*/**/{MANIFEST}"))
        hint = "; give the folder named by a command's --out"
        where = f"; run folders below it: {', '.join(below[:5])}" if below else hint
        raise RecordsError(f"{path}: holds no records{where}")
    return found


def _add(found: Records, file: Path, kind: str | None) -> None:
    """Adds the rows of a file."""
    data = file.read_bytes()
    whole = data[: data.rfind(b"\n") + 1]
    found.unfinished += len(whole) < len(data)
    seen: set[bytes] = set()
    for number, line in _lines(whole):
        try:
            record = json.loads(line, parse_constant=_refuse)
        except ValueError as why:
            raise RecordsError(f"{file}, line {number}: {why}") from None
        if not isinstance(record, dict):
            raise RecordsError(f"{file}, line {number}: no record, which is an object")
        if line in seen:
            found.repeated += 1
            continue
        seen.add(line)
        own = _kind(record, file, number)
        if kind is None or kind == own:
            try:
                found.append(_row(record, own))
            except (ValueError, TypeError, KeyError) as why:
                raise RecordsError(f"{file}, line {number}: not a record of {own}: {why}") from None


def _lines(whole: bytes) -> Iterator[tuple[int, bytes]]:
    """The lines with their numbers, from 1. A crash fills with zero bytes what did not reach the disk, and what stands
    before them is half a line."""
    for number, line in enumerate(whole.split(b"\n")[:-1], start=1):
        line = line[line.rfind(b"\0") + 1 :]
        if line:
            yield number, line


def _kind(record: Row, file: Path, number: int) -> str:
    """What is recorded: the schema without its version, the file's name where a line has none."""
    schema = record.get("schema")
    if schema is None:
        return file.stem
    name, _, version = str(schema).partition("/")
    if name not in READABLE or version != "1":
        raise RecordsError(f"{file}, line {number}: the schema is {schema!r}, which this version of mosa does not read")
    return name


def _refuse(word: str) -> NoReturn:
    raise ValueError(f"{word} is no JSON")


def _row(record: Row, kind: str) -> Row:
    """A record as a row."""
    for path in NUMBERS.get(kind, ()):
        _each(record, path.rstrip("?").split("."), _optional if path.endswith("?") else _number)
    for path in FREE.get(kind, ()):
        _each(record, path.split("."), _json)
    if kind == "landscape":
        steps = record["refusal_by_step"]
        record["refusal_by_step"] = [[[float(offset), float(p)] for offset, p in step] for step in steps]
    if kind in NAMED:
        key, name = NAMED[kind]
        entries = record.pop(key)
        record[key] = {entry[name]: {k: v for k, v in entry.items() if k != name} for entry in entries}
    row: Row = {"schema": kind}
    _flatten(row, "", record)
    return row


def _flatten(row: Row, prefix: str, record: Row) -> None:
    """Adds the values of an object under dotted names."""
    for key, value in record.items():
        if isinstance(value, dict):
            _flatten(row, f"{prefix}{key}.", value)
        else:
            row[prefix + key] = value


def _each(at: Any, path: list[str], change: Any) -> None:
    """Changes what stands at a path (`readings[].value`), where it is there."""
    key, rest = path[0].removesuffix("[]"), path[1:]
    if key not in at:
        return
    if not path[0].endswith("[]"):
        at[key] = change(at[key])
    elif rest:
        for entry in at[key]:
            _each(entry, rest, change)
    else:
        at[key] = [change(value) for value in at[key]]


def _number(value: Any) -> float:
    """A number as mosa writes it."""
    if value is None:
        return WORDS["NaN"]
    if isinstance(value, str):
        if value not in WORDS:
            raise ValueError(f"{value!r} is no number")
        return WORDS[value]
    return float(value)


def _optional(value: Any) -> float | None:
    return None if value is None else _number(value)


def _json(value: Any) -> str:
    return json.dumps(value, ensure_ascii=False)
