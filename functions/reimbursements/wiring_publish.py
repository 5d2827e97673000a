"""Composition root of the document's publication: the only place that picks its adapters."""

from __future__ import annotations

from functools import cache

from dmp.composition import gate, journal, register
from dmp.edge.inspect import eicar, inspect
from dmp.edge.remb_document import RembDocuments
from dmp.edge.settings import settings
from dmp.store.aws import client, ready
from dmp.store.documents import Documents
from dmp.store.histories import Histories
from dmp.store.nomenclatures import built_in
from dmp.store.vault import Vault
from dmp.usecases.admit_document import AdmitDocument
from dmp.usecases.import_history import DocumentHistory
from dmp.usecases.publish_document import PublishDocument

ready("dynamodb", "s3")


@cache
def document() -> DocumentHistory:
    told, dynamodb = settings(), client("dynamodb")
    publish = PublishDocument(
        admit=AdmitDocument(gate(documents=True), register()),
        inspect=inspect,
        malware=eicar,
        vault=Vault(client("s3"), told.bucket("vault"), told.key("clinical")),
        documents=Documents(dynamodb, told.table("documents"), journal()),
        lenient=told.lenient_identity,
    )
    return DocumentHistory(
        records=register(),
        histories=Histories(dynamodb, told.table("history")),
        documents=RembDocuments(publish.generated, built_in()),
    )
