// The panel of ready examples: a GraphiQL plugin that opens each in a tab of its own.
import { useGraphiQL, useGraphiQLActions } from "@graphiql/react";

const GROUPS = { frontend: "Frontend developer", integrator: "Integrator", analyst: "Analyst", report: "Reports" };

/** GraphiQL's name for the tab of a query: the first operation's name. */
const tabTitle = (query) => /^\s*(?:query|mutation)\s+(\w+)/m.exec(query)?.[1];

const inGroups = (examples) =>
  Object.entries(GROUPS)
    .map(([group, name]) => [name, examples.filter((example) => example.group === group)])
    .filter(([, found]) => found.length);

export function examplesPlugin(examples) {
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
        {inGroups(examples).map(([name, found]) => (
          <div key={name}>
            <h3>{name}</h3>
            <ul>
              {found.map(({ title, query }) => (
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
