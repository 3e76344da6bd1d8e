"""Which child is which is told by names and by the job's own order, in few requests, or not at all."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from qstore.errors import InvalidResultError
from workers.children import identify

PAGE = 4


class Job:
    """A job whose children say what the test says, a page at a time, and which counts the questions."""

    def __init__(self, names: Sequence[Any], order: Sequence[int] | None = None) -> None:
        self.listed = [{"id": f"child-{place}", "name": name} for place, name in enumerate(names)]
        self.order = order if order is not None else range(len(names))
        self.asked: list[str] = []
        self.heard: list[dict[str, Any]] = []

    def read(self) -> Mapping[str, Any]:
        self.asked.append("job")
        return {"child_job_ids": [f"child-{place}" for place in self.order]}

    def page(self, name: str | None) -> tuple[list[Mapping[str, Any]], str | None]:
        start = int(name or 0)
        self.asked.append(f"from {start}")
        following = start + PAGE
        self.heard += self.listed[start:following]
        return list(self.listed[start:following]), str(following) if following < len(self.listed) else None

    def identify(self, names: Sequence[str]) -> list[str]:
        return [child.remote_id for child in identify(names, self.read, self.page, PAGE)]


def called(count: int) -> list[str]:
    return [f"{place}-abcdef01" for place in range(count)]


def children(*places: int) -> list[str]:
    return [f"child-{place}" for place in places]


def test_one_page_with_every_name_is_enough() -> None:
    job = Job(called(3)[::-1])
    assert job.identify(called(3)) == children(2, 1, 0)
    assert job.asked == ["from 0"]


def test_what_a_page_says_of_a_child_comes_along() -> None:
    job = Job(called(6))
    told = [child.document for child in identify(called(6), job.read, job.page, PAGE)]
    assert told == [*job.listed[:4], None, None]


@pytest.mark.parametrize("name", [None, ""])
def test_children_without_names_are_told_by_the_order(name: str | None) -> None:
    job = Job([name] * 3, order=[1, 2, 0])
    assert job.identify(called(3)) == children(1, 2, 0)
    assert job.asked == ["from 0", "job"]


def test_a_child_that_the_list_leaves_out_is_told_by_the_order() -> None:
    job = Job(called(2), order=[0, 1, 2])
    assert job.identify(called(3)) == children(0, 1, 2)


def test_of_a_large_job_one_page_of_names_is_the_cross_check() -> None:
    job = Job(called(10))
    assert job.identify(called(10)) == children(*range(10))
    assert job.asked == ["job", "from 0"]


def test_names_that_contradict_the_order_win_once_all_are_read() -> None:
    job = Job(called(10), order=[1, 0, *range(2, 10)])
    assert job.identify(called(10)) == children(*range(10))
    assert job.asked == ["job", "from 0", "from 4", "from 8"]


@pytest.mark.parametrize("order", [[], [*range(9)], [*range(11)], [0, 0, *range(2, 10)]])
def test_an_order_that_names_too_few_too_many_or_one_twice_is_none(order: list[int]) -> None:
    assert Job(called(10), order).identify(called(10)) == children(*range(10))
    with pytest.raises(InvalidResultError, match="names no child for each of its 10 circuits"):
        Job([None] * 10, order).identify(called(10))


@pytest.mark.parametrize(
    ("names", "said"),
    [
        ([*called(2), "somebody else's"], "missing: '2-abcdef01'; unknown: \"somebody else's\""),
        ([*called(2), "1-abcdef01"], "missing: '2-abcdef01'; twice: '1-abcdef01'"),
        ([*called(3), "one too many"], "unknown: 'one too many'"),
        ([*called(2), {"odd": 1}], "unknown"),
    ],
)
def test_what_cannot_be_told_says_why(names: list[Any], said: str) -> None:
    with pytest.raises(InvalidResultError, match=said):
        Job(names).identify(called(3))


def test_a_list_without_an_end_is_not_read_for_ever() -> None:
    job = Job(["somebody else's"] * 1000)
    with pytest.raises(InvalidResultError):
        job.identify(called(10))
    assert len(job.asked) < 6


@given(st.permutations(range(9)), st.permutations(range(9)), st.sets(st.integers(0, 8)))
def test_whatever_is_listed_no_child_is_taken_for_another(
    listing: list[int], order: list[int], nameless: set[int]
) -> None:
    """The child of circuit n is child n: the job's order may lie, a name does not."""
    job = Job([None if place in nameless else name for place, name in enumerate(called(9))], order)
    job.listed = [job.listed[place] for place in listing]
    try:
        found = job.identify(called(9))
    except InvalidResultError:
        assert nameless
        assert order != [*range(9)]
    else:
        named = {child["id"] for child in job.heard if child["name"]}
        assert all(child == f"child-{place}" for place, child in enumerate(found) if child in named)
        assert sorted(found) == children(*range(9))


@pytest.mark.parametrize("count", [3, 6])
def test_names_that_are_none_of_ours_say_nothing(count: int) -> None:
    job = Job([f"a job of IonQ's, part {place}" for place in range(count)], order=range(count))
    assert job.identify(called(count)) == children(*range(count))
