"""A fingerprint is the same tomorrow, elsewhere, and with the next Qiskit: results are found under it."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path

import pytest

import golden

WRITTEN_DOWN = json.loads(Path(golden.__file__).with_suffix(".json").read_text())


@pytest.mark.parametrize("name", [build.__name__ for build in golden.CIRCUITS])
def test_a_fingerprint_that_was_written_down_is_still_that_circuits(name: str) -> None:
    assert golden.fingerprints()[name] == WRITTEN_DOWN[name]


def test_another_process_with_other_hashes_finds_the_same_fingerprints() -> None:
    for seed in ("1", "4294967295"):
        environment = {**os.environ, "PYTHONHASHSEED": seed}
        ran = subprocess.run([sys.executable, golden.__file__], env=environment, capture_output=True, check=True)
        assert json.loads(ran.stdout) == WRITTEN_DOWN


def test_no_two_of_them_are_the_same() -> None:
    every = [found for levels in WRITTEN_DOWN.values() for found in levels.values()]
    assert len({*every}) == len(every)
