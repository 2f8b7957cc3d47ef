// Cells as a person reads, sorts, copies and saves them: their text, their order, and rows as CSV or TSV.

const count = new Intl.NumberFormat("en", { maximumFractionDigits: 6 });
const percent = new Intl.NumberFormat("en", { style: "percent", maximumFractionDigits: 1 });
const collator = new Intl.Collator("en", { numeric: true, sensitivity: "base" });

export const isNumeric = (kind) => kind === "NUMBER" || kind === "SHARE";

/** What the table and the chart show for a value; "" for none. */
export function shown(value, kind) {
  if (value === null || value === "") return "";
  if (kind === "SHARE" && typeof value === "number") return percent.format(value);
  if (kind === "INSTANT") return String(value).replace("T", " ").replace(/\.\d+/, "");
  return typeof value === "number" ? count.format(value) : String(value);
}

const isEmpty = (value) => value === null || value === "";

function compare(left, right) {
  if (typeof left === "number" && typeof right === "number") return left - right;
  return collator.compare(String(left), String(right));
}

/** Rows by one column, 1 up and -1 down; rows without a value come last either way, equals stay as they were. */
export const sorted = (cells, column, direction) =>
  [...cells].sort((left, right) => {
    const [a, b] = [left[column], right[column]];
    if (isEmpty(a) || isEmpty(b)) return Number(isEmpty(a)) - Number(isEmpty(b));
    return direction * compare(a, b);
  });

// As in the server's CSV: what spreadsheets run as a formula, and what has apostrophes before one.
const FORMULA = /^'*(?:[\t\r\n]|\s*[=+\-@＝＋－＠])/;

/** An apostrophe before a text makes a spreadsheet show it. */
const harmless = (value) => (typeof value === "string" && FORMULA.test(value) ? `'${value}` : value);

function field(value, separator) {
  if (value === null) return "";
  const text = String(harmless(value));
  return /["\r\n]/.test(text) || text.includes(separator) ? `"${text.replaceAll('"', '""')}"` : text;
}

/** Quotes stand for an only value that is empty: readers take an empty line for no row. */
const line = (row, separator) => row.map((value) => field(value, separator)).join(separator) || '""';

const lines = ({ columns, cells }, separator) =>
  [columns.map(({ name }) => name), ...cells].map((row) => line(row, separator));

/** A table as RFC 4180 CSV, with a first line of column names. */
export const csvOf = (table) => lines(table, ",").join("\r\n") + "\r\n";

/** A table as spreadsheets take it from the clipboard. */
export const tsvOf = (table) => lines(table, "\t").join("\n");
