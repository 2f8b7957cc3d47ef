// Asks the GraphQL endpoint with the API key: for GraphiQL's answers, and for the same question as a file.

import { withItsOwnName } from "./shape.js";

// The page and the GraphQL endpoint share one path: the server tells them apart by method and Accept.
const endpoint = location.pathname;

// What GraphiQL asks by itself to learn the schema: nobody's result.
const INTROSPECTION = "IntrospectionQuery";

const message = (text) => ({ errors: [{ message: text }] });

// A browser sends no header with other characters, and would blame the network.
const isSendable = (key) => /^[\x21-\x7e]+$/.test(key);

const post = (key, url, accept, params) =>
  fetch(url, {
    method: "POST",
    headers: { Accept: accept, "Content-Type": "application/json", "X-ApiKey": key },
    body: JSON.stringify(params),
    credentials: "omit",
    referrerPolicy: "no-referrer",
  });

/**
 * A GraphiQL fetcher for one key, which reports how each request went: a name in HINTS, or "ok".
 * `ran.current` is left with the parameters of the last request, for whoever shows its answer.
 */
export function makeFetcher(key, report, ran) {
  return async (given) => {
    const params = withItsOwnName(given);
    if (!key) {
      report("missing");
      return message("Enter an API key first.");
    }
    if (!isSendable(key)) {
      report("refused");
      return message("The API key has characters that no key has.");
    }
    let response, text;
    try {
      response = await post(key, endpoint, "application/graphql-response+json, application/json", params);
      text = await response.text();
    } catch {
      report("unreachable");
      return message("The server did not answer.");
    }
    let body;
    try {
      body = JSON.parse(text);
    } catch {
      body = message(`HTTP ${response.status}: ${text.slice(0, 500) || "an empty answer"}`);
    }
    const codes = (body.errors ?? []).map((error) => error.extensions?.code);
    if (response.status === 401 || codes.includes("UNAUTHENTICATED")) report("refused");
    else if (response.status >= 500) report("failed");
    else report("ok");
    if (params.operationName !== INTROSPECTION) ran.current = params;
    return body;
  };
}

/** The answer to the same question as a CSV file (a Blob). Throws an Error that says why there is none. */
export async function fetchCsv(key, { query, variables, operationName }) {
  let response;
  try {
    response = await post(key, `${endpoint}?format=csv`, "text/csv", { query, variables, operationName });
  } catch {
    throw new Error("the server did not answer");
  }
  if (response.headers.get("Content-Type")?.startsWith("text/csv")) return response.blob();
  const text = await response.text();
  let said;
  try {
    said = JSON.parse(text).errors[0].message;
  } catch {
    said = response.ok ? "this server answers no CSV" : `HTTP ${response.status}`;
  }
  throw new Error(said);
}
