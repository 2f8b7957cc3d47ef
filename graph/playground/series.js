// The numbers of a chart: a table's rows added up along one column, apart by another.
import { shown } from "./cells.js";
import { ALL, ROWS, isTime, measuresOf } from "./choices.js";

const MOST_SERIES = 8;
const MOST_BARS = 50;
const DAY = 86_400_000;
/** The label of a place that stands for intervals without rows. */
export const GAP = "…";
const ADDED_BUCKETS =
  "Rows that share a place in the chart are added up: who or what is in several of them counts several times.";

// --- keys and their labels ----------------------------------------------------------------------------------------

const dayOf = (instant) => instant.slice(0, 10);

/** Puts the instants of a list together by day, month or year, by how far they are apart. */
function bucketOf(values) {
  const times = values.filter(Boolean).map((value) => Date.parse(value));
  const days = (Math.max(...times) - Math.min(...times)) / DAY;
  if (days > 3650) return (value) => `${value.slice(0, 4)}-01-01`;
  return days > 92 ? (value) => `${value.slice(0, 7)}-01` : dayOf;
}

/** Dates as short as they stay clear: 2026 for years, 2026-03 for months. */
function shortDates(keys) {
  const dates = keys.filter(Boolean);
  const all = (end) => dates.length > 1 && dates.every((date) => date.endsWith(end));
  const length = all("-01-01") ? 4 : all("-01") ? 7 : 10;
  return (key) => key.slice(0, length) || "none";
}

/** Labels of keys that are no dates. Two groups of one name tell their ids as well. */
function namesOf(names, column) {
  const often = new Map();
  for (const name of names.values()) often.set(name, (often.get(name) ?? 0) + 1);
  return (key) => {
    const name = names.get(key);
    if (key === "" || !name) return "none";
    return often.get(name) > 1 && column.kind !== "FLAG" ? `${name} (${key})` : name;
  };
}

/** How rows are told apart by a column: {column, key: row → text, "" for none; label: key → text}. */
function keysOf({ columns, cells, isReport }, name) {
  const index = columns.findIndex((column) => column.name === name);
  const column = columns[index];
  // A group is its id where the table has it: `group` beside `groupId`.
  const idIndex = columns.findIndex((each) => each.kind === "ID" && each.name === `${name}Id`);
  const isInstant = column.kind === "INSTANT";
  // The moments of a report are of one answer each: what was so at several of them is not added up.
  const bucket = isInstant && !isReport ? bucketOf(cells.map((row) => row[index])) : isInstant ? dayOf : String;
  const key = (row) => {
    const value = row[idIndex] ?? row[index];
    return value === null || value === "" ? "" : bucket(value);
  };
  const names = new Map(cells.map((row) => [key(row), shown(row[index], column.kind)]));
  return { column, key, label: isTime(column) ? shortDates([...names.keys()]) : namesOf(names, column) };
}

const inTime = (keys) => [...keys].sort((left, right) => (left === "") - (right === "") || (left < right ? -1 : 1));

/**
 * The places of dates that stand for intervals (days, weeks, months …): {key, label, time}. Where the answer leaves
 * intervals out there is a place without a key, so that no line and no row of bars runs over them.
 */
function placesInTime(keys, { column, label }) {
  const dated = keys.filter(Boolean).map((key) => ({ key, label: label(key), time: Date.parse(key) }));
  const steps = dated.slice(1).map(({ time }, index) => time - dated[index].time);
  // The last of a report's times is of an interval that is not over.
  const whole = column.kind === "INSTANT" ? steps.slice(0, -1) : steps;
  const longest = whole.length ? 1.6 * Math.min(...whole) : Infinity;
  return dated.flatMap((place, index) => {
    if (index === 0 || steps[index - 1] <= longest) return [place];
    return [{ key: null, label: GAP, time: place.time - steps[index - 1] / 2 }, place];
  });
}

// --- numbers ------------------------------------------------------------------------------------------------------

/** Adds rows up: {sums: Map(key → Map(series key → number)), added: whether rows shared a place}. */
function addUp(table, { measure }, along, apart) {
  const indexes = measuresOf(table, measure).map((column) => table.columns.indexOf(column));
  const sums = new Map();
  let added = false;
  const put = (sum, key, value) => {
    if (typeof value !== "number") return;
    added ||= sum.has(key) && measure !== ROWS;
    sum.set(key, (sum.get(key) ?? 0) + value);
  };
  for (const row of table.cells) {
    const key = along ? along.key(row) : "";
    if (!sums.has(key)) sums.set(key, new Map());
    const sum = sums.get(key);
    if (measure === ALL) indexes.forEach((index) => put(sum, index, row[index]));
    else put(sum, apart ? apart.key(row) : "", measure === ROWS ? 1 : row[indexes[0]]);
  }
  return { sums, added };
}

/** The keys of the series in their order, and the smallest apart from them where there are too many. */
function seriesKeys(sums, apart) {
  const totals = new Map();
  for (const sum of sums.values()) {
    for (const [key, value] of sum) totals.set(key, (totals.get(key) ?? 0) + Math.abs(value));
  }
  const keys = isTime(apart?.column) ? inTime(totals.keys()) : [...totals.keys()];
  if (keys.length <= MOST_SERIES) return { kept: keys, others: [] };
  const bySize = [...totals].sort((left, right) => right[1] - left[1]).map(([key]) => key);
  const largest = new Set(bySize.slice(0, MOST_SERIES - 1));
  return { kept: keys.filter((key) => largest.has(key)), others: keys.filter((key) => !largest.has(key)) };
}

/** The places along the bottom in their order, without those that are not drawn; `notes` gets what is left out. */
function placesAlong(sums, along, type, what, isReport, notes) {
  if (!along) return [{ key: "", label: what }];
  if (!isTime(along.column)) {
    const keys = [...sums.keys()];
    if (keys.length > MOST_BARS) notes.push(`The first ${MOST_BARS} of ${keys.length} are drawn.`);
    return keys.slice(0, MOST_BARS).map((key) => ({ key, label: along.label(key) }));
  }
  const places = placesInTime(inTime(sums.keys()), along);
  if (places.some(({ key }) => key === null)) {
    const advice = isReport && along.column.kind === "DATE" ? "; fill: true adds them" : "";
    notes.push(`The answer has no rows for some intervals: there the chart has a gap${advice}.`);
  }
  if (!sums.has("")) return places;
  if (type !== "line") return [...places, { key: "", label: along.label("") }];
  notes.push(`Rows without ${along.column.title} are not drawn; bars show them as “none”.`);
  return places;
}

/** One bar a measure: the chart of a table without dimensions. */
function measuresAlone(table, measured, sums) {
  const sum = sums.get("") ?? new Map();
  const values = measured.map((column) => sum.get(table.columns.indexOf(column)) ?? null);
  return { labels: measured.map(({ title }) => title), datasets: [{ label: "value", values }] };
}

function datasetsOf(table, choice, places, sums, apart, what) {
  // A combination that is in no row counts nobody, unless rows are missing: from a page, or by what `having` leaves out.
  const isWhole = !mayBeCut(table) && !table.args?.has("having");
  const missing = (table.isReport || choice.measure === ROWS) && isWhole ? 0 : null;
  const value = ({ key }, series) => (key === null ? null : (sums.get(key)?.get(series) ?? missing));
  const label = (series) => {
    if (choice.measure === ALL) return table.columns[series].title;
    if (!apart) return what;
    return apart.column.kind === "FLAG" ? `${apart.column.title}: ${apart.label(series)}` : apart.label(series);
  };
  const { kept, others } = seriesKeys(sums, apart);
  const datasets = kept.map((series) => ({ label: label(series), values: places.map((place) => value(place, series)) }));
  if (others.length) {
    const known = (place) => others.map((series) => value(place, series)).filter((each) => each !== null);
    const rest = (place) => (known(place).length ? known(place).reduce((sum, each) => sum + each, 0) : null);
    datasets.push({ label: `other (${others.length})`, values: places.map(rest), isOther: true });
  }
  return datasets;
}

// --- what the answer holds ----------------------------------------------------------------------------------------

/** A report answers so many rows unless `first` says otherwise. */
const ROWS_OF_A_REPORT = 1_000;

/** Whether there may be rows that the answer does not have. */
export function mayBeCut({ cells, total, hasMore, isPage, isReport, args }) {
  if (!isPage) return false;
  if (hasMore !== undefined) return hasMore;
  if (total !== undefined) return total > cells.length;
  return !isReport || args.has("first") || cells.length >= ROWS_OF_A_REPORT;
}

/** That the chart is of a part of the rows, or may be; nothing where all rows are there. */
function partNote(table) {
  const { cells, total, hasMore, isReport } = table;
  if (!cells.length || !mayBeCut(table)) return [];
  const here = shown(cells.length, "NUMBER");
  if (total > cells.length) return [`The chart is of ${here} of ${shown(total, "NUMBER")} rows.`];
  if (hasMore) return [`The chart is of the first ${here} rows; there are more.`];
  const advice = isReport ? "hasMore" : "totalCount";
  return [`The chart is of ${here} rows; there may be more. Select ${advice} to know.`];
}

/** Rows as of several times are never added up: where times are not told apart, those of the last one are drawn. */
function atOneTime(table, choice, notes) {
  const index = table.columns.findIndex(({ kind, isMeasure }) => kind === "INSTANT" && !isMeasure);
  if (!table.isReport || index < 0 || [choice.x, choice.series].includes(table.columns[index].name)) return table;
  const times = new Set(table.cells.map((row) => row[index]));
  if (times.size < 2) return table;
  const last = inTime(times).at(-1);
  const { title } = table.columns[index];
  notes.push(`As of ${shown(last, "INSTANT")}, the last of ${times.size} times. Choose ${title} to see all.`);
  return { ...table, cells: table.cells.filter((row) => row[index] === last) };
}

/**
 * The chart of a table for a choice: {title, what, kind, labels, times?, datasets: [{label, values, isOther?}], notes}.
 * `times` are the labels in milliseconds where they are dates; a value is null where nothing is known.
 */
export function chartOf(whole, choice) {
  const notes = partNote(whole);
  const table = atOneTime(whole, choice, notes);
  const along = choice.x ? keysOf(table, choice.x) : null;
  const isApart = choice.series && choice.series !== choice.x && choice.measure !== ALL;
  const apart = isApart ? keysOf(table, choice.series) : null;
  const measured = measuresOf(table, choice.measure);
  const what = choice.measure === ROWS ? "rows" : measured.map(({ title }) => title).join(", ");
  const by = [along, apart].filter(Boolean).map(({ column }) => column.title);
  const title = by.length ? `${what} by ${by.join(" and ")}` : what;
  const kind = measured.length && measured.every((column) => column.kind === "SHARE") ? "SHARE" : "NUMBER";

  const { sums, added } = addUp(table, choice, along, apart);
  if (added) notes.push(table.isReport ? ADDED_BUCKETS : "Rows that share a place in the chart are added up.");
  if (!along && choice.measure === ALL) return { title, what, kind, notes, ...measuresAlone(table, measured, sums) };

  const places = placesAlong(sums, along, choice.type, what, table.isReport, notes);
  const labels = places.map(({ label }) => label);
  // The place of rows without a date has no time; lines, which need one, do not have that place.
  const times = isTime(along?.column) ? places.map(({ time }) => time) : undefined;
  return { title, what, kind, notes, labels, times, datasets: datasetsOf(table, choice, places, sums, apart, what) };
}
