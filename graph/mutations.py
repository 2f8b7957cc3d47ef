"""Running a mutation: refuse, store, record and answer in one transaction; dry runs and repeated calls included."""

import re
from collections.abc import Mapping
from enum import Enum
from functools import lru_cache
from typing import Any

from graphql import GraphQLResolveInfo

from graph.context import Context
from graph.fields import Change as ChangeSpec
from graph.levels import Level, as_rows
from graph.raw_results import Complete
from graph.runs import Run
from graph.scalars import Verbatim
from models.database import Transaction
from models.errors import Invalid, Refusal
from resolvers import probes
from resolvers.changes import Before, Change, content_of, first_answer, store_answer
from resolvers.outcomes import error, refused_rows
from resolvers.probes import Probes
from resolvers.viewers import as_of_now

CAPITAL = re.compile(r"(?<!^)([A-Z])")


@lru_cache(maxsize=1_024)
def snake(name: str) -> str:
    return CAPITAL.sub(r"_\1", name).lower()


def pythonic(value: Any) -> Any:
    """Coerced input as resolvers take it: snake_case names, enums by name, JSON as sent; what is absent stays so."""
    if type(value) is str:
        return value
    if isinstance(value, dict):
        return {snake(name): pythonic(each) for name, each in value.items()}
    if isinstance(value, list):
        return [pythonic(each) for each in value]
    if isinstance(value, Verbatim):
        return value.value
    return value.name if isinstance(value, Enum) else value


def resolver_of(spec: ChangeSpec) -> Any:
    """The graphql-core resolver of a declared mutation."""

    async def resolve(_: Any, info: GraphQLResolveInfo[Any], input: Mapping[str, Any]) -> Complete:
        context: Context = info.context
        level: Level = context.plan.payloads[info.path.key]
        return Complete(await _Call(spec, str(info.path.key), level, context, input).answer())

    return resolve


class _Call:
    def __init__(
        self,
        spec: ChangeSpec,
        key: str,
        level: Level,
        context: Context,
        given: Mapping[str, Any],
    ) -> None:
        self._spec = spec
        self._level = level
        self._context = context
        self._field = key
        self._given = given

    def _read(self) -> None:
        spec, context, values = self._spec, self._context, pythonic(self._given)
        self._dry_run: bool = not spec.keeps_dry_runs and (values.pop("dry_run", None) or False)
        self._key: str | None = values.pop("idempotency_key", None)
        self._values = values
        self._probes: Probes | None = None
        self._content = content_of(self._field, context.document, context.variables) if self._key is not None else b""

    async def answer(self) -> Any:
        services = self._context.services
        await services.offload.run(self._context.values, self._read)
        try:
            if self._key is not None and self._context.viewer.is_stranger:
                raise Invalid("idempotencyKey", reason="An idempotencyKey needs an API key beside it.")
            # Asked before anything is prepared: what was right for the first call may be wrong for its repetition.
            before = await self._first_answer()
            if before is not None:
                return before
            if self._spec.prepare is not None:
                preparing = Before(
                    self._context.viewer,
                    services.settings,
                    services.hasher,
                    services.database,
                    services.sealer,
                    self._dry_run,
                    self._context.caller(),
                )
                await self._spec.prepare(preparing, self._values)
        except Refusal as refusal:
            return (await self._shaped(None, self._refused(refusal)))[0]
        answer = await services.database.transaction(self._work)
        if self._probes is not None:
            await probes.record(services.database, services.sealer, self._probes)
        return answer

    async def _first_answer(self) -> Any:
        if self._key is None or self._dry_run:
            return None
        services = self._context.services
        async with services.database.reading() as connection:
            return await first_answer(connection, self._context.viewer, services.sealer, self._key, self._content)

    async def _work(self, tx: Transaction) -> Any:
        context = self._context
        viewer = await as_of_now(tx, context.viewer)
        services, caller = context.services, context.caller()
        change = Change(tx, viewer, services.settings, services.sealer, self._dry_run, caller=caller)
        try:
            if self._key is not None and not self._dry_run:
                before = await first_answer(tx, viewer, change.sealer, self._key, self._content)
                if before is not None:
                    tx.discard()
                    return before
            outcome = await self._spec.resolver(change, **self._values)
            self._probes = await probes.find(change, outcome)
            if self._probes is not None and self._probes.refusal is not None:
                raise self._probes.refusal
        except Refusal as refusal:
            tx.discard()
            outcome = self._refused(refusal)
        answer = (await self._shaped(change, outcome))[0]
        if self._dry_run:
            tx.discard()
        elif self._key is not None and not tx.discarded:
            await store_answer(change, self._key, self._content, answer)
        return answer

    def _refused(self, refusal: Refusal) -> Mapping[str, Any]:
        answer = {**self._spec.empty, "errors": [error(refusal)]}
        if "results" in answer:
            rows = next((each for each in self._values.values() if isinstance(each, list)), [])
            blank = answer.pop("row", {})
            most = self._context.services.settings.max_bulk
            answer["results"] = [{**blank, **each} for each in refused_rows(rows, refusal, most)]
        return answer

    async def _shaped(self, change: Change | None, outcome: Mapping[str, Any]) -> list[Any]:
        viewer = (change.reader or change.viewer) if change else self._context.viewer
        run = Run(viewer, self._context.database.dialect, self._context.arguments)
        steps = self._level.run(run, as_rows(self._level, [outcome]))
        size = len(outcome.get("results") or ())
        return await (change.tx.run(steps, size) if change else self._context.database.read(steps))
