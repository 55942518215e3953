"""The pages of the migrations in Airflow's UI: a tab on each run, and a menu entry over all of them."""

from __future__ import annotations

from typing import TYPE_CHECKING

from airflow.plugins_manager import AirflowPlugin

if TYPE_CHECKING:
    from starlette.types import Receive, Scope, Send

PREFIX = "/s3-migration/pages"


async def app(scope: Scope, receive: Receive, send: Send) -> None:
    """Imported at the first request, for the reason that s3_migration_docs.py gives."""
    from s3_migration.ui import pages

    await pages.app(scope, receive, send)


class S3MigrationPages(AirflowPlugin):
    name = "s3_migration_pages"
    fastapi_apps = [{"app": app, "url_prefix": PREFIX, "name": "S3 migration pages"}]  # noqa: RUF012 (Airflow's type)
    external_views = [  # noqa: RUF012
        {"name": "S3 migrations", "href": f"{PREFIX[1:]}/", "destination": "nav", "category": "browse"},
        {
            "name": "Migration",
            "href": f"{PREFIX[1:]}/run?dag_id={{DAG_ID}}&run_id={{RUN_ID}}",
            "destination": "dag_run",
            "url_route": "s3-migration",
        },
    ]
