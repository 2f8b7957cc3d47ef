"""The triggers by which a database itself records what its rows were; migrations install them.

A version begins when its row says that it was made or changed, else at the moment that its transaction has, and ends
where the next begins. Should it have changed before that, the version is written over, so that none overlap.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field

from models.dialects import NOW

CHANGES = ("insert", "update", "delete")
# The moment of the transaction under way, so that all it changes changes at once. Whoever writes without one, by hand
# perhaps, writes when the clock says. SQLite has no settings: a table, empty but within transactions, stands for one.
SETTING = "usergraph.moment"
MOMENT = "change_moment"
CLOCK = f"coalesce((SELECT at FROM {MOMENT}), {NOW})"
_CLOCK = f"coalesce(nullif(current_setting('{SETTING}', true), '')::timestamptz, clock_timestamp())"
# An index leads to each row's versions, however few there were when PostgreSQL first planned for it.
_INDEXED = "SET enable_seqscan = off SET enable_hashjoin = off SET enable_mergejoin = off SET search_path FROM CURRENT"


@dataclass(frozen=True)
class Recorded:
    """A table whose rows are recorded: the columns that are kept, `made` of others where they are not these.

    `born` and `moved` are the columns that tell when a row was made and when it last changed, `owner` the one by which
    the versions of a row are found, where they are not found by its id alone.
    """

    table: str
    columns: Sequence[str]
    made: Mapping[str, tuple[str, str]] = field(default_factory=dict)  # of a column, as an expression over {row}
    born: str | None = None
    moved: str | None = None
    owner: str | None = None

    @property
    def versions(self) -> str:
        return f"{self.table}_history"

    @property
    def names(self) -> str:
        return ", ".join(self.columns)

    def values(self, row: str) -> list[str]:
        return [self.made[name][1].format(row=row) if name in self.made else f"{row}.{name}" for name in self.columns]

    def listed(self, row: str) -> str:
        return ", ".join(self.values(row))

    @property
    def watched(self) -> list[str]:
        """The table's own columns that a change of leaves a version."""
        return [self.made[name][0] if name in self.made else name for name in self.columns]

    def of(self, versions: str, row: str) -> str:
        """The condition that leads from a row to its versions."""
        owner = f"{versions}.{self.owner} = {row}.{self.owner} AND " if self.owner else ""
        return f"{owner}{versions}.row_id = {row}.id"

    @property
    def key(self) -> str:
        return f"{self.owner}, row_id" if self.owner else "row_id"


def installed(of: Recorded, dialect: str) -> list[str]:
    """Statements that make a table's triggers."""
    return _sqlite(of) if dialect == "sqlite" else _postgres(of)


def removed(of: Recorded, dialect: str) -> list[str]:
    triggers = [f"{of.versions}_{change}" for change in CHANGES]
    if dialect == "sqlite":
        return [f"DROP TRIGGER {name}" for name in triggers]
    triggers.append(f"{of.versions}_truncate")
    drops = [f"DROP TRIGGER {name} ON {of.table}" for name in triggers]
    return [*drops, *(f"DROP FUNCTION {name}()" for name in triggers)]


def filled(of: Recorded, since: str) -> str:
    """The statement that takes over the rows that are there; `since` is the moment each of them began, of `t`."""
    values = of.listed("t")
    return (
        f"INSERT INTO {of.versions} (row_id, {of.names}, valid_from)"
        f" SELECT t.id, {values}, {since} FROM {of.table} t ORDER BY t.id"
    )


def _sqlite(of: Recorded) -> list[str]:
    """Without aliases of what is written to, which a trigger there does not take."""
    h, born = of.versions, f"NEW.{of.born}" if of.born else CLOCK
    old, new = (f"{of.of(h, row)} AND {h}.valid_to IS NULL" for row in ("OLD", "NEW"))
    moved = f"CASE WHEN NEW.{of.moved} > OLD.{of.moved} THEN NEW.{of.moved} ELSE {CLOCK} END" if of.moved else CLOCK
    last = f"SELECT MAX(valid_to) FROM {h} WHERE {of.of(h, 'NEW')}"
    differs = " OR ".join(f"{a} IS NOT {b}" for a, b in zip(of.values("OLD"), of.values("NEW"), strict=True))
    return [
        # INSERT OR REPLACE takes a row away without firing the trigger for that.
        f"CREATE TRIGGER {h}_insert AFTER INSERT ON {of.table} BEGIN"
        f" UPDATE {h} SET valid_to = max(valid_from, {CLOCK}) WHERE {new};"
        f" INSERT INTO {h} (row_id, {of.names}, valid_from)"
        f" SELECT NEW.id, {of.listed('NEW')}, max({born}, coalesce(({last}), {born})); END",
        f"CREATE TRIGGER {h}_update AFTER UPDATE OF {', '.join(of.watched)} ON {of.table} WHEN {differs} BEGIN"
        f" UPDATE {h} SET valid_to = {moved} WHERE {new} AND valid_from < {moved};"
        f" UPDATE {h} SET ({of.names}) = (SELECT {of.listed('NEW')}) WHERE {new};"
        f" INSERT INTO {h} (row_id, {of.names}, valid_from) SELECT NEW.id, {of.listed('NEW')}, {moved}"
        f" WHERE NOT EXISTS (SELECT 1 FROM {h} WHERE {new}); END",
        f"CREATE TRIGGER {h}_delete AFTER DELETE ON {of.table} BEGIN"
        f" UPDATE {h} SET valid_to = {CLOCK} WHERE {old} AND valid_from < {CLOCK};"
        f" DELETE FROM {h} WHERE {old}; END",
    ]


def _postgres(of: Recorded) -> list[str]:
    bodies = {"insert": _came(of), "update": _changed(of), "delete": _went(of), "truncate": _emptied(of)}
    tables = {
        "insert": "REFERENCING NEW TABLE AS came",
        "update": "REFERENCING OLD TABLE AS gone NEW TABLE AS came",
        "delete": "REFERENCING OLD TABLE AS gone",
        "truncate": "",
    }
    made = []
    for change, body in bodies.items():
        name = f"{of.versions}_{change}"
        made.append(
            f"CREATE FUNCTION {name}() RETURNS trigger LANGUAGE plpgsql {_INDEXED} AS"
            f" $$ DECLARE clock timestamptz := {_CLOCK}; BEGIN {body}; RETURN NULL; END $$"
        )
        made.append(
            f"CREATE TRIGGER {name} AFTER {change.upper()} ON {of.table} {tables[change]}"
            f" FOR EACH STATEMENT EXECUTE FUNCTION {name}()"
        )
    return made


def _came(of: Recorded) -> str:
    born = f"n.{of.born}" if of.born else "clock"
    last = f"SELECT MAX(h.valid_to) FROM {of.versions} h WHERE {of.of('h', 'n')}"
    return (
        f"INSERT INTO {of.versions} (row_id, {of.names}, valid_from)"
        f" SELECT n.id, {of.listed('n')}, GREATEST({born}, ({last})) FROM came n ORDER BY n.id"
    )


def _changed(of: Recorded) -> str:
    """The rows that differ are told by EXCEPT: a join of both tables would be a loop within a loop."""
    names = ", ".join(f"d.{name}" for name in of.columns)
    values = [f"{value} AS {name}" for name, value in zip(of.columns, of.values("r"), strict=True)]
    moved = f"CASE WHEN d.{of.moved} > h.{of.moved} THEN d.{of.moved} ELSE clock END" if of.moved else "clock"
    return (
        f"WITH d AS (SELECT r.id, {', '.join(values)} FROM came r EXCEPT SELECT r.id, {of.listed('r')} FROM gone r),"
        f" changed AS MATERIALIZED (SELECT d.*, h.id AS open, h.valid_from AS since, {moved} AS moment"
        f" FROM d LEFT JOIN {of.versions} h ON {of.of('h', 'd')} AND h.valid_to IS NULL),"
        f" closed AS (UPDATE {of.versions} h SET valid_to = c.moment FROM changed c"
        " WHERE h.id = c.open AND c.since < c.moment),"
        f" replaced AS (DELETE FROM {of.versions} h USING changed c WHERE h.id = c.open AND c.since >= c.moment)"
        f" INSERT INTO {of.versions} (row_id, {of.names}, valid_from)"
        f" SELECT d.id, {names}, GREATEST(d.moment, d.since) FROM changed d ORDER BY d.id"
    )


def _went(of: Recorded) -> str:
    open_ = f"{of.of('h', 'o')} AND h.valid_to IS NULL"
    return (
        f"UPDATE {of.versions} h SET valid_to = clock FROM gone o WHERE {open_} AND h.valid_from < clock;"
        f" DELETE FROM {of.versions} h USING gone o WHERE {open_}"
    )


def _emptied(of: Recorded) -> str:
    return f"UPDATE {of.versions} SET valid_to = GREATEST(clock, valid_from) WHERE valid_to IS NULL"
