"""What the demonstration does, act by act. Each method is one step: it returns what happened in a
few words, and raises when that is not what should have happened. All of them may be done again
on the same state: what is there already is found, said, and used.
"""

from __future__ import annotations

import hashlib
import time
from collections import Counter
from dataclasses import dataclass, field
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Any, Protocol
from zoneinfo import ZoneInfo

from infra.local.demo import people, resources
from infra.local.demo.api import Api, eventually, expect
from infra.local.demo.story import Missing, Unexpected

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence
    from pathlib import Path

    from infra.local.demo.people import Caller, Patient
    from infra.local.demo.resources import Piece

_HISTORY = 180.0  # seconds that a history may take on a small machine
_CHECKS = 120.0
_MAIL = 120.0
_OVERSIGHT = 60.0
_KIB = 1024
_PARIS = ZoneInfo("Europe/Paris")
_JSON_PATCH = {"Content-Type": "application/json-patch+json"}
CREATED, OK, NOT_FOUND, CONFLICT, UNPROCESSABLE, NO_CONTENT = 201, 200, 404, 409, 422, 204


class Commands(Protocol):
    """The `dmp` commands that the demonstration uses, as a user would."""

    def token(self, arguments: Sequence[str]) -> str:
        """`dmp token …`"""

    def load_directory(self, path: Path) -> int:
        """`dmp directory load`: how many people are in it."""

    def import_extract(self, path: Path) -> Mapping[str, Any]:
        """`dmp import PATH --wait --json`"""

    def seal_traces(self) -> list[int]:
        """Call the sealer; the numbers of the segments that it added."""

    def verify_traces(self) -> Mapping[str, Any]:
        """What `dmp traces verify --json` prints, and the findings counted in words."""

    def inbox(self) -> list[dict[str, Any]]:
        """`dmp inbox --json`"""


@dataclass(slots=True)
class Opened:
    """A record of the demonstration: whose, by whom, since when."""

    id: str
    patient: Patient
    opener: Caller
    since: float
    fresh: bool
    history: str = "pending"


@dataclass(slots=True)
class Journey:
    api: Api
    commands: Commands
    records: dict[str, Opened] = field(default_factory=dict)
    documents: dict[str, str] = field(default_factory=dict)
    news: set[str] = field(default_factory=set)
    urgent_since: datetime | None = None
    _tokens: dict[tuple[str, ...], str] = field(default_factory=dict)

    # -- who calls

    def token(self, caller: Caller | Patient) -> str:
        """A bearer token of the local identity providers, asked for once."""
        if isinstance(caller, people.Patient):
            arguments: tuple[str, ...] = (
                "patient", "--ins", caller.matricule, "--oid", caller.oid,
            )  # fmt: skip
            if caller.birth_rank != 1:
                arguments += ("--birth-rank", str(caller.birth_rank))
        else:
            arguments = caller.arguments
        if arguments not in self._tokens:
            self._tokens[arguments] = self.commands.token(arguments)
        return self._tokens[arguments]

    def record(self, patient: Patient) -> Opened:
        if patient.matricule not in self.records:
            raise Missing(f"the record of {patient.called} is not open")
        return self.records[patient.matricule]

    def document(self, piece: Piece) -> str:
        if piece.name not in self.documents:
            raise Missing(f"{piece.name} is not in the record")
        return self.documents[piece.name]

    # -- the insurer's data

    def load_directory(self, path: Path) -> str:
        return f"{self.commands.load_directory(path)} people"

    def import_extract(self, path: Path) -> str:
        told = self.commands.import_extract(path)
        if told.get("status") != "accepted":
            raise Unexpected(f"{told.get('status')}: {told.get('refused') or told.get('detail')}")
        again = ", imported before" if told.get("unchanged") else ""
        return f"{told['read']} rows: {told['kept']} kept, {told['rejected']} set aside{again}"

    # -- opening

    def open(self, patient: Patient, opener: Caller, contact: dict[str, str]) -> str:
        """The same Idempotency-Key each time: the same request gets the same answer."""
        begun, begun_at = time.monotonic(), time.time()
        key = hashlib.sha256(f"demonstration/{patient.matricule}".encode()).hexdigest()[:32]
        answer = self.api.post(
            "/enrolment/records",
            self.token(opener),
            json=patient.opening(contact),
            headers={"Idempotency-Key": key},
        )
        if expect(answer, CREATED, CONFLICT).status_code == CONFLICT:
            record, fresh, channel = self._found(patient), False, "another"
        else:
            told = answer.json()
            record, channel = told["recordId"], told["channel"]
            fresh = datetime.fromisoformat(told["openedAt"]).timestamp() >= begun_at - 1
        self.records[patient.matricule] = Opened(record, patient, opener, begun, fresh)
        if not fresh:
            return f"{record}, {channel}, open before"
        self.news |= {"email" if "email" in contact else "sms"}
        return f"{record}, channel {channel}"

    def _found(self, patient: Patient) -> str:
        """The record's id, as a professional who holds the exact number is told it."""
        found = self.api.search("Patient", self.token(people.AUTHOR), identifier=patient.identifier)
        if not found:
            raise Unexpected("said to be open, but TD0.2 does not find it")
        return str(found[0]["id"])

    def refuse_bad_identity(self, patient: Patient) -> str:
        """A wrong key and a birthplace that is no code: both fields are named."""
        body = patient.opening({"email": "nobody@example.test"})
        number, key = patient.matricule[:-2], int(patient.matricule[-2:])
        body["ins"] = {"oid": people.NIR, "matricule": f"{number}{key % 97 + 1:02d}"}
        body["traits"]["birthPlace"] = "Paris"
        answer = expect(
            self.api.post("/enrolment/records", self.token(people.PHARMACY), json=body),
            UNPROCESSABLE,
        )
        fields = {each["field"] for each in answer.json().get("errors", [])}
        if not {"ins.matricule", "traits.birthPlace"} <= fields:
            raise Unexpected(f"422 names only {', '.join(sorted(fields)) or 'nothing'}")
        return f"422 names {', '.join(sorted(fields))}"

    # -- history

    def follow_history(self, patient: Patient) -> str:
        opened = self.record(patient)
        seen: list[str] = []

        def arrived() -> str | None:
            answer = expect(
                self.api.get(f"/enrolment/records/{opened.id}", self.token(opened.opener)), OK
            )
            status = str(answer.json()["history"]["status"])
            if status not in seen[-1:]:
                seen.append(status)
            return status if status not in {"pending", "running"} else None

        opened.history = eventually(arrived, _HISTORY, f"the history is still {seen[-1:]}")
        if opened.history != "complete":
            raise Unexpected(f"the history ended as {opened.history}")
        way = " → ".join(seen)
        if not opened.fresh:
            return f"{way} (since before)"
        return f"{way}, {time.monotonic() - opened.since:.1f} s after opening"

    def list_reimbursements(self, patient: Patient) -> str:
        opened = self.record(patient)
        found = eventually(
            lambda: [
                one
                for one in self._documents(opened, patient)
                if any(coding["code"] == "REMB" for coding in one["type"]["coding"])
            ],
            _CHECKS,
            "no document of type REMB",
        )
        data = self.api.bytes(found[0]["id"], self.token(patient))
        if b"ClinicalDocument" not in data:
            raise Unexpected("the document is no CDA")
        title = found[0]["content"][0]["attachment"]["title"]
        return f"“{title}”, CDA R2, {_size(data)}"

    def read_benefits(self, patient: Patient) -> str:
        opened = self.record(patient)
        lines = self.api.search("ExplanationOfBenefit", self.token(patient), patient=opened.id)
        if not lines:
            raise Unexpected("no line of reimbursement")
        return f"{len(lines)} services, amounts included"

    # -- consent

    def decide(self, patient: Patient, kind: str, provision: str, about: Caller) -> str:
        opened, bearer = self.record(patient), self.token(patient)
        known = self.api.search("Consent", bearer, patient=opened.id)
        if any(resources.is_about(one, kind, about.rpps) for one in known):
            return "decided before"
        body = resources.consent(opened.id, kind, provision, about.rpps)
        made = expect(self.api.post("/fhir/Consent", bearer, json=body), CREATED).json()
        if not resources.is_about(made, kind, about.rpps):
            raise Unexpected("the answer is another decision")
        self.news |= {"email"}
        return f"Consent {kind}, {provision}"

    def name_treating(self, patient: Patient, doctor: Caller) -> str:
        """The role by the holder, the address by the doctor: where emergencies are told."""
        named = self.decide(patient, "medecin-traitant", "permit", doctor)
        address = {"email": doctor.email}
        bearer = self.token(doctor)
        expect(self.api.call("PUT", "/notifications/me", bearer, json=address), OK, CREATED)
        return f"{named}; address known"

    def authorisation_state(self, patient: Patient, caller: Caller, wanted: str) -> str:
        found = self.api.search("Patient", self.token(caller), identifier=patient.identifier)
        states = [
            extension["valueCode"]
            for one in found
            for extension in one.get("extension", [])
            if extension["url"] == "urn:dmp:authorisation-state"
        ]
        if states != [wanted]:
            raise Unexpected(f"{states or 'nothing'} instead of {wanted}")
        return wanted

    # -- documents

    def publish(self, piece: Piece, patient: Patient, by: Caller) -> str:
        """ITI-105: the bytes inline."""
        opened = self.record(patient)
        if self._already(piece, opened, patient):
            return "there already"
        self.documents[piece.name] = self._send(piece, opened, by)
        self.news |= {"email"}
        return f"{_size(piece.data)} inline, 201"

    def _send(self, piece: Piece, opened: Opened, by: Caller, *labels: str) -> str:
        author = resources.by_professional(by, by.arguments[by.arguments.index("--structure") + 1])
        body = resources.inline(piece, opened.id, author)
        body["securityLabel"] += [resources.label(code) for code in labels]
        answer = expect(
            self.api.post("/fhir/DocumentReference", self.token(by), json=body), CREATED
        )
        return str(answer.json()["id"])

    def upload(self, piece: Piece, patient: Patient) -> str:
        """`$upload`: the form, the bytes straight to quarantine, the checks, the vault."""
        opened, bearer = self.record(patient), self.token(patient)
        if self._already(piece, opened, patient):
            return "there already"
        body = resources.announced(piece, opened.id, resources.by_patient(patient))
        told = expect(
            self.api.post("/fhir/DocumentReference/$upload", bearer, json=body), CREATED, OK
        ).json()
        document, url, fields = _form(told)
        sent = self.api.http.post(
            url, data=fields, files={"file": (piece.name, piece.data, piece.media_type)}
        )
        expect(sent, OK, CREATED, NO_CONTENT)
        begun = time.monotonic()

        def checked() -> str | None:
            one = expect(self.api.get(f"/fhir/DocumentReference/{document}", bearer), OK).json()
            stage = str(one.get("docStatus", "final"))
            return None if stage == "preliminary" else stage

        stage = eventually(checked, _CHECKS, "still preliminary")
        if stage != "final":
            raise Unexpected(f"the upload was rejected ({stage})")
        self.documents[piece.name] = document
        waited = time.monotonic() - begun
        return f"{_size(piece.data)} by form, preliminary → final in {waited:.1f} s"

    def _already(self, piece: Piece, opened: Opened, holder: Patient) -> bool:
        known = self._find(piece, opened, holder)
        if known:
            self.documents[piece.name] = str(known["id"])
        return bool(known)

    def _find(self, piece: Piece, opened: Opened, reader: Caller | Patient) -> dict[str, Any]:
        """The document that was made of the piece, as the reader finds it; empty: they do not."""
        wanted = piece.unique_id(opened.id)
        found = self._documents(opened, reader)
        return next((one for one in found if one["masterIdentifier"]["value"] == wanted), {})

    def _documents(self, opened: Opened, reader: Caller | Patient) -> list[dict[str, Any]]:
        return self.api.search(
            "DocumentReference", self.token(reader), patient=opened.id, status="current"
        )

    # -- access

    def read(self, patient: Patient, reader: Caller | Patient, pieces: Sequence[Piece]) -> str:
        """List, then read each, and compare every byte."""
        opened = self.record(patient)
        wanted = {self.document(piece): piece for piece in pieces}
        listed = {str(one["id"]) for one in self._documents(opened, reader)}
        absent = [piece.name for document, piece in wanted.items() if document not in listed]
        if absent:
            raise Unexpected(f"not listed: {', '.join(absent)}")
        for document, piece in wanted.items():
            if self.api.bytes(document, self.token(reader)) != piece.data:
                raise Unexpected(f"{piece.name} came back changed")
        return f"{len(listed)} listed, {len(wanted)} read, byte for byte"

    def see_nothing(self, patient: Patient, reader: Caller, piece: Piece) -> str:
        """404 and an empty list, as for a record that does not exist."""
        opened, bearer = self.record(patient), self.token(reader)
        document = self.document(piece)
        for path in (f"/fhir/DocumentReference/{document}", f"/fhir/Binary/{document}"):
            expect(self.api.get(path, bearer), NOT_FOUND)
        listed = self._documents(opened, reader)
        if listed:
            raise Unexpected(f"{len(listed)} documents listed")
        return "404 on the document and its bytes, empty list"

    def mask(
        self, piece: Piece, patient: Patient, by: Caller, hidden_from: Caller, shown_to: Caller
    ) -> str:
        """One doctor's document with the holder's label: another sees it no more, a third does."""
        opened = self.record(patient)
        self.publish(piece, patient, by)
        document, path = self.document(piece), f"/fhir/DocumentReference/{self.document(piece)}"
        known = expect(self.api.get(path, self.token(patient)), OK).json()
        before = resources.MASKED in resources.labels(known)
        if not before:
            if not self._find(piece, opened, hidden_from):
                raise Unexpected(f"{hidden_from.called} did not see it before")
            label = resources.label(resources.MASKED)
            patch = [{"op": "add", "path": "/securityLabel/-", "value": label}]
            bearer = self.token(patient)
            expect(self.api.call("PATCH", path, bearer, json=patch, headers=_JSON_PATCH), OK)
        self._closed(piece, opened, document, hidden_from)
        if self.api.bytes(document, self.token(shown_to)) != piece.data:
            raise Unexpected(f"{piece.name} came back changed")
        what = "masked before, 404" if before else "listed, then 404"
        return f"{what}; {shown_to.called} reads"

    def _closed(
        self, piece: Piece, opened: Opened, document: str, reader: Caller | Patient
    ) -> None:
        """One document hidden from one reader, where others of the record are not."""
        for path in (f"/fhir/DocumentReference/{document}", f"/fhir/Binary/{document}"):
            expect(self.api.get(path, self.token(reader)), NOT_FOUND)
        if self._find(piece, opened, reader):
            raise Unexpected(f"{piece.name} is listed")

    def keep_secret(self, child: Patient, parent: Patient, doctor: Caller) -> str:
        """A minor's record with a parent: the parent reads, but not the secret care.

        No address is given at the counter, so that nobody is told anything of this record.
        """
        key = hashlib.sha256(f"demonstration/{child.matricule}".encode()).hexdigest()[:32]
        told = {"traits": parent.traits, "basis": "parental-authority"}
        answer = self.api.post(
            "/enrolment/records",
            self.token(people.PHARMACY),
            json=child.opening({}) | {"representatives": [told]},
            headers={"Idempotency-Key": key},
        )
        if expect(answer, CREATED, CONFLICT).status_code == CONFLICT:
            record = self._found(child)
        else:
            record = str(answer.json()["recordId"])
        opened = Opened(record, child, people.PHARMACY, time.monotonic(), fresh=False)
        plain, secret = (
            str(
                self._find(piece, opened, child).get("id") or self._send(piece, opened, doctor, *to)
            )
            for piece, to in (
                (resources.GROWTH, ()),
                (resources.CONFIDED, (resources.NOT_FOR_PARENTS,)),
            )
        )
        if not self._find(resources.GROWTH, opened, parent):
            raise Unexpected("the parent does not find what is not secret")
        if self.api.bytes(plain, self.token(parent)) != resources.GROWTH.data:
            raise Unexpected("the parent reads something else")
        self._closed(resources.CONFIDED, opened, secret, parent)
        if self.api.bytes(secret, self.token(child)) != resources.CONFIDED.data:
            raise Unexpected("the child reads something else")
        return "one of two listed, 404; the child reads both"

    # -- in an emergency

    def break_glass(
        self, patient: Patient, caller: Caller, reading: Piece, masked: Piece, told: Sequence[str]
    ) -> str:
        """A reason in the token opens the record, not what is masked.

        `told` are the addresses at which it is told, once a day.
        """
        bearer = self.token(caller.in_emergency(people.REASON))
        document, hidden = self.document(reading), self.document(masked)
        before = bool(self._emergencies(patient, caller, datetime.now(_PARIS).date().isoformat()))
        known = Counter({address: self._urgent_mail(address) for address in told})
        self.urgent_since = datetime.now(UTC)
        if self.api.bytes(document, bearer) != reading.data:
            raise Unexpected(f"{reading.name} came back changed")
        expect(self.api.get(f"/fhir/Binary/{hidden}", bearer), NOT_FOUND)
        if before:  # once a day: what was told then is in the inbox still
            known.clear()
        eventually(
            lambda: all(self._urgent_mail(address) > known[address] for address in told),
            _MAIL,
            f"not told to {' and '.join(told)}",
        )
        for message in self.commands.inbox():
            text = str(message.get("text"))
            if people.REASON in text or document in text:
                raise Unexpected("a message says why, or what")
        return f"read, masked 404; {len(told)} {'were told today' if before else 'told by e-mail'}"

    def _urgent_mail(self, address: str) -> int:
        """How many messages of an emergency an address got (French, or as the holder chose)."""
        return sum(
            address in one["to"] and any(w in str(one["subject"]) for w in ("urgence", "mergency"))
            for one in self.commands.inbox()
            if one["channel"] == "email"
        )

    def _emergencies(self, patient: Patient, caller: Caller, since: str) -> list[dict[str, Any]]:
        """The holder's entries of what the caller did in an emergency, from a day or moment on."""
        found = self.api.search(
            "AuditEvent",
            self.token(patient),
            patient=self.record(patient).id,
            date=f"ge{since}",
            **{"agent.identifier": f"{resources.PS}|8{caller.rpps}", "outcome": "0"},
        )
        return [
            one
            for one in found
            if "BTG" in {c["code"] for p in one.get("purposeOfEvent", []) for c in p["coding"]}
        ]

    def oversee(self, patient: Patient, caller: Caller, operator: Caller) -> str:
        """The holder reads who came and why; operations that somebody did, not where."""
        if self.urgent_since is None:
            raise Missing("there was no emergency")
        since = self.urgent_since.replace(microsecond=0)
        entries = self._emergencies(patient, caller, since.strftime("%Y-%m-%dT%H:%M:%SZ"))
        if not entries:
            raise Unexpected("the holder's journal has no emergency")
        if not any(people.REASON in str(one["agent"]) for one in entries):
            raise Unexpected("the journal does not say the reason")
        bearer = self.token(operator)

        def line() -> dict[str, Any] | None:
            answer = self.api.get("/operations/emergencies", bearer, params={"_count": "100"})
            for row in expect(answer, OK).json()["rows"]:
                late = datetime.fromisoformat(row["last"]) >= since
                if row["professional"] == f"8{caller.rpps}" and late:
                    return dict(row)
            return None

        row = eventually(line, _OVERSIGHT, "operations do not see it")
        secrets = (self.record(patient).id, patient.matricule, patient.family_name, people.REASON)
        if any(secret in str(row) for secret in (*secrets, *self.documents.values())):
            raise Unexpected("operations are told more than they may know")
        return f"who, when, why; operations: {row['mode']}, {row['state']}"

    # -- what went out

    def read_inbox(self, known: Counter[str], patients: Sequence[Patient]) -> str:
        """E-mails and SMS that the holders got, of which none says anything about anybody.

        `known` counts what was in the inbox before, by channel.
        """
        if not self.records:
            raise Missing("no record is open")
        eventually(
            lambda: self.news <= set(self.counted() - known),
            _MAIL,
            f"not every message ({' and '.join(sorted(self.news))} expected)",
        )
        messages, counts = self.commands.inbox(), self.counted()
        text = str([(one.get("subject"), one.get("text")) for one in messages])
        told = [p.called for p in patients if p.family_name in text or p.matricule in text]
        if told:
            raise Unexpected(f"a message names {', '.join(told)}")
        new = (counts - known).total()
        return f"{counts['email']} e-mails, {counts['sms']} SMS ({new} new); none names anybody"

    # -- what was written about it

    def seal_traces(self) -> str:
        """The hour is closed now, instead of within the hour."""
        added = self.commands.seal_traces()
        return f"segment {added[-1]}, chained and signed" if added else "sealed this moment"

    def verify_traces(self) -> str:
        """The journal against its seal, with every mark."""
        told = self.commands.verify_traces()
        if not told["ok"]:
            raise Unexpected(f"{told['counted']} (dmp traces verify names them)")
        if not told["entries"]:
            raise Unexpected("nothing was written")
        waiting = f", {told['pending']} not collected yet" if told["pending"] else ""
        return f"{told['entries']} entries, none changed, missing or added{waiting}"

    def counted(self) -> Counter[str]:
        """How many messages the inbox holds, by channel (`email`, `sms`)."""
        return Counter(str(one["channel"]) for one in self.commands.inbox())


def _size(data: bytes) -> str:
    """`612 bytes`, `94 KiB`."""
    return f"{len(data)} bytes" if len(data) < _KIB else f"{len(data) / _KIB:.0f} KiB"


def _form(told: Mapping[str, Any]) -> tuple[str, str, dict[str, str]]:
    """Document id, address and fields of the `Parameters` that `$upload` answers."""
    document = url = ""
    fields: dict[str, str] = {}
    for parameter in told.get("parameter", []):
        match parameter["name"]:
            case "documentReference":
                document = parameter["resource"]["id"]
            case "url":
                url = next(str(v) for name, v in parameter.items() if name.startswith("value"))
            case "field":
                parts = {part["name"]: part["valueString"] for part in parameter["part"]}
                fields[parts["name"]] = parts["value"]
    if not (document and url and fields):
        raise Unexpected("$upload answered without a form")
    return document, url, fields
