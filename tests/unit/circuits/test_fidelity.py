from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra.numpy import arrays
from qiskit import QuantumCircuit
from qiskit.circuit.library import zz_feature_map

from digits import FeatureMap
from exact import distribution, probabilities
from qstore.circuits.canonical import canonicalize
from qstore.circuits.compiler import Compiler
from qstore.circuits.fidelity import (
    METHODS,
    Method,
    check_dimension,
    compute_uncompute,
    fidelity,
    fidelity_circuit,
    qubits_of,
    read_vector,
    swap_test,
)
from qstore.circuits.targets import find_backend
from qstore.errors import InvalidVectorError

vectors = st.integers(1, 3).flatmap(lambda size: arrays(np.float32, (2, size), elements=st.floats(-4, 4, width=32)))


def measured(circuit: QuantumCircuit, method: Method) -> float:
    """The fidelity that infinitely many shots say."""
    clbits = circuit.num_clbits
    shares = {f"{value:0{clbits}b}": share for value, share in distribution(circuit).items()}
    return fidelity(shares, method)  # type: ignore[arg-type]  # shares are what counts become


def kernel(x: Any, y: Any, scale: float = 1.0, reps: int = 1) -> float:
    """Exactly, in plain linear algebra."""
    one, other = np.array([x], np.float32), np.array([y], np.float32)
    return float(FeatureMap("product", reps, scale).kernel(one, other)[0, 0])


@given(pair=vectors, scale=st.floats(0.1, 2), reps=st.integers(1, 3))
def test_both_methods_measure_the_exact_kernel(pair: Any, scale: float, reps: int) -> None:
    x, y = pair
    exact = kernel(x, y, scale, reps)
    assert measured(compute_uncompute(x, y, scale, reps), "compute_uncompute") == pytest.approx(exact, abs=1e-9)
    assert measured(swap_test(x, y, scale, reps), "swap_test") == pytest.approx(exact, abs=1e-9)


def test_the_feature_map_is_qiskits_with_products_for_angles() -> None:
    x, y = np.random.default_rng(3).normal(size=(2, 4)).astype(np.float32)
    of_qiskit = zz_feature_map(4, reps=2, entanglement="linear", data_map_func=math.prod)
    there, back = (of_qiskit.assign_parameters(each.astype(float)) for each in (x, y))
    circuit = there.compose(back.inverse()).decompose()
    assert probabilities(circuit)[0] == pytest.approx(kernel(x, y, reps=2), abs=1e-9)


def test_the_kernel_is_no_function_of_cosine_and_distance() -> None:
    x, y = np.array([[0.9, 0.1, -0.4], [0.2, 0.8, 0.5]])
    turned = [1, 0, 2]  # the same components in another order: no length, angle or distance changes
    assert abs(kernel(x, y) - kernel(x[turned], y[turned])) > 0.02


@pytest.mark.parametrize("method", METHODS)
def test_a_pair_is_one_circuit_in_either_order(method: Method) -> None:
    x, y = np.random.default_rng(1).normal(size=(2, 3))
    prints = {canonicalize(fidelity_circuit(*pair, method, 0.5)).fingerprint for pair in ((x, y), (y, x))}
    assert len(prints) == 1
    assert measured(fidelity_circuit(x, y, method, 0.5), method) == pytest.approx(kernel(x, y, 0.5), abs=1e-9)


def test_equals_undo_each_other_to_the_last_gate() -> None:
    x = np.random.default_rng(2).normal(size=5)
    canonical = canonicalize(compute_uncompute(x, x))
    assert Compiler().compile(canonical, find_backend("simulator"), 1) == b"[]"


def test_where_the_states_meet_is_one_layer_of_phases() -> None:
    x, y = np.random.default_rng(2).normal(size=(2, 8))
    gates = compute_uncompute(x, y, reps=2).count_ops()
    assert (gates["rz"], gates["rzz"]) == (3 * 8, 3 * 7)  # and not 4 of each
    gates = compute_uncompute(x, [*x[:5], *y[5:]], reps=1).count_ops()
    assert (gates["rz"], gates["rzz"]) == (3, 3)  # what they have in common is gone


@pytest.mark.parametrize(
    ("counts", "method", "expected"),
    [
        ({"00": 700, "01": 200, "11": 100}, "compute_uncompute", 0.7),
        ({"01": 5}, "compute_uncompute", 0.0),
        ({"0": 875, "1": 125}, "swap_test", 0.75),
        ({"0": 10}, "swap_test", 1.0),
        ({"0": 40, "1": 60}, "swap_test", 0.0),  # a fidelity below 0 is chance
    ],
)
def test_counts_say_a_fidelity(counts: dict[str, int], method: Method, expected: float) -> None:
    assert fidelity(counts, method) == pytest.approx(expected)


@pytest.mark.parametrize(
    ("method", "error"),
    [
        ("compute_uncompute", lambda exact, shots: math.sqrt(exact * (1 - exact) / shots)),
        ("swap_test", lambda exact, shots: math.sqrt((1 - exact**2) / shots)),
    ],
)
def test_fidelities_scatter_as_the_docstring_says(method: Method, error: Callable[[float, int], float]) -> None:
    exact, shots, times = 0.6, 1000, 4000
    share = exact if method == "compute_uncompute" else (1 + exact) / 2
    zeros = np.random.default_rng(5).binomial(shots, share, times).tolist()
    seen = [fidelity({"0": count, "1": shots - count}, method) for count in zeros]
    assert np.std(seen) == pytest.approx(error(exact, shots), rel=0.05)


@pytest.mark.parametrize(
    "given",
    [None, 3, "0.1", "12", [], [[1.0, 2.0]], [[1.0], [1.0, 2.0]], ["1"], [True], [1.0, None], [1j], {"a": 1}],
)
def test_what_is_no_vector_is_refused(given: Any) -> None:
    with pytest.raises(InvalidVectorError, match="A vector is a list"):
        read_vector(given)


@pytest.mark.parametrize("bad", [math.nan, math.inf, -math.inf, 1e39])
def test_what_is_no_finite_number_is_named_with_its_place(bad: float) -> None:
    with pytest.raises(InvalidVectorError, match="Component 1"):
        read_vector([0.5, bad])


@pytest.mark.parametrize("make", [compute_uncompute, swap_test])
def test_vectors_of_two_dimensions_do_not_meet(make: Callable[..., QuantumCircuit]) -> None:
    with pytest.raises(InvalidVectorError, match="3 components, and the other 2"):
        make([1, 2, 3], [1, 2])


@pytest.mark.parametrize("large", [[1e7], [1e4, 1e4], [3e38, 3e38]])
def test_angles_without_a_fraction_are_refused(large: Sequence[float]) -> None:
    with pytest.raises(InvalidVectorError, match="scale less"):
        compute_uncompute(large, [0.0] * len(large))


@pytest.mark.parametrize("method", METHODS)
def test_a_vector_has_as_many_dimensions_as_the_backend_has_qubits_for(method: Method) -> None:
    backend = find_backend("simulator")
    most = 29 if method == "compute_uncompute" else 14
    check_dimension(most, method, backend)
    with pytest.raises(InvalidVectorError, match=f"reduce them to {most} dimensions"):
        check_dimension(most + 1, method, backend)
    assert fidelity_circuit([1.0] * 3, [2.0] * 3, method).num_qubits == qubits_of(3, method)
