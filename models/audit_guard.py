"""The triggers that keep the audit log as it was written, and the two purposes for which they let a transaction in.

Erasure may replace names and values, never who did what to which subject when; retention may delete whole events. A
transaction states its purpose by a setting of PostgreSQL, or on SQLite by a row in a table that is empty otherwise.
"""

import contextlib
from collections.abc import AsyncIterator
from enum import StrEnum

from models.database import Transaction

SETTING = "usergraph.audit_maintenance"
TABLE = "audit_maintenance"
FIXED = ("id", "created_at", "actor_id", "api_key_id", "action", "subject_type", "subject_id", "request_id")
REFUSAL = "audit events are never changed"


class Purpose(StrEnum):
    """Why a transaction changes audit events."""

    ERASURE = "erasure"
    RETENTION = "retention"


@contextlib.asynccontextmanager
async def audit_maintenance(tx: Transaction, purpose: Purpose) -> AsyncIterator[None]:
    """Let this transaction change audit events for one purpose. An error ends the transaction and so the purpose."""
    is_sqlite = tx.dialect.name == "sqlite"
    if is_sqlite:
        await tx.rows(f"INSERT INTO {TABLE} VALUES ('{purpose}')")
    else:
        await tx.rows(f"SELECT set_config('{SETTING}', '{purpose}', true)")
    yield
    await tx.rows(f"DELETE FROM {TABLE}" if is_sqlite else f"SELECT set_config('{SETTING}', '', true)")


def guards(dialect: str) -> list[str]:
    """Statements that replace the triggers of a log that nobody may change by those that know the purposes."""
    return _sqlite() if dialect == "sqlite" else _postgres()


def _sqlite() -> list[str]:
    same = " AND ".join(f"NEW.{column} IS OLD.{column}" for column in FIXED)
    may_update = f"EXISTS (SELECT 1 FROM {TABLE} WHERE purpose = '{Purpose.ERASURE}') AND {same}"
    may_delete = f"EXISTS (SELECT 1 FROM {TABLE} WHERE purpose = '{Purpose.RETENTION}')"
    statements = [f"CREATE TABLE IF NOT EXISTS {TABLE} (purpose TEXT NOT NULL)"]
    for change, condition in (("UPDATE", may_update), ("DELETE", may_delete)):
        name = f"audit_sealed_{change.lower()}"
        statements += [
            f"DROP TRIGGER {name}",
            f"CREATE TRIGGER {name} BEFORE {change} ON audit_events WHEN NOT ({condition})"
            f" BEGIN SELECT RAISE(ABORT, '{REFUSAL}'); END",
        ]
    return statements


def _postgres() -> list[str]:
    new, old = (", ".join(f"{row}.{column}" for column in FIXED) for row in ("NEW", "OLD"))
    purpose = f"current_setting('{SETTING}', true)"
    return [
        "CREATE OR REPLACE FUNCTION audit_only_grows() RETURNS trigger LANGUAGE plpgsql AS $$ BEGIN"
        f" IF TG_OP = 'UPDATE' AND {purpose} = '{Purpose.ERASURE}' THEN"
        f" IF ({new}) IS NOT DISTINCT FROM ({old}) THEN RETURN NEW; END IF; END IF;"
        f" IF TG_OP = 'DELETE' AND {purpose} = '{Purpose.RETENTION}' THEN RETURN OLD; END IF;"
        f" RAISE EXCEPTION '{REFUSAL}'; END $$"
    ]
