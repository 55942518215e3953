"""wait_grace as a worker runs it: asleep without a worker, and what was waited stands in the account."""

from __future__ import annotations

from datetime import timedelta
from types import SimpleNamespace
from typing import Any

import pytest
from airflow.sdk.exceptions import TaskDeferred

from s3_migration.model.account import ASLEEP
from s3_migration.ui.sensors import GracePeriodSensor
from tests.support.flow import Flow
from tests.support.product import Product


def test_what_was_waited_stands_in_the_account(product: Product, flow: Flow) -> None:
    product.seed("image/1.png")
    flow.begin(grace_period=timedelta(minutes=2))
    flow.copy()
    flow.switch()
    sensor = GracePeriodSensor(task_id="wait_grace", declaration=flow.declaration)
    context: Any = {"run_id": flow.run_id, "ti": SimpleNamespace(try_number=1, max_tries=0)}
    with pytest.raises(TaskDeferred):
        sensor.execute(context)
    ((asleep,),) = product.sql("SELECT number FROM s3_migration.tally WHERE step = 'grace' AND what = %s", ASLEEP)
    assert 90_000 < asleep <= 120_000
    account = flow.work_off([("verify", 0), ("reconcile", 0)])
    assert account.seconds["grace"] == pytest.approx(asleep / 1000, abs=10)
