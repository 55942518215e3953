"""Rows to be switched, without the copies that come before them."""

from __future__ import annotations

from s3_migration.model.modes import Mode

from .flow import Flow
from .product import Product


def copied(product: Product, flow: Flow, objects: int) -> None:
    """A run whose objects `image/1` … are all copied (as far as the ledger knows), each with one row."""
    flow.begin(Mode.SWITCH)
    product.sql(
        "INSERT INTO s3_migration.ledger "
        "(migration_id, legacy_key, legacy_size, legacy_etag, run_no, copied_etag, production_etag, "
        "production_modified) "
        "SELECT migration_id, 'image/' || n, 1, 'e', run_no, 'e', 'e', now() "
        "FROM s3_migration.run, generate_series(1, %s) AS n",
        objects,
    )
    product.sql("INSERT INTO avatars (path) SELECT 'image/' || n FROM generate_series(1, %s) n", objects)


def unswitched(product: Product) -> list[str]:
    return [path for (path,) in product.sql("SELECT path FROM avatars WHERE path LIKE 'image/%%' ORDER BY path")]
