"""Searching users: which rows hold every word, and whether asking the index first is the quicker way to them."""

from models.database import Statement, Steps
from models.dialects import Dialect
from models.values import email_part, key
from resolvers.filters import like
from resolvers.policy import may_read
from resolvers.sources import Sql

_BESIDE_NAMES = ("username", "email", "aliases")  # what is searched beside names
SHORTEST = 3  # letters of a word that an index of trigrams can look up
FEW = 20_000  # and at most one in fifty: hits that SQLite sorts sooner than it meets them in the order asked for
PROBE = """WITH few(n) AS (SELECT MIN($2, MAX(id) / 50 + 100) FROM users)
SELECT (SELECT COUNT(*) FROM (SELECT rowid FROM user_search WHERE user_search MATCH $1 LIMIT (SELECT n + 1 FROM few)))
  <= (SELECT n FROM few)"""
HITS = "SELECT rowid FROM user_search WHERE user_search MATCH {}"


def search(sql: Sql, alias: str, text: str, *, hits_first: bool) -> str:
    """Every word stands somewhere in the name, username, email or an alias, of which the viewer may read.

    For who may read names only, the index over all of them finds rows that the names then decide.
    `hits_first`: SQLite takes the rows from its index; PostgreSQL decides that itself.
    """
    parts = [_word(sql, f"{alias}.search_key", word) for word in _words(text)]
    if hits_first:
        parts.insert(0, f"{alias}.id IN ({HITS.format(sql.place(_match(text)))})")
    if not all(may_read(sql.viewer, "User", name) for name in _BESIDE_NAMES):
        parts += [_contains(sql, f"{alias}.name_key", word) for word in _words(text)]
    return " AND ".join(parts)


def _contains(sql: Sql, column: str, word: str) -> str:
    return f"{column} LIKE {sql.place(f'%{like(word)}%')} ESCAPE '\\'"


def _word(sql: Sql, column: str, word: str) -> str:
    spellings = [_contains(sql, column, each) for each in _spellings(word)]
    return spellings[0] if len(spellings) == 1 else f"({' OR '.join(spellings)})"


def hits_first(dialect: Dialect, text: str, counts: bool) -> Steps[bool]:
    """Whether the rows are to be taken from the index of SQLite, by a bounded look at it.

    Many hits are met soon in any order, but rare ones may all lie behind the whole table. `counts`: all are wanted.
    """
    match = _match(text)
    if dialect.name != "sqlite" or not match:
        return False
    if counts:
        return True
    return bool((yield Statement(PROBE, [match, FEW]))[0][0])


def search_warnings(text: str) -> list[str]:
    """What makes this search slow in a large directory, and what to do about it."""
    if key(text) and not _indexed(text):
        return [
            f"Words of fewer than {SHORTEST} letters are looked for row by row, which is slow in a large directory:"
            " search for longer ones."
        ]
    return []


def _words(text: str) -> list[str]:
    return list(dict.fromkeys(key(text).split(" ")))


def _spellings(word: str) -> list[str]:
    """A word, and as a piece of an address too: there, a domain stands in its IDNA form."""
    return list(dict.fromkeys((word, email_part(word))))


def _indexed(text: str) -> list[str]:
    return [word for word in _words(text) if len(word) >= SHORTEST]


def _match(text: str) -> str:
    """The words in the language of FTS5, where a quoted text of trigrams is looked for as it stands."""
    return " AND ".join(f"({' OR '.join(map(_quoted, _spellings(word)))})" for word in _indexed(text))


def _quoted(text: str) -> str:
    return '"' + text.replace('"', '""') + '"'
