// What a query asks for, as a tree of names in their order: it tells an answer's columns even where values are null.

/** The operation that runs: the named one, or the first of the document. */
export function operationOf(document, name) {
  const operations = document.definitions.filter((each) => each.kind === "OperationDefinition");
  return operations.find((each) => each.name?.value === name) ?? operations[0];
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
