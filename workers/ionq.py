"""The pooled IonQ session: keep-alive HTTP, a deadline for every phase, and every answer in our own words.

Invariant: one call is one request. Whether to ask again is decided by whoever knows what a second request costs.
"""

from __future__ import annotations

import queue
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from http import HTTPStatus
from typing import Any

import httpx

from qstore.errors import (
    InvalidResultError,
    IonQRefusedError,
    IonQThrottledError,
    IonQUnavailableError,
    SubmissionUncertainError,
)

PAGE = 25
"""Jobs in one answer of IonQ's list that are safe to ask for."""

_NEVER_SENT = (httpx.ConnectError, httpx.ConnectTimeout, httpx.UnsupportedProtocol)
_KEEP_ALIVE = 30.0  # seconds an idle connection is kept

_SHOTS_BY_REGISTER = "ionq.result.shots.json.v2"

Document = Mapping[str, Any]  # a job as IonQ describes it


class IonQ:
    """A session with IonQ, shared by the threads of one process.

    Args:
        url: Of the API, with its version.
        api_key: The token.
        connect_timeout: Seconds to connect.
        read_timeout: Seconds to wait for a free connection, then to send, then for the answer: each.
        max_connections: Connections at most, all kept alive.
    """

    def __init__(
        self, url: str, api_key: str, *, connect_timeout: float, read_timeout: float, max_connections: int
    ) -> None:
        self._url = httpx.URL(url)
        self._patience = read_timeout
        trusted = httpx.create_ssl_context()
        # A client in the hands of one thread at a time: shared by threads, httpx may close a connection that one of
        # them has just taken up. The one used last is taken first, so that few connections are kept.
        self._idle: queue.LifoQueue[httpx.Client] = queue.LifoQueue()
        for _ in range(max_connections):
            self._idle.put(
                httpx.Client(
                    base_url=self._url,
                    headers={"Authorization": f"apiKey {api_key}", "User-Agent": "qstore"},
                    timeout=httpx.Timeout(read_timeout, connect=connect_timeout),
                    limits=httpx.Limits(max_connections=1, keepalive_expiry=_KEEP_ALIVE),
                    verify=trusted,
                )
            )

    def __repr__(self) -> str:
        return f"IonQ({str(self._url)!r})"

    def submit(self, body: bytes) -> str:
        """Send a job once.

        Args:
            body: JSON.

        Returns:
            IonQ's job id.

        Raises:
            IonQRefusedError: IonQ does not take it (4xx).
            IonQThrottledError: IonQ asks for patience; it was not accepted.
            IonQUnavailableError: It was never sent.
            SubmissionUncertainError: It may or may not have been accepted.
        """
        try:
            with self._session() as session:
                response = session.post("/jobs", content=body, headers={"Content-Type": "application/json"})
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
            IonQUnavailableError: No answer; ask again later.
        """
        answer = self._get("/jobs", params={"ids": list(remote_ids), "limit": PAGE})
        return {job["id"]: job for job in answer.get("jobs", ())}

    def job(self, remote_id: str) -> Document:
        """Read one job; unlike a list, the answer names its children.

        Raises:
            IonQRefusedError: IonQ does not accept the question.
            IonQUnavailableError: No answer; ask again later.
        """
        document: Document = self._get(f"/jobs/{remote_id}")
        return document

    def recent(self) -> Iterator[Document]:
        """All jobs, newest first, a page at a time.

        Raises:
            IonQRefusedError: IonQ does not accept the question.
            IonQUnavailableError: No answer; ask again later.
        """
        params: dict[str, Any] = {"limit": PAGE}
        while True:
            answer = self._get("/jobs", params=params)
            yield from answer.get("jobs", ())
            if not answer.get("next"):
                return
            params["next"] = answer["next"]

    def probabilities(self, document: Document) -> Any:
        """Fetch the distribution of a completed job, or of its children.

        Raises:
            InvalidResultError: The job offers none.
            IonQRefusedError: IonQ does not accept the question.
            IonQUnavailableError: No answer; ask again later.
        """
        # the path is absolute on IonQ's host; httpx would put it below the version
        return self._get(self._url.join(_offer(document, "probabilities", "url")))

    def shots(self, document: Document) -> Any:
        """Fetch the shots, register by register, of a completed OpenQASM 3 job.

        Raises:
            InvalidResultError: The job offers none.
            IonQRefusedError: IonQ does not accept the question.
            IonQUnavailableError: No answer; ask again later.
        """
        artifact = _offer(document, _SHOTS_BY_REGISTER, "id")
        answer = self._get(f"/jobs/{document['id']}/artifacts/{artifact}")
        return answer.get("shots") if isinstance(answer, dict) else None

    def close(self) -> None:
        """Close every connection, once nobody uses any."""
        while not self._idle.empty():
            self._idle.get_nowait().close()

    @contextmanager
    def _session(self) -> Iterator[httpx.Client]:
        try:
            session = self._idle.get(timeout=self._patience)
        except queue.Empty:
            raise IonQUnavailableError(f"All connections to IonQ were busy for {self._patience:g} s.") from None
        try:
            yield session
        finally:
            self._idle.put(session)

    def _get(self, url: str | httpx.URL, params: Mapping[str, Any] | None = None) -> Any:
        try:
            with self._session() as session:
                response = session.get(url, params=params)
        except httpx.HTTPError as error:
            raise IonQUnavailableError(f"IonQ does not answer: {error!r}") from error
        if response.is_success:
            return _json(response)
        _raise_for_refusal(response)
        raise IonQUnavailableError(f"IonQ answered {_words(response)}")


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
    if response.is_client_error and response.status_code != HTTPStatus.REQUEST_TIMEOUT:
        raise IonQRefusedError(f"IonQ refused: {_words(response)}")


def _retry_after(response: httpx.Response) -> float | None:
    try:
        return max(0.0, float(response.headers["Retry-After"]))
    except (KeyError, ValueError):
        return None
