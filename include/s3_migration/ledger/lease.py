"""One run at a time: the lease of a migration, with a fencing token."""

from __future__ import annotations

import copy
import threading
from datetime import datetime, timedelta
from types import TracebackType
from typing import NamedTuple

from airflow.sdk.exceptions import AirflowException
from psycopg import Error, errors

from s3_migration.ledger.connection import Ledger, MigrationLedger, RunLedger

# Long enough for a database failover, short enough for the night: a run whose worker died is waited for this long.
TTL = timedelta(minutes=3)
# For a batch of the lease's former holder to end.
TAKE_TIMEOUT = "30s"
# Of a task that Airflow does not try again.
FIX = "Fix: wait for that run to end, then clear this task with its downstream."


class LeaseHeld(AirflowException):
    """Another run of the migration is at work. Time fixes it."""


class LeaseHolder(NamedTuple):
    run_id: str
    mode: str
    lease_until: datetime | None
    at_work: bool  # it has not lapsed

    @property
    def run(self) -> str:
        return f"{self.run_id} (mode {self.mode})"

    @property
    def until(self) -> str:
        """The time of day."""
        return f"{self.lease_until:%H:%M:%S %Z}"


def find_lease_holder(ledger: MigrationLedger) -> LeaseHolder | None:
    return ledger.find(LeaseHolder, "find_lease_holder")


def find_run_at_work(ledger: MigrationLedger) -> LeaseHolder | None:
    """Who holds the lease, if it has not lapsed."""
    holder = find_lease_holder(ledger)
    return holder if holder and holder.at_work else None


class LockHolder(NamedTuple):
    pid: int
    role: str
    application: str
    since: datetime | None  # of its transaction; None: hidden from our role

    def __str__(self) -> str:
        since = f", in a transaction since {self.since:%H:%M:%S %Z}" if self.since else ""
        return f"SELECT pg_terminate_backend({self.pid}) -- role {self.role}, {self.application or 'no name'}{since}"


def how_to_end_lock_holders(ledger: Ledger, relation: str) -> str:
    """The statements that end who holds locks on it, for an administrator."""
    found = ledger.rows(LockHolder, "find_lock_holders", relation=relation)
    return "; ".join(map(str, found)) or "nobody holds a lock on it just now"


def take_lease(ledger: MigrationLedger, run_no: int | None, ttl: timedelta) -> int | None:
    """Its new token; None while another run has it.

    :param run_no: None: for nobody, which raises the token all the same.
    """
    return next(iter(ledger.column("take_lease", run_no=run_no, ttl=ttl)), None)


def give_lease_back(ledger: Ledger, name: str, run_id: str) -> None:
    """Of a run that no step will work for."""
    ledger.execute("give_lease_back", name=name, run_id=run_id)


class Lease:
    """Taken for as long as a task works, renewed in the background, kept by the run between its tasks.

    A task of the same run shares it; the run gives it back in its last step, or leaves it to lapse.
    """

    def __init__(self, ledger: RunLedger) -> None:
        self._ledger = ledger
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
        kept = self._ledger.column("keep_lease", ttl=TTL)
        if kept:
            return int(kept[0])
        token = None
        try:
            with self._ledger.batch():
                self._ledger.connection.execute(f"SET LOCAL lock_timeout = '{TAKE_TIMEOUT}'")
                token = take_lease(self._ledger, self._ledger.run_no, TTL)
        except errors.LockNotAvailable as error:  # no batch lasts that long: a session that somebody has left behind
            holders = how_to_end_lock_holders(self._ledger, "s3_migration.migration")
            raise LeaseHeld(f"{self._held_by()} Its row is locked. Fix: {holders}") from error
        if token is None:
            raise LeaseHeld(f"{self._held_by()} {FIX}")
        return token

    def _held_by(self) -> str:
        name, holder = self._ledger.declaration.name, find_lease_holder(self._ledger)
        if holder is None:
            return f"Migration {name}: its lease was taken a moment ago."
        return (
            f"Migration {name} is held by run {holder.run}, at least until {holder.until}: one run at a time. "
            f"This one waits for it."
        )

    @property
    def token(self) -> int:
        return self._token

    def fence(self) -> None:
        """Make sure, inside a batch, that the lease is still ours; hold off a taker until the batch ends.

        :raises LeaseHeld: another run took it, or a session holds it off.
        """
        try:
            ours = self._ledger.column("fence", token=self._token)
        except errors.LockNotAvailable as error:
            # Asked over the other connection: in this transaction nothing can be asked any more.
            holders = how_to_end_lock_holders(self._renewing, "s3_migration.migration")
            name = self._ledger.declaration.name
            raise LeaseHeld(f"Migration {name}: its row is locked. Fix: an administrator ends {holders}") from error
        if not ours:
            raise LeaseHeld(f"{self._held_by()} {FIX}")

    def beside(self, ledger: RunLedger) -> Lease:
        """The same lease, to fence batches of another session of this task."""
        other = copy.copy(self)
        other._ledger = ledger
        return other

    def hold(self, pause: timedelta) -> None:
        """Keep the lease while the run has no task at work."""
        self._ledger.execute("hold_lease", token=self._token, pause=pause)

    def release(self) -> None:
        self._ledger.execute("release_lease", token=self._token)

    def _renew(self) -> None:
        while not self._stopped.wait(TTL.total_seconds() / 4):
            try:
                if self._renewing.session.lost:
                    self._renewing.session.reopen()
                self._renewing.execute("renew_lease", token=self._token, ttl=TTL)
            except Error:
                continue  # the next turn tries again; a lease that lapsed is noticed by the fence
        self._renewing.close()

    def _connect(self) -> RunLedger:
        ours = self._ledger
        return Ledger.connect(ours.declaration).of_migration(ours.migration_id).of_run(ours.run_no)
