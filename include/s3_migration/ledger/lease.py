"""One run at a time: the lease of a migration, with a fencing token."""

from __future__ import annotations

import threading
from contextlib import suppress
from datetime import timedelta
from types import TracebackType

from airflow.sdk.exceptions import AirflowException
from psycopg import Error, errors

from s3_migration.ledger.connection import Ledger

# Long enough for a database failover, short enough for the night: a run whose worker died is waited for this long.
TTL = timedelta(minutes=3)
# For a batch of the lease's former holder to end.
TAKE_TIMEOUT = "30s"


class LeaseHeld(AirflowException):
    """Another run of the migration is at work. Time fixes it."""


class Lease:
    """Taken for as long as a task works, renewed in the background, kept by the run between its tasks.

    A task of the same run shares it; the run gives it back in its last step, or leaves it to lapse.
    """

    def __init__(self, ledger: Ledger, run_no: int) -> None:
        self._ledger = ledger
        self._run_no = run_no
        self._token = 0
        self._stopped = threading.Event()
        self._thread = threading.Thread(target=self._renew, name="lease", daemon=True)

    def __enter__(self) -> Lease:
        self._token = self._take()
        # A connection of its own: the task's may be busy with one long statement.
        self._renewing = self._connect()
        self._thread.start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._stopped.set()

    def _take(self) -> int:
        row = self._ledger.find("keep_lease", run_no=self._run_no, ttl=TTL)
        if row is None:
            # Where a batch in flight lasts longer, we are told so and come again.
            with suppress(errors.LockNotAvailable), self._ledger.batch():
                self._ledger.connection.execute(f"SET LOCAL lock_timeout = '{TAKE_TIMEOUT}'")
                row = self._ledger.find("take_lease", run_no=self._run_no, ttl=TTL)
        if row is None:
            raise LeaseHeld(self._held_by())
        return int(row["lease_token"])

    def _held_by(self) -> str:
        name, holder = self._ledger.declaration.name, self._ledger.find("find_lease_holder")
        if holder is None:
            return f"Migration {name}: its lease was taken a moment ago."
        return (
            f"Migration {name} is held by run {holder['run_id']} (mode {holder['mode']}), at least until "
            f"{holder['lease_until']:%H:%M:%S %Z}: one run at a time. This one waits for it."
        )

    def fence(self) -> None:
        """Make sure, inside a batch, that the lease is still ours; hold off a taker until the batch ends.

        :raises LeaseHeld: another run took it.
        """
        if self._ledger.find("fence", run_no=self._run_no, token=self._token) is None:
            raise LeaseHeld(self._held_by())

    def hold(self, pause: timedelta) -> None:
        """Keep the lease while the run has no task at work."""
        self._ledger.execute("hold_lease", run_no=self._run_no, token=self._token, pause=pause)

    def release(self) -> None:
        self._ledger.execute("release_lease", run_no=self._run_no, token=self._token)

    def _renew(self) -> None:
        while not self._stopped.wait(TTL.total_seconds() / 4):
            try:
                if self._renewing.connection.broken:
                    self._renewing = self._connect()
                self._renewing.execute("renew_lease", run_no=self._run_no, token=self._token, ttl=TTL)
            except Error:
                continue  # the next turn tries again; a lease that lapsed is noticed by the fence
        self._renewing.close()

    def _connect(self) -> Ledger:
        ledger = Ledger.connect(self._ledger.declaration)
        ledger.values.update(self._ledger.values)
        return ledger
