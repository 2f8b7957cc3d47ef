// The result pane's views: GraphiQL's own result, and its rows as a table and as a chart.
import { useGraphiQL } from "@graphiql/react";
import { parse } from "graphql";
import { Suspense, lazy, useEffect, useLayoutEffect, useMemo, useRef, useState } from "react";
import { createPortal } from "react-dom";
import { sourcesOf, tableOf } from "./rows.js";
import { argumentsOf, operationOf, shapeOf } from "./shape.js";
import { TableView } from "./table.jsx";

const VIEWS = { result: "Result", table: "Table", chart: "Chart" };
const NAMES = Object.keys(VIEWS);

// The chart's library is loaded when a chart is first looked at.
const ChartView = lazy(() => import("./chart.jsx"));

/** What the query of an answer asked for: {shape, args, isOneQuery}; nothing where it cannot be read. */
function asked(params) {
  if (!params) return {};
  try {
    const document = parse(params.query);
    const operation = operationOf(document, params.operationName);
    const shape = shapeOf(document, operation);
    const args = argumentsOf(document, operation);
    return { shape, args, isOneQuery: operation.operation === "query" && shape.size === 1 };
  } catch {
    return {};
  }
}

/** An answer's text as {sources, errors, isOneQuery}. */
function answerOf(text, params) {
  let body;
  try {
    body = JSON.parse(text);
  } catch {
    // GraphiQL itself puts words there when it cannot send a query.
    return { sources: [], errors: [text] };
  }
  const { shape, args, isOneQuery } = asked(params);
  const errors = (body?.errors ?? []).map((error) => error?.message ?? String(error));
  return { sources: sourcesOf(body?.data, shape, args), errors, isOneQuery };
}

/** The open tab's answer and the parameters that it answers: {text, params}. GraphiQL keeps only the answer. */
function useAnswer(ran) {
  const tab = useGraphiQL(({ tabs, activeTabIndex }) => tabs[activeTabIndex]);
  const [runs, setRuns] = useState({});
  const { id, response } = tab ?? {};
  useLayoutEffect(() => {
    const params = ran.current;
    if (!response || !params) return;
    ran.current = null;
    setRuns((before) => ({ ...before, [id]: { text: response, params } }));
  }, [id, response, ran]);
  return runs[id]?.text === response ? runs[id] : { text: response };
}

/** A place for the views' tabs above GraphiQL's result, which has none of its own, and the name of the open view. */
function useResponsePane(anchor, view) {
  const [host, setHost] = useState(null);
  useLayoutEffect(() => {
    const pane = anchor.current.closest(".graphiql-response");
    const place = document.createElement("div");
    pane.prepend(place);
    setHost(place);
    return () => place.remove();
  }, [anchor]);
  useLayoutEffect(() => {
    const pane = anchor.current.closest(".graphiql-response");
    pane.dataset.view = view;
    const result = pane.querySelector(".result-window");
    result.id = "view-result";
    result.setAttribute("role", "tabpanel");
  }, [anchor, view]);
  return host;
}

function ViewTabs({ view, onView }) {
  const list = useRef(null);
  const move = (event) => {
    const at = NAMES.indexOf(view);
    const to = { ArrowLeft: at - 1, ArrowRight: at + 1, Home: 0, End: NAMES.length - 1 }[event.key];
    if (to === undefined) return;
    event.preventDefault();
    const name = NAMES[(to + NAMES.length) % NAMES.length];
    onView(name);
    list.current.querySelector(`#tab-${name}`).focus();
  };
  return (
    <div className="views" role="tablist" aria-label="Views of the result" ref={list} onKeyDown={move}>
      {NAMES.map((name) => (
        <button
          key={name}
          id={`tab-${name}`}
          type="button"
          role="tab"
          aria-selected={name === view}
          aria-controls={`view-${name}`}
          tabIndex={name === view ? 0 : -1}
          onClick={() => onView(name)}
        >
          {VIEWS[name]}
        </button>
      ))}
    </div>
  );
}

/** Why there is nothing to show, or null. */
function emptiness({ isFetching, text, sources, errors }) {
  if (isFetching) return "Waiting for the answer …";
  if (!text) return "Run a query to see its rows here.";
  if (sources.length) return null;
  if (errors.length) return `The query failed: ${errors[0]}`;
  return "This result has no rows. A table needs a list, such as users { nodes { … } }, roles { … } or a userReport.";
}

function SourcePicker({ sources, index, onPick }) {
  if (sources.length < 2) return null;
  return (
    <label>
      Rows of{" "}
      <select value={index} onChange={(event) => onPick(Number(event.target.value))}>
        {sources.map(({ name }, at) => (
          <option key={name} value={at}>
            {name}
          </option>
        ))}
      </select>
    </label>
  );
}

/** The rows of one answer, in the open view; made anew for each answer. */
function Rows({ view, answer, params, apiKey }) {
  const [picked, setPicked] = useState(0);
  const { sources, errors, isOneQuery } = answer;
  const index = Math.min(picked, sources.length - 1);
  const source = sources[index];
  const table = useMemo(() => tableOf(source), [source]);
  // The server exports the one list of a query; a mutation must not run again for a file.
  const exportable = isOneQuery && !source.isNested ? params : null;
  const picker = <SourcePicker sources={sources} index={index} onPick={setPicked} />;
  const shape = `${table.name} ${table.columns.map(({ name }) => name).join()}`;
  return (
    <>
      {errors.length > 0 && (
        <p className="view-note view-error" role="alert">
          The answer has errors too: {errors[0]}
        </p>
      )}
      {view === "table" ? (
        <TableView key={shape} table={table} picker={picker} exportable={exportable} apiKey={apiKey} />
      ) : (
        <Suspense fallback={<p className="view-empty">Loading the chart …</p>}>
          <ChartView key={shape} table={table} picker={picker} />
        </Suspense>
      )}
    </>
  );
}

/** Goes into GraphiQL's footer, the one slot in its result pane. `ran` holds what the fetcher sent last. */
export function Results({ ran, apiKey }) {
  const [view, setView] = useState("result");
  const anchor = useRef(null);
  const host = useResponsePane(anchor, view);
  const isFetching = useGraphiQL((state) => state.isFetching);
  const { text, params } = useAnswer(ran);
  const isOpen = view !== "result";
  const answer = useMemo(() => isOpen && text && answerOf(text, params), [isOpen, text, params]);
  const empty = isOpen && emptiness({ isFetching, text, sources: [], errors: [], ...answer });
  useEffect(() => {
    document.querySelector("#view-result")?.setAttribute("aria-labelledby", "tab-result");
  }, [host]);
  return (
    <div ref={anchor} className="view-anchor">
      {host && createPortal(<ViewTabs view={view} onView={setView} />, host)}
      {isOpen && (
        <section className="view" role="tabpanel" id={`view-${view}`} aria-labelledby={`tab-${view}`}>
          {empty ? (
            <p className="view-empty" aria-live="polite">
              {empty}
            </p>
          ) : (
            <Rows view={view} answer={answer} params={params} apiKey={apiKey} />
          )}
        </section>
      )}
    </div>
  );
}
