// The GraphQL page: GraphiQL with an API key bar, a query builder, the ready examples, and results as tables and charts.
import { explorerPlugin } from "@graphiql/plugin-explorer";
import { useMonaco } from "@graphiql/react";
import { GraphiQL, HISTORY_PLUGIN } from "graphiql";
import { useEffect, useMemo, useRef, useState } from "react";
import { createRoot } from "react-dom/client";
import { examplesPlugin } from "./examples.jsx";
import { makeFetcher } from "./fetcher.js";
import { Hint, KeyBar } from "./keybar.jsx";
import { Results } from "./results.jsx";
import "graphiql/style.css";
import "@graphiql/plugin-explorer/style.css";
import "./app.css";
import "./results.css";

const examplesUrl = document.getElementById("app").dataset.examples;

// WORKERS is written in by build.js. Served files, not blobs, so that the content policy needs no "blob:".
globalThis.MonacoEnvironment = {
  getWorker: (_id, label) => new Worker(new URL(WORKERS[label] ?? WORKERS.editor, import.meta.url)),
};

// The key lives in the session storage only: it ends with the tab and never enters a URL or GraphiQL's
// own storage (which is the local storage, and outlives the tab).
const KEY = "usergraph.apiKey";

// On the first visit the list of examples is open; after that GraphiQL remembers the open panel itself.
const isFirstVisit = localStorage.getItem("graphiql:tabState") === null;

const QUERY_BUILDER = { ...explorerPlugin(), title: "Query Builder" };

/** The tab bar scrolls, and GraphiQL leaves a tab that was opened from elsewhere out of sight. */
const showActiveTab = () =>
  requestAnimationFrame(() =>
    document.querySelector(".graphiql-tab-active")?.scrollIntoView({ block: "nearest", inline: "nearest" }),
  );

function App({ examples }) {
  const [apiKey, setApiKey] = useState(() => sessionStorage.getItem(KEY) ?? "");
  const [state, setState] = useState(apiKey ? "ok" : "missing");
  const ran = useRef(null);
  const keyInUse = useRef(apiKey);
  // GraphiQL reads the schema again whenever it gets another fetcher, that is, with every new key.
  const fetcher = useMemo(() => {
    // An answer to the key before comes late, and says nothing about this one.
    const report = (news) => keyInUse.current === apiKey && setState(news);
    return makeFetcher(apiKey, report, ran);
  }, [apiKey]);
  const plugins = useMemo(() => [QUERY_BUILDER, examplesPlugin(examples), HISTORY_PLUGIN], [examples]);

  // GraphiQL shows its tabs before its editor has loaded, and a click on a tab in between would be lost.
  const { monaco, actions } = useMonaco();
  useEffect(() => void actions.initialize(), [actions]);

  const acceptKey = (key) => {
    sessionStorage.setItem(KEY, key);
    keyInUse.current = key;
    setApiKey(key);
  };
  const forgetKey = () => {
    sessionStorage.removeItem(KEY);
    keyInUse.current = "";
    setApiKey("");
  };

  return (
    <>
      <KeyBar apiKey={apiKey} state={state} onUse={acceptKey} onForget={forgetKey} />
      <Hint state={state} />
      <main>
        {!monaco && <p className="loading">Loading the editor…</p>}
        {monaco && (
          <GraphiQL
            fetcher={fetcher}
            plugins={plugins}
            onTabChange={showActiveTab}
            visiblePlugin={isFirstVisit ? "Examples" : undefined}
            defaultTabs={examples.length ? examples.map(({ query }) => ({ query })) : undefined}
            // The key bar is the one place for the key: without the headers editor none can end up in storage.
            shouldPersistHeaders={false}
            showPersistHeadersSettings={false}
            isHeadersEditorEnabled={false}
            inputValueDeprecation
            schemaDescription
          >
            <GraphiQL.Logo>
              <span />
            </GraphiQL.Logo>
            <GraphiQL.Footer>
              <Results ran={ran} apiKey={apiKey} />
            </GraphiQL.Footer>
          </GraphiQL>
        )}
      </main>
    </>
  );
}

const loadExamples = async () => {
  try {
    return await (await fetch(examplesUrl)).json();
  } catch {
    return [];
  }
};

createRoot(document.getElementById("app")).render(<App examples={await loadExamples()} />);
