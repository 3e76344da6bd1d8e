"""The pooled IonQ session: keep-alive HTTP, a deadline for every phase, and every answer in our own words.

Invariant: one call is one request. Whether to ask again is decided by whoever knows what a second request costs.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import AbstractContextManager
from functools import cache
from http import HTTPStatus
from typing import Any

import httpx

from qstore.errors import (
    InvalidResultError,
    IonQRefusedError,
    IonQThrottledError,
    IonQUnauthorizedError,
    IonQUnavailableError,
    SubmissionUncertainError,
)
from workers.pool import Pool, PoolStats

PAGE = 25
"""Jobs in one answer of IonQ's list that are safe to ask for."""

_NEVER_SENT = (httpx.ConnectError, httpx.ConnectTimeout, httpx.UnsupportedProtocol)

_SOON = 5.0  # seconds to connect, to send, and to wait for what is good to know and nothing depends on

_SHOTS_BY_REGISTER = "ionq.result.shots.json.v2"

Document = Mapping[str, Any]  # a job as IonQ describes it


class IonQ:
    """A session with IonQ, shared by the threads of one process.

    Args:
        url: Of the API, with its version.
        api_key: The token.
        connect_timeout: Seconds to connect.
        read_timeout: Seconds to send, then to wait for the answer: each.
        pool_timeout: Seconds to wait for a free connection.
        min_size: Sessions kept, however long unused.
        max_size: Sessions at most, each one connection that is kept alive.
        max_waiting: Threads that may wait for one; 0: any number.
        max_lifetime: Seconds after which a session is replaced.
        max_idle: Seconds after which an unused connection is not used again.
        max_uses: Requests after which a session is replaced; 0: never.
    """

    def __init__(
        self,
        url: str,
        api_key: str,
        *,
        connect_timeout: float,
        read_timeout: float,
        pool_timeout: float,
        min_size: int,
        max_size: int,
        max_waiting: int,
        max_lifetime: float,
        max_idle: float,
        max_uses: int,
    ) -> None:
        self._url = httpx.URL(url)
        trusted = cache(httpx.create_ssl_context)  # reading the certificates takes 10 ms and more: once, when needed

        def session() -> httpx.Client:
            return httpx.Client(
                base_url=self._url,
                headers={"Authorization": f"apiKey {api_key}", "User-Agent": "qstore"},
                timeout=httpx.Timeout(read_timeout, connect=connect_timeout),
                # one that the server has closed meanwhile is noticed before it is used again
                limits=httpx.Limits(max_connections=1, keepalive_expiry=max_idle),
                verify=trusted(),
            )

        # A client in the hands of one thread at a time: shared by threads, httpx may close a connection that one of
        # them has just taken up. After an error it is replaced, whatever state its connection is in.
        self._pool = Pool(
            session,
            httpx.Client.close,
            min_size=min_size,
            max_size=max_size,
            timeout=pool_timeout,
            max_waiting=max_waiting,
            max_lifetime=max_lifetime,
            max_idle=max_idle,
            max_uses=max_uses,
            leak_after=2 * (connect_timeout + 2 * read_timeout),  # one request ends by half of that
            name="IonQ",
        )
        self._pool.open()

    def __repr__(self) -> str:
        return f"IonQ({str(self._url)!r}, {self._pool!r})"

    def stats(self) -> PoolStats:
        """What there is of sessions, and what was so far."""
        return self._pool.stats()

    def maintain(self) -> None:
        """Close sessions that nobody used for long."""
        self._pool.maintain()

    def submit(self, body: bytes, before_sending: Callable[[], None] = lambda: None) -> str:
        """Send a job once.

        Args:
            body: JSON.
            before_sending: Called when all is ready and no byte of the body is on the wire; what it raises comes out
                of here, and then IonQ cannot have taken the job.

        Returns:
            IonQ's job id.

        Raises:
            IonQRefusedError: IonQ does not take it (4xx).
            IonQThrottledError: IonQ asks for patience; it was not accepted.
            IonQUnauthorizedError: IonQ does not accept the key; it was not accepted.
            IonQUnavailableError: It was never sent.
            PoolTimeout: No connection was free in time; it was never sent.
            TooManyRequests: Too many threads wait for a connection; it was never sent.
            SubmissionUncertainError: It may or may not have been accepted.
        """

        def trace(event: str, _details: object) -> None:
            if event == "http11.send_request_body.started":
                before_sending()

        headers, extensions = {"Content-Type": "application/json"}, {"trace": trace}
        try:
            with self._session() as session:
                response = session.post("/jobs", content=body, headers=headers, extensions=extensions)
        except _NEVER_SENT as error:
            raise IonQUnavailableError(f"IonQ cannot be reached: {error}") from error
        except httpx.HTTPError as error:
            raise SubmissionUncertainError(f"IonQ's answer to a job was lost: {error!r}") from error
        if response.status_code == HTTPStatus.CREATED:
            remote_id = _json(response).get("id")
            if isinstance(remote_id, str) and remote_id:
                return remote_id
            raise SubmissionUncertainError("IonQ took a job and did not say under which id.")
        _raise_for_refusal(response)
        raise SubmissionUncertainError(f"IonQ answered a job with {_words(response)}")

    def jobs(self, remote_ids: Sequence[str]) -> dict[str, Document]:
        """Read many jobs in one request.

        Args:
            remote_ids: At most `PAGE` ids.

        Returns:
            The jobs IonQ knows, by id.

        Raises:
            IonQRefusedError: IonQ does not accept the question.
            TransientError: No answer; ask again later.
        """
        listed, _ = _page(self._get("/jobs", params={"ids": list(remote_ids), "limit": PAGE}))
        return {job["id"]: job for job in listed}

    def job(self, remote_id: str) -> Document:
        """Read one job; unlike a list, the answer names its children.

        Raises:
            IonQRefusedError: IonQ does not accept the question.
            TransientError: No answer; ask again later.
        """
        document = self._get(f"/jobs/{remote_id}")
        if not isinstance(document, dict) or document.get("id") != remote_id:
            raise IonQUnavailableError(f"IonQ answered for job {remote_id} with something else.")
        return document

    def children(self, remote_id: str, page: str | None = None) -> tuple[list[Document], str | None]:
        """Read a page of a job's children.

        Args:
            remote_id: The job.
            page: Which, as the page before it named it; None for the first.

        Returns:
            The children, in no particular order, and the next page; None where this is the last one.

        Raises:
            IonQRefusedError: IonQ does not accept the question.
            TransientError: No answer; ask again later.
        """
        params: dict[str, Any] = {"parent_job_id": remote_id, "limit": PAGE}
        return _page(self._get("/jobs", params=params if page is None else {**params, "next": page}))

    def recent(self) -> Iterator[Document]:
        """All jobs, newest first, a page at a time.

        Raises:
            IonQRefusedError: IonQ does not accept the question.
            TransientError: No answer; ask again later.
        """
        params: dict[str, Any] = {"limit": PAGE}
        while True:
            listed, following = _page(self._get("/jobs", params=params))
            yield from listed
            if following is None:
                return
            params["next"] = following

    def probabilities(self, document: Document) -> Any:
        """Fetch the distribution of a completed job, or of its children.

        Raises:
            InvalidResultError: The job offers none.
            IonQRefusedError: IonQ does not accept the question.
            TransientError: No answer; ask again later.
        """
        # the path is absolute on IonQ's host; httpx would put it below the version
        address = self._url.join(_offer(document, "probabilities", "url"))
        if (address.scheme, address.netloc) != (self._url.scheme, self._url.netloc):
            raise InvalidResultError(f"The result of IonQ's job {document.get('id')} is not at IonQ: {address}")
        return self._get(address)

    def shots(self, document: Document) -> Any:
        """Fetch the shots, register by register, of a completed OpenQASM 3 job.

        Raises:
            InvalidResultError: The job offers none.
            IonQRefusedError: IonQ does not accept the question.
            TransientError: No answer; ask again later.
        """
        artifact = _offer(document, _SHOTS_BY_REGISTER, "id")
        answer = self._get(f"/jobs/{document['id']}/artifacts/{artifact}")
        return answer.get("shots") if isinstance(answer, dict) else None

    def cost(self, remote_id: str) -> float | None:
        """What was charged for a job, US dollars; None where IonQ does not say. It has to answer soon.

        Raises:
            IonQRefusedError: IonQ does not accept the question.
            TransientError: No answer.
        """
        answer = self._ask("GET", f"/jobs/{remote_id}/cost", soon=True)
        cost = answer.get("cost") if isinstance(answer, dict) else None
        if not isinstance(cost, dict) or str(cost.get("unit")).lower() != "usd":
            return None
        value = cost.get("value")
        if isinstance(value, bool) or not isinstance(value, int | float) or not 0 <= value < math.inf:
            return None
        return float(value)

    def calibration(self, backend: str) -> str:
        """IonQ's id of a machine's current calibration; empty where IonQ does not say. It has to answer soon.

        Raises:
            IonQRefusedError: IonQ does not accept the question.
            TransientError: No answer.
        """
        answer = self._ask("GET", f"/backends/{backend}", soon=True)
        found = answer.get("characterization_id") if isinstance(answer, dict) else None
        return found if isinstance(found, str) and found.split() == [found] else ""

    def ping(self) -> None:
        """Make sure that IonQ answers, and accepts the key: one free read. It has to answer soon.

        Raises:
            IonQRefusedError: IonQ does not accept the question.
            TransientError: No answer, or one that means to ask again later.
        """
        _page(self._ask("GET", "/jobs", {"limit": 1}, soon=True))

    def cancel(self, remote_id: str) -> None:
        """Ask IonQ to cancel a job, or a child of one; whatever has ended stays as it is.

        Raises:
            IonQRefusedError: IonQ does not, or does not know the job (status 404).
            TransientError: No answer; it may be canceled or not.
        """
        self._ask("PUT", f"/jobs/{remote_id}/status/cancel")

    def close(self) -> None:
        """Close every connection; one that is in use is closed after its answer."""
        self._pool.close()

    def _session(self) -> AbstractContextManager[httpx.Client]:
        return self._pool.acquire()

    def _get(self, url: str | httpx.URL, params: Mapping[str, Any] | None = None) -> Any:
        return self._ask("GET", url, params)

    def _ask(
        self, method: str, url: str | httpx.URL, params: Mapping[str, Any] | None = None, *, soon: bool = False
    ) -> Any:
        timeout = _SOON if soon else httpx.USE_CLIENT_DEFAULT
        try:
            with self._session() as session:
                response = session.request(method, url, params=params, timeout=timeout)
        except httpx.HTTPError as error:
            raise IonQUnavailableError(f"IonQ does not answer: {error!r}") from error
        if response.is_success:
            return _json(response)
        _raise_for_refusal(response)
        raise IonQUnavailableError(f"IonQ answered {_words(response)}")


def _page(answer: Any) -> tuple[list[Document], str | None]:
    """The jobs of a list, and where it goes on; what is no list must not be taken for one without the job."""
    jobs = answer.get("jobs") if isinstance(answer, dict) else None
    if not isinstance(jobs, list):
        raise IonQUnavailableError("IonQ answered a question for jobs with something else.")
    following = answer.get("next")
    return [job for job in jobs if isinstance(job, dict) and isinstance(job.get("id"), str)], following or None


def _offer(document: Document, kind: str, field: str) -> str:
    try:
        return str(document["results"][kind][field])
    except (KeyError, TypeError):
        raise InvalidResultError(f"IonQ's job {document.get('id')} offers no {kind}.") from None


def _json(response: httpx.Response) -> Any:
    try:
        return response.json()
    except ValueError:
        return {}


def _words(response: httpx.Response) -> str:
    """What IonQ says, in short; a gateway's page of HTML is only named."""
    answer = _json(response)
    said = answer.get("message") or answer.get("error") if isinstance(answer, dict) else None
    return f"{response.status_code}: {said}" if said else f"{response.status_code} {response.reason_phrase}"


def _raise_for_refusal(response: httpx.Response) -> None:
    if response.status_code == HTTPStatus.TOO_MANY_REQUESTS:
        raise IonQThrottledError(f"IonQ asks for patience: {_words(response)}", _retry_after(response))
    if response.status_code in {HTTPStatus.UNAUTHORIZED, HTTPStatus.FORBIDDEN}:
        raise IonQUnauthorizedError(f"IonQ does not accept the API key: {_words(response)}")
    if response.is_client_error and response.status_code != HTTPStatus.REQUEST_TIMEOUT:
        raise IonQRefusedError(f"IonQ refused: {_words(response)}", response.status_code)


def _retry_after(response: httpx.Response) -> float | None:
    try:
        seconds = float(response.headers["Retry-After"])
    except (KeyError, ValueError):
        return None
    return max(0.0, seconds) if math.isfinite(seconds) else None
