"""check: what a run needs, asked for in seconds and before anything is touched."""

from __future__ import annotations

import logging
import re
from collections.abc import Callable
from contextlib import suppress
from dataclasses import replace

from airflow.sdk.exceptions import AirflowException, AirflowFailException, AirflowNotFoundException
from botocore.exceptions import BotoCoreError, ClientError
from psycopg import Error
from psycopg.errors import InsufficientPrivilege

from s3_migration.ledger.connection import Ledger, first_line
from s3_migration.ledger.lease import Lease, LeaseHeld
from s3_migration.ledger.replica_lag import NoLag, declared_lag
from s3_migration.ledger.schema import SCHEMA_VERSION
from s3_migration.model.declaration import Declaration, Store
from s3_migration.model.error_codes import retryable
from s3_migration.model.modes import Mode
from s3_migration.model.run_request import Request
from s3_migration.model.states import PROBLEMS
from s3_migration.s3.hook import BulkS3Hook, error_code, error_text
from s3_migration.steps.run import s3_hooks

log = logging.getLogger(__name__)

# A refusal to connect that only a person can fix; any other may be a restart or a full server.
_LASTING = re.compile("authentication failed|no password supplied|does not exist|permission denied|no pg_hba.conf")


class PreflightFailed(AirflowFailException):
    """Something that the run needs is not there. The message says what, where, and what fixes it."""


class PreflightRetryable(AirflowException):
    """As PreflightFailed, but the error is one that time fixes."""


def check(declaration: Declaration, run_id: str, request: Request, *, scheduled: bool = False) -> bool:
    """See that everything is there, take the lease and open the run.

    :param scheduled: nobody asked for it by hand: what a person has undone is only counted, and not moved again.
    :returns: False while another run of the migration is at work: ask again later.
    :raises PreflightFailed: something is missing; says what fixes it.
    """
    legacy, production = s3_hooks(declaration, attempts=3)
    ledger = _connect(declaration)
    try:
        with suppress(Error):  # what is missing is said below
            ledger.execute("invalidate_run", name=declaration.name, run_id=run_id)
        migration_id = _check_database(ledger, request.mode)
        _check_stores(declaration, legacy, production)
        ledger.of_migration(migration_id)
        if scheduled and _undone(ledger, run_id):
            log.warning("the last run was an undo: scheduled runs only count, until a run by hand moves again")
            request = replace(request, mode=Mode.PLAN)
        grace = declaration.grace_period if request.grace_period is None else request.grace_period
        run_no = ledger.value(
            "open_run",
            run_id=run_id,
            mode=request.mode.value,
            object_limit=request.limit,
            grace_period=grace,
            window_start=request.time_window and request.time_window.start,
            window_end=request.time_window and request.time_window.end,
            remove_copies=request.remove_copies,
        )
        ledger.of_run(run_no)
        try:
            with Lease(ledger, run_no) as lease:
                try:
                    if request.mode.copies or request.remove_copies:
                        _check_rights(declaration, legacy, production)
                    if request.remove_copies:
                        _check_removal(declaration, production)
                    _acknowledge(ledger, request)
                except BaseException:
                    lease.release()
                    raise
        except LeaseHeld as held:
            log.info("%s", held)
            return False
        return True
    finally:
        legacy.close()
        production.close()
        ledger.close()


def _undone(ledger: Ledger, run_id: str) -> bool:
    last = ledger.find("find_last_mode", run_id=run_id)
    return last is not None and Mode(last["mode"]).undoes


def _acknowledge(ledger: Ledger, request: Request) -> None:
    """Write down, or take back, the reasons for known problems.

    :raises PreflightFailed: a key that the ledger does not know.
    """
    for named, reason in request.acknowledge.items():
        problem, key = (named, None) if named in PROBLEMS else (None, named)
        if reason is None:
            count = ledger.execute("withdraw_acknowledgement", key=key, problem=problem).rowcount
            log.info("%r: %d acknowledgements taken back", named, count)
            continue
        if key is not None and ledger.find("find_object", key=key) is None:
            raise PreflightFailed(
                f"Migration {ledger.declaration.name}: cannot acknowledge {key!r}: the ledger knows no such object. "
                f"Nothing was touched. Give legacy keys as the red task's log has them, or one of "
                f"{', '.join(PROBLEMS)}."
            )
        count = ledger.execute("acknowledge", key=key, problem=problem, reason=reason, problems=list(PROBLEMS)).rowcount
        log.info("%r: %d problems acknowledged: %s", named, count, reason)


# -- the database -------------------------------------------------------------------------------------------------


def _setup(declaration: Declaration) -> str:
    return f"an administrator runs: python -m s3_migration setup {declaration.name} --sql | psql …"


def _connect(declaration: Declaration) -> Ledger:
    conn_id = declaration.database.conn_id
    try:
        return Ledger.connect(declaration)
    except AirflowNotFoundException as error:
        raise PreflightFailed(
            f"Migration {declaration.name}: Airflow has no connection {conn_id!r}. Nothing was touched. "
            f"Fix: define it, e.g. as AIRFLOW_CONN_{conn_id.upper()}."
        ) from error
    except Error as error:
        raise (PreflightFailed if _LASTING.search(str(error)) else PreflightRetryable)(
            f"Migration {declaration.name}: no connection to the database: {first_line(error)}. Nothing was touched. "
            f"Fix: correct host, database, login or password of Airflow's connection {conn_id!r}, or GRANT CONNECT."
        ) from error


def _check_database(ledger: Ledger, mode: Mode) -> int:
    """Table, column, rights, ledger. Answers the migration's number."""
    declaration = ledger.declaration
    database = declaration.database
    where = f"{database.table}.{database.column}"

    def refuse(what: str, fix: str) -> PreflightFailed:
        return PreflightFailed(f"Migration {declaration.name}: {what}. Nothing was touched. Fix: {fix}.")

    unseen = refuse(
        f"the database of {database.conn_id!r} has no table {database.table!r} that its role can see",
        f"correct database.table in the declaration, or GRANT USAGE on its schema ({_setup(declaration)})",
    )
    try:
        column = ledger.one("check_column", column=database.column)
    except InsufficientPrivilege as error:
        raise unseen from error
    if column["kind"] is None:
        raise unseen
    if column["kind"] != "r":
        raise refuse(f"{database.table!r} is not an ordinary table", "declare the table that holds the rows")
    if column["type"] is None:
        raise refuse(
            f"table {database.table!r} has no column {database.column!r}", "correct database.column in the declaration"
        )
    if column["type"] not in {"text", "character varying"}:
        raise refuse(f"column {where} is of type {column['type']}, expected text or varchar", "declare another column")
    if column["encoding"] != "UTF8":
        raise refuse(f"the database's encoding is {column['encoding']}, S3 keys are UTF-8", "use a UTF8 database")
    if not column["may_select"]:
        raise refuse(
            f"no SELECT on {database.table}", f"GRANT SELECT ON {database.table} TO the role ({_setup(declaration)})"
        )
    if column["hides_rows"]:
        raise refuse(
            f"row-level security hides rows of {database.table!r}, so their objects would look as if no row named them",
            "ALTER ROLE … BYPASSRLS for the role",
        )
    if mode.switches and not column["may_update"]:
        raise refuse(
            f"no UPDATE on {where}",
            f"GRANT UPDATE ({database.column}) ON {database.table} TO the role ({_setup(declaration)})",
        )
    if database.lag_query is not None:
        try:
            declared_lag(ledger.connection, database.lag_query)
        except (Error, NoLag) as error:
            said = first_line(error) if isinstance(error, Error) else error
            raise refuse(
                f"database.lag_query, run at {database.conn_id!r}: {said}",
                "correct it in the declaration: one SELECT that the role may run and that gives one number, the "
                "replicas' lag in seconds, within 5 s",
            ) from error
    return _check_ledger(ledger, refuse)


def _check_ledger(ledger: Ledger, refuse: Callable[[str, str], PreflightFailed]) -> int:
    setup = _setup(ledger.declaration)
    there = ledger.one("check_ledger")
    if not there["schema_there"]:
        raise refuse("schema s3_migration is absent", setup)
    if not there["may_use"]:
        raise refuse("no USAGE on schema s3_migration, or no TEMPORARY on the database", setup)
    try:
        version = ledger.value("schema_version")
        migration = ledger.find("find_migration", name=ledger.declaration.name)
    except Error as error:
        raise refuse(f"the ledger is not readable: {first_line(error)}", setup) from error
    if version is not None and version > SCHEMA_VERSION:
        raise refuse(
            f"the ledger is of version {version}, this project of version {SCHEMA_VERSION}",
            "deploy the newer version of the project, which has been at work here, on every machine of Airflow",
        )
    if version != SCHEMA_VERSION:
        raise refuse(f"the ledger is of version {version}, expected {SCHEMA_VERSION}", setup)
    if migration is None:
        raise refuse(f"the ledger does not know migration {ledger.declaration.name!r}", setup)
    return int(migration["migration_id"])


# -- the stores ---------------------------------------------------------------------------------------------------


def _policy(declaration: Declaration) -> str:
    return f"see the policy that `python -m s3_migration setup {declaration.name} --iam` prints"


def _check_stores(declaration: Declaration, legacy: BulkS3Hook, production: BulkS3Hook) -> None:
    """Both buckets are there, may be listed, and are of one store."""
    for side, hook in (("legacy", legacy), ("production", production)):
        store = getattr(declaration, side)
        try:
            with _explained(declaration, f"list s3://{store.bucket}/{store.prefix}", "s3:ListBucket", store):
                hook.client.list_objects_v2(Bucket=store.bucket, Prefix=store.prefix, MaxKeys=1)
        except AirflowNotFoundException as error:
            raise PreflightFailed(
                f"Migration {declaration.name}: Airflow has no connection {store.conn_id!r}. Nothing was touched. "
                f"Fix: define it, e.g. as AIRFLOW_CONN_{store.conn_id.upper()}."
            ) from error
    ends = legacy.client.meta.endpoint_url, production.client.meta.endpoint_url
    if _is_own_store(ends[0]) != _is_own_store(ends[1]) or (_is_own_store(ends[0]) and ends[0] != ends[1]):
        raise PreflightFailed(
            f"Migration {declaration.name}: legacy is at {ends[0]} and production at {ends[1]}: the copies are made by "
            f"the store itself, so both must be one store. Nothing was touched. Fix: correct endpoint_url of "
            f"{declaration.legacy.conn_id!r} or {declaration.production.conn_id!r}."
        )


def _is_own_store(endpoint: str) -> bool:
    """AWS has an endpoint a region and copies between them; any other store copies within itself."""
    return ".amazonaws.com" not in endpoint


class _explained:
    """Turn an S3 error of one needed request into a message that says what fixes it."""

    def __init__(self, declaration: Declaration, what: str, right: str, store: Store) -> None:
        self.declaration, self.what, self.right, self.store = declaration, what, right, store

    def __enter__(self) -> None:
        return None

    def __exit__(self, kind: object, error: BaseException | None, trace: object) -> None:
        if not isinstance(error, (ClientError, BotoCoreError)):
            return
        code, connection = error_code(error), f"Airflow's connection {self.store.conn_id!r}"
        fix = {
            "NoSuchBucket": f"create bucket {self.store.bucket!r}, or correct the declaration",
            "InvalidAccessKeyId": f"correct the access key of {connection}",
            "SignatureDoesNotMatch": f"correct the secret key of {connection}",
            "ExpiredToken": f"renew the session token of {connection}",
            "NoCredentialsError": f"give {connection} credentials",
            "ConnectionError": f"see that the store is up, or correct endpoint_url of {connection}",
        }.get(code, f"see that the bucket exists, and allow {self.right} there: {_policy(self.declaration)}")
        cause = PreflightRetryable if retryable(code) else PreflightFailed
        raise cause(
            f"Migration {self.declaration.name}: cannot {self.what}: {error_text(error).rstrip('.')}. "
            f"No object was touched. Fix: {fix}."
        ) from error


def _check_rights(declaration: Declaration, legacy: BulkS3Hook, production: BulkS3Hook) -> None:
    """With one canary key a bucket: every right is there, and conditions are honoured, by both."""
    try:
        _probe_rights(declaration, legacy, production)
    except BaseException:
        remove_canaries(declaration, legacy, production)
        raise


def _probe_rights(declaration: Declaration, legacy: BulkS3Hook, production: BulkS3Hook) -> None:
    keys, source, target = declaration.keys, declaration.legacy.bucket, declaration.production.bucket
    old, new = keys.legacy_canary, keys.production_canary
    wrong = '"00000000000000000000000000000000"'

    def need(what: str, right: str, store: Store) -> _explained:
        return _explained(declaration, what, right, store)

    with need(f"write the canary s3://{source}/{old}", "s3:PutObject (that key alone)", declaration.legacy):
        etag = legacy.client.put_object(Bucket=source, Key=old, Body=b"canary")["ETag"]
    with need(f"delete the canary s3://{target}/{new}", "s3:DeleteObject (that key alone)", declaration.production):
        production.client.delete_object(Bucket=target, Key=new)
    with need(f"read s3://{source}/{old}", "s3:GetObject", declaration.legacy):
        legacy.client.head_object(Bucket=source, Key=old)

    def copy(**conditions: str) -> None:
        production.client.copy_object(
            Bucket=target,
            Key=new,
            CopySource={"Bucket": source, "Key": old},
            **conditions,  # type: ignore[arg-type]
        )

    with need(
        f"copy s3://{source}/{old} to s3://{target}/{new}",
        f"s3:GetObject on s3://{source}/{keys.legacy_prefix}* and s3:PutObject",
        declaration.production,
    ):
        copy(IfNoneMatch="*", CopySourceIfMatch=etag)
    with need(f"read s3://{target}/{new}", "s3:GetObject", declaration.production):
        production.client.head_object(Bucket=target, Key=new)

    ignored = []
    with need(f"copy onto s3://{target}/{new}", "s3:PutObject", declaration.production):
        if not _refused(lambda: copy(IfNoneMatch="*")):
            ignored.append("a copy onto an existing key with If-None-Match: *")
        if not _refused(lambda: copy(IfMatch=wrong)):
            ignored.append("a copy with a wrong If-Match")
        if not _refused(lambda: copy(CopySourceIfMatch=wrong)):
            ignored.append("a copy with a wrong x-amz-copy-source-if-match")
    with need(f"delete s3://{source}/{old}", "s3:DeleteObject", declaration.legacy):
        if not legacy.delete_versions(source, [(old, wrong.strip('"'))])[0].problem:
            ignored.append("a DeleteObjects with a wrong ETag")
        elif not _refused(lambda: legacy.client.delete_object(Bucket=source, Key=old, IfMatch=wrong)):
            ignored.append("a DeleteObject with a wrong If-Match")
        else:
            legacy.client.delete_object(Bucket=source, Key=old, IfMatch=etag)
    with need(f"delete the canary s3://{target}/{new}", "s3:DeleteObject (that key alone)", declaration.production):
        production.client.delete_object(Bucket=target, Key=new)
    if ignored:
        raise PreflightFailed(
            f"Migration {declaration.name}: the store at {legacy.client.meta.endpoint_url} ignores conditional "
            f"requests: it carried out {'; '.join(ignored)}. Without them an object that the product rewrites "
            f"meanwhile could be lost. No object was touched. Fix: use a store, or a proxy in front of it, that "
            f"honours conditions."
        )


def _check_removal(declaration: Declaration, production: BulkS3Hook) -> None:
    """An undo that removes copies needs a right which the move does without."""
    key = f"{declaration.keys.production_canary}-undo"  # that never exists
    with _explained(
        declaration,
        f"delete below s3://{declaration.production.bucket}/{declaration.keys.production_prefix}",
        "s3:DeleteObject (`python -m s3_migration setup … --iam --undo`)",
        declaration.production,
    ):
        production.client.delete_object(Bucket=declaration.production.bucket, Key=key)


def remove_canaries(declaration: Declaration, legacy: BulkS3Hook, production: BulkS3Hook) -> None:
    """Those that a check wrote and was killed before it removed them; as far as the rights go."""
    keys = declaration.keys
    with suppress(ClientError, BotoCoreError):
        legacy.client.delete_object(Bucket=declaration.legacy.bucket, Key=keys.legacy_canary)
    with suppress(ClientError, BotoCoreError):
        production.client.delete_object(Bucket=declaration.production.bucket, Key=keys.production_canary)


def _refused(request: Callable[[], object]) -> bool:
    """Whether the store refused for the condition's sake.

    :raises ClientError: it refused for another reason.
    """
    try:
        request()
    except ClientError as error:
        if error.response["ResponseMetadata"]["HTTPStatusCode"] in {409, 412}:
            return True
        raise
    return False
