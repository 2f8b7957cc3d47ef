// The bar with the API key, and the hint under it that says what is wrong with the key or the server.
import { useState } from "react";

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

export function Hint({ state }) {
  if (!HINTS[state]) return null;
  return (
    <p className={`hint hint-${state}`} role="status">
      {HINTS[state]}
    </p>
  );
}

export function KeyBar({ apiKey, state, onUse, onForget }) {
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
