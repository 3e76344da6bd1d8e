"""Errors survive the result backend, and the ledger."""

from __future__ import annotations

import pytest
from celery import Celery

from qstore import errors
from qstore.answer import from_answer, to_answer

EVERY_ERROR = [kind for kind in vars(errors).values() if isinstance(kind, type) and issubclass(kind, Exception)]


@pytest.mark.parametrize("kind", EVERY_ERROR)
def test_every_error_comes_back_as_itself_from_the_result_backend(kind: type[errors.QstoreError]) -> None:
    backend = Celery(backend="cache+memory://", set_as_current=False).backend
    said = kind("what went wrong")
    heard = backend.exception_to_python(backend.decode(backend.encode(backend.prepare_exception(said))))
    assert type(heard) is kind
    assert str(heard) == str(said)
    assert heard.args == said.args


@pytest.mark.parametrize("kind", EVERY_ERROR)
def test_every_error_comes_back_as_itself_from_the_ledger(kind: type[errors.QstoreError]) -> None:
    said = kind("what went wrong")
    with pytest.raises(kind) as caught:
        from_answer(to_answer(said))
    assert caught.value.args == said.args


def test_data_comes_back_as_it_is() -> None:
    assert from_answer(to_answer({"counts": {"0 1": 3}})) == {"counts": {"0 1": 3}}


def test_ionq_s_own_words_and_code_are_kept() -> None:
    error = errors.IonQJobFailedError("too deep", "TooManyGates")
    assert str(error) == "TooManyGates: too deep"
    assert errors.IonQThrottledError("slow down", 2.5).retry_after == 2.5
