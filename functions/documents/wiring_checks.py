"""Composition root of the checks on uploads."""

from __future__ import annotations

from functools import cache

from dmp.composition import journal
from dmp.edge.inspect import eicar, inspect
from dmp.edge.settings import settings
from dmp.store.aws import client, ready
from dmp.store.documents import Documents
from dmp.store.quarantine import Quarantine
from dmp.store.records import Records
from dmp.usecases.settle_upload import SettleUpload

ready("dynamodb", "s3")


@cache
def settle_upload() -> SettleUpload:
    told, dynamodb = settings(), client("dynamodb")
    return SettleUpload(
        documents=Documents(dynamodb, told.table("documents"), journal()),
        records=Records(dynamodb, told.table("accounts")),
        quarantine=Quarantine(
            client("s3"), told.bucket("quarantine"), told.bucket("vault"), told.key("clinical")
        ),
        inspect=inspect,
        malware=eicar,
        lenient=told.lenient_identity,
    )
