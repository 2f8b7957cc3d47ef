// What relay-compiler makes of a document, for the fields, arguments and inline fragments that the tests use.
import { readFileSync } from "node:fs";
import { Kind, TypeInfo, buildSchema, getNamedType, getNullableType, isAbstractType, isLeafType, isListType, parse } from "graphql";
import { print, visit, visitWithTypeInfo } from "graphql";

const schema = buildSchema(readFileSync(new URL("../../schema.graphql", import.meta.url), "utf8"));

const literal = (node) => {
  if (node.kind === Kind.LIST) return node.values.map(literal);
  if (node.kind === Kind.OBJECT) return Object.fromEntries(node.fields.map(({ name, value }) => [name.value, literal(value)]));
  if (node.kind === Kind.INT || node.kind === Kind.FLOAT) return Number(node.value);
  return node.kind === Kind.NULL ? null : node.value;
};

const hasVariables = (node) => {
  let found = false;
  visit(node, { Variable: () => void (found = true) });
  return found;
};

const argument = (name, value) => {
  if (value.kind === Kind.VARIABLE) return { kind: "Variable", name, variableName: value.name.value };
  if (value.kind === Kind.OBJECT && hasVariables(value)) {
    const fields = value.fields.map((field) => argument(field.name.value, field.value));
    return { kind: "ObjectValue", name, fields };
  }
  return { kind: "Literal", name, value: literal(value) };
};

// Every object is asked for its id, and every interface for its type, as relay-compiler does.
const withIds = (document) => {
  const info = new TypeInfo(schema);
  const field = (name) => ({ kind: Kind.FIELD, name: { kind: Kind.NAME, value: name } });
  return visit(
    document,
    visitWithTypeInfo(info, {
      SelectionSet: {
        leave: (node) => {
          const type = info.getParentType();
          const more = [];
          const has = (name) => node.selections.some((each) => each.kind === Kind.FIELD && each.name.value === name && !each.alias);
          if (isAbstractType(type) && !has("__typename")) more.push(field("__typename"));
          if (type?.getFields?.().id && !has("id")) more.push(field("id"));
          return more.length ? { ...node, selections: [...node.selections, ...more] } : undefined;
        },
      },
    }),
  );
};

const selections = (set, parent) =>
  set.selections.map((node) => {
    if (node.kind === Kind.INLINE_FRAGMENT) {
      const type = schema.getType(node.typeCondition.name.value);
      const inner = selections(node.selectionSet, type);
      return { kind: "InlineFragment", type: type.name, abstractKey: null, selections: inner };
    }
    const name = node.name.value;
    const args = node.arguments?.length ? node.arguments.map((each) => argument(each.name.value, each.value)) : null;
    const shared = { alias: node.alias?.value ?? null, args, name, storageKey: null };
    const type = name === "__typename" ? null : parent.getFields()[name].type;
    const named = type && getNamedType(type);
    if (!named || isLeafType(named)) return { ...shared, kind: "ScalarField" };
    return {
      ...shared,
      kind: "LinkedField",
      concreteType: isAbstractType(named) ? null : named.name,
      plural: isListType(getNullableType(type)),
      selections: selections(node.selectionSet, named),
    };
  });

const made = new Map();

export const requestOf = (text) => {
  if (made.has(text)) return made.get(text);
  const document = withIds(parse(text));
  const [operation] = document.definitions;
  const root = operation.operation === "query" ? schema.getQueryType() : schema.getMutationType();
  const argumentDefinitions = (operation.variableDefinitions ?? []).map(({ variable }) => ({
    defaultValue: null,
    kind: "LocalArgument",
    name: variable.name.value,
  }));
  const name = operation.name.value;
  const inner = selections(operation.selectionSet, root);
  const request = {
    kind: "Request",
    fragment: { argumentDefinitions, kind: "Fragment", metadata: null, name, selections: inner, type: root.name, abstractKey: null },
    operation: { argumentDefinitions, kind: "Operation", name, selections: inner },
    params: { cacheID: text, id: null, metadata: {}, name, operationKind: operation.operation, text: print(document) },
  };
  made.set(text, request);
  return request;
};
