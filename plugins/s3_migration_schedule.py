"""The timetable of the DAGs, by which Airflow makes them again from its database."""

from __future__ import annotations

from airflow.plugins_manager import AirflowPlugin

from s3_migration.ui.schedule import NightlySchedule


class S3MigrationSchedule(AirflowPlugin):
    name = "s3_migration_schedule"
    timetables = [NightlySchedule]  # noqa: RUF012 (Airflow's type)
