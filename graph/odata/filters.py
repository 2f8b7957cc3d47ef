"""From a $filter to a `where`, exactly: what GraphQL cannot say just so is refused."""

from collections.abc import Sequence
from copy import copy
from typing import Any

from odata_query import ast, exceptions

from graph.odata.flat import Flat
from graph.odata.literals import CASES, PARTS, Literal, literal, named, part, span
from graph.odata.model import EntityType, Model
from graph.odata.paths import Path, Where, chain, resolved
from graph.odata.refusals import bad, unsupported
from graph.odata.standard import check_expression
from resolvers.conditions import Some, SomeRow, SomeText
from resolvers.filters import Choice, Flag, Identity, Instant, Number, Text, exact

MOST_FILTER = 12_000
MOST_LISTED = 1_000
SPANS = ("year", "date")
MIRRORED = {ast.Lt: ast.Gt, ast.LtE: ast.GtE, ast.Gt: ast.Lt, ast.GtE: ast.LtE}
NUMBERS = {ast.Lt: "lt", ast.LtE: "lte", ast.Gt: "gt", ast.GtE: "gte"}
MOMENTS = {ast.Lt: "before", ast.LtE: "notAfter", ast.Gt: "after", ast.GtE: "notBefore"}
# Of a whole day or year: what is after it is not before the first moment of the next.
SPANNED = {ast.Lt: "before", ast.LtE: "before", ast.Gt: "notBefore", ast.GtE: "notBefore"}
TRUE: Where = {}


def where_of(model: Model, type_: EntityType, text: str) -> Where:
    """Raises Refused: 400 for what is wrong, 501 for what cannot be said in a `where`."""
    if len(text) > MOST_FILTER:
        bad(f"A $filter has at most {MOST_FILTER} characters.", "$filter")
    check_expression(text)
    try:
        return Filter(model, type_, None).where(_parsed(text), negated=False)
    except exceptions.UnknownFunctionException as error:
        bad(f"There is no function {error.function_name[:40]}.", "$filter")
    except (exceptions.ODataException, ValueError, AttributeError, TypeError) as error:
        bad(_said(error), "$filter")
    except RecursionError:
        bad("This $filter is nested too deeply.", "$filter")


def _said(error: Exception) -> str:
    """The library's own texts repeat what was sent."""
    if isinstance(error, exceptions.ArgumentCountException):
        return f"{error.function_name} takes another number of arguments."
    token = getattr(error, "token", None)
    if token is None:
        return "This $filter ends too early, or is not one."
    return f"This $filter is not understood at character {token.index + 1}."


def _parsed(text: str) -> Any:
    from odata_query.grammar import ODataLexer, ODataParser  # takes a tenth of a second to make

    tokens = list(ODataLexer().tokenize(text))
    for token in tokens:
        if token.type == "ODATA_IDENTIFIER" and named(token.value) == "not":
            token.type, token.value = "NOT", ast.Not()  # `not(…)`, which clients write, is no function
    return ODataParser().parse(iter(_with_commas(tokens)))


def _with_commas(tokens: Sequence[Any]) -> list[Any]:
    """The library reads `in ('a')` as a text in parentheses unless a comma says that it is a list of one."""
    made, solid = list(tokens), [n for n, token in enumerate(tokens) if token.type != "WS"]
    for k in range(len(solid) - 3, 0, -1):
        before, opening, _, closing = (tokens[n] for n in (solid[k - 1], *solid[k : k + 3]))
        if (before.type, opening.type, closing.type) == ("IN", "(", ")"):
            comma = copy(closing)
            comma.type = comma.value = ","
            made.insert(solid[k + 2], comma)
    return made


class Filter:
    """Conditions on one type. `variable` is the name of the row inside any() and all()."""

    def __init__(self, model: Model, type_: EntityType, variable: str | None) -> None:
        self._model = model
        self._type = type_
        self._variable = variable

    def where(self, node: Any, *, negated: bool) -> Where:
        """`not` goes down to the single conditions: there null is neither true nor false where OData says so."""
        if isinstance(node, ast.BoolOp):
            return self._joined(node, negated)
        if isinstance(node, ast.UnaryOp) and isinstance(node.op, ast.Not):
            return self.where(node.operand, negated=not negated)
        if isinstance(node, ast.Compare):
            return self._comparison(node, negated)
        if isinstance(node, ast.Call):
            return self._call(node, negated)
        if isinstance(node, ast.CollectionLambda):
            return self._list(node, negated)
        if isinstance(node, ast.Boolean):
            return TRUE if node.py_val is not negated else {"not": TRUE}
        if isinstance(node, ast.Identifier | ast.Attribute):
            return self._flag(self._path(node), not negated)
        return bad("A $filter is a condition: a comparison, a flag, or a function that answers yes or no.", "$filter")

    def _joined(self, node: ast.BoolOp, negated: bool) -> Where:
        """A chain of one operator as one list, however long: a `where` may nest a few levels only."""
        kind, parts = type(node.op), []
        waiting: list[Any] = [node]
        while waiting:
            each = waiting.pop()
            if isinstance(each, ast.BoolOp) and type(each.op) is kind:
                waiting += [each.right, each.left]
            else:
                parts.append(self.where(each, negated=negated))
        return {"and" if (kind is ast.And) is not negated else "or": parts}

    def _path(self, node: Any) -> Path:
        return resolved(self._model, self._type, chain(node, self._variable))

    # --- comparisons ----------------------------------------------------------------------------------------------

    def _comparison(self, node: ast.Compare, negated: bool) -> Where:
        comparator: Any = type(node.comparator)
        left, right = node.left, node.right
        if comparator is ast.In:
            return _negated(self._among(left, right), negated)
        given = literal(right)
        if given is None:
            comparator = MIRRORED.get(comparator, comparator)
            left, given = right, literal(left)
        if given is None:
            unsupported("comparisons of one property with another", "$filter")
        if comparator in (ast.Eq, ast.NotEq):
            return self._equality(left, given, negated is not (comparator is ast.NotEq))
        return _negated(self._ordered(left, comparator, given), negated)

    def _equality(self, left: Any, given: Literal, negated: bool) -> Where:
        if isinstance(left, ast.Call) and named(left.func) not in (*CASES, *SPANS):
            return self._answered(left, given, negated)
        return _negated(self._equal(left, given), negated)

    def _answered(self, call: ast.Call, given: Literal, negated: bool) -> Where:
        """`contains(…) eq true`; null, where there is no text, is neither true nor false, and so not equal."""
        if given.kind != "flag":
            unsupported(f"{named(call.func)}() compared with a {given}", "$filter")
        return _negated(self._call(call, not given.value), negated)

    def _equal(self, left: Any, given: Literal) -> Where:
        is_span = isinstance(left, ast.Call) and named(left.func) in SPANS
        path = self._spanned(left) if is_span else self._text_path(left)
        if given.kind == "null":
            return {"not": path.present()}
        if is_span:
            begin, end = span(named(left.func), given)
            return path.where({"notBefore": begin, "before": end})
        return path.where({"eq": value(path, given)})

    def _ordered(self, left: Any, comparator: Any, given: Literal) -> Where:
        if isinstance(left, ast.Call) and named(left.func) in SPANS:
            path, (begin, end) = self._spanned(left), span(named(left.func), given)
            return path.where({SPANNED[comparator]: end if comparator in (ast.LtE, ast.Gt) else begin})
        path = self._path(left)
        if given.kind == "null":
            bad("Nothing is less or more than null; compare it by eq or ne.", "$filter")
        if isinstance(path.filter, Number):
            return path.where({NUMBERS[comparator]: value(path, given)})
        if isinstance(path.filter, Instant):
            return path.where({MOMENTS[comparator]: value(path, given)})
        return unsupported(f"{path} compared by lt, le, gt or ge: its order is not that of its letters", str(path))

    def _among(self, left: Any, right: Any) -> Where:
        if not isinstance(right, ast.List):
            bad("in takes a list: in ('a','b').", "$filter")
        found = [literal(each) for each in right.val]
        if len(found) > MOST_LISTED or None in found:
            bad(f"in takes a list of at most {MOST_LISTED} literals.", "$filter")
        given = [each for each in found if each is not None]
        path, ways = self._text_path(left), []
        if any(each.kind == "null" for each in given):
            ways.append({"not": path.present()})
        values = [value(path, each) for each in given if each.kind != "null"]
        if isinstance(path.filter, Instant | Flag):
            ways += [path.where({"eq": each}) for each in values]
        elif values:
            ways.append(path.where({"in": values}))
        return ways[0] if len(ways) == 1 else {"or": ways}

    def _spanned(self, call: ast.Call) -> Path:
        path = self._path(call.args[0])
        if not isinstance(path.filter, Instant):
            bad(f"{path} is no moment, so {named(call.func)}() cannot be taken of it.", str(path))
        return path

    def _text_path(self, node: Any) -> Path:
        """A property, maybe in tolower() or toupper(): these change nothing where case never decides a match."""
        folded = isinstance(node, ast.Call) and named(node.func) in CASES
        if isinstance(node, ast.Call) and not folded:
            unsupported(f"{named(node.func)}() here", "$filter")
        path = self._path(node.args[0] if folded else node)
        if folded and (not isinstance(path.filter, Text) or path.filter.normal is exact):
            unsupported(f"{named(node.func)}({path}): its case counts", str(path))
        return path

    # --- what answers yes or no -----------------------------------------------------------------------------------

    def _flag(self, path: Path, wanted: bool) -> Where:
        if not isinstance(path.filter, Flag):
            bad(f"{path} is no yes or no; compare it with something.", str(path))
        return path.where({"eq": wanted})

    def _call(self, call: ast.Call, negated: bool) -> Where:
        name = named(call.func)
        if name not in PARTS:
            unsupported(f"{name}() here", "$filter")
        path, given = self._text_path(call.args[0]), part(call.args[1])
        if not isinstance(path.filter, Text):
            unsupported(f"{name}() of {path}, which is no free text", str(path))
        found = path.where({PARTS[name]: given})
        if not negated:
            return found
        # Of an absent text, it is not known; so neither it nor its opposite holds.
        return {"and": [path.present(), {"not": found}]} if path.is_nullable else {"not": found}

    def _list(self, node: ast.CollectionLambda, negated: bool) -> Where:
        """any(): some row is so. all(): none is not so."""
        path = resolved(self._model, self._type, chain(node.owner, self._variable))
        is_any = isinstance(node.operator, ast.Any)
        if isinstance(path.filter, SomeText | SomeRow):
            found = Flat(path).some(node.lambda_, negated=not is_any)
        elif isinstance(path.filter, Some) and path.target is not None:
            found = path.where({"some": self._rows(path.target, node.lambda_, negated=not is_any)})
        else:
            bad(f"{path} is no list.", str(path))
        return _negated(found, negated is is_any)

    def _rows(self, type_: EntityType, given: ast.Lambda | None, *, negated: bool) -> Where:
        if given is None:
            return TRUE
        found = Filter(self._model, type_, given.identifier.name).where(given.expression, negated=False)
        return {"not": found} if negated else found


def _negated(where: Where, negated: bool) -> Where:
    if not negated:
        return where
    return where["not"] if set(where) == {"not"} else {"not": where}


WANTED: dict[type, str] = {
    Text: "text",
    Choice: "text",
    Identity: "text",
    Flag: "flag",
    Number: "number",
    Instant: "moment",
}


def value(path: Path, given: Literal) -> Any:
    """The literal as this property takes it."""
    wanted = next((WANTED[kind] for kind in type(path.filter).mro() if kind in WANTED), None)
    if wanted is None:
        unsupported(f"{path} compared with a value", str(path))
    if given.kind != wanted:
        hint = "; write 2026-01-31T00:00:00Z" if given.kind == "date" else ""
        bad(f"{path} is compared with a {wanted}, not a {given}{hint}.", str(path))
    if isinstance(path.filter, Choice) and given.value not in path.choices:
        bad(f"{path} is one of {', '.join(path.choices)}.", str(path))
    return given.value
