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


# -- what passes --------------------------------------------------------------------------------------------


class TransientError(QstoreError):
    """Trying again later may work; only these are ever retried."""


class StoreUnavailableError(TransientError):
    """Redis does not answer."""


class IonQUnavailableError(TransientError):
    """IonQ could not be reached; the request was certainly not accepted."""


class IonQThrottledError(TransientError):
    """IonQ asks for patience (429); the request was certainly not accepted.

    Args:
        message: What IonQ said.
        retry_after: Seconds IonQ asks to wait, or None where it does not say.
    """

    def __init__(self, message: str, retry_after: float | None = None) -> None:
        super().__init__(message, retry_after)
        self.retry_after = retry_after

    def __str__(self) -> str:
        return str(self.args[0])


# -- what ended the job -------------------------------------------------------------------------------------


class JobFailedError(QstoreError):
    """The job was accepted and did not come to counts."""


class IonQRefusedError(JobFailedError):
    """IonQ refused the request (4xx); nothing was paid."""


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


class InvalidResultError(JobFailedError):
    """IonQ's answer is not a distribution over the circuit's outcomes."""


class SubmissionUncertainError(QstoreError):
    """Whether IonQ accepted a request is unknown: no answer came back, or a gateway answered in its place."""
