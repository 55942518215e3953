"""The run params as Airflow has them: the fields of the trigger form, and what a run was asked for."""

from __future__ import annotations

from airflow.sdk import Context, Param

from s3_migration.model.declaration import Declaration
from s3_migration.model.run_params import run_params
from s3_migration.model.run_request import Request


def form(declared: Declaration) -> dict[str, Param]:
    """The fields of the form, by name."""
    fields = {}
    for param in run_params(declared):
        schema = dict(param.schema)
        if param.section:
            schema["section"] = param.section
        fields[param.name] = Param(
            param.default, title=f"{param.title} ({param.name})", description=param.description, **schema
        )
    return fields


def requested(declared: Declaration, context: Context) -> Request:
    """What this run was asked for.

    :raises BadRequest: an unknown param or value.
    """
    dag_run = context["dag_run"]
    # The server lets unknown params pass; they are in the run's conf.
    params = {**context["params"], **(dag_run.conf or {})}
    start, end = context.get("data_interval_start"), context.get("data_interval_end")
    return Request.of(params, declared, run_type=dag_run.run_type, interval=(start, end) if start and end else None)
