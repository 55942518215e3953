"""What may_delete and delete_chunk end with where nothing may be deleted."""

from __future__ import annotations

from airflow.sdk.exceptions import AirflowFailException

from s3_migration.model.approval import Question


class GateClosed(AirflowFailException):
    """No object of this run may be deleted now. Its first words are those of `closed`."""


class ScopeUnreferenced(GateClosed):
    """Hardly any row names what the run has listed."""


class ApprovalWanted(GateClosed):
    """Somebody has to be asked first. Who catches it asks the question, and calls may_delete again with the answer."""

    def __init__(self, question: Question) -> None:
        super().__init__(question.subject)
        self.question = question


def closed(migration: str, *, more: bool = False) -> str:
    """How the message of a GateClosed begins: that nothing is deleted comes before why.

    :param more: something may have been deleted before.
    """
    return f"CLOSED: nothing {'more ' * more}is deleted: migration {migration}:"
