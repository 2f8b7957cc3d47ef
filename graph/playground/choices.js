// What a chart may show of a table, and what it shows at first: the column along the bottom, the measure, the series.
import { isNumeric } from "./cells.js";

/** Stands for "the number of rows" where a choice names a measure. */
export const ROWS = "(rows)";
/** Stands for "every measure, each as a series of its own". */
export const ALL = "(all)";

const MOST_SERIES_BY_DEFAULT = 20;

export const isTime = (column) => column?.kind === "DATE" || column?.kind === "INSTANT";

const distinct = (table, column) => {
  const index = table.columns.indexOf(column);
  return new Set(table.cells.map((row) => row[index])).size;
};

/** The columns that may be chosen: {dimensions, measures}. */
export function choicesOf({ columns }) {
  const others = columns.filter((column) => !column.isMeasure);
  const named = others.filter(({ kind }) => kind !== "ID");
  return {
    dimensions: named.length ? named : others,
    measures: columns.filter(({ isMeasure, kind }) => isMeasure && isNumeric(kind)),
  };
}

/** The measures that a choice names. All of them are all of one kind: beside counts, shares would lie on the ground. */
export function measuresOf(table, measure) {
  if (measure !== ALL) return table.columns.filter(({ name }) => name === measure);
  const { measures } = choicesOf(table);
  const counts = measures.filter(({ kind }) => kind === "NUMBER");
  return counts.length ? counts : measures;
}

/** Numbers of a list may be anything, such as weights: of those only counts are measured unasked. */
function firstMeasure(table, measures) {
  return measures.find(({ name }) => /count$/i.test(name)) ?? (table.isReport ? measures[0] : undefined);
}

function firstX(table, { dimensions }, measure) {
  const of = (kind) => dimensions.find((column) => column.kind === kind);
  const time = dimensions.find(isTime);
  if (time || measure) return time ?? of("TEXT") ?? of("FLAG") ?? dimensions[0];
  // Rows are counted: by the column that has the fewest values, as a bar for every name says nothing.
  const counted = dimensions.map((column) => [distinct(table, column), column]).filter(([values]) => values > 1);
  return counted.sort(([left], [right]) => left - right)[0]?.[1] ?? dimensions[0];
}

function firstSeries(table, x, { dimensions, measures }) {
  if (!table.isReport || !measures.length) return undefined;
  const others = dimensions.filter((column) => column !== x && !isTime(column));
  return others.find((column) => distinct(table, column) <= MOST_SERIES_BY_DEFAULT);
}

/** The choice to begin with: {x, measure, series, type}, the first three names of columns ("" for none). */
export function firstChoice(table) {
  const choices = choicesOf(table);
  const { measures } = choices;
  const measure = firstMeasure(table, measures);
  const x = firstX(table, choices, measure);
  const series = firstSeries(table, x, choices);
  return {
    x: x?.name ?? "",
    measure: !x && measures.length > 1 ? ALL : (measure?.name ?? ROWS),
    series: series?.name ?? "",
    type: isTime(x) ? "line" : series ? "stacked" : "bar",
  };
}
