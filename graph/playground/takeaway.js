// Takes a table along: onto the clipboard, or into a file of the browser.
import { csvOf, tsvOf } from "./cells.js";
import { fetchCsv } from "./fetcher.js";

const rowCount = (count) => (count === 1 ? "1 row" : `${count.toLocaleString("en")} rows`);

/** Browsers hide their clipboard from pages that came neither by HTTPS nor from this computer. */
function copyTheOldWay(text) {
  const area = document.createElement("textarea");
  area.value = text;
  area.className = "offscreen";
  document.body.append(area);
  area.select();
  const done = document.execCommand("copy");
  area.remove();
  if (!done) throw new Error("the browser refused");
}

/** Copies the rows as they are sorted; answers in words what happened. */
export async function copy(table) {
  const text = tsvOf(table);
  try {
    if (navigator.clipboard) await navigator.clipboard.writeText(text);
    else copyTheOldWay(text);
  } catch {
    return "Not copied: the browser did not allow it. Download the CSV instead.";
  }
  return `Copied ${rowCount(table.cells.length)} with their header. Paste them into a spreadsheet.`;
}

function save(blob, name) {
  const url = URL.createObjectURL(blob);
  const link = document.createElement("a");
  link.href = url;
  link.download = `${name}.csv`;
  link.click();
  // The download has begun by then; until it has, the browser needs the address.
  setTimeout(() => URL.revokeObjectURL(url), 60_000);
}

/** `Admins by role` is admins-by-role in a file's name. */
const fileName = (name) => name.replaceAll(/[^\p{L}\p{N}]+/gu, "-").replaceAll(/^-|-$/g, "") || "rows";

const saveRows = (table) => save(new Blob([csvOf(table)], { type: "text/csv;charset=utf-8" }), fileName(table.name));

/**
 * Saves a CSV: the server's, of the query in `exportable` asked again, or where there is none of the rows at hand.
 * Answers in words what happened.
 */
export async function download(table, exportable, apiKey) {
  const saved = `Saved the ${rowCount(table.cells.length)} of this page`;
  if (!exportable) {
    saveRows(table);
    return `${saved}.`;
  }
  try {
    save(await fetchCsv(apiKey, exportable), fileName(exportable.operationName ?? table.name));
    return "Saved the query's rows, asked of the server anew.";
  } catch (error) {
    saveRows(table);
    return `${saved}; the server exports no CSV of this query: ${error.message}`;
  }
}
