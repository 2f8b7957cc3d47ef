"""What the feed says of itself: the service document, and $metadata as CSDL in XML and JSON."""

from collections.abc import Iterator
from functools import cache
from typing import Any
from xml.etree import ElementTree as ET

from graph.odata.answers import Reply, dumped
from graph.odata.media import JSON, XML
from graph.odata.model import CONTAINER, KEY, NAMESPACE, EntitySet, EntityType, Model, Navigation, Property

EDMX = "http://docs.oasis-open.org/odata/ns/edmx"
EDM = "http://docs.oasis-open.org/odata/ns/edm"
# Vocabularies are named in full and not referred to: no client should look for them in the internet.
CORE, CAPABILITIES = "Org.OData.Core.V1", "Org.OData.Capabilities.V1"
FUNCTIONS = ("contains", "startswith", "endswith", "tolower", "toupper", "year", "date", "now")


def service_document(model: Model) -> dict[str, Any]:
    return {"value": [{"name": name, "kind": "EntitySet", "url": name} for name in model.sets]}


@cache
def described(model: Model) -> Reply:
    """The same for every viewer. Nothing but a key is never null: what a viewer may not read is left out."""
    root = ET.Element("edmx:Edmx", {"xmlns:edmx": EDMX, "Version": "4.0"})
    schema = ET.SubElement(ET.SubElement(root, "edmx:DataServices"), "Schema", {"xmlns": EDM, "Namespace": NAMESPACE})
    for type_ in model.types.values():
        _entity_type(schema, type_)
    for name, fields in model.complexes.items():
        made = ET.SubElement(schema, "ComplexType", {"Name": name})
        for each in fields:
            ET.SubElement(made, "Property", {"Name": each, "Type": "Edm.String"})
    container = ET.SubElement(schema, "EntityContainer", {"Name": CONTAINER})
    for of in model.sets.values():
        _entity_set(container, model, of)
    functions = ET.SubElement(container, "Annotation", {"Term": f"{CAPABILITIES}.FilterFunctions"})
    _texts(functions, "String", FUNCTIONS)
    ET.indent(root, " ")
    return Reply(ET.tostring(root, encoding="utf-8", xml_declaration=True), f"{XML};charset=utf-8")


def _may_be_null(property: Property) -> bool:
    """Of a list, its items."""
    return property.name != KEY and not property.is_list


def _entity_type(schema: ET.Element, type_: EntityType) -> None:
    made = ET.SubElement(schema, "EntityType", {"Name": type_.name})
    ET.SubElement(ET.SubElement(made, "Key"), "PropertyRef", {"Name": KEY})
    for each in type_.properties.values():
        given = {"Name": each.name, "Type": _type(each)}
        if not _may_be_null(each):
            given["Nullable"] = "false"
        if each.edm == "Edm.DateTimeOffset":
            given["Precision"] = "6"
        _text(ET.SubElement(made, "Property", given), f"{CORE}.Description", _told(each))
    for relation in type_.navigations.values():
        given = {"Name": relation.name, "Type": _target(relation)}
        _text(ET.SubElement(made, "NavigationProperty", given), f"{CORE}.Description", relation.description)
    _text(made, f"{CORE}.Description", type_.description)


def _entity_set(container: ET.Element, model: Model, of: EntitySet) -> None:
    made = ET.SubElement(container, "EntitySet", {"Name": of.name, "EntityType": f"{NAMESPACE}.{of.type.name}"})
    for relation in of.type.navigations.values():
        given = {"Path": relation.name, "Target": model.set_of(relation.target).name}
        ET.SubElement(made, "NavigationPropertyBinding", given)
    for term, records in _restrictions(of).items():
        record = ET.SubElement(ET.SubElement(made, "Annotation", {"Term": f"{CAPABILITIES}.{term}"}), "Record")
        for name, value in records.items():
            if isinstance(value, bool):
                ET.SubElement(record, "PropertyValue", {"Property": name, "Bool": str(value).lower()})
            else:
                _texts(ET.SubElement(record, "PropertyValue", {"Property": name}), "PropertyPath", value)


def _restrictions(of: EntitySet) -> dict[str, dict[str, Any]]:
    """What cannot be asked of a set, so that a client does it itself."""
    type_ = of.type
    orderable = type_.orderable if of.is_paged else [n for n, each in type_.properties.items() if not each.is_list]
    unordered = [name for name in type_.properties if name not in orderable]
    return {
        "FilterRestrictions": {"NonFilterableProperties": [n for n in type_.properties if n not in type_.filterable]},
        "SortRestrictions": {"NonSortableProperties": unordered},
        "SearchRestrictions": {"Searchable": "search" in of.arguments},
        "InsertRestrictions": {"Insertable": False},
        "UpdateRestrictions": {"Updatable": False},
        "DeleteRestrictions": {"Deletable": False},
    }


def _type(each: Property) -> str:
    return f"Collection({each.edm})" if each.is_list else each.edm


def _target(relation: Navigation) -> str:
    named = f"{NAMESPACE}.{relation.target}"
    return f"Collection({named})" if relation.is_list else named


def _told(each: Property) -> str:
    """The description, with the values of an enum and what a text of JSON is."""
    if each.choices:
        return f"{each.description} One of {', '.join(each.choices)}."
    return f"{each.description} As a text of JSON." if each.is_json else each.description


def _text(element: ET.Element, term: str, text: str) -> None:
    ET.SubElement(element, "Annotation", {"Term": term, "String": text})


def _texts(element: ET.Element, kind: str, values: Any) -> None:
    made = ET.SubElement(element, "Collection")
    for each in values:
        ET.SubElement(made, kind).text = each


# --- JSON ---------------------------------------------------------------------------------------------------------


@cache
def described_in_json(model: Model) -> Reply:
    """CSDL JSON, which came with 4.01; the same model."""
    schema: dict[str, Any] = {type_.name: dict(_entity_type_in_json(type_)) for type_ in model.types.values()}
    for name, fields in model.complexes.items():
        schema[name] = {"$Kind": "ComplexType", **{each: {"$Nullable": True} for each in fields}}
    schema[CONTAINER] = {
        "$Kind": "EntityContainer",
        f"@{CAPABILITIES}.FilterFunctions": list(FUNCTIONS),
        **{name: _entity_set_in_json(model, of) for name, of in model.sets.items()},
    }
    body = {"$Version": "4.01", "$EntityContainer": f"{NAMESPACE}.{CONTAINER}", NAMESPACE: schema}
    return Reply(dumped(body), f"{JSON};charset=utf-8")


def _entity_type_in_json(type_: EntityType) -> Iterator[tuple[str, Any]]:
    yield "$Kind", "EntityType"
    yield "$Key", [KEY]
    yield f"@{CORE}.Description", type_.description
    for each in type_.properties.values():
        made: dict[str, Any] = {} if each.edm == "Edm.String" else {"$Type": each.edm}
        made |= {"$Collection": True} if each.is_list else {}
        made |= {"$Nullable": True} if _may_be_null(each) else {}
        made |= {"$Precision": 6} if each.edm == "Edm.DateTimeOffset" else {}
        yield each.name, {**made, f"@{CORE}.Description": _told(each)}
    for relation in type_.navigations.values():
        listed = {"$Collection": True} if relation.is_list else {"$Nullable": True}
        target = {"$Kind": "NavigationProperty", "$Type": f"{NAMESPACE}.{relation.target}", **listed}
        yield relation.name, {**target, f"@{CORE}.Description": relation.description}


def _entity_set_in_json(model: Model, of: EntitySet) -> dict[str, Any]:
    bindings = {relation.name: model.set_of(relation.target).name for relation in of.type.navigations.values()}
    terms = {f"@{CAPABILITIES}.{term}": value for term, value in _restrictions(of).items()}
    named = {"$Collection": True, "$Type": f"{NAMESPACE}.{of.type.name}", "$NavigationPropertyBinding": bindings}
    return {**named, **terms}
