from __future__ import annotations

import socket
import warnings
from concurrent.futures import ThreadPoolExecutor

import pytest

from qstore.circuits import targets
from qstore.circuits.targets import BACKENDS, Backend, find_backend, target
from qstore.errors import UnknownBackendError


@pytest.mark.parametrize("name", list(BACKENDS))
def test_every_backend_is_found_by_ionqs_name_and_by_qiskits(name: str) -> None:
    assert find_backend(name).name == name
    assert find_backend(f"ionq_{name}") is find_backend(name)


def test_an_unknown_backend_is_answered_with_the_names_and_the_nearest_one() -> None:
    with pytest.raises(UnknownBackendError) as refusal:
        find_backend("qpu.fort-1")
    assert "Did you mean 'qpu.forte-1'?" in str(refusal.value)
    assert all(name in str(refusal.value) for name in BACKENDS)


@pytest.mark.parametrize("name", [None, 3, b"simulator", ["simulator"], "", "ionq_", "ionq_ionq_simulator"])
def test_what_is_no_backends_name_is_refused(name: object) -> None:
    with pytest.raises(UnknownBackendError):
        find_backend(name)


@pytest.mark.parametrize("backend", BACKENDS.values(), ids=str)
def test_a_target_is_as_wide_as_its_backend_and_connects_all_qubits(backend: Backend) -> None:
    assert target(backend).num_qubits == backend.qubits
    assert target(backend).build_coupling_map() is None  # Qiskit's way to say that all are connected
    assert target(backend) is target(backend)


def test_a_target_is_built_without_the_network_and_without_a_warning(monkeypatch: pytest.MonkeyPatch) -> None:
    def refuse(*_: object) -> None:
        raise AssertionError("the network was asked")

    monkeypatch.setattr(socket.socket, "connect", refuse)
    monkeypatch.setattr(socket, "getaddrinfo", refuse)
    monkeypatch.setattr(targets, "_targets", {})
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        assert target(find_backend("simulator")).num_qubits == 29


def test_threads_that_ask_at_once_share_one_target(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(targets, "_targets", {})
    with ThreadPoolExecutor(8) as pool:
        made = list(pool.map(lambda _: target(find_backend("qpu.forte-1")), range(16)))
    assert len({id(each) for each in made}) == 1
