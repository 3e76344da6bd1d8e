"""What was asked of the stand-in and what it took on, for whoever checks a client's bookkeeping."""

from __future__ import annotations

from collections import Counter, defaultdict
from dataclasses import dataclass, field
from typing import Any

from qstore.sandbox.ionq.job import Job
from qstore.sandbox.web.drop import UNANSWERED


@dataclass(slots=True)
class Counters:
    """Counts since the start; asking for them is not counted.

    Attributes:
        connections: TCP connections on which the API was asked anything.
        jobs_accepted: POST /jobs answered with 201, or accepted and then not answered.
        circuits_accepted: The circuits in them.
        answers: For each endpoint (`GET /jobs/{id}`) how often it gave each status, or none.
    """

    connections: int = 0
    jobs_accepted: int = 0
    circuits_accepted: int = 0
    answers: defaultdict[str, Counter[int]] = field(default_factory=lambda: defaultdict(Counter))

    def answered(self, endpoint: str, status: int) -> None:
        """Count an answer; `UNANSWERED` for the lack of one."""
        self.answers[endpoint][status] += 1

    def accepted(self, job: Job) -> None:
        """Count a job."""
        self.jobs_accepted += 1
        self.circuits_accepted += len(job.leaves)

    def document(self) -> dict[str, Any]:
        """All of it as JSON."""
        return {
            "requests": sum(answers.total() for answers in self.answers.values()),
            "connections": self.connections,
            "jobs_accepted": self.jobs_accepted,
            "circuits_accepted": self.circuits_accepted,
            "by_endpoint": {
                endpoint: {"unanswered" if status == UNANSWERED else str(status): n for status, n in answers.items()}
                for endpoint, answers in self.answers.items()
            },
        }
