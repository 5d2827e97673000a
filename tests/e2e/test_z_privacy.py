"""Last: what everything before wrote down holds nobody's identity."""

from __future__ import annotations

from tests.e2e.client import Dmp, pdf, reference
from tests.support.people import DOMINIQUE, opening, somebody


def test_no_log_line_holds_a_matricule_a_name_or_an_address(dmp: Dmp, eventually):
    marked = somebody()
    address = "quelquun.de.reconnaissable@example.test"
    record = dmp.open(marked, contact={"email": address})
    holder = dmp.holder(marked)
    dmp.post("/enrolment/records", dmp.pharmacist(), json=opening(marked, scheme="none"))
    dmp.post("/fhir/DocumentReference", dmp.doctor(), json=reference(record, pdf()))
    dmp.get("/fhir/DocumentReference", holder, params={"patient": record, "status": "current"})
    assert eventually(lambda: dmp.mail(address))
    written = eventually(dmp.logs)
    assert written, "nothing was logged: this test would prove nothing"
    for secret in (
        marked.matricule,
        marked.matricule[:13],
        marked.family_name,
        address,
        DOMINIQUE.matricule[:13],
        DOMINIQUE.family_name,
        "@example.test",
        "Compte rendu de consultation",
    ):
        assert secret not in written
