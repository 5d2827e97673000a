"""Composition root of the documents: the only place that picks adapters."""

from __future__ import annotations

from functools import cache

from dmp.edge.inspect import eicar, inspect
from dmp.edge.settings import settings
from dmp.store.aws import client, ready
from dmp.store.documents import Documents
from dmp.store.pseudonyms import Pseudonyms, secret_key
from dmp.store.quarantine import Quarantine
from dmp.store.records import Holders, Register
from dmp.store.situations import Situations
from dmp.store.traces import Traces
from dmp.store.vault import Vault
from dmp.usecases.admit_document import AdmitDocument
from dmp.usecases.gate import Gate
from dmp.usecases.prepare_upload import PrepareUpload
from dmp.usecases.publish_document import PublishDocument
from dmp.usecases.read_content import ReadContent
from dmp.usecases.read_document import ReadDocument
from dmp.usecases.recognise_holder import RecogniseHolder
from dmp.usecases.search_documents import SearchDocuments

ready("dynamodb", "s3")


@cache
def publish_document() -> PublishDocument:
    return PublishDocument(
        admit=_admit(),
        inspect=inspect,
        malware=eicar,
        vault=_vault(),
        documents=_documents(),
        lenient=settings().lenient_identity,
    )


@cache
def prepare_upload() -> PrepareUpload:
    return PrepareUpload(_admit(), _documents(), _quarantine())


@cache
def search_documents() -> SearchDocuments:
    return SearchDocuments(_gate(), _register(), _documents())


@cache
def read_document() -> ReadDocument:
    return ReadDocument(_gate())


@cache
def read_content() -> ReadContent:
    return ReadContent(read_document(), _vault())


@cache
def _gate() -> Gate:
    from dmp.access.decide import CedarDecisions  # noqa: PLC0415 - parsed at the first access

    told, dynamodb = settings(), client("dynamodb")
    accounts, traces = told.table("accounts"), told.table("traces")
    return Gate(
        situations=Situations(dynamodb, accounts, told.table("consents"), told.table("documents")),
        decisions=CedarDecisions(),
        traces=Traces(dynamodb, traces),
        holders=RecogniseHolder(Holders(dynamodb, accounts, traces, _pseudonyms())),
    )


@cache
def _admit() -> AdmitDocument:
    return AdmitDocument(_gate(), _register())


@cache
def _register() -> Register:
    told = settings()
    return Register(
        client("dynamodb"),
        told.table("accounts"),
        told.table("consents"),
        told.table("traces"),
        _pseudonyms(),
    )


@cache
def _documents() -> Documents:
    told = settings()
    return Documents(client("dynamodb"), told.table("documents"), told.table("traces"))


@cache
def _vault() -> Vault:
    told = settings()
    return Vault(client("s3"), told.bucket("vault"), told.key("clinical"))


@cache
def _quarantine() -> Quarantine:
    told = settings()
    return Quarantine(
        client("s3"), told.bucket("quarantine"), told.bucket("vault"), told.key("clinical")
    )


@cache
def _pseudonyms() -> Pseudonyms:
    return Pseudonyms(secret_key(client("secretsmanager"), settings().pseudonyms_secret))
