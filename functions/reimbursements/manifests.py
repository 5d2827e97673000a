"""The manifest of an extract, as a source writes it."""

from __future__ import annotations

from datetime import date
from typing import Annotated

from pydantic import BaseModel, ConfigDict, Field, ValidationError, field_validator

from dmp.domain.errors import Fault, Malformed
from dmp.domain.extracts import Manifest, ManifestFile, is_extract_id

_Name = Annotated[str, Field(min_length=1, max_length=200, pattern=r"^[^/\\\x00-\x1f]+$")]


class FileEntry(BaseModel):
    """One file, in the manifest's own folder."""

    model_config = ConfigDict(extra="ignore")

    name: _Name
    table: Annotated[str, Field(pattern=r"^[A-Za-z][A-Za-z0-9_]{1,30}$")]
    sha256: Annotated[str, Field(pattern=r"^[0-9a-fA-F]{64}$")]
    rows: Annotated[int, Field(ge=0)] | None = None


class ManifestBody(BaseModel):
    """`asOf` is ours: the day that stands for today when an old extract is tried out."""

    model_config = ConfigDict(extra="ignore")

    extractId: str  # noqa: N815 - the manifest's own names
    source: Annotated[str, Field(min_length=1, max_length=100)]
    month: Annotated[str, Field(pattern=r"^[0-9]{4}-(0[1-9]|1[0-2])$")]
    files: Annotated[list[FileEntry], Field(min_length=1, max_length=10_000)]
    asOf: date | None = None  # noqa: N815

    @field_validator("extractId")
    @classmethod
    def _becomes_a_key(cls, text: str) -> str:
        if not is_extract_id(text):
            raise ValueError("letters, digits, '.', '_' and '-', at most 96")
        return text

    @field_validator("files")
    @classmethod
    def _once(cls, files: list[FileEntry]) -> list[FileEntry]:
        if len({each.name for each in files}) < len(files):
            raise ValueError("a file is named twice")
        return files


def manifest_of(body: bytes) -> Manifest:
    """The manifest in a body; Malformed, with one fault per wrong field, when it is none."""
    try:
        told = ManifestBody.model_validate_json(body)
    except ValidationError as error:
        raise Malformed(
            *(
                Fault(
                    ".".join(str(step) for step in each["loc"]) or "manifest",
                    each["type"],
                    each["msg"],
                )
                for each in error.errors()
            )
        ) from None
    return Manifest(
        extract_id=told.extractId,
        source=told.source,
        month=told.month,
        files=tuple(
            ManifestFile(each.name, each.table.upper(), each.sha256.lower(), each.rows)
            for each in told.files
        ),
        as_of=told.asOf,
    )
