"""Results that are answers already: the executor of graphql-core passes them through as they are."""

from dataclasses import dataclass
from typing import Any

from graphql.execution.executor import Executor


@dataclass(frozen=True)
class Complete:
    """A result that is an answer already."""

    value: Any


class CompleteExecutor(Executor):  # type: ignore[type-arg]
    def complete_value(self, return_type, field_details_list, info, path, result, position_context):  # type: ignore[no-untyped-def]
        if type(result) is Complete:
            return result.value
        return super().complete_value(return_type, field_details_list, info, path, result, position_context)
