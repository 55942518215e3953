"""Who may see a migration, and who may act on it: whoever may do so with the runs of its DAG."""

from __future__ import annotations

from typing import Literal

from airflow.api_fastapi.app import get_auth_manager
from airflow.api_fastapi.auth.managers.models.base_user import BaseUser
from airflow.api_fastapi.auth.managers.models.resource_details import DagAccessEntity, DagDetails

from s3_migration.model.declaration import Declaration
from s3_migration.ui.dag_names import dag_id_of


def may(user: BaseUser, method: Literal["GET", "PUT"], declared: Declaration) -> bool:
    details = DagDetails(id=dag_id_of(declared.name))
    return bool(
        get_auth_manager().is_authorized_dag(
            method=method, access_entity=DagAccessEntity.RUN, details=details, user=user
        )
    )
