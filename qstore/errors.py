"""Every error a caller can see.

Each is built from plain strings and numbers, so that it survives the result backend: what `delay()` raises
in the producer and what `AsyncResult.get()` raises from a worker are the same classes.
"""

from __future__ import annotations


class QstoreError(Exception):
    """Anything qstore raises on purpose."""


# -- what the caller can mend -------------------------------------------------------------------------------


class InvalidJobError(QstoreError, ValueError):
    """The job cannot run as asked. Nothing was queued, nothing paid."""


class InvalidCircuitError(InvalidJobError):
    """The circuit cannot run as it is."""


class InvalidOpenQASMError(InvalidCircuitError):
    """The text is neither OpenQASM 2 nor OpenQASM 3."""


class UnboundParametersError(InvalidCircuitError):
    """The circuit still has free parameters."""


class InvalidParameterValuesError(InvalidJobError):
    """The values for a circuit's free parameters do not fit it."""


class NoMeasurementError(InvalidCircuitError):
    """The circuit measures nothing, so it has no counts."""


class NoQubitsError(InvalidCircuitError):
    """The circuit has no qubits."""


class CircuitTooWideError(InvalidCircuitError):
    """The circuit has more qubits than the backend."""


class CircuitTooLargeError(InvalidCircuitError):
    """The circuit has more gates or bytes than one IonQ job may carry."""


class UnsupportedCircuitError(InvalidCircuitError):
    """The circuit holds something IonQ cannot execute."""


class InvalidOptionError(InvalidJobError):
    """An option has a value it cannot have."""


class UnknownOptionError(InvalidOptionError):
    """There is no option of that name."""


class InvalidShotsError(InvalidOptionError):
    """`shots` is not a whole number in the range IonQ accepts."""


class UnknownBackendError(InvalidOptionError):
    """There is no backend of that name."""


class UnknownNoiseModelError(InvalidOptionError):
    """There is no noise model of that name."""


class JobIdTakenError(InvalidJobError):
    """A job with this id waits already, for another circuit or with other options."""


class InvalidVectorError(InvalidJobError):
    """The vector cannot be asked for: not a list of finite numbers, or not as many as the collection has."""


class InvalidSettingError(QstoreError, ValueError):
    """A setting has a value it cannot have."""


# -- what passes --------------------------------------------------------------------------------------------


class TransientError(QstoreError):
    """Trying again later may work; only these are ever retried."""


class StoreUnavailableError(TransientError):
    """Redis does not answer."""


class QueueFull(TransientError):  # noqa: N818 - the standard library's word
    """As many jobs wait as may (`QSTORE_MAX_QUEUED_JOBS`). Nothing was queued."""


class PoolTimeout(TransientError):  # noqa: N818 - psycopg_pool's word
    """No member of the pool became free in time."""


class TooManyRequests(TransientError):  # noqa: N818 - psycopg_pool's word
    """As many threads wait for the pool as may."""


class PoolClosed(QstoreError):  # noqa: N818 - psycopg_pool's word
    """The pool is closed, or not open yet."""


class BreakerOpen(TransientError):  # noqa: N818 - the field's word
    """The circuit breaker is open: nothing was sent.

    Args:
        message: Which breaker.
        retry_after: Seconds until it is worth trying again.
    """

    def __init__(self, message: str, retry_after: float = 0.0) -> None:
        super().__init__(message, retry_after)
        self.retry_after = retry_after

    def __str__(self) -> str:
        return str(self.args[0])


class VectorStoreUnavailableError(TransientError):
    """The vector store did not answer in time."""


class ThrottledError(TransientError):
    """Somebody asks for patience (429); the request was certainly not accepted.

    Args:
        message: What they said.
        retry_after: Seconds they ask to wait, or None where they do not say.
    """

    def __init__(self, message: str, retry_after: float | None = None) -> None:
        super().__init__(message, retry_after)
        self.retry_after = retry_after

    def __str__(self) -> str:
        return str(self.args[0])


class VectorStoreThrottledError(ThrottledError):
    """The vector store asks for patience."""


class NotArchivedError(TransientError):
    """The archive does not hold the job's outcome: it has none, or it was not written yet."""


class IonQUnavailableError(TransientError):
    """IonQ could not be reached; the request was certainly not accepted."""


class IonQUnauthorizedError(TransientError):
    """IonQ does not accept the API key (401, 403); the request was certainly not accepted."""


class IonQThrottledError(ThrottledError):
    """IonQ asks for patience."""


# -- what no second try changes -----------------------------------------------------------------------------


class VectorStoreRefusedError(QstoreError):
    """The vector store does not take a call as it is: no such collection, a wrong dimension, no permission."""


# -- what ended the job -------------------------------------------------------------------------------------


class JobFailedError(QstoreError):
    """The job was accepted and did not come to counts."""


class IonQRefusedError(JobFailedError):
    """IonQ refused the request (4xx); nothing was paid.

    Args:
        message: IonQ's own words.
        status: The HTTP status of its answer, or 0 where that is not known.
    """

    def __init__(self, message: str, status: int = 0) -> None:
        super().__init__(message, status)
        self.status = status

    def __str__(self) -> str:
        return str(self.args[0])


class IonQJobFailedError(JobFailedError):
    """IonQ ran the job and reports a failure.

    Args:
        message: IonQ's own words.
        code: IonQ's failure code, such as `TooManyGates`.
    """

    def __init__(self, message: str, code: str = "") -> None:
        super().__init__(message, code)
        self.code = code

    def __str__(self) -> str:
        return f"{self.code}: {self.args[0]}" if self.code else str(self.args[0])


class IonQJobCanceledError(JobFailedError):
    """The job was canceled at IonQ."""


class JobTimeoutError(JobFailedError):
    """The job took longer at IonQ than `QSTORE_JOB_TIMEOUT_SIMULATOR` or `QSTORE_JOB_TIMEOUT_QPU` allows."""


class JobRevokedError(JobFailedError):
    """The job was canceled, or expired, before it came to counts; Celery's clients see `TaskRevokedError`.

    Args:
        reason: `revoked` or `expired`.
    """

    def __init__(self, reason: str = "revoked") -> None:
        super().__init__(reason)
        self.reason = reason


class InvalidResultError(JobFailedError):
    """IonQ's answer is not a distribution over the circuit's outcomes."""


class SubmissionUncertainError(QstoreError):
    """Whether IonQ accepted a request is unknown: no answer came back, or a gateway answered in its place."""
