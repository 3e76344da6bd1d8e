"""IonQ as a test writes it: it takes jobs and says of them, request by request, whatever the test says."""

from __future__ import annotations

import json
from collections import defaultdict, deque
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any
from urllib.parse import parse_qs, urlsplit

from loopback import Loopback, Response

PAGE = 25
Answer = tuple[int, Any]  # a status and a document; status 0 drops the connection

SUBMIT, LOOK, JOB, CANCEL = "submit", "look", "job", "cancel"
CHILDREN, SOME_CHILDREN = "children", "some children"  # a page of a job's children, and children by their ids
RESULT, SHARES = "result", "shares"  # of one circuit, and of all circuits of a job
COST, BACKEND = "cost", "backend"  # of a job, which is a dollar; and of a machine, how it is calibrated


@dataclass
class Part:
    """A job, or a child of one.

    Attributes:
        document: What is said of it.
        share: Its distribution.
        children: In the order of the circuits.
        order: In which `child_job_ids` names them.
    """

    document: dict[str, Any]
    share: Any = None
    children: list[Part] = field(default_factory=list)
    order: Callable[[list[str]], Any] = list

    @property
    def id(self) -> str:
        return str(self.document["id"])


class ScriptedIonQ(Loopback):
    """A server that knows what was asked, in the words above.

    Attributes:
        asked: Every question.
        instead: For a kind of question, what to answer before what is true; each once.
        always: For a kind of question, what to answer for ever.
        prepare: Called with each new job before anybody hears of it.
        calibration: The id of every machine's.
        shots: Of each job that was bought.
    """

    def __init__(self) -> None:
        self.asked: list[str] = []
        self.instead: defaultdict[str, deque[Answer]] = defaultdict(deque)
        self.always: dict[str, Answer] = {}
        self.headers: dict[str, str] = {}
        self.prepare: Callable[[Part], None] = lambda _: None
        self.on_cancel: Callable[[Part], Answer] = _canceled
        self.calibration: Any = "monday"
        self.shots: list[int] = []
        self.jobs: dict[str, Part] = {}
        self.parts: dict[str, Part] = {}
        super().__init__()

    def respond(self, method: str, path: str, body: bytes) -> Response | None:
        """What is true, or what is said instead."""
        status, document = self.answer(method, path, body)
        if not status:
            return None
        return status, self.headers if status >= 400 else {}, json.dumps(document).encode()

    @property
    def job(self) -> Part:
        """The first job."""
        return next(iter(self.jobs.values()))

    def beyond_looks(self) -> list[str]:
        """What was asked besides submissions and shared looks."""
        return [kind for kind in self.asked if kind not in {SUBMIT, LOOK}]

    def answer(self, method: str, path: str, body: bytes) -> Answer:
        """Note the question, and answer it."""
        kind, truth = self._truth(method, path, body)
        self.asked.append(kind)
        if self.instead[kind]:
            return self.instead[kind].popleft()
        return self.always.get(kind) or truth()

    def _truth(self, method: str, path: str, body: bytes) -> tuple[str, Callable[[], Answer]]:
        where = urlsplit(path)
        query = parse_qs(where.query)
        job_id, *rest = where.path.removeprefix("/v0.4/jobs").strip("/").split("/")
        if where.path.startswith("/v0.4/backends/"):
            return BACKEND, lambda: (200, {"backend": rest[-1], "characterization_id": self.calibration})
        if method == "POST":
            return SUBMIT, lambda: self._accept(json.loads(body))
        if "parent_job_id" in query:
            return CHILDREN, lambda: self._children(query)
        if not job_id:
            kind = LOOK if self.jobs.keys() >= set(query["ids"]) & self.parts.keys() else SOME_CHILDREN
            return kind, lambda: self._listed(query["ids"])
        kind, say = {
            "cancel": (CANCEL, self.on_cancel),
            "aggregated": (SHARES, _shares),
            "probabilities": (RESULT, _share),
            "cost": (COST, lambda _: (200, {"dry_run": False, "cost": {"value": 1.0, "unit": "usd"}})),
            "": (JOB, _described),
        }[rest[-1] if rest else ""]
        return kind, lambda: say(self.parts[job_id]) if job_id in self.parts else (404, {"message": "no such job"})

    def _accept(self, asked: dict[str, Any]) -> Answer:
        self.shots.append(asked["shots"])
        number = f"job-{len(self.jobs) + 1}"
        circuits = asked["input"].get("circuits")
        job = _part(number, asked.get("name"), asked["input"].get("circuit"), aggregated=circuits is not None)
        for place, circuit in enumerate(circuits or ()):
            job.children.append(_part(f"{number}-child-{place}", circuit["name"], circuit["circuit"]))
        self.prepare(job)
        self.jobs[job.id] = job
        self.parts.update({part.id: part for part in (job, *job.children)})
        return 201, {"id": job.id, "status": "submitted", "session_id": None}

    def _children(self, query: dict[str, list[str]]) -> Answer:
        (parent,) = query["parent_job_id"]
        start = int(query.get("next", ["0"])[0])
        newest_first = self.jobs[parent].children[::-1]
        following = start + PAGE
        return 200, {
            "jobs": [each.document for each in newest_first[start:following]],
            "next": str(following) if following < len(newest_first) else None,
        }

    def _listed(self, ids: list[str]) -> Answer:
        return 200, {"jobs": [self.parts[each].document for each in ids if each in self.parts], "next": None}


def fair(part: Part) -> None:
    """Complete a job, with a fair coin for every circuit; for `prepare`."""
    for each in (part, *part.children):
        each.document["status"] = "completed"
        each.share = {"0": 0.5, "1": 0.5}


def _described(job: Part) -> Answer:
    return 200, {**job.document, "child_job_ids": job.order([each.id for each in job.children]) or None}


def _share(part: Part) -> Answer:
    return 200, part.share


def _shares(job: Part) -> Answer:
    return 200, {each.id: each.share for each in job.children}


def _canceled(part: Part) -> Answer:
    for each in (part, *part.children):
        if each.document["status"] not in {"completed", "failed"}:
            each.document["status"] = "canceled"
    return 200, {"id": part.id, "status": "canceled"}


def _part(number: str, name: str | None, circuit: Any, *, aggregated: bool = False) -> Part:
    """One that is completed, and whose result is the basis state its `x` gates make."""
    state = sum(1 << qubit for gate in circuit or () for qubit in gate.get("targets", [gate.get("target")]))
    where = f"/v0.4/jobs/{number}/results/probabilities{'/aggregated' if aggregated else ''}"
    document = {"id": number, "name": name, "status": "completed", "results": {"probabilities": {"url": where}}}
    return Part(document, {str(state): 1.0})
