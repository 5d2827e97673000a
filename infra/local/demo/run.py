"""The demonstration: the whole main job against a running stack, by HTTP and `dmp` commands.

`main(stack)` plays it and returns the exit code: 0 when every step did what it should, 1 otherwise.
Played again on kept state it finds what is there, says so, and goes on.
"""

from __future__ import annotations

import time
from datetime import UTC, datetime
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import TYPE_CHECKING, Any

import httpx
from rich.markup import escape

from infra.local.demo import people, resources
from infra.local.demo.api import Api
from infra.local.demo.commands import UserCommands
from infra.local.demo.extract.generate import extracts
from infra.local.demo.journey import Commands, Journey
from infra.local.demo.people import (
    AGENT,
    AUTHOR,
    BLOCKED,
    OPERATOR,
    PHARMACY,
    READER,
    STRANGER,
    TREATING,
)
from infra.local.demo.story import Outcome, Story, console_for

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from infra.local.demo.people import Patient
    from infra.local.demo.resources import Piece

HERE = Path(__file__).parent
DOCUMENTS = HERE / "documents"
_PATIENCE = httpx.Timeout(40.0, connect=5.0)


def main(stack: dict[str, Any], out: Callable[[str], object] = print) -> int:
    """Play the demonstration against `stack` (the content of `stack.json`), telling it to `out`."""
    with httpx.Client(timeout=_PATIENCE) as http:
        return play(stack, Api(stack["api"], http), UserCommands(stack), out)


def play(stack: dict[str, Any], api: Api, commands: Commands, out: Callable[[str], object]) -> int:
    """The demonstration with its API and commands given."""
    story = Story(console_for(out))
    journey = Journey(api, commands)
    begun = time.monotonic()
    cast = people.patients()[:3]
    _tell(story, journey, cast, pieces_in(DOCUMENTS))
    _end(story, stack, journey, cast, time.monotonic() - begun)
    return 0 if story.good else 1


def _tell(story: Story, journey: Journey, cast: Sequence[Patient], pieces: Sequence[Piece]) -> None:
    first, second, third = cast
    report, letter, picture, note = pieces
    plain = (report, letter, picture)
    known = journey.counted()

    story.chapter("What the insurer knows")
    story.step(
        "The directory of the insured is loaded", lambda: journey.load_directory(people.DIRECTORY)
    )
    with TemporaryDirectory(prefix="dmp-extract-") as folder:
        for extract in extracts(Path(folder), datetime.now(UTC).date()):
            story.step(
                f"The extract {extract.name} is imported",
                lambda extract=extract: journey.import_extract(extract),
            )

    story.chapter("Three records, three channels")
    openings = (
        (first, PHARMACY, {"email": first.email}),
        (second, AUTHOR, {"mobile": second.mobile}),
        (third, AGENT, {"email": third.email}),
    )
    for patient, opener, contact in openings:
        story.step(
            f"{_capital(opener.called)} opens for {patient.called}",
            lambda p=patient, o=opener, c=contact: journey.open(p, o, c),
        )
    story.step("A bad identity is refused", lambda: journey.refuse_bad_identity(first))

    story.chapter("The reimbursement history arrives")
    for patient in cast:
        story.step(f"History of {patient.called}", lambda p=patient: journey.follow_history(p))
    story.step("The document REMB is in the record", lambda: journey.list_reimbursements(first))
    story.step("The holder reads the lines as FHIR", lambda: journey.read_benefits(first))

    story.chapter("The holder decides")
    story.step(
        "One doctor is authorised",
        lambda: journey.decide(first, "authorisation", "permit", READER),
    )
    story.step("Another is blocked", lambda: journey.decide(first, "block", "deny", BLOCKED))
    story.step("The médecin traitant is named", lambda: journey.name_treating(first, TREATING))
    for caller, state in ((READER, "VALIDE"), (BLOCKED, "INTERDIT"), (STRANGER, "NON_EXISTE")):
        story.step(
            f"TD0.2 tells {caller.called}",
            lambda c=caller, s=state: journey.authorisation_state(first, c, s),
        )

    story.chapter("Documents")
    story.step("A doctor sends a report (PDF)", lambda: journey.publish(report, first, AUTHOR))
    story.step("A doctor sends a letter (CDA R2)", lambda: journey.publish(letter, first, AUTHOR))
    story.step("The holder adds a picture (JPEG)", lambda: journey.upload(picture, first))

    story.chapter("Who reads, and who does not")
    story.step("The holder reads everything", lambda: journey.read(first, first, plain))
    story.step("The authorised doctor reads", lambda: journey.read(first, READER, plain))
    for caller in (BLOCKED, STRANGER):
        story.step(
            f"{_capital(caller.called)} sees nothing",
            lambda c=caller: journey.see_nothing(first, c, report),
        )

    story.chapter("Masked, secret, in an emergency")
    story.step(
        "The holder masks a doctor's note",
        lambda: journey.mask(note, first, AUTHOR, READER, TREATING),
    )
    story.step(
        "A parent does not see a child's secret care",
        lambda: journey.keep_secret(people.child_of(first), first, AUTHOR),
    )
    story.step(
        "The unknown doctor states an emergency",
        lambda: journey.break_glass(first, STRANGER, report, note, (first.email, TREATING.email)),
    )
    story.step(
        "The holder and operations see it", lambda: journey.oversee(first, STRANGER, OPERATOR)
    )

    story.chapter("What the holders were told")
    story.step("E-mails and SMS went out", lambda: journey.read_inbox(known, cast))

    story.chapter("What was written about it")
    story.step("The journal of accesses is sealed", journey.seal_traces)
    story.step("It is as it was written", journey.verify_traces)


def _capital(text: str) -> str:
    return text[:1].upper() + text[1:]


def pieces_in(folder: Path) -> tuple[Piece, Piece, Piece, Piece]:
    """The report (PDF), the letter (CDA), the picture (JPEG) and the note (text) of a folder."""

    def only(*endings: str) -> Path:
        return next(path for path in sorted(folder.iterdir()) if path.suffix in endings)

    pdf, cda, jpeg, text = only(".pdf"), only(".xml"), only(".jpg", ".jpeg"), only(".txt")
    return (
        resources.report(pdf.name, pdf.read_bytes()),
        resources.letter(cda.name, cda.read_bytes()),
        resources.picture(jpeg.name, jpeg.read_bytes()),
        resources.note(text.name, text.read_bytes()),
    )


def _end(
    story: Story, stack: dict[str, Any], journey: Journey, cast: Sequence[Patient], seconds: float
) -> None:
    done, failed = story.count(Outcome.DONE), story.count(Outcome.FAILED)
    skipped = story.count(Outcome.SKIPPED)
    again = bool(journey.records) and not any(one.fresh for one in journey.records.values())
    say = story.console.print
    say()
    style = "bold green" if story.good else "bold red"
    say(
        f"[{style}]{done} of {len(story.told)} steps did what they should[/] in {seconds:.0f} s"
        + (f"; {failed} failed, {skipped} not tried" if not story.good else "")
        + (" (state kept from an earlier run)" if again else "")
    )
    say()
    for label, address in (
        ("API", stack["api"]),
        ("FHIR", stack["fhir"]),
        ("OpenAPI", f"{stack['api']}/openapi.json"),
        ("AWS endpoint", stack["aws_endpoint"]),
    ):
        say(f"  [bold]{label:13}[/]{escape(address)}")
    lines = curl_lines(stack, journey, cast[0])
    if lines:
        say("\nTry it (the tokens work for an hour; [bold]dmp token[/] prints others):")
    for comment, line in lines:
        say(f"\n[dim]# {escape(comment)}[/]")
        say(escape(line), soft_wrap=True)


def curl_lines(stack: dict[str, Any], journey: Journey, patient: Patient) -> list[tuple[str, str]]:
    """(comment, command) to paste into a shell; empty when no record is open."""
    opened = journey.records.get(patient.matricule)
    if opened is None:
        return []
    fhir = stack["fhir"]
    listing = f"{fhir}/DocumentReference?patient={opened.id}&status=current"

    def get(who: Any, address: str, *options: str) -> str:
        head = f"-H 'Authorization: Bearer {journey.token(who)}'"
        return " ".join(["curl -s", *options, head, f"'{address}'"])

    lines = [
        ("the holder lists their documents", get(patient, listing)),
        ("the authorised doctor does", get(READER, listing)),
        (
            "the blocked doctor gets an empty list",
            get(BLOCKED, listing),
        ),
        (
            "the holder reads what was reimbursed",
            get(patient, f"{fhir}/ExplanationOfBenefit?patient={opened.id}"),
        ),
    ]
    for name, document in journey.documents.items():
        if name.endswith(".pdf"):
            address = f"{fhir}/Binary/{document}"
            lines.append(("the doctor fetches the report", get(READER, address, "-o", name)))
    return lines
