"""Composition root of the documents: the only place that picks adapters."""

from __future__ import annotations

from functools import cache

from dmp.access.parameters import load_parameters
from dmp.composition import gate, journal, register
from dmp.domain.parameters import Parameters
from dmp.edge.inspect import eicar, inspect
from dmp.edge.settings import settings
from dmp.store.aws import client, ready
from dmp.store.documents import Documents
from dmp.store.quarantine import Quarantine
from dmp.store.vault import Vault
from dmp.usecases.admit_document import AdmitDocument
from dmp.usecases.change_document import ChangeDocument
from dmp.usecases.prepare_upload import PrepareUpload
from dmp.usecases.publish_document import PublishDocument
from dmp.usecases.read_content import ReadContent
from dmp.usecases.read_document import ReadDocument
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
    return SearchDocuments(gate(documents=True), register(), _documents())


@cache
def read_document() -> ReadDocument:
    return ReadDocument(gate(documents=True))


@cache
def read_content() -> ReadContent:
    return ReadContent(read_document(), _vault())


@cache
def change_document() -> ChangeDocument:
    return ChangeDocument(gate(documents=True), register(), _documents(), parameters())


@cache
def parameters() -> Parameters:
    return load_parameters()


@cache
def _admit() -> AdmitDocument:
    return AdmitDocument(gate(documents=True), register())


@cache
def _documents() -> Documents:
    return Documents(client("dynamodb"), settings().table("documents"), journal())


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
