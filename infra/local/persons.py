"""Who a matricule is, as the insured directory or an opened record of a local stack says.

Read as root from the stack's own tables through the product's stores. For ``dmp token patient``,
which must say the same traits as the ones that the service compares.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from infra.local import place

if TYPE_CHECKING:
    from collections.abc import Mapping

    from dmp.domain.identity import Traits
    from dmp.store.pseudonyms import Pseudonyms

_SECRET_OUTPUT = "SecretPseudonyms"  # noqa: S105 - the name of an output


def traits_of(
    stack: Mapping[str, Any], matricule: str, oid: str | None
) -> Mapping[str, Any] | None:
    """The claims that tell the person's traits; None for somebody unknown.

    ``oid``: the register of the matricule; without it every register is looked into. The record
    comes before the directory: it is what the service holds.
    """
    from dmp.domain.identity import DEMONSTRATION, NIA, NIR, TEST, Ins  # noqa: PLC0415
    from dmp.store.directory import Directory  # noqa: PLC0415
    from dmp.store.records import Register  # noqa: PLC0415
    from dmp.store.traces import Journal  # noqa: PLC0415

    tables = stack["tables"]
    dynamodb = place.client("dynamodb", stack["aws_endpoint"])
    pseudonyms = pseudonyms_of(stack)
    journal = Journal(tables["traces"], _unused)
    register = Register(dynamodb, tables["accounts"], tables["consents"], journal, pseudonyms)
    directory = Directory(dynamodb, tables["directory"], pseudonyms)
    for register_oid in [oid] if oid else [NIR, NIA, TEST, DEMONSTRATION]:
        ins = Ins(matricule, register_oid)
        record_id = register.find(ins)
        record = register.of(record_id) if record_id else None
        person = record or directory.of(ins)
        if person is not None:
            return _claims(person.traits)
    return None


def pseudonyms_of(stack: Mapping[str, Any]) -> Pseudonyms:
    """The keyed hashes of a local stack, under which its tables know people."""
    from dmp.store.pseudonyms import Pseudonyms, secret_key  # noqa: PLC0415

    endpoint = stack["aws_endpoint"]
    return Pseudonyms(secret_key(place.client("secretsmanager", endpoint), _secret(endpoint)))


def _unused() -> bytes:
    """Nothing is written here: the journal's key is not asked for."""
    raise NotImplementedError


def _claims(traits: Traits) -> dict[str, Any]:
    return {
        "family_name": traits.family_name,
        "given_name": " ".join(traits.given_names),
        "birthdate": traits.birth_date.isoformat(),
        "birthplace": traits.birth_place,
        "gender": traits.sex,
    }


def _secret(endpoint: str) -> str:
    """The ARN of the key of the pseudonyms, from the outputs of the stacks."""
    pages = place.client("cloudformation", endpoint).get_paginator("describe_stacks").paginate()
    for page in pages:
        for stack in page["Stacks"]:
            for output in stack.get("Outputs", []):
                if output["OutputKey"] == _SECRET_OUTPUT:
                    return str(output["OutputValue"])
    msg = f"no stack has the output {_SECRET_OUTPUT}"
    raise LookupError(msg)
