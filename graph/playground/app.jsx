// The GraphQL page: GraphiQL with an API key bar, a query builder and the ready examples.
import { explorerPlugin } from "@graphiql/plugin-explorer";
import { useGraphiQL, useGraphiQLActions, useMonaco } from "@graphiql/react";
import { GraphiQL, HISTORY_PLUGIN } from "graphiql";
import { useEffect, useMemo, useState } from "react";
import { createRoot } from "react-dom/client";
import "graphiql/style.css";
import "@graphiql/plugin-explorer/style.css";
import "./app.css";

// The page and the GraphQL endpoint share one path: the server tells them apart by method and Accept.
const endpoint = location.pathname;
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

const HINTS = {
  missing: (
    <>
      Enter an API key above to run queries. <code>make serve</code> prints one when it starts;{" "}
      <code>usergraph admin key USERNAME</code> makes another.
    </>
  ),
  refused: (
    <>
      The server refused this API key. It may be mistyped, revoked, or its user deactivated.{" "}
      <code>usergraph admin key USERNAME</code> makes a new one.
    </>
  ),
  unreachable: (
    <>
      The server did not answer. Check that <code>make serve</code> is still running, then run the query again.
    </>
  ),
  failed: <>The server could not handle the request. Its answer is below; its log says more.</>,
};

const message = (text) => ({ errors: [{ message: text }] });

/** A GraphiQL fetcher for one key, which reports how each request went: a name in HINTS, or "ok". */
function makeFetcher(key, report) {
  return async (params) => {
    if (!key) {
      report("missing");
      return message("Enter an API key first.");
    }
    // A browser sends no header with other characters, and would blame the network.
    if (!/^[\x21-\x7e]+$/.test(key)) {
      report("refused");
      return message("The API key has characters that no key has.");
    }
    let response, text;
    try {
      response = await fetch(endpoint, {
        method: "POST",
        headers: {
          Accept: "application/graphql-response+json, application/json",
          "Content-Type": "application/json",
          "X-ApiKey": key,
        },
        body: JSON.stringify(params),
        credentials: "omit",
        referrerPolicy: "no-referrer",
      });
      text = await response.text();
    } catch {
      report("unreachable");
      return message("The server did not answer.");
    }
    let body;
    try {
      body = JSON.parse(text);
    } catch {
      body = message(`HTTP ${response.status}: ${text.slice(0, 500) || "an empty answer"}`);
    }
    const codes = (body.errors ?? []).map((error) => error.extensions?.code);
    if (response.status === 401 || codes.includes("UNAUTHENTICATED")) report("refused");
    else if (response.status >= 500) report("failed");
    else report("ok");
    return body;
  };
}

function KeyBar({ apiKey, state, onUse, onForget }) {
  const [draft, setDraft] = useState("");
  const use = (event) => {
    event.preventDefault();
    if (draft.trim()) onUse(draft.trim());
    setDraft("");
  };
  return (
    <header className="bar">
      <h1>usergraph</h1>
      <span className="bar-note">GraphQL</span>
      {/* autocomplete off: a password manager must not keep the key after the tab is closed */}
      <form onSubmit={use} autoComplete="off">
        <label htmlFor="api-key">API key</label>
        <input
          id="api-key"
          type="password"
          autoComplete="off"
          spellCheck={false}
          value={draft}
          placeholder={apiKey ? "in use for this tab" : "paste your key"}
          onChange={(event) => setDraft(event.target.value)}
        />
        <button type="submit">Use</button>
        <button type="button" disabled={!apiKey} onClick={onForget}>
          Forget
        </button>
        <span className={`dot dot-${state}`} role="img" aria-label={`Connection: ${state}`} title={state} />
      </form>
    </header>
  );
}

const QUERY_BUILDER = { ...explorerPlugin(), title: "Query Builder" };

const GROUPS = { frontend: "Frontend developer", integrator: "Integrator", analyst: "Analyst" };

/** GraphiQL's name for the tab of a query: the first operation's name. */
const tabTitle = (query) => /^\s*(?:query|mutation)\s+(\w+)/m.exec(query)?.[1];

function examplesPlugin(examples) {
  function Examples() {
    const { addTab, changeTab } = useGraphiQLActions();
    const { tabs, queryEditor } = useGraphiQL(({ tabs, queryEditor }) => ({ tabs, queryEditor }));
    const open = (query) => {
      const index = tabs.findIndex((tab) => tab.title === tabTitle(query));
      if (index >= 0) return changeTab(index);
      addTab();
      return queryEditor.setValue(query);
    };
    return (
      <section className="examples" aria-label="Examples">
        <h2>Examples</h2>
        {Object.entries(GROUPS).map(([group, name]) => (
          <div key={group}>
            <h3>{name}</h3>
            <ul>
              {examples
                .filter((example) => example.group === group)
                .map(({ title, query }) => (
                  <li key={title}>
                    <button type="button" onClick={() => open(query)}>
                      {title}
                    </button>
                  </li>
                ))}
            </ul>
          </div>
        ))}
      </section>
    );
  }
  return { title: "Examples", icon: ExamplesIcon, content: Examples };
}

function ExamplesIcon() {
  return (
    <svg viewBox="0 0 24 24" fill="none" stroke="currentColor" strokeWidth="1.5" strokeLinecap="round">
      <rect x="3.5" y="3.5" width="17" height="17" rx="2.5" />
      <path d="M8 8.5h8M8 12h8M8 15.5h5" />
    </svg>
  );
}

/** The tab bar scrolls, and GraphiQL leaves a tab that was opened from elsewhere out of sight. */
const showActiveTab = () =>
  requestAnimationFrame(() =>
    document.querySelector(".graphiql-tab-active")?.scrollIntoView({ block: "nearest", inline: "nearest" }),
  );

function App({ examples }) {
  const [apiKey, setApiKey] = useState(() => sessionStorage.getItem(KEY) ?? "");
  const [state, setState] = useState(apiKey ? "ok" : "missing");
  // GraphiQL reads the schema again whenever it gets another fetcher, that is, with every new key.
  const fetcher = useMemo(() => makeFetcher(apiKey, setState), [apiKey]);
  const plugins = useMemo(() => [QUERY_BUILDER, examplesPlugin(examples), HISTORY_PLUGIN], [examples]);

  // GraphiQL shows its tabs before its editor has loaded, and a click on a tab in between would be lost.
  const { monaco, actions } = useMonaco();
  useEffect(() => void actions.initialize(), [actions]);

  const acceptKey = (key) => {
    sessionStorage.setItem(KEY, key);
    setApiKey(key);
  };
  const forgetKey = () => {
    sessionStorage.removeItem(KEY);
    setApiKey("");
  };

  return (
    <>
      <KeyBar apiKey={apiKey} state={state} onUse={acceptKey} onForget={forgetKey} />
      {HINTS[state] && (
        <p className={`hint hint-${state}`} role="status">
          {HINTS[state]}
        </p>
      )}
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
