"""JSON objects of requests: no unknown fields, no conversions, null only where it is said.

A client's slip of the pen is to be found here rather than at IonQ.
"""

from __future__ import annotations

from typing import ClassVar, Self

from pydantic import BaseModel, ConfigDict, ValidationError, model_validator


class Strict(BaseModel):
    """A JSON object.

    Attributes:
        nullable: Fields that may be null; any other that has a default may be left out, but not null.
    """

    model_config = ConfigDict(extra="forbid", strict=True, frozen=True, allow_inf_nan=False)

    nullable: ClassVar[frozenset[str]] = frozenset()

    @model_validator(mode="after")
    def _no_other_null(self) -> Self:
        for name in self.model_fields_set - self.nullable:
            if getattr(self, name) is None:
                raise ValueError(f"{name} is null")
        return self


def reason(error: ValidationError, depth: int = 0) -> str:
    """The first thing that is wrong, and where.

    Args:
        error: What pydantic found.
        depth: Names that do not belong to the place: of the alternative that was tried.
    """
    first = error.errors(include_url=False, include_context=False, include_input=False)[0]
    place = ".".join(map(str, first["loc"][depth:]))
    return f"{place}: {first['msg']}" if place else first["msg"]
