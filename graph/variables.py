"""The variables of a request, coerced once: ten thousand rows of a bulk call as quickly as one shape of rows can be.

What is of the right shape is coerced by functions made once for each input type. Anything else is left to graphql-core,
which says what is wrong with it: the two agree on every value that the first takes.
"""

from collections.abc import Callable, Mapping
from typing import Any

from graphql import (
    GraphQLBoolean,
    GraphQLError,
    GraphQLID,
    GraphQLInputField,
    GraphQLInputObjectType,
    GraphQLInputType,
    GraphQLLeafType,
    GraphQLList,
    GraphQLNonNull,
    GraphQLSchema,
    GraphQLString,
    OperationDefinitionNode,
    Undefined,
)
from graphql.execution.get_variable_signature import get_variable_signature
from graphql.execution.values import VariableValues, VariableValueSource, get_variable_values

Coerce = Callable[[Any], Any]
_ITSELF = {GraphQLString.name: str, GraphQLID.name: str, GraphQLBoolean.name: bool}


class Odd(Exception):
    """A value that graphql-core has to look at."""


class Variables:
    """Of one schema. `coerced` answers what graphql-core's `get_variable_values` does."""

    def __init__(self, schema: GraphQLSchema) -> None:
        self._schema = schema
        self._objects: dict[str, Coerce | None] = {}

    def coerced(
        self, operation: OperationDefinitionNode, given: dict[str, Any], most_errors: int
    ) -> VariableValues | list[GraphQLError]:
        definitions = operation.variable_definitions or ()
        sources: dict[str, VariableValueSource] = {}
        values: dict[str, Any] = {}
        try:
            for definition in definitions:
                signature = get_variable_signature(self._schema, definition)
                if isinstance(signature, GraphQLError) or signature.name not in given:
                    raise Odd
                coerce = self._of(signature.type)
                if coerce is None:
                    raise Odd
                sources[signature.name] = VariableValueSource(signature, given[signature.name])
                values[signature.name] = coerce(given[signature.name])
        except Odd:
            return get_variable_values(self._schema, definitions, given, max_errors=most_errors)
        return VariableValues(sources, values)

    def _of(self, type_: GraphQLInputType) -> Coerce | None:
        """None for types that contain themselves: how deep their values are is for graphql-core to bound."""
        if isinstance(type_, GraphQLNonNull):
            inner = self._of(type_.of_type)
            return inner and _required(inner)
        if isinstance(type_, GraphQLList):
            inner = self._of(type_.of_type)
            return inner and _list(inner)
        if isinstance(type_, GraphQLInputObjectType):
            if type_.name not in self._objects:
                self._objects[type_.name] = None  # what is met again while it is being made contains itself
                self._objects[type_.name] = self._object(type_)
            return self._objects[type_.name]
        return _leaf(type_)

    def _object(self, type_: GraphQLInputObjectType) -> Coerce | None:
        fields: dict[str, tuple[str, Coerce, bool]] = {}
        for name, field in type_.fields.items():
            coerce = self._of(field.type)
            if coerce is None or _has_default(field):
                return None
            fields[name] = (field.out_name or name, coerce, isinstance(field.type, GraphQLNonNull))
        return _object(fields, type_)


def _has_default(field: GraphQLInputField) -> bool:
    return field.default is not None or field.default_value is not Undefined


def _required(inner: Coerce) -> Coerce:
    def coerce(value: Any) -> Any:
        if value is None:
            raise Odd
        return inner(value)

    return coerce


def _list(inner: Coerce) -> Coerce:
    def coerce(value: Any) -> Any:
        if value is None:
            return None
        if type(value) is not list:
            raise Odd
        return [inner(each) for each in value]

    return coerce


def _object(fields: Mapping[str, tuple[str, Coerce, bool]], type_: GraphQLInputObjectType) -> Coerce:
    known = frozenset(fields)
    listed = [(name, *rest) for name, rest in fields.items()]
    finish, is_one_of = type_.out_type, type_.is_one_of

    def coerce(value: Any) -> Any:
        if value is None:
            return None
        if type(value) is not dict or not value.keys() <= known:
            raise Odd
        coerced = {}
        for name, out_name, inner, is_required in listed:
            if name in value:
                coerced[out_name] = inner(value[name])
            elif is_required:
                raise Odd
        if is_one_of and (len(coerced) != 1 or None in coerced.values()):
            raise Odd
        try:
            return finish(coerced)
        except Exception as error:
            raise Odd from error

    return coerce


def _leaf(type_: GraphQLLeafType) -> Coerce:
    itself = _ITSELF.get(type_.name)

    def coerce(value: Any) -> Any:
        if value is None or type(value) is itself:
            return value
        try:
            found = type_.coerce_input_value(value)
        except Exception as error:
            raise Odd from error
        if found is Undefined:
            raise Odd
        return found

    return coerce
