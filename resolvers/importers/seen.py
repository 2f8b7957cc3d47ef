"""Which row of a file was the first to name something, however long the file is."""

import sqlite3


class Seen:
    """Kept in a nameless file that SQLite deletes by itself: in memory it would grow with the number of rows."""

    def __init__(self) -> None:
        self._kept = sqlite3.connect("", isolation_level=None)
        for statement in (
            "PRAGMA journal_mode = OFF",
            "PRAGMA cache_size = -2000",
            "CREATE TABLE seen (name BLOB PRIMARY KEY, number INTEGER) WITHOUT ROWID",
            "BEGIN",  # never committed: nothing needs to be safe on disk
        ):
            self._kept.execute(statement)

    def first(self, kind: str, name: str, number: int) -> int:
        """The number of the row that named this first, which may be this one."""
        key = f"{kind} {name}".encode(errors="surrogatepass")
        if self._kept.execute("INSERT OR IGNORE INTO seen VALUES (?, ?)", (key, number)).rowcount:
            return number
        earlier: int = self._kept.execute("SELECT number FROM seen WHERE name = ?", (key,)).fetchone()[0]
        return earlier

    def close(self) -> None:
        self._kept.close()
