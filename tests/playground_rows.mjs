// The page's pure parts, without a browser: an answer's rows, their order, what is copied. Run: node --test tests/
import assert from "node:assert/strict";
import { test } from "node:test";
import { parse } from "../graph/playground/node_modules/graphql/index.mjs";
import { csvOf, shown, sorted, tsvOf } from "../graph/playground/cells.js";
import { sourcesOf, tableOf } from "../graph/playground/rows.js";
import { argumentsOf, operationOf, shapeOf, withItsOwnName } from "../graph/playground/shape.js";

const shapeFor = (query, name) => {
  const document = parse(query);
  return shapeOf(document, operationOf(document, name));
};
const tablesOf = (query, data) => sourcesOf(data, shapeFor(query)).map(tableOf);
const names = ({ columns }) => columns.map(({ name }) => name);
const kinds = ({ columns }) => columns.map(({ kind }) => kind);

test("a connection's nodes are rows, and what is selected of an object is a column of its own", () => {
  const [table, ...others] = tablesOf("{ users { totalCount nodes { id role { name weight } isActive email } } }", {
    users: {
      totalCount: 7,
      nodes: [
        { id: "user_1", role: null, isActive: true, email: null },
        { id: "user_2", role: { name: "Admin", weight: 100 }, isActive: false, email: "b@usergraph.test" },
      ],
    },
  });
  assert.deepEqual(others, []);
  assert.deepEqual(table, {
    name: "users",
    columns: [
      { name: "id", title: "id", kind: "ID", isMeasure: false },
      { name: "role.name", title: "role.name", kind: "TEXT", isMeasure: false },
      { name: "role.weight", title: "role.weight", kind: "NUMBER", isMeasure: true },
      { name: "isActive", title: "isActive", kind: "FLAG", isMeasure: false },
      { name: "email", title: "email", kind: "TEXT", isMeasure: false },
    ],
    cells: [
      ["user_1", null, null, true, null],
      ["user_2", "Admin", 100, false, "b@usergraph.test"],
    ],
    total: 7,
    hasMore: undefined,
    isPage: true,
    isReport: false,
    args: new Set(),
  });
});

test("edges, aliases, fragments and lists at the root are rows as well", () => {
  const query = `
    query Q { people: users { edges { cursor node { ...Names } } } roles { who: name } node(id: "x") { id } }
    fragment Names on User { id ... on User { called: name } }`;
  const tables = tablesOf(query, {
    people: { edges: [{ cursor: "c", node: { id: "user_1", called: "Ann" } }] },
    roles: [{ who: "Admin" }],
    node: { id: "x" },
  });
  assert.deepEqual(tables.map(({ name }) => name), ["people", "roles"]);
  assert.deepEqual(tables.map(names), [["id", "called"], ["who"]]);
  assert.deepEqual(tables[0].cells, [["user_1", "Ann"]]);
});

test("lists are one column each, joined as the server joins them", () => {
  const query = `{ users { nodes {
    tags variables { name value } groups { totalCount nodes { name } } organizations { edges { node { id name } } }
  } } }`;
  const [table] = tablesOf(query, {
    users: {
      nodes: [
        {
          tags: ["a|b", "c\\"],
          variables: [{ name: "room", value: "4=5" }, { name: "desk", value: null }],
          groups: { totalCount: 2, nodes: [{ name: "Sales" }, { name: "IT" }] },
          organizations: { edges: [{ node: { id: "organization_1", name: "Root" } }] },
        },
        { tags: [], variables: [], groups: { totalCount: 0, nodes: [] }, organizations: { edges: [] } },
      ],
    },
  });
  assert.deepEqual(names(table), ["tags", "variables", "groups.totalCount", "groups", "organizations"]);
  assert.deepEqual(table.cells, [
    ["a\\|b|c\\", "room=4\\=5|desk=", 2, "Sales|IT", "organization_1=Root"],
    ["", "", 0, "", ""],
  ]);
});

test("JSON stays one cell where the query says that it is a leaf", () => {
  const [table] = tablesOf("{ auditEvents { nodes { action changes } } }", {
    auditEvents: { nodes: [{ action: "X", changes: { name: ["a", "b"] } }, { action: "Y", changes: null }] },
  });
  assert.deepEqual(names(table), ["action", "changes"]);
  assert.deepEqual(table.cells, [["X", '{"name":["a","b"]}'], ["Y", null]]);
});

test("a report's columns are those it tells, in their order, even without rows", () => {
  const columns = [
    { name: "createdAt", title: "Created", kind: "DATE", isMeasure: false },
    { name: "count", title: "Users", kind: "NUMBER", isMeasure: true },
  ];
  const query = "{ userReport { total hasMore columns { name title kind isMeasure } rows } }";
  const report = (rows) => tablesOf(query, { userReport: { total: 50, hasMore: true, columns, rows } })[0];
  assert.deepEqual(report([{ count: 3, createdAt: "2026-01-01" }]), {
    name: "userReport",
    columns,
    cells: [["2026-01-01", 3]],
    total: undefined, // of users, not of rows
    hasMore: true,
    isPage: true,
    isReport: true,
    args: new Set(),
  });
  assert.deepEqual(report([]).columns, columns);
  const older = columns.map(({ name, kind }) => ({ name, kind })).concat({ name: "last", kind: "INSTANT" });
  const [untold] = tablesOf(query, { userReport: { columns: older, rows: [] } });
  assert.deepEqual(untold.columns.map(({ title, isMeasure }) => [title, isMeasure]), [
    ["createdAt", false],
    ["count", true],
    ["last", true],
  ]);
  const [bare] = tablesOf("{ userReport { rows } }", { userReport: { rows: [{ role: null }, { role: "IT", n: 1 }] } });
  assert.deepEqual(bare.cells, [[null, null], ["IT", 1]]);
});

test("payloads of mutations and single objects give the lists in them, after the roots' own", () => {
  const query = `mutation { a: inviteUsers { results { index user { name } } errors { code } } b: roles { name } }`;
  const tables = tablesOf(query, {
    a: { results: [{ index: 0, user: null }], errors: [] },
    b: [{ name: "IT" }],
  });
  assert.deepEqual(tables.map(({ name }) => name), ["b", "a.results"]);
  assert.deepEqual(names(tables[1]), ["index", "user.name"]);
});

test("what is no list of objects has no rows, and an empty one has columns all the same", () => {
  assert.deepEqual(tablesOf("{ me { id } viewer { visibleUserFields } n }", { me: null, viewer: { visibleUserFields: ["a"] }, n: 1 }), []);
  assert.deepEqual(sourcesOf(undefined, undefined), []);
  const [empty] = tablesOf("{ users { nodes { id role { name } } } }", { users: { nodes: [] } });
  assert.deepEqual(names(empty), ["id", "role.name"]);
  assert.deepEqual(empty.cells, []);
});

test("a field that was skipped has no column; a missing row is an empty one", () => {
  const query = "{ usersByKeys { id name @skip(if: true) } }";
  const [table] = tablesOf(query, { usersByKeys: [{ id: "user_1" }, null] });
  assert.deepEqual(names(table), ["id"]);
  assert.deepEqual(table.cells, [["user_1"], [null]]);
});

test("kinds are told by all values", () => {
  const [table] = tablesOf("{ x { a b c d eId f g } }", {
    x: [
      { a: 1, b: "2026-01-02", c: "2026-01-02T03:04:05.678901Z", d: "2026-01-02", eId: "role_1", f: null, g: "1" },
      { a: null, b: null, c: null, d: "soon", eId: null, f: null, g: "2" },
    ],
  });
  assert.deepEqual(kinds(table), ["NUMBER", "DATE", "INSTANT", "TEXT", "ID", "TEXT", "TEXT"]);
});

test("a fragment that holds itself ends, and the named operation counts", () => {
  const query = "query A { a } query B { b { ...F } } fragment F on X { c { ...F } d }";
  assert.deepEqual(shapeFor(query, "B"), new Map([["b", new Map([["c", new Map()], ["d", null]])]]));
  assert.deepEqual(shapeFor(query), new Map([["a", null]]));
});

test("rows are sorted by number or text, stably, those without a value last", () => {
  const cells = [["b10", 2], [null, 10], ["B9", null], ["a", 10], ["", 1]];
  assert.deepEqual(sorted(cells, 0, 1), [["a", 10], ["B9", null], ["b10", 2], [null, 10], ["", 1]]);
  assert.deepEqual(sorted(cells, 0, -1), [["b10", 2], ["B9", null], ["a", 10], [null, 10], ["", 1]]);
  assert.deepEqual(sorted(cells, 1, -1), [[null, 10], ["a", 10], ["b10", 2], ["", 1], ["B9", null]]);
  assert.deepEqual(cells[0], ["b10", 2]);
});

test("what is shown is for people", () => {
  assert.equal(shown(null, "TEXT"), "");
  assert.equal(shown(12345.5, "NUMBER"), "12,345.5");
  assert.equal(shown(0.1234, "SHARE"), "12.3%");
  assert.equal(shown("2026-01-02T03:04:05.678901Z", "INSTANT"), "2026-01-02 03:04:05Z");
  assert.equal(shown(false, "FLAG"), "false");
});

test("CSV is RFC 4180 and TSV pastes; neither holds a formula", () => {
  const columns = [{ name: "=name" }, { name: "n" }];
  const texts = ["=1+1", "+1", "-1", "@SUM(A1)", "\tx", "\rx", "\nx", " =1", "＝1", "'=1", "'x", 'say "a, b"', "a\r\nb", "a|b", null];
  const table = { columns, cells: texts.map((text) => [text, -1]) };
  const formulas = ["'=1+1", "'+1", "'-1", "'@SUM(A1)", "'\tx", `"'\rx"`, `"'\nx"`, "' =1", "'＝1", "''=1"];
  const quoted = [...formulas, "'x", '"say ""a, b"""', '"a\r\nb"', "a|b", ""];
  assert.equal(csvOf(table), ["'=name,n", ...quoted.map((text) => `${text},-1`), ""].join("\r\n"));
  const [header, first] = tsvOf(table).split("\n");
  assert.deepEqual([header, first], ["'=name\tn", "'=1+1\t-1"]);
  assert.equal(csvOf({ columns: [{ name: "n" }], cells: [[null], [1]] }), 'n\r\n""\r\n1\r\n');
  assert.equal(tsvOf({ columns, cells: [["a\tb", true]] }), `'=name\tn\n"a\tb"\ttrue`);
});

test("a thousand rows of twenty columns are made and sorted in no time", () => {
  const fields = Array.from({ length: 20 }, (_, index) => `f${index}`);
  const nodes = Array.from({ length: 1000 }, (_, row) => Object.fromEntries(fields.map((name) => [name, `${row % 97} ${name}`])));
  const started = performance.now();
  const [table] = tablesOf(`{ users { nodes { ${fields.join(" ")} } } }`, { users: { nodes } });
  assert.equal(sorted(table.cells, 3, -1)[0][3], "96 f3");
  assert.ok(csvOf(table).length > 100_000);
  assert.ok(performance.now() - started < 2000);
});

test("the times of a report are what its rows are told apart by, whether or not its columns say so", () => {
  const query = "{ userReport { columns { name title kind } rows } }";
  const rows = [{ asOf: "2026-01-31T23:59:59.999999Z", role: "IT", count: 3, lastLogin: "2026-01-02T00:00:00.000000Z" }];
  const columns = [
    { name: "asOf", title: "As of", kind: "INSTANT" },
    { name: "role", title: "Role", kind: "TEXT" },
    { name: "count", title: "Users", kind: "NUMBER" },
    { name: "lastLogin", title: "Last login", kind: "INSTANT" },
  ];
  for (const report of [{ columns, rows }, { rows }]) {
    const [table] = tablesOf(query, { userReport: report });
    assert.equal(table.isReport, true);
    assert.deepEqual(table.columns.map(({ isMeasure }) => isMeasure), [false, false, true, true]);
  }
});

test("the arguments of root fields are read through aliases and fragments", () => {
  const document = parse(`query Q { a: userReport(first: 3, having: []) { rows } ...F ... on Query { roles { id } } }
    fragment F on Query { users(where: {}) { nodes { id } } ...F }`);
  const found = argumentsOf(document, operationOf(document));
  assert.deepEqual(
    [...found].map(([name, args]) => [name, [...args]]),
    [["a", ["first", "having"]], ["users", ["where"]], ["roles", []]],
  );
});

test("a request names the only operation of its text, and none where several or none can be read", () => {
  const named = (query, operationName) => withItsOwnName({ query, operationName }).operationName;
  assert.equal(named("query New { me { id } }", "Old"), "New");
  assert.equal(named("{ me { id } }", "Old"), undefined);
  assert.equal(named("query A { me { id } } query B { me { id } }", "B"), "B");
  assert.equal(named("query A {", "Old"), "Old");
});
