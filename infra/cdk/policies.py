"""What must hold of the policies layer before it is packaged.

    python -m infra.cdk.policies --check

Cedar files are valid against their schema, formatted, and each policy has an `@id` of its own, one
sentence above it and the same in French (`@fr`); every prohibition stands in `00_guardrails.cedar`
and nothing else does; the matrix is complete, of the version that its content names, and knows the
sourced cells; durations and parameters are whole figures that say where they come from.
`--write` formats the Cedar files and stamps the matrix.
"""

from __future__ import annotations

import csv
import hashlib
import io
import json
import re
import sys
from collections import Counter
from pathlib import Path
from typing import Any

import cedarpy

LAYER = Path(__file__).parents[2] / "layers/policies/python/dmp_policies"
GUARDRAILS = "00_guardrails.cedar"
CELLS = frozenset({"read", "none", "read!", "none!"})
ROWS = ("type", "class", "other")
_WIDTH = 100
_FIXED = ["row", "code", "class", "label"]
_POLICY = re.compile(
    r'(?P<sentences>(?:^//[^\n]*\n)*)(?:^@id\("(?P<id>[^"]*)"\)\n)?(?:^@fr\("(?P<fr>[^"]*)"\)\n)?'
    r"^(?P<effect>permit|forbid)\b",
    re.MULTILINE,
)
# Each parameter with its least value; None for a choice.
_PARAMETERS = {
    "majorityYears": 1,
    "majorityReminderDays": 0,
    "careTeamDays": 0,
    "maskedAndInvisible": None,
}
# A capital, a few words, a full stop.
_SENTENCE = re.compile(r"[A-ZÀ-Ý]\S* \S.*[^\s.]\.")


def problems(layer: Path = LAYER) -> list[str]:
    """Everything wrong with the layer, one sentence each; empty when it may be packaged."""
    cedar = {path.name: path.read_text("utf-8") for path in sorted(layer.glob("*.cedar"))}
    found = _valid(cedar, (layer / "schema.cedarschema").read_text("utf-8"))
    # What does not parse can be neither formatted nor read policy by policy.
    if not found:
        found += [problem for name, text in cedar.items() for problem in _formed(name, text)]
        found += _unique(cedar)
    found += _matrix(
        (layer / "matrix.csv").read_text("utf-8"), (layer / "matrix.json").read_text("utf-8")
    )
    found += _durations(
        (layer / "durations.json").read_text("utf-8"), (layer / "matrix.csv").read_text("utf-8")
    )
    return found + _parameters((layer / "parameters.json").read_text("utf-8"))


def write(layer: Path = LAYER) -> None:
    """Format the Cedar files and stamp the matrix with its content's hash."""
    for path in sorted(layer.glob("*.cedar")):
        path.write_text(formatted(path.read_text("utf-8")), "utf-8")
    told = json.loads((layer / "matrix.json").read_text("utf-8"))
    told["sha256"] = _hash((layer / "matrix.csv").read_text("utf-8"))
    text = json.dumps(told, ensure_ascii=False, indent=2)
    (layer / "matrix.json").write_text(f"{text}\n", "utf-8")


def formatted(text: str) -> str:
    return cedarpy.format_policies(text, _WIDTH, 2)


def ids(text: str) -> list[str]:
    """The `@id` of each policy, in order; empty for one without."""
    return [found["id"] or "" for found in _POLICY.finditer(text)]


def _valid(cedar: dict[str, str], schema: str) -> list[str]:
    if GUARDRAILS not in cedar:
        return [f"{GUARDRAILS} is missing"]
    try:
        told = cedarpy.Schema.from_str(schema)
    except ValueError as error:
        return [f"schema.cedarschema: {error}"]
    found = []
    for name, text in cedar.items():
        result = cedarpy.validate_policies(text, told)
        found += [f"{name}: {error}" for error in result.errors]
        if not result and not result.errors:
            found.append(f"{name}: not valid against the schema")
    return found


def _formed(name: str, text: str) -> list[str]:
    found = []
    if formatted(text) != text:
        found.append(f"{name}: not formatted; run python -m infra.cdk.policies --write")
    for policy in _POLICY.finditer(text):
        at = f"{name}: {policy['id'] or policy['effect']}"
        if not policy["id"]:
            found.append(f"{at}: a policy has an @id")
        if policy["sentences"].count("\n") != 1:
            found.append(f"{at}: a policy has one sentence above it")
        if not _SENTENCE.fullmatch(policy["fr"] or ""):
            found.append(f"{at}: a policy has its sentence in French (@fr), with its full stop")
        if (policy["effect"] == "forbid") is not (name == GUARDRAILS):
            found.append(f"{at}: prohibitions stand in {GUARDRAILS}, permissions elsewhere")
    if len(_POLICY.findall(text)) != len(cedarpy.PolicySet.from_str(text)):
        found.append(f"{name}: a policy does not begin its own line")
    return found


def _unique(cedar: dict[str, str]) -> list[str]:
    counted = Counter(each for text in cedar.values() for each in ids(text) if each)
    return [f"@id {each!r} is used {times} times" for each, times in counted.items() if times > 1]


def _matrix(text: str, manifest: str) -> list[str]:
    told = json.loads(manifest)
    found = []
    if told["sha256"] != _hash(text):
        found.append("matrix.csv changed: give matrix.json a new version, then --write its hash")
    rows = list(csv.reader(io.StringIO(text), delimiter=";"))
    head, body = rows[0], rows[1:]
    professions = head[len(_FIXED) :]
    if head[: len(_FIXED)] != _FIXED or len(set(professions)) != len(professions):
        return [*found, "matrix.csv: the head is row;code;class;label, then each profession once"]
    counted = Counter(tuple(row[:2]) for row in body)
    found += [
        f"matrix.csv: {key} stands {times} times" for key, times in counted.items() if times > 1
    ]
    if ("other", "*") not in counted:
        found.append("matrix.csv: no row for any other document (other;*)")
    classes = {row[1] for row in body if row[0] == "class"}
    for row in body:
        at = f"matrix.csv: {row[1] if len(row) > 1 else row}"
        if len(row) != len(head) or row[0] not in ROWS or set(row[len(_FIXED) :]) - CELLS:
            found.append(f"{at}: not a complete row of {', '.join(sorted(CELLS))}")
        elif row[0] == "type" and row[2] not in classes:
            found.append(f"{at}: its class {row[2]!r} has no row")
    return found or _sourced(head, body, told)


def _sourced(head: list[str], body: list[list[str]], told: dict[str, Any]) -> list[str]:
    """Where the marks of the cells and what is published differ."""
    marked = {
        (profession, row[1]): cell.removesuffix("!")
        for row in body
        for profession, cell in zip(head[len(_FIXED) :], row[len(_FIXED) :], strict=True)
        if cell.endswith("!")
    }
    every = [row[1] for row in body]
    published: dict[tuple[str, str], str] = {}
    for profession, cells in told["published"].items():
        # "*" is every row that the other list does not name.
        for says in sorted(cells, key=lambda one: "*" not in cells[one]):
            codes = every if "*" in cells[says] else cells[says]
            published |= dict.fromkeys(((profession, code) for code in codes), says)
    found = []
    if not told["sources"] or not all(one.get("title") for one in told["sources"]):
        found.append("matrix.json: a source has a title")
    for profession, code in sorted(marked.keys() | published.keys()):
        at = (profession, code)
        if marked.get(at) != published.get(at):
            found.append(
                f"matrix.csv: {code} for {profession} is {marked.get(at, 'assumed')}, "
                f"published {published.get(at, 'nowhere')}"
            )
    return found


def _durations(text: str, matrix: str) -> list[str]:
    told = json.loads(text)
    found = []
    days = [told["default"], *told["professions"].values()]
    if not all(type(each) is int and each > 0 for each in days):
        found.append("durations.json: whole days, more than none")
    known = matrix.splitlines()[0].split(";")[len(_FIXED) :]
    found += [
        f"durations.json: the matrix knows no profession {each!r}"
        for each in sorted(set(told["professions"]) - set(known))
    ]
    for name in ("default", "professions"):
        if name not in told["sources"] and name not in told["assumed"]:
            found.append(f"durations.json: {name} is neither sourced nor assumed")
    return found


def _parameters(text: str) -> list[str]:
    told = json.loads(text)
    values = {name: told[name] for name in told.keys() - {"version", "sources", "assumed"}}
    found = [
        f"parameters.json: {name} is missing" for name in sorted(_PARAMETERS.keys() - values.keys())
    ]
    for name, value in sorted(values.items()):
        least = _PARAMETERS.get(name)
        if name not in _PARAMETERS:
            found.append(f"parameters.json: nobody reads {name}")
        elif least is None and type(value) is not bool:
            found.append(f"parameters.json: {name} is true or false")
        elif least is not None and (type(value) is not int or value < least):
            found.append(f"parameters.json: {name} is a whole number from {least}")
        if name not in told["sources"] and name not in told["assumed"]:
            found.append(f"parameters.json: {name} is neither sourced nor assumed")
    return found


def _hash(text: str) -> str:
    return hashlib.sha256(text.encode("utf-8")).hexdigest()


def main(arguments: list[str]) -> int:
    """0 when all holds, 1 with a line for each problem, 2 for a wrong call."""
    if arguments == ["--write"]:
        write()
    elif arguments != ["--check"]:
        sys.stderr.write("usage: python -m infra.cdk.policies --check | --write\n")
        return 2
    found = problems()
    for problem in found:
        sys.stderr.write(f"{problem}\n")
    if not found:
        texts = [path.read_text("utf-8") for path in sorted(LAYER.glob("*.cedar"))]
        policies = sum(len(ids(text)) for text in texts)
        sys.stdout.write(
            f"policies: {policies} valid, formatted, each with its id; matrix complete\n"
        )
    return 1 if found else 0


if __name__ == "__main__":
    raise SystemExit(main(sys.argv[1:]))
