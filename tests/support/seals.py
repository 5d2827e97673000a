"""A journal in memory: a table, its stream, a versioned bucket and a key that signs."""

from __future__ import annotations

from collections import defaultdict
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from functools import cache
from itertools import count

from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.hazmat.primitives.asymmetric.utils import decode_dss_signature
from cryptography.hazmat.primitives.hashes import SHA256
from cryptography.hazmat.primitives.serialization import Encoding, PublicFormat

from dmp.domain.ids import ulid_of
from dmp.domain.seals import Event, Line, Part, hash_of, segment_key, segment_number
from dmp.domain.traces import Act, Outcome, Trace
from dmp.edge.signatures import verifier
from dmp.store.items import decode, encode
from dmp.store.seals import digest
from dmp.store.signing import jwk_of
from dmp.store.traces import Journal
from dmp.usecases.collect_traces import CollectTraces
from dmp.usecases.seal_traces import SealTraces
from dmp.usecases.verify_traces import Entry, Held, VerifyTraces

START = datetime(2026, 3, 14, 8, 30, tzinfo=UTC)
JOURNAL = Journal("traces", lambda: b"j" * 64)
RECORDS = ("7h3k0000000000000000000001", "7h3k0000000000000000000002")


class Signer:
    """A P-256 key outside KMS."""

    def __init__(self) -> None:
        self._key = ec.generate_private_key(ec.SECP256R1())
        public = self._key.public_key()
        self.jwk = jwk_of(public.public_bytes(Encoding.DER, PublicFormat.SubjectPublicKeyInfo))

    @property
    def kid(self) -> str:
        return self.jwk["kid"]

    def sign(self, payload: bytes) -> bytes:
        r, s = decode_dss_signature(self._key.sign(payload, ec.ECDSA(SHA256())))
        return r.to_bytes(32, "big") + s.to_bytes(32, "big")


@cache
def signer() -> Signer:
    return Signer()


class Bucket:
    """`Parts`, `Chain` and `Archive`; the versions of each key, oldest first."""

    def __init__(self) -> None:
        self.versions: dict[str, list[bytes]] = {}
        self.deleted: set[str] = set()

    def put(self, key: str, data: bytes) -> bool:
        if key in self.versions:
            return False
        self.versions[key] = [data]
        return True

    def add(self, number: int, data: bytes) -> bool:
        return self.put(segment_key(number), data)

    def last(self) -> int:
        return max((segment_number(key) or 0 for key in self.segments()), default=0)

    def segment(self, number: int) -> bytes:
        return self.versions[segment_key(number)][-1]

    def parts(self, after: str = "parts/") -> list[str]:
        return sorted(key for key in self.versions if key.startswith("parts/") and key > after)

    def segments(self) -> list[str]:
        return sorted(key for key in self.versions if key.startswith("segments/"))

    def read(self, keys):
        for key in keys:
            data = self.versions[key][-1]
            yield Part(key, hash_of(data), data.count(b"\n"))

    def held(self, prefix: str, since: str = ""):
        for key in sorted(self.versions):
            if key.startswith(prefix) and key > since:
                yield Held(key, "first", len(self.versions[key]), key in self.deleted)

    def contents(self, held):
        for one in held:
            yield one, self.versions[one.key][0]


@dataclass
class World:
    """Writes, collects and seals as the service does; whoever tampers takes `items` and `bucket`."""

    now: datetime = START
    items: dict[tuple[str, str], dict] = field(default_factory=dict)
    bucket: Bucket = field(default_factory=Bucket)
    stream: list[Line] = field(default_factory=list)
    _serial: count = field(default_factory=count)

    def write(self, record: str | None = RECORDS[0]) -> tuple[str, str]:
        """One entry by the service; its key."""
        trace = Trace(
            ulid_of(self.now, next(self._serial)), self.now, Act.READ_DOCUMENT, Outcome.DONE,
            "professional#899700218896", record, count=next(self._serial),
        )  # fmt: skip
        item = decode(JOURNAL.put(trace)["Put"]["Item"])
        key = (item["pk"], item["sk"])
        self.set(key, item)
        return key

    def set(self, key: tuple[str, str], item: dict) -> None:
        """Put an item, as anybody with rights on the table can; the stream tells."""
        event = Event.MODIFY if key in self.items else Event.INSERT
        self.items[key] = item
        self.stream.append(Line(*key, digest(encode(item)), event, self.now))

    def remove(self, key: tuple[str, str]) -> None:
        gone = self.items.pop(key)
        self.stream.append(Line(*key, digest(encode(gone)), Event.REMOVE, self.now))

    def collect(self, most: int = 100) -> None:
        """Everything that the stream has, in batches."""
        while self.stream:
            batch, self.stream = self.stream[:most], self.stream[most:]
            first = next(self._serial)
            CollectTraces(self.bucket)(batch, str(first), str(first + len(batch)), self.now)

    def seal(self, chain=None):
        return SealTraces(chain or self.bucket, signer())(self.now)

    def pass_time(self, **elapsed: int) -> None:
        self.now += timedelta(**elapsed)

    def every(self, record_id: str | None = None):
        for (pk, sk), item in self.items.items():
            if record_id is None or pk == f"REC#{record_id}":
                yield Entry(pk, sk, digest(encode(item)), JOURNAL.genuine(item))

    def verify(self, **how):
        return VerifyTraces(self.bucket, self, verifier([signer().jwk]))(self.now, **how)

    def found(self, **how) -> dict[str, set[str]]:
        """Kind of finding -> the traces and objects that it names."""
        made = defaultdict(set)
        for each in self.verify(**how).findings:
            made[each.kind.value].add(each.trace or each.object)
        return dict(made)
