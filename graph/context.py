"""What one request carries: who asks, and the services that serve it."""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, TypeVar

from graphql import OperationDefinitionNode, OperationType

from graph.attention import Attention
from graph.offload import Offload
from models.database import Database, Steps
from models.secrets import Sealer
from models.settings import Settings
from models.watching import ANONYMOUS, Asked
from resolvers.changes import Caller
from resolvers.hashing import Hasher
from resolvers.known_keys import Proof
from resolvers.policy import Viewer

T = TypeVar("T")


@dataclass
class Services:
    """What a process has one of."""

    settings: Settings
    database: Database
    sealer: Sealer
    hasher: Hasher
    offload: Offload = field(default_factory=Offload)


@dataclass
class Context:
    """One request. The executor leaves its plan here for the root fields that graphql-core runs.

    Where there is a `proof`, the viewer is who came with the key before, and nothing stands before it is held.
    """

    services: Services
    viewer: Viewer
    asked: Asked
    proof: Proof | None = None
    document: str = ""
    variables: Mapping[str, Any] = field(default_factory=dict)
    plan: Any = None
    arguments: Sequence[Any] = ()
    roots: dict[str, Any] = field(default_factory=dict)
    caller: Callable[[], Caller] = Caller
    attention: Attention | None = None
    size: int = 0  # bytes of the request's body
    values: int = 0  # in its variables and its document

    async def read(self, steps: Steps[T], *, quick: bool) -> T:
        """Run a plan that reads, while the client waits for it."""
        reading = self.database.read(steps, quick=quick)
        return await (reading if quick or self.attention is None else self.attention.to(reading))

    @property
    def request_id(self) -> str:
        return self.asked.id

    def tell(self, operation: OperationDefinitionNode) -> None:
        """Which operation it is, for whoever watches."""
        self.asked.kind = "mutation" if operation.operation is OperationType.MUTATION else "query"
        self.asked.operation = operation.name.value if operation.name else ANONYMOUS

    @property
    def database(self) -> Database:
        return self.services.database
