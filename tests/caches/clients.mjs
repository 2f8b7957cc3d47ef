// The three clients as an application sets them up, each with its normalizing cache, behind one small interface.
import { ApolloClient, HttpLink, InMemoryCache, gql } from "@apollo/client";
import { Client, fetchExchange } from "@urql/core";
import { cacheExchange } from "@urql/exchange-graphcache";
import relay from "relay-runtime";
import { requestOf } from "./relay_requests.mjs";

const url = `${process.env.ADDRESS}/graphql`;
const headers = { "x-apikey": process.env.KEY };

// `read` answers from the network and fills the cache; `cached` answers from the cache alone, null where it cannot;
// `watch` calls back with every result that the cache has for a query, as a page on the screen does.
const apollo = () => {
  const client = new ApolloClient({ cache: new InMemoryCache(), link: new HttpLink({ uri: url, headers }) });
  return {
    read: async (text, variables) =>
      (await client.query({ query: gql(text), variables, fetchPolicy: "network-only" })).data,
    cached: async (text, variables) => client.readQuery({ query: gql(text), variables }),
    change: async (text, variables) => (await client.mutate({ mutation: gql(text), variables })).data,
    watch: (text, variables, see) =>
      client
        .watchQuery({ query: gql(text), variables, fetchPolicy: "cache-only" })
        .subscribe(({ data, dataState }) => dataState === "complete" && see(data)),
  };
};

const urql = () => {
  const client = new Client({
    url,
    preferGetMethod: false,
    exchanges: [cacheExchange({ logger: () => {} }), fetchExchange],
    fetchOptions: { headers },
  });
  const ask = async (text, variables, requestPolicy) => {
    const { data, error } = await client.query(text, variables, { requestPolicy }).toPromise();
    if (error) throw error;
    return data ?? null;
  };
  return {
    read: (text, variables) => ask(text, variables, "network-only"),
    cached: (text, variables) => ask(text, variables, "cache-only"),
    change: async (text, variables) => (await client.mutation(text, variables).toPromise()).data,
    watch: (text, variables, see) =>
      client.query(text, variables, { requestPolicy: "cache-only" }).subscribe(({ data }) => data && see(data)),
  };
};

const relayClient = () => {
  const { Environment, Network, RecordSource, Store, createOperationDescriptor, commitMutation, fetchQuery } = relay;
  const fetchText = async (params, variables) => {
    const body = JSON.stringify({ query: params.text, variables });
    const answer = await fetch(url, { method: "POST", body, headers: { ...headers, "content-type": "application/json" } });
    return answer.json();
  };
  const environment = new Environment({ network: Network.create(fetchText), store: new Store(new RecordSource()) });
  const descriptor = (text, variables) => createOperationDescriptor(requestOf(text), variables);
  const cached = (text, variables) => {
    const snapshot = environment.lookup(descriptor(text, variables).fragment);
    return snapshot.isMissingData ? null : snapshot.data;
  };
  return {
    read: async (text, variables) => {
      await fetchQuery(environment, requestOf(text), variables, { fetchPolicy: "network-only" }).toPromise();
      environment.retain(descriptor(text, variables));
      return cached(text, variables);
    },
    cached: async (text, variables) => cached(text, variables),
    change: (text, variables) =>
      new Promise((resolve, reject) =>
        commitMutation(environment, {
          mutation: requestOf(text),
          variables,
          onCompleted: resolve,
          onError: reject,
        }),
      ),
    watch: (text, variables, see) => {
      const snapshot = environment.lookup(descriptor(text, variables).fragment);
      see(snapshot.data);
      return environment.subscribe(snapshot, ({ data }) => see(data));
    },
  };
};

export const clients = { "Apollo Client": apollo, "urql graphcache": urql, Relay: relayClient };
