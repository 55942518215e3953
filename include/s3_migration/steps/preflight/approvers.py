"""Who is to approve deletions: somebody must be able to, or the run waits for nobody."""

from __future__ import annotations

from airflow.sdk.configuration import conf

from s3_migration.model.declaration import Declaration
from s3_migration.steps.preflight.errors import PreflightFailed

# The one auth manager whose users are in Airflow's configuration; others keep them where no task may look.
_SIMPLE = "SimpleAuthManager"
# Of its roles the one that may only look.
_LOOKS_ON = "viewer"


def check_approvers(declaration: Declaration) -> None:
    """Ask Airflow's configuration whether the declared approvers are there, and may answer.

    :raises PreflightFailed: one of them is not, or may not.
    """
    if not conf.get("core", "auth_manager").endswith(_SIMPLE):
        return
    if conf.getboolean("core", "simple_auth_manager_all_admins"):
        if declaration.approvers is None:
            return
        raise PreflightFailed(
            f"Migration {declaration.name}: approvers is declared, and core.simple_auth_manager_all_admins is true: "
            f"everybody may answer, and nobody is told from another. Nothing was touched. Fix: set that to false "
            f"(core.simple_auth_manager_users has the users), or leave out approvers."
        )
    entries = [entry.split(":") for entry in conf.getlist("core", "simple_auth_manager_users")]
    roles = {entry[0]: entry[1].lower() for entry in entries if len(entry) > 1}
    able = [user for user, role in roles.items() if role != _LOOKS_ON]
    if not able:
        what = "only viewers are among the users"
    elif unable := [user for user in declaration.approvers or [] if user not in able]:
        what = f"approvers names {unable[0]!r}, " + ("a viewer" if unable[0] in roles else "who is none of the users")
    else:
        return
    raise PreflightFailed(
        f"Migration {declaration.name}: {what} of Airflow's SimpleAuthManager: these may approve nothing. Nothing was "
        f"touched. Fix: declare approvers among {', '.join(able) or '(none)'}; or correct "
        f"core.simple_auth_manager_users (or core.auth_manager) where this worker reads it."
    )
