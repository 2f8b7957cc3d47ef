// Clients that name queries by their hash send the text once they are refused. Run by tests/test_persisted_queries.py.
import assert from "node:assert/strict";
import { createHash } from "node:crypto";
import { test } from "node:test";
import { ApolloClient, HttpLink, InMemoryCache, gql } from "@apollo/client";
import { PersistedQueryLink } from "@apollo/client/link/persisted-queries";
import { Client, fetchExchange } from "@urql/core";
import { persistedExchange } from "@urql/exchange-persisted";

const url = `${process.env.ADDRESS}/graphql`;
const headers = { "x-apikey": process.env.KEY };
const ME = "query Me { me { id } }";
const sha256 = (text) => createHash("sha256").update(text).digest("hex");

// Whether each request had the text of the query.
const counting = () => {
  const sent = [];
  const counted = async (address, options) => {
    const answer = await fetch(address, options);
    const hasText = options.body ? "query" in JSON.parse(options.body) : new URL(address).searchParams.has("query");
    sent.push(hasText);
    return answer;
  };
  return { sent, counted };
};

for (const useGETForHashedQueries of [false, true]) {
  test(`Apollo Client, ${useGETForHashedQueries ? "GET" : "POST"}: the text follows the refused hash, and later queries go without`, async () => {
    const { sent, counted } = counting();
    const link = new PersistedQueryLink({ sha256, useGETForHashedQueries }).concat(
      new HttpLink({ uri: url, headers, fetch: counted }),
    );
    const client = new ApolloClient({ cache: new InMemoryCache(), link });
    for (let time = 0; time < 2; time++) {
      const { data } = await client.query({ query: gql(ME), fetchPolicy: "network-only" });
      assert.equal(data.me.id, "user_1");
    }
    assert.deepEqual(sent, [false, true, true]);
  });
}

for (const preferGetForPersistedQueries of [false, "force"]) {
  test(`urql, ${preferGetForPersistedQueries ? "GET" : "POST"}: the text follows the refused hash`, async () => {
    const { sent, counted } = counting();
    const exchange = persistedExchange({ preferGetForPersistedQueries, generateHash: async (text) => sha256(text) });
    const options = { url, preferGetMethod: false, fetch: counted, fetchOptions: { headers } };
    const client = new Client({ ...options, exchanges: [exchange, fetchExchange] });
    for (let time = 0; time < 2; time++) {
      const { data, error } = await client.query(ME, {}, { requestPolicy: "network-only" }).toPromise();
      assert.equal(error, undefined);
      assert.equal(data.me.id, "user_1");
    }
    assert.deepEqual(sent, [false, true, true]);
  });
}
