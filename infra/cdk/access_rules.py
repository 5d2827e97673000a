"""Writes `docs/access-rules.md`: the rules in force, for who has to judge them and not the code.

    python -m infra.cdk.access_rules --write | --check

Every sentence comes from the policies (the comment in English, `@fr` in French), every cell, figure
and source from the data beside them; the frame from `infra/cdk/pages/access-rules.<language>.md`.
"""

from __future__ import annotations

import json
import re
import sys
from dataclasses import dataclass
from pathlib import Path
from string import Template
from typing import TYPE_CHECKING, Any

from dmp.access.matrix import load_matrix
from infra.cdk.packaging import ROOT
from infra.cdk.policies import LAYER

if TYPE_CHECKING:
    from collections.abc import Iterable

    from dmp.access.matrix import Cell

PAGE = ROOT / "docs/access-rules.md"
LANGUAGES = ("fr", "en")

_PAGES = Path(__file__).with_name("pages")
_RULE = re.compile(
    r'^// (?P<en>[^\n]+)\n@id\("(?P<id>[^"]+)"\)\n@fr\("(?P<fr>(?:[^"\\]|\\.)*)"\)\n'
    r"(?P<effect>permit|forbid)\b",
    re.MULTILINE,
)
_ACTORS = {
    "holder": ("Le titulaire", "The holder"),
    "representative": ("Le représentant légal", "Legal representatives"),
    "professional": ("Les professionnels", "Professionals"),
    "emergency": ("L'urgence", "Emergencies"),
    "feeding": (
        "Ceux qui alimentent et suivent les dossiers",
        "Those who feed and follow records",
    ),
}
_PROFESSIONS = {
    "10": ("médecin", "doctor"),
    "21": ("pharmacien", "pharmacist"),
    "40": ("chirurgien-dentiste", "dentist"),
    "50": ("sage-femme", "midwife"),
    "60": ("infirmier", "nurse"),
    "70": ("masseur-kinésithérapeute", "physiotherapist"),
    "80": ("pédicure-podologue", "podiatrist"),
    "91": ("orthophoniste", "speech therapist"),
    "92": ("orthoptiste", "orthoptist"),
    "94": ("ergothérapeute", "occupational therapist"),
    "95": ("diététicien", "dietitian"),
    "96": ("psychomotricien", "psychomotor therapist"),
    "26": ("audioprothésiste", "hearing aid specialist"),
    "28": ("opticien", "optician"),
    "86": ("technicien de laboratoire", "laboratory technician"),
    "98": ("manipulateur radio", "radiographer"),
    "31": ("assistant dentaire", "dental assistant"),
    "35": ("aide-soignant", "care assistant"),
    "93": ("psychologue", "psychologist"),
    "71": ("ostéopathe", "osteopath"),
    "41": ("assistant social", "social worker"),
}
_SETTINGS = {
    "majorityYears": ("Âge de la majorité (ans)", "Age of majority (years)"),
    "majorityReminderDays": (
        "Rappel avant la majorité (jours)",
        "Reminder before majority (days)",
    ),
    "careTeamDays": (
        "Présomption de l'équipe de soins (jours)",
        "Presumption of the care team (days)",
    ),
    "maskedAndInvisible": (
        "Un document peut être caché aux professionnels et au patient à la fois",
        "A document may be hidden from professionals and from the patient at once",
    ),
}
_WORDS = {
    "rule": ("règle", "rule"),
    "says": ("ce qu'elle dit", "what it says"),
    "setting": ("réglage", "setting"),
    "value": ("valeur", "value"),
    "source": ("source", "source"),
    "document": ("document", "document"),
    "assumed": ("*hypothèse*", "*assumed*"),
    True: ("oui", "yes"),
    False: ("non", "no"),
    "duration": (
        "Autorisation enregistrée par un professionnel (jours)",
        "Authorisation recorded by a professional (days)",
    ),
}


@dataclass(frozen=True, slots=True)
class Rule:
    """One policy as people read it: `text` by language; `actor` names the file of a permission."""

    id: str
    forbids: bool
    actor: str
    text: tuple[str, str]


def rules(layer: Path = LAYER) -> list[Rule]:
    """Every policy, in the order of the files."""
    return [
        Rule(
            found["id"],
            found["effect"] == "forbid",
            path.stem.partition("_")[2],
            (found["fr"].replace('\\"', '"'), found["en"]),
        )
        for path in sorted(layer.glob("*.cedar"))
        for found in _RULE.finditer(path.read_text("utf-8"))
    ]


def page() -> str:
    """The whole document, French first."""
    head = (
        "# Règles d'accès · Access rules\n\n"
        "<!-- Written by `python -m infra.cdk.access_rules --write` from the policies, the matrix "
        "and the parameters: never by hand. -->\n\n"
        "[Français](#qui-voit-quoi-en-français) · [English](#who-sees-what-in-english)\n\n"
    )
    return head + "\n".join(_in(language) for language in range(len(LANGUAGES)))


def _in(language: int) -> str:
    told, matrix = rules(), load_matrix()
    manifest = _data("matrix.json")
    permits = []
    for actor, names in _ACTORS.items():
        of_actor = [one for one in told if not one.forbids and one.actor == actor]
        permits += [f"#### {names[language]}\n", _sentences(of_actor, language) + "\n"]
    template = (_PAGES / f"access-rules.{LANGUAGES[language]}.md").read_text("utf-8")
    return Template(template).substitute(
        forbids=_sentences([one for one in told if one.forbids], language),
        permits="\n".join(permits).rstrip(),
        settings=_settings(language),
        version=matrix.version,
        digest=manifest["sha256"][:16],
        source="; ".join(one["title"].partition(": ")[0] for one in manifest["sources"]),
        matrix=_matrix(language),
    )


def _sentences(told: Iterable[Rule], language: int) -> str:
    return _table(
        [_said("rule", language), _said("says", language)],
        [[f"`{one.id}`", one.text[language]] for one in told],
    )


def _settings(language: int) -> str:
    durations, parameters = _data("durations.json"), _data("parameters.json")
    label = _said("duration", language)
    rows = [
        [label, str(durations["default"]), _source(durations, "default", language)],
        *(
            [f"{label}, {_PROFESSIONS[code][language]}", str(days),
             _source(durations, "professions", language)]
            for code, days in durations["professions"].items()
        ),
        *(
            [names[language], _value(parameters[name], language),
             _source(parameters, name, language)]
            for name, names in _SETTINGS.items()
        ),
    ]  # fmt: skip
    head = [_said(word, language) for word in ("setting", "value", "source")]
    return _table(head, rows)


def _matrix(language: int) -> str:
    matrix = load_matrix()
    head = [
        _said("document", language),
        *(_PROFESSIONS[one][language] for one in matrix.professions),
    ]
    return _table(
        head,
        [
            [f"{row.label} (`{row.code}`)", *(_mark(row.cells[one]) for one in matrix.professions)]
            for row in matrix.rows
        ],
    )


def _mark(cell: Cell) -> str:
    if cell.reads:
        return "●" if cell.sourced else "○"
    return "✕" if cell.sourced else "·"


def _source(told: dict[str, Any], name: str, language: int) -> str:
    return str(told["sources"].get(name) or _said("assumed", language))


def _value(value: object, language: int) -> str:
    return _said(value, language) if isinstance(value, bool) else str(value)


def _said(word: str | bool, language: int) -> str:  # noqa: FBT001 - a word of the vocabulary
    return _WORDS[word][language]


def _table(head: list[str], rows: list[list[str]]) -> str:
    lines = [head, ["---"] * len(head), *rows]
    return "\n".join(f"| {' | '.join(line)} |" for line in lines)


def _data(name: str) -> dict[str, Any]:
    told: dict[str, Any] = json.loads((LAYER / name).read_text("utf-8"))
    return told


def main(arguments: list[str]) -> int:
    """0 when the page is written or true, 1 when it is not, 2 for a wrong call."""
    if arguments == ["--write"]:
        PAGE.write_text(page(), "utf-8")
        return 0
    if arguments != ["--check"]:
        sys.stderr.write("usage: python -m infra.cdk.access_rules --write | --check\n")
        return 2
    if not PAGE.is_file() or PAGE.read_text("utf-8") != page():
        sys.stderr.write(
            "docs/access-rules.md is not what the rules say: "
            "run python -m infra.cdk.access_rules --write\n"
        )
        return 1
    return 0


if __name__ == "__main__":
    raise SystemExit(main(sys.argv[1:]))
