"""Which child of an IonQ job is which of its circuits.

Invariant: a child is known by the name its circuit was given, else by its place among the job's `child_job_ids`,
and only where nothing contradicts that; never by the position of an answer. What cannot be told is an error.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from qstore.errors import InvalidResultError

Document = Mapping[str, Any]


@dataclass(frozen=True, slots=True)
class Child:
    """The part of an IonQ job that stands for one circuit.

    Attributes:
        remote_id: IonQ's id.
        document: What IonQ says of it, where that was read already.
    """

    remote_id: str
    document: Document | None = None


def identify(
    names: Sequence[str],
    read_job: Callable[[], Document],
    read_children: Callable[[str | None], tuple[list[Document], str | None]],
    page_size: int,
) -> list[Child]:
    """Tell which child is which circuit, in as few requests as that takes.

    One where a page holds every child and each has its name; two where the job's own order and a page of names
    agree; as many as there are pages where they do not.

    Args:
        names: What the circuits were called, all different.
        read_job: Reads the job, which names its children in the circuits' order.
        read_children: Reads one page of children, by the name of the page, and says which comes next.
        page_size: Children in one page at most.

    Returns:
        The children in the order of the names.

    Raises:
        InvalidResultError: It cannot be told.
        QstoreError: What the reading raises.
    """
    small = len(names) <= page_size
    order = None if small else _order(read_job(), len(names))
    listed, following = read_children(None)
    if small:
        if (named := _by_name(names, listed)) is not None:
            return named
        order = _order(read_job(), len(names))
    if order is not None and _agree(dict(zip(order, names, strict=True)), listed):
        documents = {child["id"]: child for child in listed}
        return [Child(remote_id, documents.get(remote_id)) for remote_id in order]
    while following is not None and len(listed) <= len(names):
        more, following = read_children(following)
        listed += more
    named = _by_name(names, listed)
    if named is None:
        raise InvalidResultError(_confusion(names, listed, order))
    return named


def _order(job: Document, count: int) -> list[str] | None:
    """The children in the circuits' order; None where the job does not name one for each circuit."""
    ids = job.get("child_job_ids")
    whole = isinstance(ids, list) and all(isinstance(each, str) for each in ids) and len(ids) == len(set(ids)) == count
    return ids if whole else None


def _by_name(names: Sequence[str], listed: Sequence[Document]) -> list[Child] | None:
    """The children by name; None unless each name is there once and no other child is."""
    found = {str(child.get("name")): Child(child["id"], child) for child in listed}
    different = {child["id"] for child in listed}
    if not len(listed) == len(different) == len(found) == len(names) or not found.keys() >= set(names):
        return None
    return [found[name] for name in names]


def _agree(expected: Mapping[str, str], listed: Sequence[Document]) -> bool:
    """Whether no listed child contradicts the order, by being another's or by its name.

    Names none of which is one of ours say nothing: then IonQ calls children as it likes.
    """
    ours = set(expected.values())
    telling = any(child.get("name") in ours for child in listed)
    return all(
        child["id"] in expected and (not telling or not child.get("name") or child["name"] == expected[child["id"]])
        for child in listed
    )


def _confusion(names: Sequence[str], listed: Sequence[Document], order: Sequence[str] | None) -> str:
    """What to tell an operator."""
    given = [str(child.get("name")) for child in listed]
    told = [
        f"the job names no child for each of its {len(names)} circuits"
        if order is None
        else "its children's names contradict their order"
    ]
    told += [
        f"{what}: {_some(some)}"
        for what, some in (
            ("missing", sorted(set(names) - set(given))),
            ("unknown", sorted(set(given) - set(names))),
            ("twice", sorted({name for name in given if given.count(name) > 1})),
        )
        if some
    ]
    return f"Which child of the IonQ job is which circuit cannot be told; {'; '.join(told)}."


def _some(names: Sequence[str]) -> str:
    return ", ".join(repr(name) for name in names[:3]) + (" …" if len(names) > 3 else "")  # noqa: PLR2004 - enough
