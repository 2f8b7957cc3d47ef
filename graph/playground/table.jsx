// The Table view: rows to sort by their headers, to copy, to download.
import { useLayoutEffect, useMemo, useRef, useState } from "react";
import { isNumeric, shown, sorted } from "./cells.js";
import { copy, download } from "./takeaway.js";

// As in results.css. Rows of one height can be left out of the document while they are out of sight.
const ROW_HEIGHT = 28;
const MOST_ROWS_AT_ONCE = 200;
const SPARE_ROWS = 15;
const WIDEST = 44;

/** How wide a column's texts are, in characters: known for all rows, so that scrolling never shifts a column. */
function widthOf({ title, kind }, index, cells) {
  let longest = title.length + 3;
  for (const row of cells) longest = Math.max(longest, shown(row[index], kind).length + 1);
  return Math.min(longest, WIDEST);
}

/** The rows in sight: [first, end]. All of them while they are few. */
function useWindow(scroller, count) {
  const [[first, end], setWindow] = useState([0, MOST_ROWS_AT_ONCE]);
  const look = () => {
    const { scrollTop, clientHeight } = scroller.current;
    const top = Math.max(0, Math.floor(scrollTop / ROW_HEIGHT) - SPARE_ROWS);
    setWindow([top - (top % 10), Math.ceil((scrollTop + clientHeight) / ROW_HEIGHT) + SPARE_ROWS]);
  };
  useLayoutEffect(() => {
    const watcher = new ResizeObserver(look);
    watcher.observe(scroller.current);
    return () => watcher.disconnect();
  }, []);
  return count <= MOST_ROWS_AT_ONCE ? [0, count, undefined] : [first, Math.min(end, count), look];
}

function Header({ column, direction, onSort }) {
  const order = { 1: "ascending", [-1]: "descending" }[direction] ?? "none";
  return (
    <th scope="col" aria-sort={order} className={isNumeric(column.kind) ? "numeric" : undefined}>
      <button type="button" title={`Sort by ${column.title}`} onClick={onSort}>
        <span>{column.title}</span>
        {direction && (
          <span className="arrow" aria-hidden="true">
            {direction > 0 ? "▲" : "▼"}
          </span>
        )}
      </button>
    </th>
  );
}

function Cell({ value, kind }) {
  const text = shown(value, kind);
  if (!text) return <td className="none">–</td>;
  return (
    <td className={isNumeric(kind) ? "numeric" : undefined} title={text.length > 20 ? String(value) : undefined}>
      {text}
    </td>
  );
}

const Filler = ({ rows, columns }) =>
  rows > 0 && (
    <tr aria-hidden="true" style={{ height: rows * ROW_HEIGHT }}>
      <td colSpan={columns} />
    </tr>
  );

function Grid({ table, cells, sort, onSort }) {
  const scroller = useRef(null);
  const { columns } = table;
  const [first, end, onScroll] = useWindow(scroller, cells.length);
  const widths = useMemo(() => columns.map((column, index) => widthOf(column, index, table.cells)), [table]);
  return (
    <div className="grid" ref={scroller} onScroll={onScroll} role="region" aria-label="Rows" tabIndex={0}>
      <table aria-rowcount={cells.length + 1}>
        <colgroup>
          {widths.map((width, index) => (
            <col key={columns[index].name} style={{ width: `calc(${width}ch + 20px)` }} />
          ))}
        </colgroup>
        <thead>
          <tr aria-rowindex={1}>
            {columns.map((column, index) => (
              <Header
                key={column.name}
                column={column}
                direction={sort?.column === index ? sort.direction : undefined}
                onSort={() => onSort(index)}
              />
            ))}
          </tr>
        </thead>
        <tbody>
          <Filler rows={first} columns={columns.length} />
          {cells.slice(first, end).map((row, index) => (
            <tr key={first + index} aria-rowindex={first + index + 2}>
              {row.map((value, at) => (
                <Cell key={columns[at].name} value={value} kind={columns[at].kind} />
              ))}
            </tr>
          ))}
          <Filler rows={cells.length - end} columns={columns.length} />
        </tbody>
      </table>
    </div>
  );
}

/** How many rows are here, and how many there are. */
function counted({ cells, total, hasMore }) {
  const here = cells.length.toLocaleString("en");
  if (total > cells.length) return `${here} of ${total.toLocaleString("en")} rows`;
  if (hasMore) return `The first ${here} rows`;
  return cells.length === 1 ? "1 row" : `${here} rows`;
}

const WHAT_A_FILE_HAS = {
  server: "The CSV comes from the server: the same query, asked again; without “first” it has every row there is.",
  page: "The CSV holds the rows of this page: only a query with one list at its root is asked again for a file.",
};

function Toolbar({ table, rows, picker, exportable, apiKey }) {
  const [said, setSaid] = useState("");
  const isBusy = said === "…";
  const run = async (action) => {
    setSaid("…");
    setSaid(await action());
  };
  return (
    <div className="view-bar">
      {picker}
      <span>{counted(table)}</span>
      <span className="view-said" aria-live="polite">
        {said}
      </span>
      <button type="button" disabled={isBusy} onClick={() => run(() => copy(rows))}>
        Copy
      </button>
      <button
        type="button"
        disabled={isBusy}
        onClick={() => run(() => download(rows, exportable, apiKey))}
      >
        Download CSV
      </button>
    </div>
  );
}

/** `exportable` are the parameters of the query whose rows the server can export, or null. */
export function TableView({ table, picker, exportable, apiKey }) {
  const [sort, setSort] = useState(null);
  const cells = useMemo(
    () => (sort ? sorted(table.cells, sort.column, sort.direction) : table.cells),
    [table, sort],
  );
  // Up, down, and back to the order of the answer.
  const sortBy = (column) =>
    setSort((before) => {
      if (before?.column !== column) return { column, direction: 1 };
      return before.direction === 1 ? { column, direction: -1 } : null;
    });
  return (
    <>
      <Toolbar table={table} rows={{ ...table, cells }} picker={picker} exportable={exportable} apiKey={apiKey} />
      {table.cells.length ? (
        <>
          <Grid table={table} cells={cells} sort={sort} onSort={sortBy} />
          <p className="view-note">{exportable ? WHAT_A_FILE_HAS.server : WHAT_A_FILE_HAS.page}</p>
        </>
      ) : (
        <p className="view-empty">This result has no rows: nothing matches the query.</p>
      )}
    </>
  );
}
