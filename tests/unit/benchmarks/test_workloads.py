from __future__ import annotations

from collections.abc import Mapping
from typing import Any, cast

import pytest
from qiskit import QuantumCircuit

from qstore.result import Result
from qstore.sandbox.sandbox import Sandbox
from shares import Share
from workloads import Counted


class Till:
    """A sandbox of which nothing is asked but how many circuits IonQ sold."""

    def __init__(self) -> None:
        self.sold = 5  # before the counting began

    def stats(self) -> Mapping[str, int]:
        return {"circuits_accepted": self.sold}


def counted(till: Till, **options: Any) -> Counted:
    return Counted(cast("Sandbox", till), options)


def circuit(angle: float) -> QuantumCircuit:
    made = QuantumCircuit(1)
    made.ry(angle, 0)
    made.measure_all()
    return made


def answer(source: str, fingerprint: str) -> Result:
    return cast("Result", {"source": source, "fingerprint": fingerprint})


def test_what_was_executed_and_what_was_asked_twice_adds_up() -> None:
    till = Till()
    service = counted(till)
    service.count(
        [circuit(0.1), circuit(0.1), circuit(0.2)],
        [answer("executed", "a"), answer("joined", "a"), answer("executed", "b")],
    )
    service.count([circuit(0.1), circuit(6.4)], [answer("cached", "a"), answer("cached", "b")])
    till.sold += 2
    service.check()
    assert (service.asked, service.executed, service.copies) == (5, 2, 2)
    assert Share("w", "exact", service.asked, service.executed, service.copies, 1.0).avoided == pytest.approx(0.6)


def test_another_number_of_circuits_sold_than_the_answers_say_is_an_error() -> None:
    till = Till()
    service = counted(till)
    service.count([circuit(0.1)], [answer("executed", "a")])
    till.sold += 2
    with pytest.raises(RuntimeError, match="IonQ sold 2 circuits, and the answers say 1"):
        service.check()


def test_an_answer_that_was_there_before_the_counting_began_is_an_error() -> None:
    service = counted(Till())
    service.count([circuit(0.1)], [answer("cached", "a")])
    with pytest.raises(RuntimeError, match="0 circuits were executed, and 1 had to be"):
        service.check()


def test_with_reuse_off_every_circuit_has_to_be_executed() -> None:
    till = Till()
    service = counted(till, reuse="never")
    service.count([circuit(0.1), circuit(0.1)], [answer("executed", "a"), answer("joined", "a")])
    till.sold += 1
    with pytest.raises(RuntimeError, match="1 circuits were executed, and 2 had to be"):
        service.check()
