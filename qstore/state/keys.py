"""Every Redis key of the shared state; nothing else builds one, Lua scripts included."""

from __future__ import annotations

import hashlib
from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Keys:
    """Key names under one prefix.

    Args:
        prefix: What every key begins with, such as `qstore:`.
    """

    prefix: str

    @property
    def groups(self) -> str:
        """Sorted set: groups with waiting runs, by when a partial batch may leave (epoch milliseconds)."""
        return f"{self.prefix}groups"

    @property
    def due(self) -> str:
        """Sorted set: batch records, by when somebody must look at them (epoch milliseconds)."""
        return f"{self.prefix}due"

    @property
    def arrivals(self) -> str:
        """List: jobs that began to wait, for Flower to be told of."""
        return f"{self.prefix}arrivals"

    @property
    def announced(self) -> str:
        """Set: ids of waiting jobs that Flower was told of."""
        return f"{self.prefix}announced"

    @property
    def hits(self) -> str:
        """List: jobs answered from the result cache that Flower has not been told of, each with its headline."""
        return f"{self.prefix}hits"

    @property
    def expiring(self) -> str:
        """Sorted set: ids of jobs that wait and may expire, by when (epoch milliseconds)."""
        return f"{self.prefix}expiring"

    @property
    def queued(self) -> str:
        """String: how many jobs wait for counts."""
        return f"{self.prefix}queued"

    @property
    def outbox(self) -> str:
        """Stream: what was executed and is not archived yet."""
        return f"{self.prefix}outbox"

    @property
    def outbox_refused(self) -> str:
        """Stream: what the archive does not take, and why."""
        return f"{self.prefix}outbox:refused"

    @property
    def tally(self) -> str:
        """Hash: what was counted of results and compiled circuits since the beginning."""
        return f"{self.prefix}tally"

    @property
    def results(self) -> tuple[str, str]:
        """Sorted set, string: the stored results by when they expire, and their bytes added up."""
        return f"{self.prefix}results", f"{self.prefix}results:bytes"

    @property
    def circuits(self) -> tuple[str, str]:
        """Sorted set, string: the compiled circuits by when they expire, and their bytes added up."""
        return f"{self.prefix}circuits", f"{self.prefix}circuits:bytes"

    def circuit(self, circuit_key: str) -> str:
        """String: a compiled circuit.

        Args:
            circuit_key: The compiler's name for it.
        """
        return f"{self.prefix}circuit:{circuit_key}"

    @property
    def calibrations(self) -> str:
        """Sorted set: the keys of calibrations, by when IonQ is to be asked again (epoch milliseconds)."""
        return f"{self.prefix}calibrations"

    def calibration(self, backend: str) -> str:
        """String: IonQ's id of a machine's calibration, as long as it matters; empty while it is not known.

        Args:
            backend: IonQ's name.
        """
        return f"{self.prefix}calibration:{backend}"

    def slots(self, account: str) -> str:
        """Sorted set: batches in flight, by when they are forgotten (epoch milliseconds).

        Args:
            account: Stands for the API key.
        """
        return f"{self.prefix}slots:{account}"

    def breaker(self, name: str) -> tuple[str, str, str]:
        """Hash, sorted set, sorted set: a breaker's record, permits at stake, recent failures.

        Args:
            name: What it breaks.
        """
        stem = f"{self.prefix}breaker:{name}"
        return stem, f"{stem}:stake", f"{stem}:failures"

    def hold(self, group: str) -> str:
        """String: there while a group waits before it is offered again.

        Args:
            group: The group's canonical JSON.
        """
        return f"{self.prefix}hold:{_digest(group)}"

    def pending(self, group: str) -> str:
        """Sorted set: run ids of a group that wait for a batch, by priority, then by age.

        Args:
            group: The group's canonical JSON.
        """
        return f"{self.prefix}pending:{_digest(group)}"

    def result(self, run_id: str) -> str:
        """String: the outcome of a run, while fresh, under a line that says when it was stored, and its cost."""
        return f"{self.prefix}result:{run_id}"

    def run(self, run_id: str) -> str:
        """Hash: a run that waits or is being executed; it exists exactly as long."""
        return f"{self.prefix}run:{run_id}"

    def jobs(self, run_id: str) -> str:
        """List: the jobs waiting for a run; the first one caused it."""
        return f"{self.prefix}jobs:{run_id}"

    def job(self, job_id: str) -> str:
        """String: the run a job waits for; it exists exactly as long as the job waits."""
        return f"{self.prefix}job:{job_id}"

    def batch(self, batch_id: str) -> str:
        """Hash: the ledger's record of one IonQ job."""
        return f"{self.prefix}batch:{batch_id}"

    def woken(self, job_id: str) -> str:
        """String: the answer a woken job finds at its second delivery."""
        return f"{self.prefix}woken:{job_id}"


def _digest(group: str) -> str:
    return hashlib.sha256(group.encode()).hexdigest()[:24]
