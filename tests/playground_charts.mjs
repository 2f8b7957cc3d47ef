// The page's charts, without a browser: what is drawn of a table at first, and the numbers. Run: node --test tests/
import assert from "node:assert/strict";
import { test } from "node:test";
import { ALL, ROWS, choicesOf, firstChoice } from "../graph/playground/choices.js";
import { chartOf } from "../graph/playground/series.js";

const column = (name, kind, isMeasure = false) => ({ name, title: name, kind, isMeasure });
const COUNT = column("count", "NUMBER", true);
const report = (columns, cells, more = {}) => ({ name: "userReport", columns, cells, isReport: true, ...more });
const list = (columns, cells) => ({ name: "users", columns, cells, isReport: false });
const series = ({ datasets }) => Object.fromEntries(datasets.map(({ label, values }) => [label, values]));

test("a date makes lines over time, the next column the series, and ids are no choice", () => {
  const table = report(
    [column("role", "TEXT"), column("roleId", "ID"), column("createdAt", "DATE"), COUNT],
    [
      ["IT", "role_2", "2026-02-01", 1],
      ["Admin", "role_1", "2026-01-01", 4],
      ["IT", "role_2", "2026-01-01", 2],
      ["IT", "role_2", null, 9],
    ],
  );
  const choice = firstChoice(table);
  assert.deepEqual(choice, { x: "createdAt", measure: "count", series: "role", type: "line" });
  assert.deepEqual(choicesOf(table).dimensions.map(({ name }) => name), ["role", "createdAt"]);
  const chart = chartOf(table, choice);
  assert.equal(chart.title, "count by createdAt and role");
  assert.deepEqual(chart.labels, ["2026-01", "2026-02"]);
  assert.deepEqual(chart.times, [Date.UTC(2026, 0), Date.UTC(2026, 1)]);
  assert.deepEqual(series(chart), { IT: [2, 1], Admin: [4, 0] });
  assert.deepEqual(chart.notes, ["Rows without createdAt are not drawn; bars show them as “none”."]);

  const bars = chartOf(table, { ...choice, type: "stacked" });
  assert.deepEqual(bars.labels, ["2026-01", "2026-02", "none"]);
  assert.deepEqual(series(bars), { IT: [2, 1, 9], Admin: [4, 0, 0] });
});

test("without a date it is bars by the first text, in the answer's order, null as none", () => {
  const table = report([column("isActive", "FLAG"), column("role", "TEXT"), COUNT], [
    [true, "IT", 5],
    [true, null, 2],
    [false, "IT", 1],
  ]);
  const choice = firstChoice(table);
  assert.deepEqual(choice, { x: "role", measure: "count", series: "isActive", type: "stacked" });
  const chart = chartOf(table, choice);
  assert.deepEqual(chart.labels, ["IT", "none"]);
  assert.deepEqual(series(chart), { "isActive: true": [5, 2], "isActive: false": [1, 0] });
  assert.deepEqual(chart.notes, []);
  const alone = chartOf(table, { ...choice, series: "", type: "bar" });
  assert.deepEqual(series(alone), { count: [6, 2] });
  assert.equal(alone.notes.length, 1);
  assert.match(alone.notes[0], /are added up: who or what is in several of them counts several times/);
});

test("the moments of a report are never added up, however far they are apart", () => {
  const ends = (every, count) =>
    Array.from({ length: count }, (_, number) => new Date(Date.UTC(2020, 0, 1) + (number * every + 1) * 86_400_000 - 1));
  for (const every of [1, 7, 91, 365]) {
    const moments = ends(every, 100).map((moment) => moment.toISOString());
    const table = report([column("asOf", "INSTANT"), COUNT], moments.map((moment) => [moment, 301]));
    const chart = chartOf(table, firstChoice(table));
    assert.deepEqual(series(chart), { count: Array(100).fill(301) });
    assert.deepEqual(chart.labels, moments.map((moment) => moment.slice(0, 10)));
    assert.deepEqual(chart.notes, []);
  }
  const months = ["2026-01-31", "2026-02-28", "2026-03-31", "2026-04-03"].map((day) => [`${day}T23:59:59.999999Z`, 9]);
  const partial = report([column("asOf", "INSTANT"), COUNT], months);
  assert.deepEqual(chartOf(partial, firstChoice(partial)).notes, []);
});

test("two groups of one name stay two", () => {
  const table = report([column("group", "TEXT"), column("groupId", "ID"), COUNT], [
    ["Sales", "group_1", 3],
    ["Sales", "group_2", 4],
    ["IT", "group_3", 5],
    [null, null, 6],
  ]);
  const chart = chartOf(table, firstChoice(table));
  assert.deepEqual(chart.labels, ["Sales (group_1)", "Sales (group_2)", "IT", "none"]);
  assert.deepEqual(series(chart), { count: [3, 4, 5, 6] });
});

test("a report without dimensions shows its measures; all measures may be series", () => {
  const measures = [COUNT, column("no2fa", "NUMBER", true), column("first", "INSTANT", true)];
  const one = report(measures, [[10, 4, "2026-01-01T00:00:00Z"]]);
  assert.deepEqual(firstChoice(one), { x: "", measure: ALL, series: "", type: "bar" });
  const chart = chartOf(one, firstChoice(one));
  assert.deepEqual([chart.labels, series(chart)], [["count", "no2fa"], { value: [10, 4] }]);

  const table = report([column("role", "TEXT"), ...measures], [["IT", 10, 4, null], ["Admin", 3, 0, null]]);
  const both = chartOf(table, { x: "role", measure: ALL, series: "role", type: "bar" });
  assert.deepEqual(series(both), { count: [10, 3], no2fa: [4, 0] });
  assert.equal(both.title, "count, no2fa by role");
  // Shares are not drawn beside counts.
  const shared = report([column("share", "SHARE", true), COUNT], [[0.5, 10]]);
  assert.deepEqual(chartOf(shared, firstChoice(shared)).labels, ["count"]);
});

test("shares stay shares", () => {
  const table = report([column("role", "TEXT"), column("share", "SHARE", true)], [["IT", 0.25]]);
  assert.equal(chartOf(table, firstChoice(table)).kind, "SHARE");
});

test("a list without numbers counts its rows: by months of a moment, or by the column with the fewest values", () => {
  const dated = list([column("name", "TEXT"), column("createdAt", "INSTANT")], [
    ["a", "2026-03-31T23:59:59Z"],
    ["b", "2026-03-01T00:00:00Z"],
    ["c", "2025-11-05T00:00:00Z"],
  ]);
  const choice = firstChoice(dated);
  assert.deepEqual(choice, { x: "createdAt", measure: ROWS, series: "", type: "line" });
  const chart = chartOf(dated, choice);
  assert.deepEqual([chart.title, chart.labels], ["rows by createdAt", ["2025-11", "2026-03"]]);
  assert.deepEqual(series(chart), { rows: [1, 2] });

  const cells = [["a", "IT", "x"], ["b", "IT", "x"], ["c", "Admin", "x"]];
  const plain = list([column("name", "TEXT"), column("role.name", "TEXT"), column("state", "TEXT")], cells);
  assert.equal(firstChoice(plain).x, "role.name");
});

test("moments go together by day, month or year, by how far they are apart", () => {
  const labels = (...times) => {
    const table = list([column("at", "INSTANT")], times.map((time) => [`${time}T10:00:00Z`]));
    return chartOf(table, { x: "at", measure: ROWS, series: "", type: "bar" }).labels;
  };
  assert.deepEqual(labels("2026-01-02", "2026-01-03"), ["2026-01-02", "2026-01-03"]);
  assert.deepEqual(labels("2026-01-02", "2026-09-03"), ["2026-01", "2026-09"]);
  assert.deepEqual(labels("2001-01-02", "2026-09-03"), ["2001", "2026"]);
});

test("a numbers column of a list is its measure, counts before others", () => {
  const table = list([column("name", "TEXT"), column("weight", "NUMBER", true), column("userCount", "NUMBER", true)], [
    ["IT", 80, 3],
    ["Admin", 100, null],
  ]);
  const choice = firstChoice(table);
  assert.deepEqual(choice, { x: "name", measure: "userCount", series: "", type: "bar" });
  assert.deepEqual(series(chartOf(table, choice)), { userCount: [3, null] });
});

test("too many series become eight, the smallest as other, and too many bars are cut with a word", () => {
  const cells = Array.from({ length: 60 }, (_, index) => [`x${index}`, `s${index % 12}`, index % 12]);
  const table = report([column("x", "TEXT"), column("s", "TEXT"), COUNT], cells);
  const chart = chartOf(table, { x: "x", measure: "count", series: "s", type: "stacked" });
  assert.equal(chart.labels.length, 50);
  assert.deepEqual(chart.datasets.map(({ label }) => label), ["s5", "s6", "s7", "s8", "s9", "s10", "s11", "other (5)"]);
  assert.deepEqual(chart.notes, ["The first 50 of 60 are drawn."]);
  const other = chart.datasets.at(-1);
  assert.ok(other.isOther);
  assert.deepEqual(other.values.slice(0, 6), [0, 1, 2, 3, 4, 0]);
});

test("what a cut answer does not hold is unknown, not zero; intervals without rows are gaps", () => {
  const columns = [column("createdAt", "DATE"), column("role", "TEXT"), COUNT];
  const cells = [
    ["2026-01-01", "IT", 1],
    ["2026-02-01", "Admin", 2],
    ["2026-06-01", "IT", 3],
  ];
  const gap = "The answer has no rows for some intervals: there the chart has a gap; fill: true adds them.";
  const cut = report(columns, cells, { isPage: true, hasMore: true });
  const chart = chartOf(cut, firstChoice(cut));
  assert.deepEqual(chart.labels, ["2026-01", "2026-02", "…", "2026-06"]);
  assert.deepEqual(series(chart), { IT: [1, null, null, 3], Admin: [null, 2, null, null] });
  assert.deepEqual(chart.notes, ["The chart is of the first 3 rows; there are more.", gap]);
  assert.ok(chart.times[1] < chart.times[2] && chart.times[2] < chart.times[3]);

  const whole = chartOf(report(columns, cells, { isPage: true, hasMore: false }), firstChoice(cut));
  assert.deepEqual(series(whole), { IT: [1, 0, null, 3], Admin: [0, 2, null, 0] });
  assert.deepEqual(whole.notes, [gap]);

  // What `having` leaves out is not nothing.
  const narrowed = report(columns, cells, { isPage: true, hasMore: false, args: new Set(["having"]) });
  assert.deepEqual(series(chartOf(narrowed, firstChoice(narrowed))), { IT: [1, null, null, 3], Admin: [null, 2, null, null] });
});

test("a chart of a page says so", () => {
  const columns = [column("name", "TEXT")];
  const notes = (more, isReport = false) => {
    const args = more.args ?? new Set();
    const table = { name: "users", columns, cells: [["a"], ["b"]], isPage: true, isReport, ...more, args };
    return chartOf(table, { x: "name", measure: ROWS, series: "", type: "bar" }).notes;
  };
  assert.deepEqual(notes({ total: 301 }), ["The chart is of 2 of 301 rows."]);
  assert.deepEqual(notes({ total: 2 }), []);
  assert.deepEqual(notes({ hasMore: true }), ["The chart is of the first 2 rows; there are more."]);
  assert.deepEqual(notes({ hasMore: true, total: 301 }), ["The chart is of 2 of 301 rows."]);
  assert.deepEqual(notes({ hasMore: false }), []);
  assert.deepEqual(notes({}), ["The chart is of 2 rows; there may be more. Select totalCount to know."]);
  assert.deepEqual(notes({ isPage: false }), []);
  assert.deepEqual(notes({}, true), []);
  const first = { args: new Set(["first"]) };
  assert.deepEqual(notes(first, true), ["The chart is of 2 rows; there may be more. Select hasMore to know."]);
});

test("users of several times are never added up", () => {
  const months = ["2026-01-31", "2026-02-28", "2026-03-31"].map((day) => `${day}T23:59:59.999999Z`);
  const cells = months.flatMap((month, at) => [
    [month, "IT", 10 + at],
    [month, "Admin", 3],
  ]);
  const table = report([column("asOf", "INSTANT"), column("role", "TEXT"), COUNT], cells);
  const byRole = chartOf(table, { x: "role", measure: "count", series: "", type: "bar" });
  assert.deepEqual(series(byRole), { count: [12, 3] });
  assert.deepEqual(byRole.notes, ["As of 2026-03-31 23:59:59Z, the last of 3 times. Choose asOf to see all."]);
  const alone = chartOf(table, { x: "", measure: "count", series: "", type: "bar" });
  assert.deepEqual(series(alone), { count: [15] });
  const bySeries = chartOf(table, { x: "role", measure: "count", series: "asOf", type: "bar" });
  assert.deepEqual(Object.values(series(bySeries)), [[10, 3], [11, 3], [12, 3]]);
});

test("a table without rows, or without columns, draws nothing and breaks nothing", () => {
  for (const table of [report([column("role", "TEXT"), COUNT], []), list([], []), list([], [[], []])]) {
    const choice = firstChoice(table);
    assert.ok(chartOf(table, choice).datasets.length <= 1);
  }
});
