"""How a payload is kept in Pinecone, whose metadata is flat and at most 40 KB a record.

What a filter sees of the payload is in the metadata as it is; the whole payload is there too, as compressed JSON text
in one field. Text that does not fit goes on in further records, the parts, in a namespace of their own. The id of a
part has the digest of the text in it, and its record names that digest, so that the text of one payload never goes on
with another's.

Invariant: a payload is read as it was written, or not at all.
"""

from __future__ import annotations

import base64
import hashlib
import json
import zlib
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import Any, Final

from qstore.errors import VectorStoreRefusedError
from workers.vectors import accept
from workers.vectors.store import Filter

Metadata = dict[str, Any]
"""Text, numbers and truths by name."""

LARGEST: Final = 38_000
"""Bytes of one record's metadata, at most; the service takes 40,960, however it counts them."""

_OWN: Final = "qstore."
_LABEL: Final = "qstore.label."  # before a key that could be taken for one of these
_TEXT: Final = "qstore.payload"
_PARTS: Final = "qstore.parts"  # how many there are
_DIGEST: Final = "qstore.digest"  # of the whole text, where there are parts
_OF: Final = "qstore.of"  # the id of the record that a part belongs to


@dataclass(frozen=True, slots=True)
class Packed:
    """A payload as Pinecone keeps it.

    Attributes:
        metadata: Of the record.
        parts: The metadata of every part, by id.
    """

    metadata: Metadata
    parts: Mapping[str, Metadata]


def pack(id: str, payload: Mapping[str, Any], text: str) -> Packed:  # noqa: A002 - the record's word
    """A payload as Pinecone keeps it.

    Args:
        id: The record's.
        payload: The payload.
        text: It as JSON.

    Raises:
        VectorStoreRefusedError: What a filter sees of it is too much.
    """
    metadata = {_field(key): value for key, value in accept.labels(payload).items()}
    written = base64.b64encode(zlib.compress(text.encode())).decode()
    if size({**metadata, _TEXT: written}) <= LARGEST:
        return Packed({**metadata, _TEXT: written}, {})
    metadata |= {_TEXT: "", _DIGEST: _digest(written), _PARTS: len(written)}  # no fewer digits than parts
    room = LARGEST - size(metadata)
    if room < 0:
        raise VectorStoreRefusedError(
            f"The payload of {id[:60]!r} has too many strings, numbers and truths at its top level for Pinecone, which "
            f"keeps {LARGEST} bytes of them for filters; these take {LARGEST - room}."
        )
    each = LARGEST - size({_OF: id, _TEXT: ""})
    pieces = [written[place : place + each] for place in range(room, len(written), each)]
    metadata |= {_TEXT: written[:room], _PARTS: len(pieces)}
    parts = [{_OF: id, _TEXT: piece} for piece in pieces]
    return Packed(metadata, dict(zip(part_ids(id, metadata), parts, strict=True)))


def part_ids(id: str, metadata: Mapping[str, Any]) -> list[str]:  # noqa: A002 - the record's word
    """The ids of the parts that the text in a record's metadata goes on in."""
    owner = hashlib.sha256(id.encode()).hexdigest()
    return [f"{owner}.{metadata[_DIGEST]}.{number}" for number in range(int(metadata.get(_PARTS, 0)))]


def unpack(id: str, metadata: Mapping[str, Any], parts: Mapping[str, Mapping[str, Any]]) -> dict[str, Any] | None:  # noqa: A002 - the record's word
    """A payload as it was; None where not all of it is there.

    Args:
        id: The record's.
        metadata: The record's.
        parts: The metadata of parts, by id: of this record, and maybe of others.
    """
    wanted = part_ids(id, metadata)
    if _TEXT not in metadata or not all(part in parts for part in wanted):
        return None
    written = str(metadata[_TEXT]) + "".join(str(parts[part][_TEXT]) for part in wanted)
    if wanted and _digest(written) != metadata[_DIGEST]:
        return None
    payload: dict[str, Any] = json.loads(zlib.decompress(base64.b64decode(written)))
    return payload


def filtered(wanted: Filter) -> dict[str, Any] | None:
    """What the service is asked to filter records by; None for nothing."""
    return {_field(key): {"$eq": value} for key, value in wanted.items()} or None


def parts_of(ids: Iterable[str]) -> dict[str, Any]:
    """What all parts of some records pass as a filter, those that nothing names any more included."""
    return {_OF: {"$in": list(ids)}}


def size(metadata: Mapping[str, Any]) -> int:
    """Bytes of metadata as JSON."""
    return len(json.dumps(metadata, ensure_ascii=False, separators=(",", ":")).encode())


def _field(key: str) -> str:
    return f"{_LABEL}{key}" if key.startswith(_OWN) else key


def _digest(written: str) -> str:
    return hashlib.sha256(written.encode()).hexdigest()[:32]
