"""Whose word deletions need, as declared. Pure."""

from __future__ import annotations

from datetime import timedelta
from typing import Annotated, Literal, TypeVar

from pydantic import Field, ValidationInfo, field_validator

from s3_migration.model.field_types import Duration, Part

Given = TypeVar("Given")


class Approval(Part):
    """The fields of a declaration that bring a person in before a move deletes. Nobody is asked by default."""

    approve_deletion: Annotated[
        Literal["first", "every"] | None,
        Field(
            description="who moves has to be told to delete. first: until somebody approved it for one run of the "
            "migration. every: for each run that would delete. An undo's removal of copies is asked for by hand anyway"
        ),
    ] = None
    approval_timeout: Annotated[
        Annotated[Duration, Field(gt=timedelta(0))] | None,
        Field(description="nobody answered for so long: nothing is deleted. Absent: 24h"),
    ] = None
    approvers: Annotated[
        list[Annotated[str, Field(pattern=r"^[^\s\x00]+$", description="a user's id, without blanks")]] | None,
        Field(
            min_length=1,
            description="who may answer: ids of users as Airflow's auth manager has them (the name in its "
            "SimpleAuthManager, a number in FAB's). Absent: whoever may act on the DAG",
        ),
    ] = None

    @property
    def patience(self) -> timedelta:
        """How long a person is waited for."""
        return self.approval_timeout or timedelta(hours=24)

    @field_validator("approval_timeout", "approvers")
    @classmethod
    def _of_an_approval(cls, value: Given, info: ValidationInfo) -> Given:
        # A mistake in approve_deletion is one fault, not two.
        if value is not None and info.data.get("approve_deletion", value) is None:
            raise ValueError("expected approve_deletion: first or every beside it, since else nobody is asked")
        return value
