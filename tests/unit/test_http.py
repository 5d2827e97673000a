"""What every area answers when it cannot: one form for a path, one language for a reader."""

from __future__ import annotations

import json

import pytest

from dmp.domain import errors
from dmp.domain.actors import Professional
from dmp.domain.errors import Fault
from dmp.edge.answers import form_of, refusal
from dmp.edge.catalogue import LANGUAGES, language, messages
from dmp.edge.http import HttpArea, bytes_answer, json_answer, redirect
from tests.support.gateway import ask
from tests.support.logs import written_by

DOCTOR = Professional("899700218896", "10")
SECRET = "279035121518989"


def every(kind):
    return [kind, *(deeper for child in kind.__subclasses__() for deeper in every(child))]


REFUSALS = sorted(every(errors.DmpError), key=lambda kind: kind.__name__)


@pytest.fixture
def area():
    """An area that says what it is told to: `raises` is the error of its next answer."""
    app = HttpArea("test")
    app.raises = None

    @app.route("/things", methods=["GET", "POST"], authorizer=app.bearer)
    def things():
        if app.raises:
            raise app.raises
        return json_answer({"sent": app.document() if app.request.method == "POST" else None})

    @app.route("/fhir/Thing", methods=["GET", "POST"], authorizer=app.bearer)
    def fhir_things():
        if app.raises:
            raise app.raises
        return json_answer(app.document() if app.request.method == "POST" else app.query)

    @app.route("/open", methods=["GET"])
    def public():
        return json_answer({})

    @app.route("/bytes", methods=["GET"])
    def some_bytes():
        return bytes_answer(b"<script>", "text/html")

    @app.route("/elsewhere", methods=["GET"])
    def elsewhere():
        return redirect("https://vault.test/x")

    @app.route("/fhir/Thing/{thing}", methods=["GET"], authorizer=app.bearer)
    def one(thing):
        return json_answer({"strict": app.strict})

    @app.route(
        "/fhir/Thing/{thing}", methods=["PUT", "DELETE"], authorizer=app.bearer, refused=True
    )
    def never(thing):
        raise errors.NotAllowed

    return app


@pytest.mark.parametrize("kind", REFUSALS, ids=lambda kind: kind.__name__)
@pytest.mark.parametrize("code", LANGUAGES)
def test_every_refusal_has_a_status_and_a_sentence_in_every_language(kind, code):
    assert 400 <= form_of(kind.__new__(kind)).status < 600
    assert messages("problems", code)[kind.slug]


def test_both_catalogues_say_the_same_things():
    for name in ("problems", "traces", "warnings"):
        assert messages(name, "fr").keys() == messages(name, "en").keys()


@pytest.mark.parametrize(
    ("error", "status"),
    [
        (errors.Unauthenticated("expired"), 401),
        (errors.Forbidden(), 403),
        (errors.NotFound(), 404),
        (errors.NotAllowed(), 405),
        (errors.RecordAlreadyOpen("r"), 409),
        (errors.RecordClosed("r"), 409),
        (errors.StaleVersion(), 412),
        (errors.TooLarge(), 413),
        (errors.UnsupportedMedia(), 415),
        (errors.InvalidIns(Fault("ins.matricule", "matricule-key", "wrong")), 422),
        (errors.IdempotencyKeyReused(), 422),
        (errors.Malformed(Fault("body", "json", "unreadable")), 400),
        (errors.Busy(), 503),
    ],
)
def test_a_refusal_has_the_form_of_its_path(area, error, status):
    area.raises = error
    for path, media in (
        ("/things", "application/problem+json"),
        ("/fhir/Thing", "application/fhir+json"),
    ):
        answered, body, headers = ask(area, "GET", path, DOCTOR)
        assert (answered, headers["Content-Type"]) == (status, media)
        assert headers["Cache-Control"] == "no-store"
        if path == "/things":
            assert body["type"] == f"urn:dmp:problem/{error.slug}"
            assert (body["status"], bool(body["title"])) == (status, True)
        else:
            assert body["resourceType"] == "OperationOutcome"
            assert body["issue"][0]["details"]["coding"][0]["code"] == error.slug


def test_every_fault_is_an_entry(area):
    area.raises = errors.Invalid(
        Fault("a.b", "required", "missing"), Fault("c[0]", "form", "wrong")
    )
    _, problem, _ = ask(area, "GET", "/things", DOCTOR)
    assert problem["errors"] == [
        {"field": "a.b", "code": "required", "detail": "missing"},
        {"field": "c[0]", "code": "form", "detail": "wrong"},
    ]
    _, outcome, _ = ask(area, "GET", "/fhir/Thing", DOCTOR)
    assert [issue["expression"] for issue in outcome["issue"]] == [["a.b"], ["c[0]"]]
    assert outcome["issue"][0]["code"] == "required"


def test_an_unexpected_error_says_nothing_of_itself(area):
    area.raises = ValueError(f"could not read {SECRET}")
    with written_by(area.journal) as written:
        for path in ("/things", "/fhir/Thing"):
            status, body, _ = ask(area, "GET", path, DOCTOR)
            assert status == 500
            assert SECRET not in json.dumps(body)
            assert "ValueError" not in json.dumps(body)
    assert "ValueError" in written.getvalue()
    assert SECRET not in written.getvalue()


@pytest.mark.parametrize(
    ("accept", "spoken"),
    [
        (None, "fr"),
        ("", "fr"),
        ("en", "en"),
        ("en-GB,fr;q=0.5", "en"),
        ("fr,en;q=0.9", "fr"),
        ("de, en;q=0.2", "en"),
        ("de", "fr"),
        ("en;q=0", "fr"),
        ("en;q=nonsense", "fr"),
    ],
)
def test_people_read_french_unless_they_ask_for_english(accept, spoken):
    assert language(accept) == spoken
    title = refusal(errors.NotFound(), "/things", spoken).body["title"]
    assert title == messages("problems", spoken)["not-found"]


def test_the_language_of_an_answer_is_said(area):
    area.raises = errors.NotFound()
    _, _, headers = ask(area, "GET", "/things", DOCTOR, **{"Accept-Language": "en"})
    assert headers["Content-Language"] == "en"


def test_who_is_not_known_is_told_to_log_in(area):
    status, body, headers = ask(area, "GET", "/things")
    assert (status, body["type"]) == (401, "urn:dmp:problem/unauthorised")
    assert headers["WWW-Authenticate"].startswith("Bearer")
    assert ask(area, "GET", "/open")[0] == 200


def test_who_may_not_enter_is_not_told_what_else_is_wrong(area):
    assert ask(area, "POST", "/things", None, b"{")[0] in {401, 415}
    headers = {"Content-Type": "application/json"}
    assert ask(area, "POST", "/things", None, b"{", **headers)[0] == 401


@pytest.mark.parametrize("method", ["PUT", "DELETE", "PATCH"])
def test_another_method_is_refused_in_the_form_of_the_path(area, method):
    status, body, headers = ask(area, method, "/fhir/Thing", DOCTOR)
    assert (status, body["resourceType"]) == (405, "OperationOutcome")
    assert headers["Allow"] == "GET, POST"
    status, body, _ = ask(area, method, "/things", DOCTOR)
    assert (status, body["type"]) == (405, "urn:dmp:problem/method-not-allowed")


@pytest.mark.parametrize("method", ["PUT", "DELETE", "PATCH", "POST"])
@pytest.mark.parametrize("kind", ["application/json", "text/xml"])
def test_a_method_that_is_routed_to_be_refused_is_not_said_to_be_allowed(area, method, kind):
    status, _, headers = ask(area, method, "/fhir/Thing/1", DOCTOR, b"{}", **{"Content-Type": kind})
    assert (status, headers["Allow"]) == (405, "GET")


@pytest.mark.parametrize(
    ("sent", "strict"),
    [
        ("handling=strict", True),
        ("return=minimal, handling=STRICT", True),
        ("respond-async; handling = strict", True),
        ("handling=lenient", False),
        ("xhandling=strict", False),
        ("", False),
    ],
)
def test_a_caller_may_prefer_to_be_refused(area, sent, strict):
    assert ask(area, "GET", "/fhir/Thing/1", DOCTOR, prefer=sent)[1] == {"strict": strict}


@pytest.mark.parametrize("sent", ["text/xml", "application/fhir+json", "multipart/form-data"])
def test_another_content_type_is_refused_in_the_form_of_the_path(area, sent):
    status, body, headers = ask(area, "POST", "/things", DOCTOR, b"{}", **{"Content-Type": sent})
    assert (status, body["type"]) == (415, "urn:dmp:problem/unsupported-media-type")
    assert headers["Content-Type"] == "application/problem+json"


@pytest.mark.parametrize("sent", ["application/json", "application/fhir+json; charset=utf-8"])
def test_fhir_is_sent_as_fhir_json_or_plain_json(area, sent):
    status, _, _ = ask(area, "POST", "/fhir/Thing", DOCTOR, b"{}", **{"Content-Type": sent})
    assert status == 200


@pytest.mark.parametrize(
    "body", [b"", b"{", b"[]", b"3", b"null", b"\xff\xfe", b'{"a": NaN}', b"[" * 100_000,
     b'{"a": 1, "a": 2}', b'{"a": [{"b": 1, "b": 1}]}'],
)  # fmt: skip
def test_a_body_that_is_no_json_object_is_malformed(area, body):
    headers = {"Content-Type": "application/json"}
    status, told, _ = ask(area, "POST", "/things", DOCTOR, body, **headers)
    assert (status, told["type"]) == (400, "urn:dmp:problem/malformed")


def test_a_byte_order_mark_before_json_is_read_over(area):
    body = b'\xef\xbb\xbf{"a": 1}'
    assert ask(area, "POST", "/fhir/Thing", DOCTOR, body, **{"Content-Type": "application/json"})[
        :2
    ] == (200, {"a": 1})


@pytest.mark.parametrize(("coding", "status"), [("gzip", 415), ("identity", 200)])
def test_a_coded_body_is_not_supported(area, coding, status):
    headers = {"Content-Type": "application/json", "Content-Encoding": coding}
    assert ask(area, "POST", "/things", DOCTOR, b"{}", **headers)[0] == status


def test_a_body_over_the_limit_is_too_large(area):
    headers = {"Content-Type": "application/json"}
    body = b'{"a": "' + b"x" * 4_600_000 + b'"}'
    status, told, _ = ask(area, "POST", "/things", DOCTOR, body, **headers)
    assert (status, told["type"]) == (413, "urn:dmp:problem/too-large")


def test_a_repeated_parameter_keeps_every_value(area):
    assert ask(area, "GET", "/fhir/Thing?a=1&a=2&b=", DOCTOR)[1] == {"a": ["1", "2"], "b": [""]}
    assert ask(area, "GET", "/fhir/Thing", DOCTOR)[1] == {}


def test_deposited_bytes_never_run_in_a_browser(area):
    status, body, headers = ask(area, "GET", "/bytes")
    assert (status, body) == (200, b"<script>")
    assert headers["X-Content-Type-Options"] == "nosniff"
    assert "sandbox" in headers["Content-Security-Policy"]


def test_a_redirection_keeps_its_method_and_is_kept_by_nobody(area):
    status, _, headers = ask(area, "GET", "/elsewhere")
    assert (status, headers["Location"]) == (307, "https://vault.test/x")
    assert headers["Cache-Control"] == "no-store"


@pytest.mark.parametrize(
    ("told", "version"),
    [(None, None), ("*", None), ('W/"3"', 3), ('"3"', 3), (' W/"12" ', 12)],
)
def test_if_match_names_a_version_strong_or_weak(area, told, version):
    seen = []
    area.route("/versions", methods=["PUT"])(
        lambda: seen.append(area.expected_version) or json_answer({})
    )
    assert ask(area, "PUT", "/versions", body={}, **({"If-Match": told} if told else {}))[0] == 200
    assert seen == [version]


@pytest.mark.parametrize("told", ["3", 'W/3"', 'W/"x"', 'W/"1", W/"2"', 'w/"1"', "new"])
def test_an_if_match_that_cannot_be_read_is_no_condition_that_holds(area, told):
    area.route("/versions", methods=["PUT"])(
        lambda: json_answer({"version": area.expected_version})
    )
    status, body, _ = ask(area, "PUT", "/versions", body={}, **{"If-Match": told})
    assert (status, body["errors"][0]["field"]) == (400, "If-Match")
