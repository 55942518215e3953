"""Whole moves, step after step, without a scheduler: what each object becomes."""

from __future__ import annotations

import pytest

from .conftest import Product
from .flow import Flow


@pytest.fixture
def flow(product: Product) -> Flow:
    return Flow(product.declaration)


def test_everything_moves_and_a_second_run_changes_nothing(product: Product, flow: Flow) -> None:
    product.seed("image/1.png", "image/a b/2+.png", "image/%2F.png")
    account = flow.run()
    assert (account.copied, account.rows_switched, account.deleted) == (3, 3, 3)
    assert product.objects("legacy") == {}
    assert set(product.objects("production")) == {"avatar/1.png", "avatar/a b/2+.png", "avatar/%2F.png"}
    assert product.rows() == ["avatar/1.png", "avatar/a b/2+.png", "avatar/%2F.png"]
    again = flow.run()
    assert (again.staged, again.copied, again.rows_switched, again.deleted) == (0, 0, 0, 0)
