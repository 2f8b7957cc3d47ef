"""Operations of migrations that Tortoise does not have."""

from tortoise.migrations.operations import Operation, TortoiseOperation
from tortoise.migrations.schema_editor.base import BaseSchemaEditor
from tortoise.migrations.schema_generator.state import State


class Together(TortoiseOperation):
    """Several operations as one. Tortoise makes all models anew for each, which takes longer than the tables do."""

    def __init__(self, *operations: Operation) -> None:
        self.operations = operations

    def describe(self) -> str:
        return ", ".join(each.describe() for each in self.operations)

    def state_forward(self, app_label: str, state: State) -> None:
        for each in self.operations:
            each.state_forward(app_label, state)

    async def database_forward(
        self, app_label: str, old_state: State, new_state: State, state_editor: BaseSchemaEditor | None = None
    ) -> None:
        for each in self.operations:
            await each.database_forward(app_label, old_state, new_state, state_editor)

    async def database_backward(
        self, app_label: str, old_state: State, new_state: State, state_editor: BaseSchemaEditor | None = None
    ) -> None:
        for each in reversed(self.operations):
            await each.database_backward(app_label, old_state, new_state, state_editor)
