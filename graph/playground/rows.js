// The rows in a GraphQL answer as a table: where they are, their columns by the rule of the server's CSV, their cells.

const isObject = (value) => value !== null && typeof value === "object" && !Array.isArray(value);
const isTree = (shape) => shape instanceof Map;

const DATE = /^\d{4}-\d{2}-\d{2}$/;
const INSTANT = /^\d{4}-\d{2}-\d{2}T\d{2}:\d{2}/;
const ID_NAME = /(^|\.)id$|Id$/;

// --- where the rows are -------------------------------------------------------------------------------------------

/** A list of objects; an empty one is a list of what the query asked for. */
const isRows = (value, shape) =>
  Array.isArray(value) && (value.some(isObject) || (value.length === 0 && isTree(shape)));

/** A report names its columns, if they were selected. */
function reportOf({ rows, columns }, shape) {
  const given = Array.isArray(columns) ? columns.filter((column) => typeof column?.name === "string") : [];
  return { rows, shape: shape?.get("rows"), given: given.length ? given : undefined, isReport: true };
}

/** The rows of one value, with what is known about them, or null. */
function rowsOf(value, shape) {
  if (Array.isArray(value)) return isRows(value, shape) ? { rows: value, shape } : null;
  if (!isObject(value)) return null;
  const counted = { total: value.totalCount, hasMore: value.pageInfo?.hasNextPage ?? value.hasMore, isPage: true };
  if (Array.isArray(value.rows) && value.rows.every(isObject)) return { ...reportOf(value, shape), ...counted };
  if (isRows(value.nodes, shape?.get("nodes"))) return { rows: value.nodes, shape: shape?.get("nodes"), ...counted };
  if (!isRows(value.edges, shape?.get("edges"))) return null;
  const rows = value.edges.map((edge) => edge?.node ?? null);
  return { rows, shape: shape?.get("edges")?.get("node"), ...counted };
}

/**
 * The lists of rows in an answer's data, in its order:
 * [{name, rows, shape?, given?, total?, hasMore?, isPage?, isReport?, args, isNested}].
 * Those right at a root field come first; lists within a single object (`user.groups`) follow. `args` are the names of
 * the arguments of the root fields.
 */
export function sourcesOf(data, shape, args = new Map()) {
  const roots = [];
  const nested = [];
  for (const [name, value] of Object.entries(data ?? {})) {
    const found = rowsOf(value, shape?.get(name));
    if (found) roots.push({ name, isNested: false, args: args.get(name) ?? new Set(), ...found });
    else if (isObject(value)) nested.push(...within(name, value, shape?.get(name)));
  }
  return [...roots, ...nested];
}

function within(root, object, shape) {
  return Object.entries(object)
    .map(([name, value]) => ({ name: `${root}.${name}`, isNested: true, ...rowsOf(value, shape?.get(name)) }))
    .filter(({ rows }) => rows?.length);
}

// --- columns ------------------------------------------------------------------------------------------------------

/** The shape of values whose query says nothing about them, such as JSON: every name in any of them. */
function shapeOfValues(values, shape = new Map()) {
  for (const value of values.filter(isObject)) {
    for (const [name, inner] of Object.entries(value)) {
      const objects = (Array.isArray(inner) ? inner : [inner]).filter(isObject);
      if (objects.length) shape.set(name, shapeOfValues(objects, shape.get(name) ?? new Map()));
      else if (!shape.has(name)) shape.set(name, null);
    }
  }
  return shape;
}

/**
 * The columns of values of a shape, [{path, items?}]: those of an object within are columns of their own, a list is
 * one, with the columns of its objects as `items`.
 */
function columnsOf(shape, values, path = []) {
  return [...shape].flatMap(([name, inner]) => {
    const here = [...path, name];
    if (!isTree(inner)) return { path: here };
    const found = values.map((value) => value?.[name]);
    if (!found.some(Array.isArray)) return columnsOf(inner, found, here);
    return { path: here, items: columnsOf(inner, found.flat()) };
  });
}

/** `role.name` for a path, `groups` for groups.nodes; whole paths where two columns would share a name. */
function namesOf(columns) {
  const isPage = ({ path, items }) => items && path.length > 1 && ["nodes", "edges"].includes(path.at(-1));
  const names = columns.map((column) => (isPage(column) ? column.path.slice(0, -1) : column.path).join("."));
  const isAlone = (name) => names.indexOf(name) === names.lastIndexOf(name);
  return names.map((name, index) => (isAlone(name) ? name : columns[index].path.join(".")));
}

/** The kind of a column by its values: of ReportColumnKind, as far as values can tell. */
function kindOf(name, values) {
  const known = values.filter((value) => value !== null && value !== "");
  const all = (test) => known.length > 0 && known.every(test);
  if (all((value) => typeof value === "number")) return "NUMBER";
  if (all((value) => typeof value === "boolean")) return "FLAG";
  if (ID_NAME.test(name)) return "ID";
  if (all((value) => DATE.test(value))) return "DATE";
  return all((value) => INSTANT.test(value)) ? "INSTANT" : "TEXT";
}

// --- cells --------------------------------------------------------------------------------------------------------

/** Texts with a mark between them. A mark within one is written `\|`, backslashes before a mark are doubled. */
function together(texts, mark) {
  const made = texts.join(mark);
  if (!made.includes("\\") && made.split(mark).length === Math.max(texts.length, 1)) return made;
  const before = mark === "|" ? /(\\*)\|/g : /(\\*)=/g;
  const escaped = texts.map((text) => text.replace(before, (_, slashes) => `${slashes}${slashes}\\${mark}`));
  const doubled = (text) => text.replace(/\\+$/, (slashes) => slashes + slashes);
  return escaped.map((text, index) => (index < escaped.length - 1 ? doubled(text) : text)).join(mark);
}

const textOf = (value) => (value === null || value === undefined ? "" : String(value));

/** A number, a text, a flag or null; undefined where the answer has no such field. */
function plain(value) {
  if (Array.isArray(value)) return together(value.map((each) => textOf(plain(each))), "|");
  return isObject(value) ? JSON.stringify(value) : value;
}

const at = (value, path) => path.reduce((inner, name) => (inner === null ? null : inner?.[name]), value);

/** One object of a list: its only field, or all of them as `name=value`. A list within it is JSON. */
function itemOf(value, items) {
  if (!isObject(value)) return textOf(value);
  const texts = items.map(({ path }) => {
    const found = at(value, path);
    return Array.isArray(found) ? JSON.stringify(found) : textOf(plain(found));
  });
  return together(texts, "=");
}

function cellOf(row, { path, items }) {
  const value = at(row, path);
  return items && Array.isArray(value) ? together(value.map((each) => itemOf(each, items)), "|") : plain(value);
}

/** The column of a report that says as of when each row is; the server puts it first. */
const isAxis = (name, index) => name === "asOf" && index === 0;

/** In a report other times are measured as well (its dimensions are dates), in a list they are what a row has. */
const isMeasured = (kind, name, index, isReport) =>
  kind === "NUMBER" || kind === "SHARE" || (isReport && kind === "INSTANT" && !isAxis(name, index));

/** A column with its values; without values where @skip or @include left it out of every row. */
function filled(column, name, index, rows, given, isReport) {
  const picked = rows.map((row) => cellOf(row, column));
  const here = picked.filter((_, row) => isObject(rows[row]));
  if (here.length > 0 && here.every((value) => value === undefined)) return {};
  const values = picked.map((value) => value ?? null);
  const kind = given?.kind ?? kindOf(name, values);
  const isMeasure = given?.isMeasure ?? isMeasured(kind, name, index, isReport);
  return { column: { name, title: given?.title ?? name, kind, isMeasure }, values };
}

/**
 * A source as a table: {name, columns: [{name, title, kind, isMeasure}], cells: one array a row, total?, hasMore?,
 * isPage, isReport, args}.
 */
export function tableOf({ name, rows, shape, given, total, hasMore, isPage = false, isReport = false, args = new Set() }) {
  const found = given?.map((each) => ({ path: [each.name] }));
  const columns = found ?? columnsOf(isTree(shape) ? shape : shapeOfValues(rows), rows);
  const names = namesOf(columns);
  const kept = columns
    .map((column, index) => filled(column, names[index], index, rows, given?.[index], isReport))
    .filter(({ values }) => values);
  const cells = rows.map((_, row) => kept.map(({ values }) => values[row]));
  return { name, columns: kept.map(({ column }) => column), cells, total, hasMore, isPage, isReport, args };
}
