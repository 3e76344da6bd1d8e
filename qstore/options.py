"""What a caller may ask besides the circuit, checked in one place, each fault in one clear sentence."""

from __future__ import annotations

import difflib
import math
import numbers
from collections.abc import Mapping
from dataclasses import fields
from typing import Any, cast, get_args

from qstore.circuits.targets import NOISE_MODELS, Backend, find_backend
from qstore.errors import InvalidOptionError, InvalidShotsError, UnknownNoiseModelError, UnknownOptionError
from qstore.job import DEBIASING_SHOTS, LEVELS, Level, Options, Reuse

MAX_SHOTS = 1_000_000
"""IonQ's own limit for one job."""

_SEED_LIMIT = 2**31  # IonQ's noise seed is a 32-bit signed integer
_NAME_LIMIT = 200  # characters: names are for reading
_NAMES = [*(field.name for field in fields(Options) if field.name != "debiasing"), "error_mitigation"]


def parse_options(given: Mapping[str, Any]) -> Options:
    """Check what a caller asked for.

    Args:
        given: Keyword arguments of `submit_circuit`; None means the default.

    Raises:
        UnknownOptionError: A name is none of the options.
        InvalidShotsError: `shots` is not a whole number from 1 to 1,000,000.
        UnknownBackendError: There is no such backend.
        UnknownNoiseModelError: There is no such noise model, or the backend is not the simulator.
        InvalidOptionError: Another value is impossible.
    """
    for name in given:
        if name not in _NAMES:
            close = difflib.get_close_matches(str(name), _NAMES, n=1)
            hint = f"did you mean {close[0]!r}?" if close else f"there are {', '.join(_NAMES)}."
            raise UnknownOptionError(f"There is no option {name!r}: {hint}")
    asked = {name: value for name, value in given.items() if value is not None}
    default = Options()
    backend = find_backend(asked.get("backend", default.backend))
    shots = _shots(asked.get("shots", default.shots))
    reuse = _reuse(asked.get("reuse", default.reuse))
    if reuse == "bank" and "seed" in asked:
        raise InvalidOptionError(
            "A bank adds up independent samples, and one seed gives the same sample each time: leave one of them out."
        )
    return Options(
        shots=shots,
        backend=backend.name,
        noise_model=_noise_model(asked.get("noise_model", default.noise_model), backend),
        debiasing=_debiasing(asked.get("error_mitigation"), backend, shots),
        optimization_level=_whole(
            "optimization_level", asked.get("optimization_level", default.optimization_level), 0, 3
        ),
        seed=_whole("seed", asked["seed"], 0, _SEED_LIMIT - 1) if "seed" in asked else None,
        reuse=reuse,
        max_age=_max_age(asked["max_age"], reuse) if "max_age" in asked else None,
        fingerprint_level=_level(asked["fingerprint_level"]) if "fingerprint_level" in asked else None,
        memory=_flag("memory", asked.get("memory", default.memory)),
        name=_name(asked["name"]) if "name" in asked else None,
    )


def _is_whole(value: object) -> bool:
    return isinstance(value, numbers.Integral) and not isinstance(value, bool)


def _shots(value: Any) -> int:
    if not _is_whole(value) or not 1 <= value <= MAX_SHOTS:
        raise InvalidShotsError(f"shots must be a whole number from 1 to {MAX_SHOTS:,}, not {value!r}.")
    return int(value)


def _whole(name: str, value: Any, least: int, most: int) -> int:
    if not _is_whole(value) or not least <= value <= most:
        raise InvalidOptionError(f"{name} must be a whole number from {least} to {most:,}, not {value!r}.")
    return int(value)


def _flag(name: str, value: Any) -> bool:
    if not isinstance(value, bool):
        raise InvalidOptionError(f"{name} must be true or false, not {value!r}.")
    return value


def _word(name: str, value: Any, words: tuple[str, ...]) -> str:
    if not isinstance(value, str) or value not in words:
        raise InvalidOptionError(f"{name} must be one of {', '.join(map(repr, words))}, not {value!r}.")
    return value


def _reuse(value: Any) -> Reuse:
    """The word, or True and False for the first two of them."""
    if isinstance(value, bool):
        return "always" if value else "never"
    return cast("Reuse", _word("reuse", value, get_args(Reuse)))


def _max_age(value: Any, reuse: Reuse) -> float:
    number = isinstance(value, numbers.Real) and not isinstance(value, bool)
    if not number or not math.isfinite(value) or value <= 0:
        raise InvalidOptionError(f"max_age must be a number of seconds greater than 0, not {value!r}.")
    if reuse != "always":
        raise InvalidOptionError(f"max_age is for reuse='always', not for reuse={reuse!r}: leave one of them out.")
    return float(value)


def _level(value: Any) -> Level:
    return cast("Level", _word("fingerprint_level", value, LEVELS))


def _name(value: Any) -> str:
    if not isinstance(value, str) or not value.strip() or len(value) > _NAME_LIMIT:
        raise InvalidOptionError(f"name must be a text of 1 to {_NAME_LIMIT} characters, not {value!r}.")
    return value


def _noise_model(value: Any, backend: Backend) -> str:
    if not isinstance(value, str) or value not in NOISE_MODELS:
        raise UnknownNoiseModelError(f"There is no noise model {value!r}: there are {', '.join(NOISE_MODELS)}.")
    if value != "ideal" and not backend.simulator:
        raise UnknownNoiseModelError(
            f"{backend.name} is a machine and has its own noise: leave noise_model out, or use backend='simulator'."
        )
    return value


def _debiasing(value: Any, backend: Backend, shots: int) -> bool | None:
    """IonQ's one mitigation, as its tools spell it: a word, a mapping, or qiskit-ionq's enumeration."""
    if value is None:
        return None
    value = getattr(value, "value", value)
    if isinstance(value, Mapping) and set(value) == {"debiasing"}:
        value = value["debiasing"]
    words = {"debiasing": True, "no_debiasing": False}
    wanted = words.get(value) if isinstance(value, str) else value
    if not isinstance(wanted, bool):
        raise InvalidOptionError(
            f"error_mitigation must be 'debiasing', 'no_debiasing' or {{'debiasing': true or false}}, not {value!r}."
        )
    if wanted and backend.simulator:
        raise InvalidOptionError("error_mitigation works on machines only: leave it out on the simulator.")
    if wanted and shots < DEBIASING_SHOTS:
        raise InvalidOptionError(f"error_mitigation needs at least {DEBIASING_SHOTS} shots, not {shots}.")
    return wanted
