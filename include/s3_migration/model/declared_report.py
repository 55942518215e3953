"""Where the completion report goes, as declared. Pure."""

from __future__ import annotations

from pathlib import PurePosixPath
from typing import Annotated

from pydantic import AfterValidator, Field, model_validator

from s3_migration.model.field_types import Part, Text


def _absolute(path: str) -> str:
    if not PurePosixPath(path).is_absolute():
        raise ValueError(f"{path!r}: expected an absolute path, such as /var/lib/s3-migration")
    return path


class CompletionReport(Part):
    """One line an object, with what became of it: written by the run that finishes the migration.

    A directory of its own for each such run, with gzipped CSV in parts and a manifest with their checksums.
    """

    prefix: Annotated[Text, Field(description="of keys in production's bucket, e.g. reports/")] | None = None
    directory: (
        Annotated[
            Text, AfterValidator(_absolute), Field(description="on a disk that every worker has, as an absolute path")
        ]
        | None
    ) = None

    @model_validator(mode="after")
    def _one_place(self) -> CompletionReport:
        if (self.prefix is None) == (self.directory is None):
            raise ValueError("expected either prefix (in production's bucket) or directory")
        return self
