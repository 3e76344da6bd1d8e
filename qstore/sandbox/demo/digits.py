"""One process of the demo that puts handwritten digits into the vector store, and asks twice for those like another.

It prints one JSON line: both answers of `rank_vectors`, what was asked about, and the images of all that is shown.
"""

from __future__ import annotations

import json
import sys
from typing import Any

from sklearn.datasets import load_digits
from sklearn.decomposition import PCA

from qstore import rank_vectors, upsert_vectors

_COLLECTION = "digits"
_DIMENSION = 8  # a qubit each
_ASKED = 0  # the image that is asked about; all others are stored
_AT_ONCE = 900
_TOP, _CANDIDATES, _SHOTS = 8, 20, 1000
_TIMEOUT = 60.0  # seconds for an answer


def main() -> None:
    """Store, ask, ask again."""
    images, labels = load_digits(return_X_y=True)
    reduced = PCA(_DIMENSION, svd_solver="full").fit_transform(images)
    vectors = reduced / (reduced**2).sum(axis=1).mean() ** 0.5
    stored = [number for number in range(len(vectors)) if number != _ASKED]
    for start in range(0, len(stored), _AT_ONCE):
        some = stored[start : start + _AT_ONCE]
        payloads = [{"label": int(labels[number])} for number in some]
        upsert_vectors([str(number) for number in some], vectors[some], payloads, collection=_COLLECTION, metric="l2")
    first, again = (_rank(vectors[_ASKED].tolist()) for _ in range(2))
    shown = {int(each["id"]) for each in first["vectors"]} | {_ASKED}
    answer = {
        "asked": _ASKED,
        "first": first,
        "again": again,
        "images": {number: images[number].tolist() for number in shown},
    }
    sys.stdout.write(json.dumps(answer) + "\n")


def _rank(vector: list[float]) -> dict[str, Any]:
    asked = rank_vectors.delay(vector, top_k=_TOP, candidates=_CANDIDATES, collection=_COLLECTION, shots=_SHOTS)
    answer: dict[str, Any] = asked.get(timeout=_TIMEOUT)
    return answer


if __name__ == "__main__":
    main()
