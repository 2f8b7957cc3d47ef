"""Files of users: read into rows for the upsert, and written back where rows are refused."""

from resolvers.importers.formats import FORMATS, open_rows
from resolvers.importers.refused import RefusedWriter, refused_path
from resolvers.importers.rows import Problem, Row, Source, UnreadableFile

__all__ = [
    "FORMATS",
    "Problem",
    "RefusedWriter",
    "Row",
    "Source",
    "UnreadableFile",
    "open_rows",
    "refused_path",
]
