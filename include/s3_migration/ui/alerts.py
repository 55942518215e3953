"""Who is told of a run: the declared notifiers, when it failed, is late, asks for an approval, or has finished.

A notifier that fails is logged. It never makes a run fail, and never keeps the next one from being told.
"""

from __future__ import annotations

import asyncio
import logging
import pkgutil
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from functools import partial
from html import escape
from pathlib import Path
from typing import Any
from urllib.parse import quote

from airflow.sdk import Asset, BaseNotifier, Context
from airflow.sdk.configuration import conf
from airflow.sdk.definitions.callback import AsyncCallback
from airflow.sdk.definitions.deadline import DeadlineAlert, DeadlineReference

from s3_migration.model import declaration as declarations
from s3_migration.model.account import Account
from s3_migration.model.approval import Question
from s3_migration.model.declaration import Declaration, DeclarationError
from s3_migration.model.declared_alerts import Alerts, Notifier
from s3_migration.model.field_types import duration_text
from s3_migration.model.modes import Mode
from s3_migration.ui.dag_names import dag_id_of

log = logging.getLogger(__name__)

_SMTP = "airflow.providers.smtp.notifications.smtp.SmtpNotifier"
_LONGEST_URI = 1500  # Airflow refuses an asset with a longer one


@dataclass(frozen=True)
class Alert:
    """What there is to tell. A notifier's arguments may name each field: `{{ alert.subject }}`."""

    event: str  # failed, late, approval or finished
    migration: str
    run_id: str
    mode: str  # "unknown" where Airflow does not say
    url: str  # of the run in the UI
    subject: str
    text: str

    @property
    def html(self) -> str:
        link = escape(self.url)
        return f'<pre>{escape(self.text)}</pre>\n<p><a href="{link}">{link}</a></p>'


def production_asset(declared: Declaration) -> Asset:
    """Production as other DAGs may wait for it, e.g. `s3://production-s3/avatar`.

    Its name is its URI, both without a trailing slash as Airflow normalises the URI: of two assets with one URI and
    two names Airflow deactivates one, and two migrations may share a production prefix.
    """
    place = f"s3://{quote(f'{declared.production.bucket}/{declared.production.prefix}')}"
    return Asset(place[:_LONGEST_URI].rstrip("/"))


def check(path: Path, declared: Declaration) -> None:
    """See that every declared notifier can be made here.

    :raises DeclarationError: one cannot; names file, field, value and fix.
    """
    faults = []
    for field, each in _everyone(declared.alerts):
        try:
            kind = _kind(each.notifier)
        except Exception as error:  # importing a module may raise anything
            faults.append(f"{path}: {field}: {each.notifier!r}: {error}. Fix: correct it, or install its package.")
            continue
        try:
            kind(**each.arguments)
        except Exception as error:
            given = ", ".join(each.arguments) or "none"  # not their values: there may be a secret among them
            faults.append(f"{path}: {field}.arguments: {given}: {error}. Fix: see what {each.notifier} takes.")
    if faults:
        raise DeclarationError("\n".join(faults))


def callback(tell: Callable[[Declaration, Context], None], declared: Declaration) -> partial[None] | None:
    """For the on_failure_callback of the DAG, or the on_success_callback of reconcile."""
    return partial(tell, declared) if _everyone(declared.alerts) else None


def when_late(declared: Declaration) -> DeadlineAlert | None:
    """For the DAG's deadline."""
    if declared.alerts.late_after is None:
        return None
    # By name: what else the callback is given is kept in Airflow's database, and the arguments may hold a secret.
    callback = AsyncCallback(tell_late, {"migration": declared.name})
    return DeadlineAlert(DeadlineReference.DAGRUN_QUEUED_AT, declared.alerts.late_after, callback)


def tell_failed(declared: Declaration, context: Context) -> None:
    """Runs in the DAG processor. Of a run that never had a task, the context has nothing but its id."""
    run_id, dag_run = str(context["run_id"]), context.get("dag_run")
    mode = _mode(declared, dag_run.run_type, dag_run.conf) if dag_run else "unknown"
    reason = context.get("reason") or "no reason given"
    says = (
        f"Run {run_id} of migration {declared.name}, mode {mode}, failed ({reason}).\n"
        "The log of the first red task names what is wrong and what fixes it; by symptom: docs/runbook.md."
    )
    _tell(declared, _alert("failed", declared, run_id, mode, says), context)


def tell_finished(declared: Declaration, context: Context) -> None:
    """Runs in the task, once Airflow knows that it succeeded."""
    account: Account = context["account"]  # type: ignore[typeddict-item]  # by ReconciliationSensor
    # A canary run ends with its own objects, a slice with its own interval, and not with the migration.
    if not account.finished or account.window or context["params"].get("limit"):
        return
    says = f"The migration is finished: of all that was in scope, nothing is left to do.\n\n{account.as_text()}"
    _tell(declared, _alert("finished", declared, account.run_id, account.mode, says), context)


def tell_asked(declared: Declaration, context: Context, asked: Question) -> None:
    """Runs in may_delete, just before it waits for the answer."""
    run_id, dag_run = str(context["run_id"]), context["dag_run"]
    mode = _mode(declared, dag_run.run_type, dag_run.conf)
    says = (
        f"{asked.subject} Run {run_id} waits for an answer, under Required Actions of its task may_delete, for at most "
        f"{duration_text(declared.patience)}; then it ends red. Other runs of the DAG are queued until then.\n\n"
        f"{asked.body}"
    )
    _tell(declared, _alert("approval", declared, run_id, mode, says), context)


async def tell_late(migration: str, context: Mapping[str, Any]) -> None:
    """Runs in the triggerer, beside every trigger there is: what blocks goes to a thread."""
    await asyncio.to_thread(_tell_late, migration, context)


def _tell_late(migration: str, context: Mapping[str, Any]) -> None:
    declared = next((each for each in declarations.sound() if each.name == migration), None)
    run = context["dag_run"]
    if declared is None:
        log.warning("migration %s is late, and no longer declared here: nobody is told", migration)
        return
    run_id, mode = run["dag_run_id"], _mode(declared, run["run_type"], run["conf"])
    says = (
        f"Run {run_id} of migration {migration}, mode {mode}, is late: {run['state']}, and not finished "
        f"{declared.alerts.late_after} after it was queued.\nIt is not stopped; what to look at: docs/runbook.md."
    )
    _tell(declared, _alert("late", declared, run_id, mode, says), context)


def _tell(declared: Declaration, alert: Alert, context: Mapping[str, Any]) -> None:
    for _, each in _everyone(declared.alerts):
        try:
            # A notifier made again each time, with a context of its own: it renders its arguments in place, into both.
            _kind(each.notifier)(**each.arguments)({**context, "alert": alert})
        except Exception:
            log.exception("%s did not tell: %s", each.notifier, alert.subject)


def _everyone(alerts: Alerts) -> list[tuple[str, Notifier]]:
    """Who is to be told, each with the field that declares it."""
    everyone = [(f"alerts.notifiers.{number}", each) for number, each in enumerate(alerts.notifiers)]
    if alerts.emails:
        arguments = {
            "to": alerts.emails,
            "from_email": alerts.from_email,
            "smtp_conn_id": alerts.smtp_conn_id,
            "subject": "{{ alert.subject }}",
            "html_content": "{{ alert.html }}",
        }
        everyone.insert(0, ("alerts.emails", Notifier(notifier=_SMTP, arguments=arguments)))
    return everyone


def _kind(dotted: str) -> type[BaseNotifier]:
    found = pkgutil.resolve_name(dotted)
    if not (isinstance(found, type) and issubclass(found, BaseNotifier)):
        raise TypeError("no subclass of BaseNotifier")
    if found.notify is BaseNotifier.notify:
        raise TypeError("has no method notify, and Airflow calls no other when a run fails")
    return found


def _alert(event: str, declared: Declaration, run_id: str, mode: str, says: str) -> Alert:
    base = conf.get("api", "base_url", fallback="http://localhost:8080/").rstrip("/")
    url = f"{base}/dags/{dag_id_of(declared.name)}/runs/{quote(run_id)}"
    if event == "approval":
        url += "/tasks/may_delete/required_actions"
    does = {"late": "is late", "approval": "asks for an approval"}.get(event, event)
    subject = f"Migration {declared.name} {does}: run {run_id}"
    return Alert(event, declared.name, run_id, mode, url, subject, f"{says}\n\n{url}")


def _mode(declared: Declaration, run_type: str, run_conf: Mapping[str, Any] | None) -> str:
    if run_type == "scheduled":
        return declared.scheduled_mode.value
    return str((run_conf or {}).get("mode") or Mode.MOVE.value)
