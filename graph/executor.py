"""From a request to an answer: refused before a row is read, compiled once, run level by level."""

import asyncio
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

from graphql import (
    GraphQLError,
    GraphQLObjectType,
    GraphQLSchema,
    OperationDefinitionNode,
    OperationType,
    default_field_resolver,
    default_type_resolver,
)
from graphql.execution.collect_fields import FragmentDetails
from graphql.execution.values import VariableValues, get_argument_values

from graph.arguments import check_lookup, page_of, plain, reads_past, require_history
from graph.context import Context
from graph.documents import MOST_ERRORS, Bound, Coerced, Documents, Plan, Prepared, RequestError, key_of, remember
from graph.errors import BadRequest, coded, discreet, forbidden, public, unauthenticated
from graph.input_limits import check_body, count_variables, too_many_values
from graph.limits import Cost
from graph.offload import Offload
from graph.raw_results import CompleteExecutor
from graph.root_row import root_row
from graph.runs import Run
from graph.selection import Compiler, payloads
from graph.sites import Argued, spec_of
from graph.variables import Variables
from models.database import Steps
from models.dialects import Dialect
from models.errors import Refusal
from models.settings import Settings
from resolvers import advice
from resolvers.policy import FOR_ENROLLING, FOR_STRANGERS, Reach, Viewer
from resolvers.selected import Selected
from resolvers.sources import Source
from resolvers.table_sizes import TableSizes

QUICK = 6_000  # rows that a plan may touch, by its cost, to be run without a thread of its own


@dataclass
class Answer:
    """`data` is absent for a request that was never executed; that decides the HTTP status."""

    data: Any = None
    errors: list[GraphQLError] = field(default_factory=list)
    executed: bool = False
    extensions: dict[str, Any] = field(default_factory=dict)


UNPROVED = Answer()  # is thrown away


class Engine:
    """The schema with its caches. One for each process; nothing in it depends on who asks."""

    def __init__(
        self,
        schema: GraphQLSchema,
        settings: Settings,
        sources: Mapping[str, Source],
        dialect: Dialect,
        offload: Offload | None = None,
    ) -> None:
        self.schema = schema
        self.dialect = dialect
        self.settings = settings
        self.sources = dict(sources)
        self.offload = offload or Offload()
        self.documents = Documents(schema, settings, self.offload)
        self.variables, self.sizes = Variables(schema), TableSizes()

    async def execute(
        self,
        context: Context,
        query: str,
        variables: dict[str, Any],
        operation_name: str | None,
        *,
        read_only: bool,
    ) -> Answer:
        try:
            prepared = await self.documents.prepare(query, lambda names: self.admit(context.viewer, names))
            operation = prepared.operation(operation_name)
            context.tell(operation)
            if context.proof is not None and operation.operation is not OperationType.QUERY:
                return UNPROVED
            if read_only:
                prepared.require_safe(operation)
            coerced = await self._coerced(context, prepared, operation, variables)
        except RequestError as refused:
            return Answer(errors=refused.errors)
        context.document, context.variables = query, variables
        answer = await self._run(context, prepared, operation, coerced)
        answer.extensions["cost"] = {"rows": coerced.cost, "limit": self.settings.max_cost}
        return answer

    async def _coerced(
        self, context: Context, prepared: Prepared, operation: OperationDefinitionNode, variables: dict[str, Any]
    ) -> Coerced:
        """The variables as the operation takes them. Raises RequestError where it does not, or costs too much."""
        key, name = key_of(variables) if prepared.is_timeless else None, operation.name and operation.name.value
        known = prepared.coerced.get((name, key)) if key is not None else None
        if known is not None:
            return known
        values = await self.coerce(context, prepared, operation, variables)
        coerced = Coerced(values, self._cost(prepared, operation, values.coerced), key)
        return coerced if key is None else remember(prepared.coerced, (name, key), coerced)

    async def coerce(
        self, context: Context, prepared: Prepared, operation: OperationDefinitionNode, variables: dict[str, Any]
    ) -> VariableValues:
        """The variables as the operation takes them, counted before anything else is done with them."""
        settings, is_bulk = self.settings, self.documents.is_bulk(prepared, operation)
        most = settings.max_bulk_values if is_bulk and not context.viewer.is_stranger else settings.max_values
        try:
            check_body(context.size, settings.max_query_body, is_bulk=is_bulk)
            # Of few bytes are few values.
            count = await self.offload.run(context.size // 8, lambda: count_variables(variables, most))
            if count + prepared.literals > most:
                raise too_many_values(most)
        except BadRequest as refused:
            raise RequestError([public(refused, context.request_id)]) from refused
        values = await self.offload.run(count, lambda: self.variables.coerced(operation, variables, MOST_ERRORS))
        if isinstance(values, list):
            raise RequestError([discreet(error, "BAD_USER_INPUT") for error in values])
        context.values = count + prepared.literals
        return values

    def admit(self, viewer: Viewer, roots: set[str]) -> None:
        """Without a key there are only the mutations that bring their own token, and (a setting) introspection.

        A session that must set a second factor up first is for that, and for looking at oneself.
        """
        if viewer.must_enroll and not roots <= FOR_ENROLLING | FOR_STRANGERS:
            raise RequestError([coded("Set a second factor up first: enrollSecondFactor.", "SECOND_FACTOR_REQUIRED")])
        if not viewer.is_stranger:
            return
        for name in roots - FOR_STRANGERS:
            if not (name.startswith("__") and self.settings.introspection):
                raise RequestError([unauthenticated()])

    def _cost(self, prepared: Prepared, operation: OperationDefinitionNode, variables: Mapping[str, Any]) -> int:
        counting = Cost(self.schema, prepared.fragments, variables, self.settings.default_page)
        return self.check_cost(counting.of(self.schema.get_root_type(operation.operation), operation.selection_set))

    def check_cost(self, cost: int) -> int:
        if cost > self.settings.max_cost:
            limit = self.settings.max_cost
            message = f"This may touch {cost} rows, more than {limit}. Ask for smaller pages or fewer fields."
            raise RequestError([coded(message, "TOO_COSTLY", cost=cost, limit=limit)])
        return cost

    async def _run(
        self,
        context: Context,
        prepared: Prepared,
        operation: OperationDefinitionNode,
        coerced: Coerced,
    ) -> Answer:
        try:
            plan = self.plan(prepared, operation, coerced.values, context.viewer)
            bound = self._bound(plan, coerced, context.viewer)
        except (RequestError, Refusal, GraphQLError) as refused:
            errors = refused.errors if isinstance(refused, RequestError) else [public(refused, context.request_id)]
            return Answer(errors=errors, executed=True)
        context.plan, context.arguments = plan, bound.arguments
        extensions = await self.sizes.warnings(context.database, bound.warnings) if bound.warnings else {}
        if plan.level is not None:
            try:
                row = (None, *root_row(self.schema, plan.level.selected.names, context.viewer))
                run = Run(context.viewer, self.dialect, bound.arguments)
                quick = coerced.cost <= QUICK and bound.is_quick and not context.viewer.grants
                steps: Steps[Any] = plan.level.run(run, [row])
                if context.proof is not None:
                    steps = context.proof.within(self.dialect, steps)
                roots = await context.read(steps, quick=quick)
                if roots is None:
                    return UNPROVED
            except Exception as error:
                return Answer(errors=[public(error, context.request_id)], executed=True)
            if not any(name.startswith("__") and name != "__typename" for name in prepared.roots):
                return Answer(roots[0], executed=True, extensions=extensions)
            context.roots = roots[0]
        # As graphql-core's execute(), which would coerce the variables once more.
        result = CompleteExecutor(
            self.schema,
            prepared.fragments,
            {name: FragmentDetails(definition) for name, definition in prepared.fragments.items()},
            None,
            context,
            operation,
            coerced.values,
            default_field_resolver,
            default_type_resolver,
            default_field_resolver,
        ).execute_operation()
        if asyncio.iscoroutine(result) or asyncio.isfuture(result):
            result = await result
        errors = [public(error, context.request_id) for error in result.errors or []]  # type: ignore[union-attr]
        return Answer(result.data, errors, executed=True, extensions=extensions)  # type: ignore[union-attr]

    def plan(
        self, prepared: Prepared, operation: OperationDefinitionNode, coerced: VariableValues, viewer: Viewer
    ) -> Plan:
        """The plan for these rights and switches. Raises RequestError naming every field the viewer may not read."""
        switches = tuple(sorted((name, bool(coerced.coerced.get(name))) for name in prepared.switches))
        own = self._is_own(prepared, operation, coerced, viewer)
        key = (
            operation.name.value if operation.name else None,
            viewer.somewhere,
            viewer.is_stranger,
            own,
            switches,
        )
        plan = prepared.plans.get(key)
        if plan is not None:
            self.documents.plan_hits += 1
        else:
            self.documents.plan_misses += 1
            plan = self._compile(prepared, operation, coerced, viewer, own)
            remember(prepared.plans, key, plan)
        return plan

    def _is_own(
        self, prepared: Prepared, operation: OperationDefinitionNode, coerced: VariableValues, viewer: Viewer
    ) -> bool:
        """Whether every mutation of this operation is about nobody but the viewer."""
        if operation.operation is not OperationType.MUTATION:
            return False
        root = self.schema.mutation_type
        assert root is not None
        compiler = Compiler(self.schema, prepared.fragments, coerced.coerced, viewer, self.sources, self.dialect.name)
        for nodes in compiler.collect(root, [operation.selection_set]).values():
            name = nodes[0].name.value
            if name == "__typename":
                continue
            subjects = spec_of(root.fields[name]).subjects
            if subjects is None:
                return False
            given = plain(get_argument_values(root.fields[name], nodes[0], coerced))["input"]
            if set(subjects(given)) != {f"user_{viewer.user_id}" if viewer.user_id else ""}:
                return False
        return True

    def _compile(
        self,
        prepared: Prepared,
        operation: OperationDefinitionNode,
        coerced: VariableValues,
        viewer: Viewer,
        own: bool,
    ) -> Plan:
        compiler = Compiler(self.schema, prepared.fragments, coerced.coerced, viewer, self.sources, self.dialect.name)
        root = self.schema.get_root_type(operation.operation)
        assert isinstance(root, GraphQLObjectType)
        reach = Reach.OWN if own else Reach.FAR
        if operation.operation is OperationType.QUERY:
            level = compiler.level(root, [operation.selection_set], Selected(None), Reach.FAR, [])
            plan = Plan(level, {}, compiler.argued, compiler.is_bounded)
        else:
            plan = Plan(None, payloads(compiler, root, operation, reach), compiler.argued)
        if compiler.forbidden:
            raise RequestError([forbidden(compiler.forbidden, viewer)])
        return plan

    def _bound(self, plan: Plan, coerced: Coerced, viewer: Viewer) -> Bound:
        """The arguments of the plan's fields. What is checked beside them, rights, is what the plan was made for."""
        known = plan.bound.get(coerced.key) if coerced.key is not None else None
        if known is not None:
            return known
        arguments = [self.bind(argued, coerced.values, viewer) for argued in plan.argued]
        require_history(plan.argued, arguments)
        warnings: list[Any] = []
        quick = plan.is_bounded
        for argued, page in zip(plan.argued, arguments, strict=True):
            if argued.source is not None and not argued.few:
                quick = quick and page.is_quick(argued.source)
                warnings += [(each, argued.response_path) for each in advice.warnings(argued.source, page)]
        bound = Bound(arguments, warnings, quick and not reads_past(plan.argued, arguments))
        return bound if coerced.key is None else remember(plan.bound, coerced.key, bound)

    def bind(self, argued: Argued, coerced: VariableValues, viewer: Viewer, settings: Settings | None = None) -> Any:
        """A field's arguments. Raises with the place in the answer they belong to."""
        bounds = settings or self.settings
        try:
            given = plain(argued.evaluate(coerced))
            if argued.bind is not None:
                return argued.bind(given, viewer, bounds, argued.response_path)
            if argued.source is not None:
                return page_of(given, argued.source, viewer, bounds, whole=not argued.paged)
            check_lookup(viewer, given, bounds)
            return given
        except Refusal as refusal:
            raise public(refusal, None, argued.response_path) from refusal
