"""Composition root of the document's publication: the only place that picks its adapters."""

from __future__ import annotations

from functools import cache

from dmp.access.decide import CedarDecisions
from dmp.edge.inspect import eicar, inspect
from dmp.edge.remb_document import RembDocuments
from dmp.edge.settings import settings
from dmp.store.aws import client, ready
from dmp.store.documents import Documents
from dmp.store.histories import Histories
from dmp.store.nomenclatures import built_in
from dmp.store.pseudonyms import Pseudonyms, secret_key
from dmp.store.records import Holders, Register
from dmp.store.situations import Situations
from dmp.store.traces import Traces
from dmp.store.vault import Vault
from dmp.usecases.admit_document import AdmitDocument
from dmp.usecases.gate import Gate
from dmp.usecases.import_history import DocumentHistory
from dmp.usecases.publish_document import PublishDocument
from dmp.usecases.recognise_holder import RecogniseHolder

ready("dynamodb", "s3")


@cache
def document() -> DocumentHistory:
    told = settings()
    dynamodb = client("dynamodb")
    accounts, consents = told.table("accounts"), told.table("consents")
    documents, traces = told.table("documents"), told.table("traces")
    pseudonyms = Pseudonyms(secret_key(client("secretsmanager"), told.pseudonyms_secret))
    register = Register(dynamodb, accounts, consents, traces, pseudonyms)
    gate = Gate(
        situations=Situations(dynamodb, accounts, consents, documents),
        decisions=CedarDecisions(),
        traces=Traces(dynamodb, traces),
        holders=RecogniseHolder(Holders(dynamodb, accounts, traces, pseudonyms)),
    )
    publish = PublishDocument(
        admit=AdmitDocument(gate, register),
        inspect=inspect,
        malware=eicar,
        vault=Vault(client("s3"), told.bucket("vault"), told.key("clinical")),
        documents=Documents(dynamodb, documents, traces),
        lenient=told.lenient_identity,
    )
    return DocumentHistory(
        records=register,
        histories=Histories(dynamodb, told.table("history")),
        documents=RembDocuments(publish.generated, built_in()),
    )
