"""Who a token speaks for, and every way in which it speaks for nobody."""

from __future__ import annotations

import base64
import hashlib
import hmac
import json
import time
from datetime import date

import jwt
import pytest
from cryptography.hazmat.primitives import serialization
from cryptography.hazmat.primitives.asymmetric import ec, rsa
from jwt.algorithms import ECAlgorithm, RSAAlgorithm

from dmp.domain.actors import Agent, AgentRole, Person, Professional, Structure, System
from dmp.domain.errors import Unauthenticated
from dmp.edge.actors import from_context
from dmp.edge.keyring import KeyRing, KeysUnavailable, fetch
from dmp.edge.settings import Issuer
from dmp.edge.tokens import Verifier
from functions.authorizer import app, wiring
from tests.support.logs import written_by

PSC = Issuer("professional", "https://psc.test", "https://psc.test/jwks", "dmp")
FCP = Issuer("patient", "https://fc.test", "https://fc.test/jwks", "dmp")
FUNDS = Issuer("agent", "https://funds.test", "https://funds.test/jwks", "dmp")
SITES = Issuer("system", "https://sites.test", "https://sites.test/jwks", "dmp")
ISSUERS = (PSC, FCP, FUNDS, SITES)

NUMBER = "810100997245"
DOCTOR = {
    "sub": f"f:0a1b2c3d-0000-4000-8000-000000000000:{NUMBER}",
    "SubjectNameID": NUMBER,
    "SubjectRole": ["10^1.2.250.1.213.1.1.5.5"],
    "Secteur_Activite": "SA07^1.2.250.1.71.4.2.4",
    "SubjectOrganization": "Cabinet du Test",
    "SubjectOrganizationID": "1750000018",
    "Mode_Acces_Raison": "",
    "Acces_Regulation_Medicale": "FAUX",
    "SubjectRefPro": {
        "exercices": [
            {
                "codeProfession": "10",
                "codeSavoirFaire": "SM54",
                "activities": [{"codeSecteurDactivite": "SA07", "numeroFinessSite": "750000018"}],
            }
        ]
    },
}
PATIENT = {
    "sub": "d5c7v1",
    "family_name": "PAT-TROIS",
    "given_name": "DOMINIQUE ANNE",
    "birthdate": "1979-03-28",
    "birthplace": "51215",
    "birthcountry": "99100",
    "gender": "female",
}
AGENT = {"sub": "agent-7", "role": "enrolment", "caisse": "751"}
SYSTEM = {"sub": "1750000018", "SubjectOrganizationID": "1750000018"}

RSA_KEY = rsa.generate_private_key(public_exponent=65537, key_size=2048)
OTHER_RSA_KEY = rsa.generate_private_key(public_exponent=65537, key_size=2048)
EC_KEY = ec.generate_private_key(ec.SECP256R1())


def public(key, kid, **more):
    algorithm = RSAAlgorithm if isinstance(key, rsa.RSAPrivateKey) else ECAlgorithm
    return algorithm.to_jwk(key.public_key(), as_dict=True) | {"kid": kid, **more}


class Providers:
    """Identity providers that publish what they are told to, or are away."""

    def __init__(self, *keys):
        self.keys = list(keys)
        self.away = False
        self.page = None
        self.asked = 0
        self.now = 0.0

    def get(self, address):
        self.asked += 1
        if self.away:
            raise OSError("no route to host")
        return json.dumps({"keys": self.keys}).encode() if self.page is None else self.page

    def clock(self):
        return self.now

    def verifier(self):
        ring = KeyRing(self.get, self.clock)
        return Verifier(ISSUERS, ring, lambda issuer, sub: f"hash({issuer},{sub})")


@pytest.fixture
def providers():
    return Providers(public(RSA_KEY, "one"), public(EC_KEY, "curve"))


@pytest.fixture
def verify(providers):
    verifier = providers.verifier()
    return lambda token: verifier(f"Bearer {token}")


def token(claims, issuer=PSC, key=RSA_KEY, algorithm="RS256", headers=None, **changes):
    now = int(time.time())
    told = {
        "iss": issuer.issuer,
        "aud": issuer.audience,
        "iat": now,
        "exp": now + 300,
        **claims,
        **changes,
    }
    told = {name: value for name, value in told.items() if value is not None}
    # Signed as bytes: a library that refuses to write nonsense is no test of reading it.
    head = {"typ": "JWT", "kid": "one", **(headers or {})}
    return jwt.PyJWS().encode(json.dumps(told).encode(), key, algorithm, headers=head)


def refusal(verify, text):
    with pytest.raises(Unauthenticated) as refused:
        verify(text)
    return refused.value.reason


# -- signature ---------------------------------------------------------------------------------


def test_a_good_token_of_each_kind_speaks_for_its_actor(verify):
    assert verify(token(DOCTOR)) == Professional(
        NUMBER, "10", "SM54", Structure("750000018", "SA07", "Cabinet du Test")
    )
    assert verify(token(PATIENT, FCP)) == Person(
        "hash(https://fc.test,d5c7v1)",
        "PAT-TROIS",
        ("DOMINIQUE", "ANNE"),
        date(1979, 3, 28),
        "female",
        "51215",
    )
    assert verify(token(AGENT, FUNDS)) == Agent("agent-7", AgentRole.ENROLMENT, "751")
    assert verify(token(SYSTEM, SITES)) == System(Structure("750000018"))


def test_an_elliptic_key_signs_as_well(verify):
    signed = token(DOCTOR, key=EC_KEY, algorithm="ES256", headers={"kid": "curve"})
    assert verify(signed).id == NUMBER


def test_a_changed_claim_breaks_the_signature(verify):
    head, body, signature = token(DOCTOR).split(".")
    told = json.loads(base64.urlsafe_b64decode(body + "=="))
    told["SubjectRole"] = ["21^1.2.250.1.213.1.1.5.5"]
    forged = base64.urlsafe_b64encode(json.dumps(told).encode()).decode().rstrip("=")
    assert refusal(verify, f"{head}.{forged}.{signature}") == "invalid"


def test_somebody_elses_key_under_a_known_name_opens_nothing(verify):
    assert refusal(verify, token(DOCTOR, key=OTHER_RSA_KEY)) == "invalid"


def test_a_token_without_signature_opens_nothing(verify):
    unsigned = jwt.encode(
        {**DOCTOR, "iss": PSC.issuer, "aud": "dmp", "exp": time.time() + 60, "iat": 1},
        None,
        "none",
        headers={"kid": "one"},
    )
    assert refusal(verify, unsigned) == "invalid"


@pytest.mark.parametrize("algorithm", ["HS256", "RS256"])
def test_the_public_key_is_no_shared_secret(verify, algorithm):
    """The old trick: HMAC with the published key as its secret, under either name."""
    secret = RSA_KEY.public_key().public_bytes(
        serialization.Encoding.PEM, serialization.PublicFormat.SubjectPublicKeyInfo
    )
    now = int(time.time())
    parts = [
        {"alg": algorithm, "typ": "JWT", "kid": "one"},
        {**DOCTOR, "iss": PSC.issuer, "aud": "dmp", "iat": now, "exp": now + 300},
    ]
    message = b".".join(
        base64.urlsafe_b64encode(json.dumps(part).encode()).rstrip(b"=") for part in parts
    )
    signature = base64.urlsafe_b64encode(hmac.new(secret, message, hashlib.sha256).digest())
    assert refusal(verify, (message + b"." + signature.rstrip(b"=")).decode()) == "invalid"


@pytest.mark.parametrize("algorithm", ["RS384", "RS512", "PS256"])
def test_only_the_listed_algorithms_are_believed(verify, algorithm):
    assert refusal(verify, token(DOCTOR, algorithm=algorithm)) == "invalid"


def test_the_key_chooses_the_algorithm_not_the_token(verify):
    crossed = token(DOCTOR, key=EC_KEY, algorithm="ES256", headers={"kid": "one"})
    assert refusal(verify, crossed) == "invalid"


@pytest.mark.parametrize("headers", [{"kid": "unknown"}, {"kid": ""}, {"crit": ["exp"]}])
def test_a_header_that_names_no_key_or_asks_for_more_opens_nothing(verify, headers):
    assert refusal(verify, token(DOCTOR, headers=headers)) == "invalid"


def test_a_short_rsa_key_signs_nothing():
    weak = rsa.generate_private_key(public_exponent=65537, key_size=1024)  # noqa: S505
    published = Providers(public(weak, "one"), public(EC_KEY, "curve"))
    head = base64.urlsafe_b64encode(b'{"alg":"RS256","kid":"one"}').decode().rstrip("=")
    _, body, signature = token(DOCTOR).split(".")
    verifier = published.verifier()
    assert refusal(lambda t: verifier(f"Bearer {t}"), f"{head}.{body}.{signature}") == "invalid"


@pytest.mark.parametrize("use", [{"use": "enc"}, {"alg": "RS512"}])
def test_a_key_meant_for_something_else_verifies_nothing(use):
    published = Providers(public(RSA_KEY, "one", **use), public(EC_KEY, "curve"))
    verifier = published.verifier()
    assert refusal(lambda t: verifier(f"Bearer {t}"), token(DOCTOR)) == "invalid"


@pytest.mark.parametrize(
    "text",
    ["", "x", "a.b.c", "ey.ey.ey", "é", "..", "\x00.\x00.\x00", "a" * 20_000, "null.null.null"],
)
def test_nonsense_is_no_token(verify, text):
    assert refusal(verify, text) == "invalid"


def test_deeply_nested_nonsense_is_no_token(verify):
    head = base64.urlsafe_b64encode(b'{"alg":"RS256","kid":"one"}').decode().rstrip("=")
    deep = base64.urlsafe_b64encode(b'{"a":' + b"[" * 9_000).decode().rstrip("=")
    assert refusal(verify, f"{head}.{deep}.AA") == "invalid"


@pytest.mark.parametrize("header", ["", "Basic dXNlcjpwYXNz", "Bearer", "bearer "])
def test_another_scheme_is_no_bearer_token(providers, header):
    with pytest.raises(Unauthenticated):
        providers.verifier()(header)


# -- claims of every token ---------------------------------------------------------------------


@pytest.mark.parametrize(
    "changes",
    [
        {"aud": "another-service"},
        {"aud": None},
        {"iss": "https://elsewhere.test"},
        {"iss": None},
        {"iss": ["https://psc.test"]},
        {"sub": None},
        {"exp": None},
        {"iat": None},
        {"exp": "tomorrow"},
        {"nbf": int(time.time()) + 86_400},
        {"iat": int(time.time()) + 86_400},
    ],
)
def test_a_token_for_elsewhere_or_for_later_opens_nothing(verify, changes):
    assert refusal(verify, token(DOCTOR, **changes)) == "invalid"


@pytest.mark.parametrize("late", [1, 10, 61, 3600])
def test_an_expired_token_is_told_so_from_the_first_second(verify, late):
    now = int(time.time())
    assert refusal(verify, token(DOCTOR, iat=now - 7200, exp=now - late)) == "expired"


def test_a_minute_of_clock_skew_is_tolerated(verify):
    ahead = int(time.time()) + 50
    assert verify(token(DOCTOR, iat=ahead, nbf=ahead, exp=ahead + 300)).id == NUMBER


def test_one_of_several_audiences_is_enough(verify):
    assert verify(token(DOCTOR, aud=["other", "dmp"])).id == NUMBER


def test_a_token_of_one_provider_is_no_actor_of_another(verify):
    """A patient's provider that says SubjectRole makes nobody a doctor."""
    assert refusal(verify, token(DOCTOR, FCP)) == "invalid"
    assert refusal(verify, token(PATIENT, PSC)) == "invalid"


# -- claims of each kind -----------------------------------------------------------------------


@pytest.mark.parametrize(
    "changes",
    [
        {"SubjectNameID": None},
        {"SubjectNameID": "810101201234", "sub": "f:x:810101201234"},
        {"SubjectNameID": "899700218896"},
        {"SubjectNameID": "010100997245", "sub": "f:x:010100997245"},
        {"SubjectRole": ["21^1.2.250.1.213.1.1.5.5"]},
        {
            "SubjectRole": ["10^1.2.250.1.213.1.1.5.5", "60^1.2.250.1.213.1.1.5.5"],
            "SubjectRefPro": None,
        },
        {"SubjectRole": None, "SubjectRefPro": None},
        {"SubjectRole": ["doctor"], "SubjectRefPro": None},
        {"SubjectRole": 10, "SubjectRefPro": "10"},
        {
            "SubjectRefPro": {"exercices": [{"codeProfession": "10"}, {"codeProfession": "60"}]},
            "SubjectRole": None,
        },
    ],
)
def test_a_professional_without_a_certain_number_and_profession_is_none(verify, changes):
    assert refusal(verify, token(DOCTOR, **changes)) == "invalid"


def test_the_profession_comes_from_the_register_when_the_card_is_silent(verify):
    assert verify(token(DOCTOR, SubjectRole=None)).profession == "10"


def test_of_two_registered_professions_the_card_says_which_one_acts(verify):
    both = {
        "exercices": [
            {"codeProfession": "60", "codeSavoirFaire": ""},
            {"codeProfession": "10", "codeSavoirFaire": "SM54"},
        ]
    }
    found = verify(token(DOCTOR, SubjectRefPro=both, SubjectRole="60^1.2.250.1.213.1.1.5.5"))
    assert (found.profession, found.specialty) == ("60", None)


@pytest.mark.parametrize(
    ("number", "finess"),
    [("1750000018", "750000018"), ("3123456789", "750000018"), (None, "750000018")],
)
def test_the_structure_is_the_cards_or_the_only_registered_site(verify, number, finess):
    assert verify(token(DOCTOR, SubjectOrganizationID=number)).structure.finess == finess


def test_two_sites_and_a_silent_card_are_no_structure(verify):
    sites = [{"numeroFinessSite": "750000018"}, {"numeroFinessSite": "750000026"}]
    practice = {"codeProfession": "10", "activities": sites}
    told = token(DOCTOR, SubjectOrganizationID=None, SubjectRefPro={"exercices": [practice]})
    assert verify(told).structure is None


def test_the_emergency_comes_from_the_token(verify):
    found = verify(token(DOCTOR, Mode_Acces_Raison=" inconscient, accident "))
    assert found.emergency_reason == "inconscient, accident"
    assert verify(token(DOCTOR, Acces_Regulation_Medicale="VRAI")).regulation
    assert not verify(token(DOCTOR, Acces_Regulation_Medicale="OUI")).regulation
    assert verify(token(DOCTOR)).emergency_reason is None


@pytest.mark.parametrize(
    "changes",
    [
        {"family_name": None},
        {"given_name": " "},
        {"birthdate": "1979-00-00"},
        {"birthdate": "28/03/1979"},
        {"gender": "unknown"},
        {"birthplace": "Paris"},
        {"birthplace": None, "birthcountry": None},
    ],
)
def test_a_patient_without_the_five_traits_is_nobody(verify, changes):
    assert refusal(verify, token(PATIENT, FCP, **changes)) == "invalid"


def test_somebody_born_abroad_is_born_in_a_country(verify):
    abroad = verify(token(PATIENT, FCP, birthplace="", birthcountry="99134"))
    assert abroad.birth_place == "99134"


@pytest.mark.parametrize("changes", [{"role": "director"}, {"role": None}, {"caisse": "75"}])
def test_an_agent_has_a_known_role_and_a_fund(verify, changes):
    assert refusal(verify, token(AGENT, FUNDS, **changes)) == "invalid"


@pytest.mark.parametrize("number", [None, "2123456789", "175000001", "750000018"])
def test_an_establishment_has_a_finess_number(verify, number):
    assert refusal(verify, token(SYSTEM, SITES, SubjectOrganizationID=number)) == "invalid"


# -- keys --------------------------------------------------------------------------------------


def test_keys_are_asked_for_once_and_kept(providers, verify):
    for _ in range(20):
        verify(token(DOCTOR))
    assert providers.asked == 1


def test_a_rotated_key_is_found_on_its_first_token(providers, verify):
    verify(token(DOCTOR))
    providers.keys = [public(OTHER_RSA_KEY, "two")]
    providers.now += 6
    rotated = token(DOCTOR, key=OTHER_RSA_KEY, headers={"kid": "two"})
    assert verify(rotated).id == NUMBER
    assert refusal(verify, token(DOCTOR)) == "invalid"


def test_invented_key_names_do_not_flood_a_provider(providers, verify):
    verify(token(DOCTOR))
    for number in range(50):
        refusal(verify, token(DOCTOR, headers={"kid": f"invented-{number}"}))
    assert providers.asked == 1
    providers.now += 6
    for number in range(50):
        refusal(verify, token(DOCTOR, headers={"kid": f"invented-{number}"}))
    assert providers.asked == 2


def test_a_withdrawn_key_is_forgotten_within_ten_minutes(providers, verify):
    verify(token(DOCTOR))
    providers.keys = [public(EC_KEY, "curve")]
    providers.now += 601
    assert refusal(verify, token(DOCTOR)) == "invalid"


def test_a_provider_that_is_away_leaves_its_keys_in_use_for_six_hours(providers, verify):
    verify(token(DOCTOR))
    providers.away = True
    providers.now += 5 * 3600
    assert verify(token(DOCTOR)).id == NUMBER
    providers.now += 2 * 3600
    with pytest.raises(KeysUnavailable):
        verify(token(DOCTOR))


def test_without_any_keys_nothing_is_said_of_a_token(providers, verify):
    providers.away = True
    with pytest.raises(KeysUnavailable):
        verify(token(DOCTOR))
    providers.away = False
    providers.now += 2
    assert verify(token(DOCTOR)).id == NUMBER


@pytest.mark.parametrize(
    "body", [b"", b"[]", b'{"keys": 3}', b'{"keys": [3, {}]}', b"\xff", b"[" * 9_000]
)
def test_a_page_that_is_no_set_of_keys_replaces_none(providers, verify, body):
    verify(token(DOCTOR))
    providers.page = body
    providers.now += 601
    assert verify(token(DOCTOR)).id == NUMBER
    assert providers.asked == 2


def test_keys_come_over_https_or_from_this_machine():
    for address in ("http://psc.test/jwks", "file:///etc/passwd", "ftp://psc.test/jwks"):
        with pytest.raises(ValueError):
            fetch(address)


# -- the gateway's question --------------------------------------------------------------------


@pytest.fixture
def authorizer(providers, monkeypatch):
    verifier = providers.verifier()
    monkeypatch.setattr(wiring, "verifier", lambda: verifier)
    return lambda header: app.handler(
        {
            "type": "TOKEN",
            "authorizationToken": header,
            "methodArn": "arn:aws:execute-api:eu-west-3:000000000000:a1/local/GET/fhir/Patient",
        },
        None,
    )


def test_the_gateway_gets_the_actor_for_its_whole_stage(authorizer):
    answer = authorizer(f"Bearer {token(DOCTOR)}")
    (statement,) = answer["policyDocument"]["Statement"]
    assert statement["Effect"] == "Allow"
    assert statement["Resource"] == "arn:aws:execute-api:eu-west-3:000000000000:a1/local/*"
    assert from_context(answer["context"]["actor"]).id == NUMBER
    assert NUMBER not in answer["principalId"]
    assert all(isinstance(value, str) for value in answer["context"].values())


@pytest.mark.parametrize(("late", "reason"), [(120, "expired"), (None, "invalid")])
def test_the_gateway_gets_the_reason_of_a_refusal(authorizer, late, reason):
    told = {"aud": "elsewhere"} if late is None else {"exp": int(time.time()) - late}
    answer = authorizer(f"Bearer {token(DOCTOR, **told)}")
    assert answer["context"] == {"refusal": reason}


def test_no_log_holds_anything_of_a_token(authorizer):
    for sent in (token(DOCTOR), token(PATIENT, FCP, aud="elsewhere"), token(DOCTOR, exp=1)):
        with written_by(app.journal) as log:
            authorizer(f"Bearer {sent}")
        assert not any(part in log.getvalue() for part in sent.split("."))
        assert "PAT-TROIS" not in log.getvalue()
        assert NUMBER not in log.getvalue()


def test_the_reason_of_a_refusal_is_logged(authorizer):
    with written_by(app.journal) as log:
        authorizer(f"Bearer {token(DOCTOR, exp=1)}")
    assert '"reason":"expired"' in log.getvalue()
