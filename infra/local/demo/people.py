"""Who plays: the official test identities of the demonstration's directory, and professionals.

The RPPS numbers are test numbers; none is anybody's.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

from infra.local import directory

HERE = Path(__file__).parent
DIRECTORY = HERE / "directory.csv"

NIR = "1.2.250.1.213.1.4.8"
DOCTOR = "10"
PHARMACIST = "21"


@dataclass(frozen=True, slots=True)
class Patient:
    """A line of the directory: the person, and where they are reached."""

    matricule: str
    oid: str
    birth_rank: int
    family_name: str
    given_names: tuple[str, ...]
    birth_date: str
    sex: str
    birth_place: str
    scheme: str
    caisse: str
    email: str
    mobile: str
    insured: str = ""  # under whose number the insurer knows them; their own otherwise

    @property
    def called(self) -> str:
        return f"{self.given_names[0].title()} {self.family_name}"

    @property
    def identifier(self) -> str:
        """As FHIR searches for it."""
        return f"urn:oid:{self.oid}|{self.matricule}"

    @property
    def traits(self) -> dict[str, Any]:
        """The five, as they are told at the counter."""
        return {
            "birthFamilyName": self.family_name,
            "birthGivenNames": list(self.given_names),
            "birthDate": self.birth_date,
            "sex": self.sex,
            "birthPlace": self.birth_place,
        }

    def opening(self, contact: dict[str, str]) -> dict[str, Any]:
        """The body of `POST /enrolment/records`."""
        return {
            "ins": {"matricule": self.matricule, "oid": self.oid},
            "traits": self.traits,
            "scheme": self.scheme,
            "insured": {"number": self.insured or self.matricule, "birthRank": self.birth_rank},
            "contact": contact,
            "consent": {"opening": True, "opposesBreakGlass": False, "opposesCentre15": False},
            "source": "carte-vitale",
        }


@dataclass(frozen=True, slots=True)
class Caller:
    """A professional or an agent: `arguments` are those of `dmp token`."""

    called: str
    arguments: tuple[str, ...]
    rpps: str = ""
    email: str = ""

    def in_emergency(self, reason: str) -> Caller:
        """The same professional, whose token states why this is an emergency."""
        return replace(self, arguments=(*self.arguments, "--reason", reason))


def _professional(
    called: str, rpps: str, profession: str, finess: str, *more: str, email: str = ""
) -> Caller:
    arguments = ("professional", "--rpps", rpps, "--profession", profession)
    return Caller(called, (*arguments, "--structure", finess, *more), rpps, email)


GP = ("--specialty", "SM54")
PHARMACY = _professional("the pharmacist", "99700024450", PHARMACIST, "512000015")
AUTHOR = _professional("the doctor", "10100997245", DOCTOR, "510000029", *GP)
READER = _professional("the authorised doctor", "99700218896", DOCTOR, "510000029", *GP)
BLOCKED = _professional("the blocked doctor", "99700000005", DOCTOR, "510000037", *GP)
STRANGER = _professional("an unknown doctor", "99700000013", DOCTOR, "750000018", *GP)
TREATING = _professional(
    "the médecin traitant", "99700000021", DOCTOR, "510000045", *GP,
    email="cabinet.medecin-traitant@example.test",
)  # fmt: skip
AGENT = Caller("the CPAM agent", ("agent", "--role", "enrolment", "--caisse", "511"))
OPERATOR = Caller("operations", ("agent", "--role", "operations", "--caisse", "751"))
REASON = "Patiente inconsciente, détresse respiratoire"


def child_of(parent: Patient) -> Patient:
    """Ten years old in 2026. No register gives out such a number: temporary (7), month 99.

    The insurer knows the child under the parent's number, rank 2, as the extracts do.
    """
    return replace(
        parent,
        matricule="716999999900209",
        birth_rank=2,
        given_names=("CHARLIE",),
        birth_date="2016-06-15",
        sex="male",
        birth_place="99999",
        email="",
        mobile="",
        insured=parent.matricule,
    )


def patients(path: Path = DIRECTORY) -> list[Patient]:
    """The directory's living people, in its order."""
    return [
        Patient(
            matricule=person.ins.matricule,
            oid=person.ins.oid,
            birth_rank=person.birth_rank,
            family_name=person.traits.family_name,
            given_names=person.traits.given_names,
            birth_date=person.traits.birth_date.isoformat(),
            sex=person.traits.sex,
            birth_place=person.traits.birth_place,
            scheme=person.scheme,
            caisse=person.caisse,
            email=person.contact.email or "",
            mobile=person.contact.mobile or "",
        )
        for person in directory.read(path).people
        if not person.deceased
    ]
