"""What a saved report may ask: one query that this schema understands, within the limits, with fitting variables."""

from collections.abc import Mapping
from functools import partial
from typing import Any

from graphql import GraphQLError, GraphQLSchema, OperationDefinitionNode, OperationType
from graphql.execution.values import get_variable_values

from graph.documents import Documents, Prepared, RequestError
from graph.errors import discreet
from graph.limits import Cost
from graph.report_variables import RESERVED, settled
from models.errors import Invalid
from models.settings import Settings
from models.values import now
from resolvers.changes import Before

SHOWN = 3  # errors of one document


async def checking(before: Before, values: dict[str, Any]) -> None:
    """Hands the resolver what checks a document: the schema is known in this room only."""
    from graph.schema import built  # which this module is a part of

    values["check"] = partial(check, built(), before.settings)


def check(schema: GraphQLSchema, settings: Settings, document: str, variables: Mapping[str, Any]) -> None:
    """Raises Invalid with what GraphQL says about the document, or about its variables."""
    try:
        prepared = Documents(schema, settings).parse(document, lambda names: None)
    except RequestError as error:
        raise Invalid("document", reason=_told(error.errors)) from error
    operation = the_query(prepared)
    values = _coerced(schema, operation, variables)
    counting = Cost(schema, prepared.fragments, values, settings.default_page)
    cost = counting.of(schema.query_type, operation.selection_set)
    if cost > settings.max_cost:
        reason = f"This may touch {cost} rows, more than {settings.max_cost}. Ask for smaller pages or fewer fields."
        raise Invalid("document", reason=reason)


def the_query(prepared: Prepared) -> OperationDefinitionNode:
    """The one operation of a report. Raises Invalid where it is not one query."""
    operations = list(prepared.operations.values())
    if len(operations) != 1 or operations[0].operation is not OperationType.QUERY:
        raise Invalid("document", reason="A report is one query, and nothing that changes anything.")
    return operations[0]


def _coerced(schema: GraphQLSchema, operation: OperationDefinitionNode, variables: Mapping[str, Any]) -> dict[str, Any]:
    """The kept values as the query takes them; what has none yet is given by who runs it."""
    definitions = {each.variable.name.value: each for each in operation.variable_definitions or ()}
    for name in definitions:
        if name in RESERVED:
            raise Invalid("document", reason=f"A variable ${name} could not be given in the URL. Call it otherwise.")
    for name in variables:
        if name not in definitions:
            raise Invalid("variables", reason=f"The document declares no variable ${name[:100]}.")
    given = settled(schema, operation, variables, now())
    found = get_variable_values(schema, [definitions[name] for name in given], given, max_errors=SHOWN)
    if isinstance(found, list):
        raise Invalid("variables", reason=_told([discreet(error, "BAD_USER_INPUT") for error in found]))
    return found.coerced


def _told(errors: list[GraphQLError]) -> str:
    """The first errors as one text, with the places they are about in the document."""
    texts = [_placed(error) for error in errors[:SHOWN]]
    more = len(errors) - SHOWN
    return " ".join([*texts, f"… and {more} more."] if more > 0 else texts)


def _placed(error: GraphQLError) -> str:
    if not error.locations:
        return error.message
    return f"Line {error.locations[0].line}, column {error.locations[0].column}: {error.message}"
