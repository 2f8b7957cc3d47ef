// Two times of one user stay two in each cache. Run by tests/test_client_caches.py, which serves a directory.
import assert from "node:assert/strict";
import { test } from "node:test";
import { clients } from "./clients.mjs";

const at = process.env.AT; // when user_8 was called Member, its role Helper and its group Web work

const USER = "id stableId name role { id name } groups { nodes { id name } }";
const BOTH = `query Both($at: DateTime!) {
  then: users(asOf: $at, where: { username: { eq: "member" } }) { totalCount nodes { ${USER} } }
  now: users(where: { username: { eq: "member" } }) { totalCount nodes { ${USER} } } }`;
const PAGE = `query Page { users(first: 9, where: { username: { eq: "member" } }) { nodes { ${USER} } } }`;
const PAST = `query Past($at: DateTime!) { users(asOf: $at, first: 9) { edges { cursor node { ${USER} } } } }`;
const NODE = `query Node($id: ID!) { node(id: $id) { id ... on User { name role { id name } } } }`;
const RENAME = `mutation Rename($id: ID!, $name: String!) {
  updateUser(input: { id: $id, name: $name }) { user { id name } errors { code message } } }`;

const shown = ({ name, role, groups }) => [name, role.name, groups.nodes.map((group) => group.name)];
const OLD = ["Member", "Helper", ["Web work"]];
const plain = (value) => JSON.parse(JSON.stringify(value));

for (const [name, make] of Object.entries(clients)) {
  test(`${name}: one query of two times shows both, from the network and from the cache`, async () => {
    const client = make();
    const NEW = [process.env.NAME, "Renamed role", ["Renamed group"]];
    for (const data of [await client.read(BOTH, { at }), await client.cached(BOTH, { at })]) {
      assert.deepEqual(data.then.nodes.map(shown), [OLD]);
      assert.deepEqual(data.now.nodes.map(shown), [NEW]);
      assert.equal(data.then.nodes[0].id, `user_8@${at}`);
      assert.equal(data.now.nodes[0].id, "user_8");
      assert.equal(data.then.nodes[0].stableId, data.now.nodes[0].stableId);
    }
  });

  test(`${name}: reading the past changes nothing on a page of the present`, async () => {
    const client = make();
    await client.read(PAGE, {});
    const seen = [];
    client.watch(PAGE, {}, (data) => seen.push(plain(data)));
    await client.read(PAST, { at });
    await client.read(NODE, { id: `user_8@${at}` });
    const now = await client.cached(PAGE, {});
    assert.equal(now.users.nodes[0].name, process.env.NAME);
    assert.ok(seen.length > 0);
    for (const data of seen) assert.deepEqual(data.users.nodes.map(shown), now.users.nodes.map(shown));
  });

  test(`${name}: a node is found by the id of a time, and by the one of now`, async () => {
    const client = make();
    const past = await client.read(NODE, { id: `user_8@${at}` });
    const now = await client.read(NODE, { id: "user_8" });
    assert.deepEqual([past.node.name, now.node.name], ["Member", process.env.NAME]);
    assert.equal((await client.cached(NODE, { id: `user_8@${at}` })).node.name, "Member");
  });

  test(`${name}: a change shows on the page of the present and leaves the past as it was`, async () => {
    const client = make();
    const { then, now } = await client.read(BOTH, { at });
    const renamed = `${process.env.NAME} by ${name}`;
    const { updateUser } = await client.change(RENAME, { id: then.nodes[0].stableId, name: renamed });
    assert.deepEqual(plain(updateUser.errors), []);
    const after = await client.cached(BOTH, { at });
    assert.equal(after.then.nodes[0].name, "Member");
    assert.equal(after.now.nodes[0].name, renamed);
    await client.change(RENAME, { id: now.nodes[0].id, name: process.env.NAME });
  });

  test(`${name}: a mutation by the id of a time is refused in words`, async () => {
    const client = make();
    const { updateUser } = await client.change(RENAME, { id: `user_8@${at}`, name: "X" });
    assert.deepEqual(updateUser.errors.map((error) => error.code), ["PAST_ID"]);
    assert.equal(updateUser.user, null);
  });
}
