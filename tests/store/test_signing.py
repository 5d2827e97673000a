"""The signing key: raw ES256 from KMS, and a public key that others can check it with."""

import boto3
import pytest
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.hazmat.primitives.asymmetric.utils import encode_dss_signature
from cryptography.hazmat.primitives.hashes import SHA256
from cryptography.hazmat.primitives.serialization import (
    Encoding,
    PublicFormat,
    load_der_public_key,
)
from hypothesis import given
from hypothesis import strategies as some

from dmp.domain import jws
from dmp.edge.signatures import verifier
from dmp.store.signing import SigningKey, jwk_of, raw
from tests.support.aws import account

ORDER = 0xFFFFFFFF00000000FFFFFFFFFFFFFFFFBCE6FAADA7179E84F3B9CAC2FC632551


@pytest.fixture(scope="module")
def key():
    with account() as environment:
        yield SigningKey(boto3.client("kms"), environment["DMP_KEY_SIGNING"])


def test_a_signature_is_64_bytes_that_the_public_key_checks(key):
    payload = b"x" * 10_000  # more than KMS takes as a message: its digest is what is sent
    signature = key.sign(payload)
    assert len(signature) == 64
    public = load_der_public_key(
        key._kms.get_public_key(KeyId=key._key)["PublicKey"]  # as KMS publishes it
    )
    r, s = (int.from_bytes(half, "big") for half in (signature[:32], signature[32:]))
    public.verify(encode_dss_signature(r, s), payload, ec.ECDSA(SHA256()))


def test_the_published_key_names_itself_by_its_thumbprint(key):
    jwk = key.public_jwk()
    assert (jwk["kty"], jwk["crv"], jwk["alg"], jwk["use"]) == ("EC", "P-256", "ES256", "sig")
    assert jwk["kid"] == key.kid == jws.thumbprint(jwk)


def test_a_detached_signature_holds_for_its_payload_and_its_kind_alone(key):
    verify = verifier([key.public_jwk()])
    token = jws.detached(b"payload", key, "dmp-test")
    assert jws.holds(token, b"payload", "dmp-test", verify)
    assert not jws.holds(token, b"Payload", "dmp-test", verify)
    assert not jws.holds(token, b"payload", "dmp-other", verify)
    assert not jws.holds(token, b"payload", "dmp-test", verifier([]))


def test_a_signature_by_another_key_under_the_same_name_does_not_hold(key):
    other = SigningKey(key._kms, _new(key._kms))
    verify = verifier([{**other.public_jwk(), "kid": key.kid}])
    token = jws.detached(b"payload", key, "dmp-test")
    assert not jws.holds(token, b"payload", "dmp-test", verify)


@given(token=some.text(alphabet='ab.=-_{}é"', max_size=60))
def test_what_is_no_signature_is_refused_and_nothing_else(token):
    assert not jws.holds(token, b"payload", "dmp-test", lambda *_: True)


def test_no_algorithm_but_es256_is_believed(key):
    for header in ('{"alg":"none"}', '{"alg":"HS256","kid":"k","typ":"t"}', "[]", "1"):
        token = f"{jws.encoded(header.encode())}..{jws.encoded(bytes(64))}"
        assert not jws.holds(token, b"payload", "t", lambda *_: True)


@given(r=some.integers(1, ORDER - 1), s=some.integers(1, ORDER - 1))
def test_every_der_signature_becomes_its_two_halves(r, s):
    assert raw(encode_dss_signature(r, s)) == r.to_bytes(32, "big") + s.to_bytes(32, "big")


@given(some.binary(max_size=80))
def test_other_bytes_than_a_signature_are_refused(data):
    try:
        found = raw(data)
    except ValueError:
        return
    assert len(found) == 64


def test_a_key_of_another_curve_is_refused():
    other = ec.generate_private_key(ec.SECP384R1()).public_key()
    with pytest.raises(ValueError):
        jwk_of(other.public_bytes(Encoding.DER, PublicFormat.SubjectPublicKeyInfo))


def _new(kms):
    made = kms.create_key(KeySpec="ECC_NIST_P256", KeyUsage="SIGN_VERIFY")
    return made["KeyMetadata"]["Arn"]
