"""The demonstration says no more than what happened: against a service in a dictionary."""

from __future__ import annotations

import base64
import json
from dataclasses import dataclass, field
from datetime import UTC, datetime

import httpx
import pytest

from dmp.domain.identity import is_finess, is_rpps
from infra.local.demo import people, run
from infra.local.demo.api import Api
from infra.local.demo.people import (
    AGENT,
    AUTHOR,
    BLOCKED,
    OPERATOR,
    PHARMACY,
    READER,
    REASON,
    STRANGER,
    TREATING,
    Patient,
)
from infra.local.demo.resources import (
    MASKED,
    NOT_FOR_PARENTS,
    labels,
    letter,
    note,
    picture,
    report,
)

BASE = "http://service.test"
PROFESSIONALS = (AUTHOR, BLOCKED, READER, STRANGER, TREATING)
CAST = [
    Patient(
        "279035121518989",
        "1.2.250.1.213.1.4.10",
        1,
        "PAT-TROIS",
        ("DOMINIQUE",),
        "1979-03-28",
        "female",
        "51215",
        "regime-general",
        "511",
        "one@example.test",
        "0600000001",
    ),
    Patient(
        "277076322082910",
        "1.2.250.1.213.1.4.10",
        1,
        "PAT-UN",
        ("CAMILLE",),
        "1977-07-01",
        "female",
        "63220",
        "regime-general",
        "631",
        "two@example.test",
        "0600000002",
    ),
    Patient(
        "155067200010159",
        "1.2.250.1.213.1.4.10",
        1,
        "PAT-DEUX",
        ("CLAUDE",),
        "1955-06-01",
        "male",
        "72000",
        "regime-general",
        "721",
        "three@example.test",
        "0600000003",
    ),
]
PIECES = (
    report("r.pdf", b"%PDF-1"),
    letter("l.xml", b"<ClinicalDocument/>"),
    picture("p.jpg", b"\xff\xd8"),
    note("n.txt", b"note"),
)


@dataclass
class FakeService:
    """Records, documents and consents as the contract has them; `lets_in` and `careless` break the
    rules: of labels, or what an emergency leaves behind."""

    lets_in: tuple[str, ...] = ()
    careless: str = ""
    silent: bool = False
    tampered: str = ""
    records: dict[str, dict] = field(default_factory=dict)
    documents: dict[str, dict] = field(default_factory=dict)
    contents: dict[str, bytes] = field(default_factory=dict)
    consents: list[dict] = field(default_factory=list)
    messages: list[dict] = field(default_factory=list)
    offices: list[str] = field(default_factory=list)
    emergencies: list[dict] = field(default_factory=list)

    # -- commands

    def token(self, arguments) -> str:
        return "/".join(arguments).encode("ascii", "ignore").decode()

    def load_directory(self, path) -> int:
        return 3

    def import_extract(self, path):
        return {
            "status": "accepted",
            "read": 10,
            "kept": 8,
            "rejected": 2,
            "unchanged": bool(self.records),
        }

    def inbox(self):
        return [] if self.silent else self.messages

    def seal_traces(self):
        return [1]

    def verify_traces(self):
        return {"ok": not self.tampered, "counted": self.tampered, "entries": 9, "pending": 2}

    # -- HTTP

    def __call__(self, request: httpx.Request) -> httpx.Response:  # noqa: C901, PLR0911, PLR0912 - a route each
        who = request.headers.get("authorization", "").removeprefix("Bearer ")
        path, query = request.url.path, request.url.params
        body = (
            json.loads(request.content) if "json" in request.headers.get("content-type", "") else {}
        )
        match request.method, path.removeprefix("/fhir/").split("/"):
            case "POST", ["", "enrolment", "records"]:
                return self.open(body)
            case "GET", ["", "enrolment", "records", _]:
                return httpx.Response(200, json={"history": {"status": "complete"}})
            case "GET", ["Patient"]:
                return self.found(who, query["identifier"])
            case "GET", ["ExplanationOfBenefit"]:
                return bundle([{"resourceType": "ExplanationOfBenefit"}])
            case "GET", ["Consent"]:
                return bundle(self.consents)
            case "POST", ["Consent"]:
                self.consents.append(body)
                return httpx.Response(201, json=body)
            case "POST", ["DocumentReference"]:
                data = base64.b64decode(body["content"][0]["attachment"]["data"])
                return httpx.Response(201, json=self.keep(body, data))
            case "POST", ["DocumentReference", "$upload"]:
                kept = self.keep(body, b"")
                field_ = {
                    "name": "field",
                    "part": [
                        {"name": "name", "valueString": "key"},
                        {"name": "value", "valueString": kept["id"]},
                    ],
                }
                told = [
                    {"name": "documentReference", "resource": kept},
                    {"name": "url", "valueUri": f"{BASE}/form"},
                    field_,
                ]
                return httpx.Response(201, json={"resourceType": "Parameters", "parameter": told})
            case "POST", ["", "form"]:
                document = next(iter(sorted(self.documents, reverse=True)))
                self.contents[document] = PIECES[2].data
                return httpx.Response(204)
            case "GET", ["DocumentReference"]:
                return bundle([self.documents[d] for d in self.documents if self.sees(who, d)])
            case "GET", ["DocumentReference", document] if self.sees(who, document):
                return httpx.Response(200, json=self.documents[document])
            case "PATCH", ["DocumentReference", document] if "patient" in who:
                (added,) = body
                self.documents[document]["securityLabel"].append(added["value"])
                return httpx.Response(200, json=self.documents[document])
            case "GET", ["Binary", document] if self.sees(who, document):
                self.note_emergency(who)
                return httpx.Response(200, content=self.contents[document])
            case "PUT", ["", "notifications", "me"]:
                self.offices = [body["email"]]
                return httpx.Response(200, json=body)
            case "GET", ["AuditEvent"] if "patient" in who:
                return bundle(self.emergencies)
            case "GET", ["", "operations", "emergencies"] if who == self.token(OPERATOR.arguments):
                return httpx.Response(200, json={"rows": self.lines()})
        return httpx.Response(
            404, json={"resourceType": "OperationOutcome", "issue": [{"code": "not-found"}]}
        )

    def open(self, body):
        wrong = [
            n
            for n, bad in (
                ("ins.matricule", body["ins"]["oid"].endswith(".8")),
                ("traits.birthPlace", body["traits"]["birthPlace"] == "Paris"),
            )
            if bad
        ]
        if wrong:
            return httpx.Response(
                422, json={"title": "no", "errors": [{"field": f, "code": "x"} for f in wrong]}
            )
        matricule = body["ins"]["matricule"]
        if matricule not in self.records:
            self.records[matricule] = {
                "recordId": matricule[-4:],
                "channel": "pharmacist",
                "openedAt": datetime.now(UTC).isoformat(),
            }
            if body["contact"]:
                self.tell("email" if "email" in body["contact"] else "sms", "", "Bonjour")
            remb = {
                "resourceType": "DocumentReference",
                "type": {"coding": [{"code": "REMB"}]},
                "masterIdentifier": {"value": "remb"},
                "content": [{"attachment": {"title": "Données de remboursement"}}],
            }
            self.keep(remb, b"<ClinicalDocument/>")
        return httpx.Response(201, json=self.records[matricule])

    def keep(self, resource, data):
        document = f"d{len(self.documents)}"
        self.documents[document] = resource | {"id": document}
        self.contents[document] = data
        return self.documents[document]

    def state(self, who) -> str:
        about = {"permit": "VALIDE", "deny": "INTERDIT"}
        for consent in self.consents:
            (actor,) = consent["provision"]["actor"]
            if actor["reference"]["identifier"]["value"][1:] in who:
                return about[consent["provision"]["type"]]
        return "NON_EXISTE"

    def reads(self, who) -> bool:
        return (
            "patient" in who
            or "--reason" in who
            or self.state(who) == "VALIDE"
            or any(r in who for r in self.lets_in)
        )

    def sees(self, who, document) -> bool:
        hidden = labels(self.documents[document])
        if self.careless != "masks" and MASKED in hidden:
            return "patient" in who or TREATING.rpps in who
        if self.careless != "secrets" and NOT_FOR_PARENTS in hidden:
            return self.reads(who) and CAST[0].matricule not in who
        return self.reads(who)

    def tell(self, channel, to, subject, text="Bonjour"):
        self.messages.append({"channel": channel, "to": [to], "subject": subject, "text": text})

    def note_emergency(self, who) -> None:
        if "--reason" not in who:
            return
        if not self.emergencies:
            for address in (CAST[0].email, *(self.offices if self.careless != "office" else ())):
                self.tell(
                    "email", address, "En urgence", REASON if self.careless == "words" else "Lu"
                )
        if self.careless != "journal":
            purpose = {"coding": [{"code": "BTG"}]}
            why = {"text": REASON if self.careless != "reason" else ""}
            entry = {"resourceType": "AuditEvent", "purposeOfEvent": [purpose]}
            self.emergencies.append(entry | {"agent": [{"purposeOfUse": [why]}]})

    def lines(self) -> list[dict]:
        line = {
            "professional": f"8{STRANGER.rpps}",
            "mode": "break-glass",
            "state": "open",
            "last": datetime.now(UTC).isoformat(),
        }
        if self.careless == "oversight":
            line["patient"] = CAST[0].matricule
        return [line] if self.emergencies and self.careless != "blind" else []

    def found(self, who, identifier):
        record = self.records.get(identifier.partition("|")[2])
        state = {"url": "urn:dmp:authorisation-state", "valueCode": self.state(who)}
        return bundle(
            [{"resourceType": "Patient", "id": record["recordId"], "extension": [state]}]
            if record
            else []
        )


def bundle(resources):
    return httpx.Response(
        200, json={"resourceType": "Bundle", "entry": [{"resource": r} for r in resources]}
    )


@pytest.fixture
def play(monkeypatch):
    monkeypatch.setattr(run, "extracts", lambda folder, _today: [folder / "1-stock"])
    monkeypatch.setattr(run, "pieces_in", lambda _folder: PIECES)
    monkeypatch.setattr(people, "patients", lambda: CAST)
    monkeypatch.setattr("infra.local.demo.journey._MAIL", 0.5)
    monkeypatch.setattr("infra.local.demo.journey._OVERSIGHT", 0.5)
    stack = {"api": BASE, "fhir": f"{BASE}/fhir", "aws_endpoint": "http://aws.test"}

    def played(service: FakeService) -> tuple[int, str]:
        lines: list[str] = []
        with httpx.Client(transport=httpx.MockTransport(service)) as http:
            code = run.play(stack, Api(BASE, http), service, lines.append)
        return code, "\n".join(lines)

    return played


def test_a_service_that_keeps_the_rules_passes_every_step(play) -> None:
    code, told = play(FakeService())
    assert (code, told.count("✗"), told.count("–  ")) == (0, 0, 0), told
    assert told.count("✓") == 31


def test_played_again_it_finds_what_is_there_and_says_so(play) -> None:
    service = FakeService()
    play(service)
    for opened in service.records.values():
        opened["openedAt"] = "2026-01-01T00:00:00+00:00"
    documents = dict(service.documents)
    code, told = play(service)
    assert code == 0, told
    assert service.documents == documents
    assert "imported before" in told
    assert told.count("there already") == 3
    assert told.count("decided before") == 3
    assert told.count("masked before") == 1
    assert told.count("were told today") == 1
    assert told.count("open before") == 3
    assert "state kept" in told


@pytest.mark.parametrize("caller", [BLOCKED, STRANGER])
def test_a_service_that_lets_the_wrong_doctor_in_fails_the_demonstration(play, caller) -> None:
    code, told = play(FakeService(lets_in=(caller.rpps,)))
    assert code == 1
    assert told.count("✗") == 1
    assert "200 instead of 404" in told


def test_a_changed_byte_fails_the_demonstration(play) -> None:
    class Careless(FakeService):
        def keep(self, resource, data):
            return super().keep(resource, data.replace(b"%PDF", b"%PDQ"))

    code, told = play(Careless())
    assert code == 1
    assert "came back changed" in told


def test_messages_that_never_come_fail_the_demonstration(play) -> None:
    code, told = play(FakeService(silent=True))
    assert code == 1
    assert "not every message (email and sms expected)" in told


def test_a_message_that_names_somebody_fails_the_demonstration(play) -> None:
    message = {"channel": "email", "to": [], "subject": "DMP", "text": "Chère Mme PAT-TROIS"}
    code, told = play(FakeService(messages=[message]))
    assert code == 1
    assert "a message names" in told


@pytest.mark.parametrize(
    ("careless", "said"),
    [
        ("masks", "200 instead of 404"),
        ("secrets", "200 instead of 404"),
        ("office", f"not told to {CAST[0].email}"),
        ("words", "a message says why, or what"),
        ("journal", "the holder's journal has no emergency"),
        ("reason", "the journal does not say the reason"),
        ("blind", "operations do not see it"),
        ("oversight", "operations are told more than they may know"),
    ],
)
def test_a_label_or_an_emergency_that_is_not_kept_fails_the_demonstration(
    play, careless, said
) -> None:
    code, told = play(FakeService(careless=careless))
    assert code == 1
    assert "✗" in told
    assert said in " ".join(told.split())


def test_a_journal_that_is_not_as_it_was_written_fails_the_demonstration(play) -> None:
    code, told = play(FakeService(tampered="2 changed, 1 missing"))
    assert code == 1
    assert "2 changed, 1 missing (dmp traces verify names them)" in told


def test_what_needs_a_failed_step_is_not_tried(play) -> None:
    class Closed(FakeService):
        def open(self, body):
            return httpx.Response(503, json={"title": "not now"})

    code, told = play(Closed())
    assert code == 1
    assert "is not open" in told
    assert "503 instead of 201 or 409: not now" in told


def test_the_curl_lines_carry_the_tokens_and_the_record(play) -> None:
    _, told = play(FakeService())
    lines = [line for line in told.splitlines() if line.startswith("curl ")]
    assert len(lines) == 5
    assert all("Authorization: Bearer " in line and BASE in line for line in lines)
    assert sum("patient=8989" in line for line in lines) == 4


def test_the_cast_speaks_with_valid_test_numbers() -> None:
    for caller in (PHARMACY, *PROFESSIONALS):
        assert is_rpps(caller.rpps), caller
        assert is_finess(caller.arguments[caller.arguments.index("--structure") + 1])
    assert len({caller.rpps for caller in (PHARMACY, *PROFESSIONALS)}) == 6
    assert AGENT.arguments[0] == "agent"
