"""The mock identity providers give real tokens, with the claims of the real providers."""

import base64
import json
import threading
import time

import httpx
import jwt
import pytest

from tests.support.local_stack import inbox, probe_cloud, token  # noqa: F401

DOCTOR = ("professional", "--rpps", "10100997245", "--profession", "10")
TRAITS = {
    "birthFamilyName": "PAT-TROIS",
    "birthGivenNames": ["DOMINIQUE", "MARIE"],
    "birthDate": "1979-03-28",
    "sex": "female",
    "birthPlace": "51215",
}
PATIENT = ("patient", "--ins", "279035121518989", "--traits", json.dumps(TRAITS))


@pytest.fixture
def verified(probe_cloud):  # noqa: F811
    """The claims of the token for some arguments, checked as the authorizer checks them."""

    def verify(*arguments, audience="dmp"):
        issuer = probe_cloud.content["issuers"][arguments[0]]
        given = token(probe_cloud.content, *arguments)
        discovered = httpx.get(f"{issuer}/.well-known/openid-configuration").json()
        key = jwt.PyJWKClient(discovered["jwks_uri"]).get_signing_key_from_jwt(given)
        return jwt.decode(
            given,
            key,
            algorithms=["RS256"],
            audience=audience,
            issuer=issuer,
            options={"require": ["exp", "iat", "iss", "aud", "sub"]},
        )

    return verify


def test_a_professional_has_the_claims_of_pro_sante_connect(verified):
    claims = verified(
        *DOCTOR, "--specialty", "SM54", "--structure", "750000018", "--reason", "arrêt cardiaque"
    )
    assert claims["sub"].startswith("f:")
    assert claims["sub"].endswith(":810100997245")
    assert claims["SubjectNameID"] == "810100997245"
    assert claims["SubjectRole"] == ["10^1.2.250.1.213.1.1.5.5"]
    assert claims["Mode_Acces_Raison"] == "arrêt cardiaque"
    assert claims["Acces_Regulation_Medicale"] == "FAUX"
    assert claims["acr"] == "eidas3"
    (practice,) = claims["SubjectRefPro"]["exercices"]
    assert (practice["codeProfession"], practice["codeSavoirFaire"]) == ("10", "SM54")
    assert practice["activities"][0]["numeroFinessSite"] == "750000018"


def test_a_regulating_doctor_says_so(verified):
    assert verified(*DOCTOR, "--regulation")["Acces_Regulation_Medicale"] == "VRAI"
    assert verified(*DOCTOR)["Acces_Regulation_Medicale"] == "FAUX"


def test_a_patient_has_the_claims_of_franceconnect_and_always_the_same_subject(verified):
    claims = verified(*PATIENT)
    assert {name: claims[name] for name in ("family_name", "given_name", "birthdate")} == {
        "family_name": "PAT-TROIS",
        "given_name": "DOMINIQUE MARIE",
        "birthdate": "1979-03-28",
    }
    assert (claims["birthplace"], claims["birthcountry"], claims["gender"]) == (
        "51215",
        "99100",
        "female",
    )
    assert verified(*PATIENT, "--oid", "1.2.250.1.213.1.4.8")["sub"] == claims["sub"]
    assert verified(*PATIENT, "--birth-rank", "2")["sub"] != claims["sub"]
    assert "279035121518989" not in json.dumps(claims)


def test_agents_and_systems_say_what_they_are(verified):
    agent = verified("agent", "--role", "operations", "--caisse", "751")
    assert (agent["role"], agent["caisse"]) == ("operations", "751")
    assert verified("system", "--structure", "750000018")["structure"] == "750000018"


def test_a_token_lasts_as_long_as_asked_and_may_be_over_already(verified):
    claims = verified(*DOCTOR, "--expires-in", "90")
    assert 80 < claims["exp"] - time.time() <= 90
    with pytest.raises(jwt.ExpiredSignatureError):
        verified(*DOCTOR, "--expires-in", "-60")


def test_a_token_is_meant_for_the_audience_asked(verified):
    assert verified(*DOCTOR, "--audience", "other", audience="other")["aud"] in ("other", ["other"])
    with pytest.raises(jwt.InvalidAudienceError):
        verified(*DOCTOR, "--audience", "other")


def test_a_token_names_its_key_and_is_signed_with_rs256(probe_cloud):  # noqa: F811
    header = jwt.get_unverified_header(token(probe_cloud.content, *DOCTOR))
    assert header["alg"] == "RS256"
    assert header["kid"]


def test_two_logins_of_one_person_at_once_do_not_mix(probe_cloud):  # noqa: F811
    found = {}

    def ask(reason):
        body = token(probe_cloud.content, *DOCTOR, "--reason", reason).split(".")[1]
        told = json.loads(base64.urlsafe_b64decode(body + "=="))
        found[reason] = told["Mode_Acces_Raison"]

    threads = [threading.Thread(target=ask, args=(f"reason {n}",)) for n in range(8)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert found == {f"reason {n}": f"reason {n}" for n in range(8)}


def test_the_inbox_holds_the_emails_and_sms_that_were_sent(probe_cloud):  # noqa: F811
    ses, sns = probe_cloud.client("sesv2"), probe_cloud.client("sns")
    ses.create_email_identity(EmailIdentity="dmp@example.test")
    ses.send_email(
        FromEmailAddress="dmp@example.test",
        Destination={"ToAddresses": ["somebody@example.test"]},
        Content={"Simple": {"Subject": {"Data": "é"}, "Body": {"Text": {"Data": "bonjour"}}}},
    )
    sns.publish(PhoneNumber="+33639980001", Message="un message")
    (mail,) = inbox(probe_cloud.content, "Somebody@example.test")
    assert (mail["channel"], mail["subject"], mail["text"]) == ("email", "é", "bonjour")
    (text,) = inbox(probe_cloud.content, "+33639980001")
    assert (text["channel"], text["text"]) == ("sms", "un message")
    assert {one["channel"] for one in inbox(probe_cloud.content)} == {"email", "sms"}
