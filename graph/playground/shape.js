// What a query asks for, as a tree of names in their order: it tells an answer's columns even where values are null.
import { parse } from "graphql";

const isOperation = ({ kind }) => kind === "OperationDefinition";

/** The operation that runs: the named one, or the first of the document. */
export function operationOf(document, name) {
  const operations = document.definitions.filter(isOperation);
  return operations.find((each) => each.name?.value === name) ?? operations[0];
}

/** The names of the arguments of each root field, by its name in the answer. */
export function argumentsOf(document, operation) {
  const found = new Map();
  const fragmentOf = ({ name }) =>
    document.definitions.find((each) => each.kind === "FragmentDefinition" && each.name.value === name.value);
  const collect = ({ selections }, within) => {
    for (const selection of selections) {
      if (selection.kind === "Field") {
        const key = (selection.alias ?? selection.name).value;
        found.set(key, new Set(selection.arguments.map(({ name }) => name.value)));
        continue;
      }
      const fragment = selection.kind === "InlineFragment" ? selection : fragmentOf(selection);
      // A fragment that contains itself is refused by the server, but this page reads the query first.
      if (fragment && !within.includes(fragment)) collect(fragment.selectionSet, [...within, fragment]);
    }
  };
  collect(operation.selectionSet, []);
  return found;
}

/** A Map of the names in the answer: null for a field without fields of its own, a Map like this for the others. */
export function shapeOf(document, operation) {
  const fragments = new Map(
    document.definitions.filter((each) => each.kind === "FragmentDefinition").map((each) => [each.name.value, each]),
  );
  const collect = (selectionSet, shape, within) => {
    for (const selection of selectionSet.selections) {
      if (selection.kind === "Field") addField(selection, shape, within);
      else if (selection.kind === "InlineFragment") collect(selection.selectionSet, shape, within);
      else addFragment(selection.name.value, shape, within);
    }
    return shape;
  };
  const addField = ({ alias, name, selectionSet }, shape, within) => {
    const key = (alias ?? name).value;
    shape.set(key, selectionSet ? collect(selectionSet, shape.get(key) ?? new Map(), within) : null);
  };
  // A fragment that contains itself is refused by the server, but this page reads the query first.
  const addFragment = (name, shape, within) => {
    const fragment = fragments.get(name);
    if (fragment && !within.includes(name)) collect(fragment.selectionSet, shape, [...within, name]);
  };
  return collect(operation.selectionSet, new Map(), []);
}

/**
 * The parameters of a request with the name of the only operation of their text: GraphiQL takes the name of a new text
 * over later than the text.
 */
export function withItsOwnName(params) {
  let names;
  try {
    names = parse(params.query).definitions.filter(isOperation).map(({ name }) => name?.value);
  } catch {
    return params; // the server says what is wrong with the text
  }
  if (names.length !== 1 || names[0] === params.operationName) return params;
  return { ...params, operationName: names[0] };
}
