"""When the nights of a migration are due. Airflow knows this timetable by plugins/s3_migration_schedule.py."""

from __future__ import annotations

from datetime import timedelta

from airflow.sdk.timezone import utcnow
from airflow.timetables.interval import CronDataIntervalTimetable
from pendulum import DateTime

# A night that was due longer ago is left to the next one, which takes all that is there.
MADE_UP_FOR = timedelta(hours=1)


class NightlySchedule(CronDataIntervalTimetable):
    """A cron expression, each interval from one match to the next; without the run that Airflow starts as a DAG is
    unpaused.

    That one would be a move that nobody asked for, or a listing of everything which the run that somebody did ask for
    has to wait for. Backfills take the intervals as they are, however long ago.
    """

    def _skip_to_latest(self, earliest: DateTime | None) -> DateTime:
        latest = super()._skip_to_latest(earliest)
        due = self._get_next(latest)
        return latest if utcnow() - due <= MADE_UP_FOR else due
