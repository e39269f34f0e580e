//! Recursive hierarchies: what is bound to what, what is refused, and why.

use super::bound_in;
use crate::ODataErrorKind::{self, BadRequest, NotImplemented};
use crate::bound::apply::BoundTransformation;
use crate::bound::hierarchy::{NodePosition, TREE_COLUMNS};
use crate::metadata::{build_model, remote, whole_view};
use crate::{BoundExpr, BoundRead};
use portico_catalog::{ModelDefinition, ModelView};
use portico_provider_api::Value;
use serde_json::json;

fn view() -> ModelView {
    let tables = vec![
        remote("units", "Id int32, Name text?, ParentId int32?, Staff int32", &["Id"]),
        remote("postings", "Id int64, UnitId int32?, Code int64?, Account text, Amount decimal(12,2)?", &["Id"]),
        remote("states", "Id text, Up text?, DrillState text?", &["Id"]),
        remote("closed", "Id int32, Up int32?", &["Id"]),
    ];
    let parent = |to: &str, from: &str| json!({ "Parent": { "to": to, "on": { from: "Id" } } });
    let hierarchies = json!({ "Org": { "node": "Id", "parent": "Parent" } });
    let definition = ModelDefinition {
        sources: vec!["s".to_owned()],
        tables: serde_json::from_value(json!({
            "Units": { "source": "s", "remote": "units", "relationships": parent("Units", "ParentId"), "hierarchies": hierarchies },
            "Postings": { "source": "s", "remote": "postings", "relationships": { "Unit": { "to": "Units", "on": { "UnitId": "Id" } } } },
            "States": { "source": "s", "remote": "states", "relationships": parent("States", "Up"), "hierarchies": hierarchies },
            "Closed": { "source": "s", "remote": "closed", "relationships": parent("Closed", "Up"), "hierarchies": hierarchies,
                        "restrictions": { "readable": false } },
        }))
        .unwrap(),
        ..ModelDefinition::default()
    };
    whole_view(&build_model(definition, tables))
}

fn read(url: &str) -> BoundRead {
    bound_in(url, &view()).unwrap_or_else(|error| panic!("{url}: {}", error.message))
}

const FUNCTION: &str = "HierarchyNodes=$root/Units,HierarchyQualifier='Org'";

/// A request (`@` is the nodes and the qualifier of a function), the kind of error, and a part of its message.
const REFUSED: &[(&str, ODataErrorKind, &str)] = &[
    ("Units?$apply=ancestors($root/Unit,Org,Id,identity)", BadRequest, "no entity set 'Unit'; did you mean 'Units'?"),
    ("Units?$apply=ancestors($root/Units,Orgs,Id,identity)", BadRequest, "no hierarchy 'Orgs'; did you mean 'Org'?"),
    ("Units?$apply=ancestors($root/Postings,Org,Id,identity)", BadRequest, "'Postings' has no hierarchy 'Org'"),
    ("Units?$apply=ancestors($it/Units,Org,Id,identity)", BadRequest, "begins with $root"),
    ("Units?$apply=ancestors($root/Units(1)/Parent,Org,Id,identity)", NotImplemented, "no whole entity set"),
    ("Closed?$apply=traverse($root/Closed,Org,Id,preorder)", NotImplemented, "not read as a whole"),
    ("Units?$apply=ancestors($root/Units,Org,Idd,identity)", BadRequest, "did you mean 'Id'?"),
    ("Units?$apply=ancestors($root/Units,Org,Name,identity)", BadRequest, "'Name' is Edm.String, the identifiers of nodes are Edm.Int32"),
    ("Postings?$apply=ancestors($root/Units,Org,Amount,identity)", BadRequest, "'Amount' is Edm.Decimal"),
    ("Units?$apply=ancestors($root/Units,Org,Id,identity,0)", BadRequest, "from 1 on"),
    ("Units?$apply=ancestors($root/Units,Org,Id,compute(1 as A))", BadRequest, "does not keep instances as they are"),
    ("Units?$apply=traverse($root/Units,Org,Id,preorder,Nme)", BadRequest, "Nme"),
    ("Units?$apply=groupby((Name),Hierarchy.TopLevels(@,NodeProperty='Id'))", NotImplemented, "TopLevels inside groupby"),
    (
        "Units?$apply=groupby((Name),groupby((rolluprecursive($root/Units,Org,Id)),aggregate($count as N)))",
        NotImplemented,
        "grouping by 'Name' beside or around rolluprecursive",
    ),
    ("Units?$apply=groupby((rolluprecursive($root/Units,Org,Id)),topcount(1,Staff))", NotImplemented, "entities still"),
    (
        "Units?$apply=groupby((rolluprecursive($root/Units,Org,Id),rollup(Name,Staff)),aggregate($count as N))",
        NotImplemented,
        "grouping by 'Name' beside or around rolluprecursive",
    ),
    ("Units?$apply=Hierarchy.TopLevels(@)", BadRequest, "needs the parameter NodeProperty"),
    ("Units?$apply=Hierarchy.TopLevels(@,NodeProperty='Name')", BadRequest, "not the property that identifies"),
    ("Units?$apply=Hierarchy.TopLevels(@,NodeProperty='Id',Levels=0)", BadRequest, "Levels is a whole number from 1 on"),
    ("Units?$apply=Hierarchy.TopLevels(@,NodeProperty='Id',Level=1)", BadRequest, "did you mean 'Levels'?"),
    ("Units?$apply=Hierarchy.TopLevels(@,NodeProperty='Id',ExpandLevels=[{\"NodeID\":\"1\"}])", BadRequest, "list of objects"),
    ("Units?$apply=Hierarchy.TopLevels(@,NodeProperty='Id',Show=['1'])", NotImplemented, "parameter Show"),
    ("Postings?$apply=Hierarchy.TopLevels(@,NodeProperty='Id')", NotImplemented, "not the nodes themselves"),
    ("Units?$filter=Aggregation.isroot(@)", BadRequest, "needs the parameter Node"),
    ("Units?$filter=Aggregation.isroot(@,Node=Name)", BadRequest, "no identifier of a node"),
    ("Units?$filter=Aggregation.isroot(@,Node=Id,Other=1)", BadRequest, "no parameter 'Other'"),
    ("Units?$filter=Aggregation.isdescendant(@,Node=Id,Ancestor=1,MaxDistance=0)", BadRequest, "from 1 on"),
    ("Units?$filter=Aggregation.isdescendant(@,Node=Id,Ancestor=1,IncludeSelf=1)", BadRequest, "true or false"),
    ("Units?$filter=Aggregation.issibling(@,Node=Id,Other=Staff)", NotImplemented, "differs from row to row"),
    ("Units?$filter=Aggregation.isrot(@,Node=Id)", BadRequest, "did you mean 'isroot'?"),
];

#[test]
fn what_is_refused_says_why() {
    let wrong = REFUSED.iter().filter_map(|(url, kind, part)| match bound_in(&url.replace('@', FUNCTION), &view()) {
        Ok(_) => Some(format!("{url}: accepted")),
        Err(error) if error.kind != *kind || !error.message.contains(part) || error.position.is_none() => {
            Some(format!("{url}: {:?} at {:?}: {}", error.kind, error.position, error.message))
        }
        Err(_) => None,
    });
    let wrong: Vec<String> = wrong.collect();
    assert!(wrong.is_empty(), "{}", wrong.join("\n"));
}

#[test]
fn nodes_stay_entities() {
    let query =
        read("Units?$apply=ancestors($root/Units,Org,Id,filter(Staff gt 1),2,keep start)/traverse($root/Units,Org,Id,postorder,Name desc)")
            .query;
    let apply = query.apply.unwrap();
    let [BoundTransformation::Relatives(relatives), BoundTransformation::Traverse(traverse)] = apply.transformations.as_slice() else {
        panic!("{:?}", apply.transformations);
    };
    assert_eq!((relatives.node, relatives.start_node, relatives.distance, relatives.keep_start), (0, 0, Some(2), true));
    assert_eq!((relatives.hierarchy.node, relatives.hierarchy.parent, relatives.tree), (0, 2, false));
    assert!(traverse.postorder && traverse.hierarchy.order.len() == 1 && !traverse.tree);
    assert_eq!(apply.rows.row_type.table.as_deref(), Some("Units"));
    assert_eq!(query.select, [0, 1, 2, 3]);
}

#[test]
fn groups_of_nodes_are_nodes_or_lead_to_them() {
    let own = read("Units?$apply=groupby((rolluprecursive($root/Units,Org,Id)),aggregate($count as N))").query.apply.unwrap();
    assert_eq!(own.rows.row_type.table.as_deref(), Some("Units"));
    let paths = |apply: &crate::bound::apply::BoundApply| {
        apply.rows.shown.iter().map(|index| apply.rows.row_type.columns[*index].path.join("/")).collect::<Vec<_>>()
    };
    assert_eq!(paths(&own), ["Id", "Name", "ParentId", "Staff", "N"]);
    let along =
        read("Postings?$apply=groupby((Account,rolluprecursive($root/Units,Org,Unit/Id)),aggregate($count as N))").query.apply.unwrap();
    assert_eq!(paths(&along), ["Account", "N", "Unit/Id", "Unit/Name", "Unit/ParentId", "Unit/Staff"]);
    let alike = read("Postings?$apply=groupby((rolluprecursive($root/Units,Org,Code)),aggregate($count as N))").query.apply.unwrap();
    assert_eq!(paths(&alike), ["Code", "N"]);
    let complete = |apply: &crate::bound::apply::BoundApply| {
        apply.transformations.iter().any(|one| matches!(one, BoundTransformation::Group { nodes, .. } if nodes.len() == 1))
    };
    assert!(complete(&own) && complete(&alike) && !complete(&along));
}

#[test]
fn places_in_the_tree_are_there_for_who_asks() {
    let top = "Hierarchy.TopLevels(HierarchyNodes=$root/Units,HierarchyQualifier='Org',NodeProperty='Id',Levels=2)";
    let shown = |url: &str| {
        let read = bound_in(url, &view());
        read.map(|read| {
            read.query.apply.unwrap().rows.row_type.columns.into_iter().skip(4).flat_map(|column| column.path).collect::<Vec<_>>()
        })
    };
    assert_eq!(shown(&format!("Units?$apply={top}")).unwrap(), Vec::<String>::new());
    assert_eq!(shown(&format!("Units?$apply={top}&$select=Id,DrillState")).unwrap(), TREE_COLUMNS);
    assert_eq!(shown(&format!("Units?$apply={top}&$filter=not (LimitedRank gt 2)")).unwrap(), TREE_COLUMNS);
    assert_eq!(shown(&format!("Units?$apply={top}&$orderby=LimitedRank desc")).unwrap(), TREE_COLUMNS);
    assert!(shown("Units?$apply=filter(Staff gt 1)&$select=DrillState").is_err());
    // A property of that name stays what it is.
    let states = read("States?$apply=descendants($root/States,Org,Id,identity)&$select=DrillState,LimitedRank").query;
    assert_eq!(states.select, [0, 2, 3]);
}

#[test]
fn identifiers_are_typed() {
    let node = |url: &str| match read(url).query.filter {
        Some(BoundExpr::Node(test)) => *test,
        other => panic!("{url}: {other:?}"),
    };
    let test = node(&format!("Units?$filter=Aggregation.isdescendant({FUNCTION},Node=Id,Ancestor=7,MaxDistance=2)"));
    let expected =
        NodePosition::Related { descendant: true, other: BoundExpr::Literal(Value::Int32(7)), distance: Some(2), include_self: false };
    assert_eq!((test.node, test.position), (BoundExpr::Column(0), expected));
    // No node has a number beyond those that identifiers can be.
    let test = node(&format!("Units?$filter=Aggregation.issibling({FUNCTION},Node=Id,Other=5000000000)"));
    assert_eq!(test.position, NodePosition::SiblingOf(BoundExpr::Literal(Value::Null(portico_provider_api::ScalarType::Int32))));
}

#[test]
fn metadata_tells_of_what_can_be_asked() {
    let document = crate::metadata::document(&view(), crate::metadata::MetadataFormat::Json, None).unwrap();
    let document: serde_json::Value = serde_json::from_slice(&document).unwrap();
    let schema = &document["Portico.default"];
    let schema =
        if schema.is_null() { document.as_object().unwrap().values().find(|one| one.get("Units").is_some()).unwrap() } else { schema };
    let paths =
        |of: &str| schema[of]["@Hierarchy.RecursiveHierarchy#Org"].as_object().map(|record| record.keys().cloned().collect::<Vec<_>>());
    assert_eq!(
        schema["Units"]["@Aggregation.RecursiveHierarchy#Org"],
        json!({ "NodeProperty": "Id", "ParentNavigationProperty": "Parent" })
    );
    assert_eq!(paths("Units").unwrap(), TREE_COLUMNS);
    assert_eq!(paths("States").unwrap(), ["LimitedRank", "DistanceFromRoot", "LimitedDescendantCount"]);
    assert_eq!(paths("Closed"), None);
    let container = schema.as_object().unwrap().values().find(|one| one["$Kind"] == "EntityContainer").unwrap();
    let takes = |set: &str, name: &str| {
        let transformations = container[set]["@Aggregation.ApplySupported"]["Transformations"].as_array().unwrap();
        transformations.iter().any(|one| one == name)
    };
    assert!(takes("Units", "traverse") && takes("Postings", "descendants") && takes("Units", "nest"));
    let top = "com.sap.vocabularies.Hierarchy.v1.TopLevels";
    assert!(takes("Units", top) && !takes("Postings", top) && !takes("Closed", top));
}
