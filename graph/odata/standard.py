"""What OData 4.01 has for expressions and addresses beyond this feed: refused by its own name, never as unknown.

Names are those of Part 1 (Protocol), Part 2 (URL Conventions) and the Data Aggregation Extension.
"""

import re

from graph.odata.refusals import unsupported

# Functions of $filter that the feed answers.
ANSWERED = frozenset("contains startswith endswith tolower toupper year date now".split())
FUNCTIONS = ANSWERED | frozenset(
    "concat indexof length substring trim matchespattern hassubset hassubsequence"  # texts and collections
    " day fractionalseconds hour maxdatetime mindatetime minute month second time totaloffsetminutes totalseconds"
    " ceiling floor round"
    " cast isof case"
    " geo.distance geo.intersects geo.length".split()
)
OPERATORS = frozenset("has divby mul div mod".split())
# Names that begin with $ inside an expression.
IN_EXPRESSIONS = {
    "$count": "$count of a collection in an expression",
    "$it": "$it",
    "$this": "$this",
    "$root": "$root",
    "$filter": "$filter in a path",
    "$value": "$value in an expression",
    "$ref": "$ref in an expression",
}
# Segments of an address. `$count`, `$value` and `$metadata` are answered where they have a meaning here.
SEGMENTS = frozenset("$all $batch $crossjoin $each $entity $filter $query $ref".split())
_TEXT = re.compile(r"'(?:[^']|'')*'")
_TYPED_LITERAL = re.compile(r"([A-Za-z_][\w.]*)''")
_KNOWN_LITERALS = frozenset({"duration"})
_CALL = re.compile(r"(?<![\w.$/])([A-Za-z_][\w.]*)\s*\(")
_OPERATOR = re.compile(rf"[\w)'/]\s+({'|'.join(sorted(OPERATORS))})\s+\S", re.IGNORECASE)
_DOLLAR = re.compile(r"\$\w+")
_ALIAS = re.compile(r"(?<![\w@.])@[A-Za-z_]\w*")
_CAST = re.compile(r"(?:^|[/(\s])((?:[A-Za-z_]\w*\.)+[A-Za-z_]\w*)(?=/|\s|$|\))")
_NUMBERS = re.compile(r"(?<![\w.'/])(INF|NaN)(?![\w.'/])")


def check_expression(text: str) -> None:
    """Refuse by its name what is valid in an expression and not answered here. What is no OData passes."""
    bare = _TEXT.sub("''", text)
    for found in _CALL.finditer(bare):
        name = found[1].lower()
        if name in FUNCTIONS - ANSWERED:
            unsupported(f"{found[1]}()", "$filter")
    for name in _DOLLAR.findall(bare):
        if name in IN_EXPRESSIONS:
            unsupported(IN_EXPRESSIONS[name], "$filter")
    if (operator := _OPERATOR.search(bare)) is not None:
        unsupported(f"the operator {operator[1]}", "$filter")
    if (alias := _ALIAS.search(bare)) is not None:
        unsupported(f"parameter aliases such as {alias[0][:40]}", "$filter")
    for found in _TYPED_LITERAL.finditer(bare):
        if found[1].lower() not in _KNOWN_LITERALS:
            unsupported(f"literals of {found[1][:60]}", "$filter")
    if (cast := _CAST.search(bare)) is not None and not cast[1].lower().startswith("geo."):
        unsupported(f"the type {cast[1][:60]} in a path", "$filter")
    if (number := _NUMBERS.search(bare)) is not None:
        unsupported(f"the number {number[1]}", "$filter")


def check_segment(segment: str) -> None:
    """Refuse a segment of an address that OData has and the feed has not."""
    name = segment.partition("(")[0]
    if name in SEGMENTS:
        unsupported(name)
    if re.fullmatch(r"(?:[A-Za-z_]\w*\.)+[A-Za-z_]\w*", name):
        unsupported(f"the type or function {name[:60]} in an address")
