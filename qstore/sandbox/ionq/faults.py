"""The faults the stand-in was told to commit, and the requests they strike.

Of the faults that spoil the exchange the first that strikes wins; those of content add up, and strike only
requests that succeed.
"""

from __future__ import annotations

import itertools
import json
import time
from collections.abc import Callable, Collection
from functools import partial
from http import HTTPStatus
from typing import Any, get_args

from pydantic import ValidationError
from starlette.requests import Request
from starlette.responses import JSONResponse, Response

from qstore.sandbox.ionq.content import ANSWER_FAULTS, JOB_FAULTS, AnswerFault, JobFault
from qstore.sandbox.ionq.exchange import EXCHANGE_FAULTS
from qstore.sandbox.ionq.fault import EVERYWHERE, Armed, ContentFault, ExchangeFault, Fault, Work
from qstore.sandbox.ionq.job import Job
from qstore.sandbox.ionq.strict import reason

KINDS: dict[str, type[Fault]] = {
    get_args(kind.model_fields["kind"].annotation)[0]: kind for kind in (*EXCHANGE_FAULTS, *JOB_FAULTS, *ANSWER_FAULTS)
}
"""Every kind of fault by its name."""


class InvalidFaultError(ValueError):
    """A fault that cannot be; the message says which and why."""


class Faults:
    """What is to go wrong.

    Args:
        endpoints: Those there are, such as `GET /jobs/{id}`; may still grow before the first fault is added.
        find: Finds a job by its id.
        clock: Seconds that never go back.
    """

    def __init__(
        self,
        endpoints: Collection[str],
        find: Callable[[str], Job | None],
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        self._endpoints = endpoints
        self._find = find
        self._clock = clock
        self._ids = itertools.count(1)
        self._armed: list[Armed] = []

    def add(self, given: Any) -> list[dict[str, Any]]:
        """Take on faults, all or none.

        Args:
            given: One as JSON gave it, or a list of them.

        Returns:
            Them, as `documents` does.

        Raises:
            InvalidFaultError: If one is not a fault.
        """
        asked = given if isinstance(given, list) else [given]
        faults = [self._read(place, each) for place, each in enumerate(asked)]
        now = self._clock()
        armed = [Armed(next(self._ids), fault, now) for fault in faults]
        self._armed += armed
        return [each.document(now) for each in armed]

    def clear(self) -> None:
        """Commit none any more; what they did to jobs remains."""
        self._armed.clear()

    def documents(self) -> list[dict[str, Any]]:
        """All of them, spent ones too, in the order they came."""
        now = self._clock()
        return [armed.document(now) for armed in self._armed]

    async def answer(self, endpoint: str, request: Request, work: Work) -> Response:
        """Answer a request, or let it be struck.

        Args:
            endpoint: What is asked, such as `GET /jobs/{id}`.
            request: The request.
            work: Does what is asked, and answers it properly.
        """
        if not self._armed:
            return await work()

        async def altered() -> Response:
            return self._alter(endpoint, await work())

        now = self._clock()
        for armed in self._armed:
            fault = armed.fault
            if isinstance(fault, ExchangeFault) and armed.strikes(endpoint, now, partial(fault.spares, request)):
                return await fault.answer(request, altered, armed.chance)
        return await altered()

    def _alter(self, endpoint: str, response: Response) -> Response:
        """Let the faults of content have their way with an answer, or with the job it tells of."""
        now = self._clock()
        concerned = [
            armed
            for armed in self._armed
            if isinstance(armed.fault, ContentFault) and armed.fault.matches(endpoint) and armed.active(now)
        ]
        if not concerned or response.status_code >= HTTPStatus.MULTIPLE_CHOICES:
            return response
        document = json.loads(bytes(response.body))
        job = self._find(document.get("id", ""))
        for armed in concerned:
            fault = armed.fault
            if isinstance(fault, JobFault) and job and fault.fits(job) and armed.strikes(endpoint, now):
                fault.change(job, armed.chance)
            elif isinstance(fault, AnswerFault) and fault.fits(document) and armed.strikes(endpoint, now):
                fault.change(document, armed.chance)
        return JSONResponse(document, response.status_code)

    def _read(self, place: int, given: Any) -> Fault:
        name = given.get("kind") if isinstance(given, dict) else None
        kind = KINDS.get(name) if isinstance(name, str) else None
        if kind is None:
            raise InvalidFaultError(f"fault {place}: `kind` is one of {', '.join(KINDS)}")
        try:
            fault = kind.model_validate(given)
        except ValidationError as error:
            fields = ", ".join(kind.model_fields)
            raise InvalidFaultError(f"fault {place}: {reason(error)}; {name} takes {fields}") from None
        if fault.endpoint not in (EVERYWHERE, *self._endpoints):
            endpoints = ", ".join(sorted(self._endpoints))
            raise InvalidFaultError(f"fault {place}: `endpoint` is * or one of {endpoints}")
        return fault


def read_fault(text: str) -> Any:
    """A fault on the command line as `Faults.add` takes it, not checked yet.

    Args:
        text: A JSON object, or `[endpoint: ]kind [field=value ...]` with values in JSON without blanks or plain text.

    Raises:
        InvalidFaultError: If it is neither.
    """
    try:
        if text.lstrip().startswith("{"):
            return json.loads(text)
        endpoint, colon, rest = text.rpartition(": ")
        kind, *fields = rest.split()
        pairs = dict(field.split("=", 1) for field in fields)
    except ValueError:
        raise InvalidFaultError(f"{text!r} is neither JSON nor of the form `endpoint: kind field=value`") from None
    return {
        "kind": kind,
        **({"endpoint": endpoint.strip()} if colon else {}),
        **{name: _value(each) for name, each in pairs.items()},
    }


def _value(text: str) -> Any:
    try:
        return json.loads(text)
    except ValueError:
        return text
