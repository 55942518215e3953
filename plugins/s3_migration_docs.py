"""docs/ in Airflow's UI: the runbook, where the one who needs it is logged in already."""

from __future__ import annotations

from typing import TYPE_CHECKING

from airflow.plugins_manager import AirflowPlugin

if TYPE_CHECKING:
    from starlette.types import Receive, Scope, Send

PREFIX = "/s3-migration/docs"


async def app(scope: Scope, receive: Receive, send: Send) -> None:
    """The pages. Imported at the first request: every task loads this file as well, and what the API server is made of
    takes half a second of processor time to import, twice what a small task takes."""
    from s3_migration.ui import docs_pages as documentation

    await documentation.app(scope, receive, send)


class S3MigrationDocs(AirflowPlugin):
    name = "s3_migration_docs"
    fastapi_apps = [{"app": app, "url_prefix": PREFIX, "name": "S3 migration docs"}]  # noqa: RUF012 (Airflow's type)
    external_views = [  # noqa: RUF012
        # Without a leading slash: the UI's <base> leads it past the path that a proxy may put before Airflow's own.
        {"name": "S3 migration runbook", "href": f"{PREFIX[1:]}/runbook", "destination": "nav", "category": "docs"}
    ]
