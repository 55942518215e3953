"""Who is told of a run, as declared. Pure."""

from __future__ import annotations

from datetime import timedelta
from typing import Annotated, Any

from pydantic import AfterValidator, Field, model_validator

from s3_migration.model.field_types import Duration, Part, Text, email


class Notifier(Part):
    """Any notifier of Airflow's, e.g. a provider's for Slack or PagerDuty.

    Its arguments may hold Jinja where it renders them (its template_fields). What there is to tell is `alert`, e.g.
    `{{ alert.subject }}`; beside subject it has text, html, url (of the run in the UI), event (failed, late,
    approval or finished), migration, run_id and mode.
    """

    notifier: Annotated[
        Text, Field(description="its class, e.g. airflow.providers.slack.notifications.slack.SlackNotifier")
    ]
    arguments: Annotated[dict[str, Any], Field(description="of the class; no secrets: name a connection")] = {}


class Alerts(Part):
    """Who is told when a run failed, is late, asks for an approval, or finished the migration. Nobody by default."""

    emails: Annotated[list[Annotated[str, AfterValidator(email)]], Field(description="one mail to all of them")] = []
    smtp_conn_id: Annotated[Text, Field(description="connection of type SMTP that sends the mails")] = "smtp_default"
    from_email: (
        Annotated[str, AfterValidator(email), Field(description="default: from_email in the connection's extra")] | None
    ) = None
    notifiers: Annotated[list[Notifier], Field(description="others to tell")] = []
    late_after: Annotated[
        Annotated[Duration, Field(gt=timedelta(0))] | None,
        Field(description="a run not finished this long after it was queued is late"),
    ] = None

    @model_validator(mode="after")
    def _late_for_somebody(self) -> Alerts:
        if self.late_after is not None and not (self.emails or self.notifiers):
            raise ValueError("late_after is set, and neither emails nor notifiers say who is told")
        return self
