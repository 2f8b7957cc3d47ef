"""`GET /reports/NAME`: the answer of a saved report by its URL, for tools that know nothing of GraphQL."""

from urllib.parse import parse_qsl

from starlette.routing import Route
from starlette.types import Receive, Scope, Send

from graph.downloads import download
from graph.entrances import Entrance
from graph.errors import BadRequest, public
from graph.executor import Answer, Engine
from graph.exports import format_of
from graph.http import ALWAYS, outcome_of, respond, status_of, without_body
from graph.incoming import GRAPHQL, JSON, MOST_URL, Incoming, Parameters, media_of
from graph.report_variables import RESERVED
from graph.run_reports import question
from models.watching import Asked


def routes(engine: Engine, entrance: Entrance) -> list[Route]:
    return [Route("/reports/{name}", ReportUrls(engine, entrance), methods=["GET"])]  # and HEAD


class ReportUrls:
    """An ASGI application; the report's name is a parameter of its path, its variables are those of the query."""

    def __init__(self, engine: Engine, entrance: Entrance) -> None:
        self._engine = engine
        self._entrance = entrance

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        incoming = Incoming(scope, receive)
        if incoming.method == "HEAD":
            send = without_body(send)
        with self._entrance.watched(incoming) as asked:
            try:
                answer = await self._answer(incoming, asked, send)
            except Exception as error:
                answer = Answer(errors=[public(error, asked.id)])
            if answer is not None:
                await self._respond(incoming, asked, answer, send)

    async def _answer(self, incoming: Incoming, asked: Asked, send: Send) -> Answer | None:
        """None where a file was sent. Who sends nothing to be known by is refused as by `/graphql`."""
        query = incoming.scope["query_string"]
        if len(query) > MOST_URL:
            raise BadRequest("The address is too long. Save long values with the report.")
        format = format_of(incoming.header(b"accept"), query)
        viewer = await self._entrance.viewer(incoming, asked.id)
        context = self._entrance.context(incoming, asked, viewer)
        found = await question(self._engine, context, incoming.scope["path_params"]["name"], _given(query))
        if isinstance(found, Answer):
            return found
        if format is None:
            return await self._engine.execute(context, found.document, found.variables, None, read_only=True)
        parameters = Parameters(found.document, found.variables, None)
        is_head = incoming.method == "HEAD"
        work = download(self._engine, context, parameters, format, send, ALWAYS, is_head=is_head)
        return await incoming.attention.to(work)

    async def _respond(self, incoming: Incoming, asked: Asked, answer: Answer, send: Send) -> None:
        codes = [str((error.extensions or {}).get("code")) for error in answer.errors[:1]]
        is_absent = codes == ["NOT_FOUND"] and not answer.executed
        asked.status = 404 if is_absent else status_of(answer, GRAPHQL, is_export=True)
        asked.outcome = outcome_of(answer)
        await respond(send, answer, media_of(incoming.header(b"accept")) or JSON, asked, incoming.method)


def _given(query: bytes) -> list[tuple[str, str]]:
    """The parameters of a URL that are values of variables, in their order."""
    pairs = parse_qsl(query.decode("latin-1"), keep_blank_values=True)
    return [(name, value) for name, value in pairs if name not in RESERVED]
