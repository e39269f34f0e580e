//! Golden bound requests over a model with everything that an overlay can say: complex and derived types, streams, a link table, a
//! singleton, searchable columns, restrictions. Also the paths and options that need none of it.

mod all;
mod contexts;
mod offers;
mod paths;

use super::{bound_in, outcome_in};
use crate::fixtures::{column, model};
use crate::{ODataErrorKind, parse};
use expect_test::{Expect, expect};
use indexmap::IndexMap;
use portico_catalog::overlay::{ComplexProperty, Derivation, DerivedType, MediaType, Restrictions, StreamProperty};
use portico_catalog::{
    Column, IfMatch, ModelView, Origin, Overlay, Profile, Relationship, RelationshipView, SingletonView, TableView, Through, VirtualTable,
};
use portico_provider_api::{ScalarType, Value};
use std::sync::Arc;
use std::time::Duration;

const TEXT: ScalarType = ScalarType::Text;

fn people() -> VirtualTable {
    let stream = |name: &str, content, media_type| StreamProperty { name: name.to_owned(), content, media_type };
    VirtualTable {
        name: "PeopleTable".to_owned(),
        description: None,
        origin: Origin::Query { sql: String::new() },
        columns: vec![
            Column { nullable: false, ..column("Id", ScalarType::Int32) },
            Column { searchable: true, ..column("Name", TEXT) },
            column("home_street", TEXT),
            Column { searchable: true, ..column("home_city", TEXT) },
            column("Kind", TEXT),
            column("Bonus", ScalarType::Int32),
            column("Level", ScalarType::Int32),
            column("photo", ScalarType::Binary),
            column("photo_type", TEXT),
            column("file", ScalarType::Binary),
            column("BossId", ScalarType::Int32),
            column("Secret", TEXT),
        ],
        key: vec![0],
        relationships: vec![
            Relationship {
                through: Some(Through { table: "PeopleTagsTable".to_owned(), own: vec![(0, 0)], other: vec![(1, 0)] }),
                ..Relationship::plain("Tags", "TagsTable", Vec::new(), true)
            },
            Relationship::plain("Boss", "PeopleTable", vec![(10, 0)], false),
            Relationship::plain("Reports", "PeopleTable", vec![(0, 10)], true),
            Relationship::plain("Hidden", "PeopleTable", vec![(0, 10)], true),
        ],
        freshness: Duration::ZERO,
        if_match: None,
        guarded: false,
        limits: portico_catalog::RowLimits::default(),
        row_estimate: None,
        overlay: Overlay {
            complex: vec![ComplexProperty {
                name: "Home".to_owned(),
                type_name: "Address".to_owned(),
                members: vec![("Street".to_owned(), 2), ("City".to_owned(), 3)],
            }],
            derivation: Some(Derivation {
                discriminator: 4,
                is_abstract: false,
                types: vec![
                    DerivedType { name: "Manager".to_owned(), base: None, values: vec![Value::text("M")], columns: vec![5] },
                    DerivedType {
                        name: "Director".to_owned(),
                        base: Some("Manager".to_owned()),
                        values: vec![Value::text("D"), Value::text("C")],
                        columns: vec![6],
                    },
                ],
            }),
            streams: vec![stream("Photo", 7, MediaType::Column(8))],
            media: Some(stream("", 9, MediaType::Fixed("application/pdf".to_owned()))),
            restrictions: Restrictions {
                not_filterable: vec![11],
                not_sortable: vec![11],
                not_expandable: vec![3],
                ..Restrictions::default()
            },
            ..Overlay::default()
        },
    }
}

fn tags() -> VirtualTable {
    VirtualTable {
        name: "TagsTable".to_owned(),
        columns: vec![
            Column { nullable: false, ..column("Code", TEXT) },
            Column { nullable: false, ..column("Area", TEXT) },
            column("Note", TEXT),
        ],
        key: vec![0],
        relationships: Vec::new(),
        overlay: Overlay {
            restrictions: Restrictions { not_countable: true, required_in_filter: vec![1], ..Restrictions::default() },
            ..Overlay::default()
        },
        ..people()
    }
}

fn shown(name: &str, table: VirtualTable) -> TableView {
    let relationships = table.relationships.iter().enumerate().map(|(index, relationship)| RelationshipView {
        index,
        name: relationship.name.clone(),
        to: relationship.to.trim_end_matches("Table").to_owned(),
        many: relationship.many,
        partner: None,
    });
    TableView {
        name: name.to_owned(),
        columns: (0..table.columns.len()).collect(),
        relationships: relationships.collect(),
        table: Arc::new(table),
        insertable: false,
        updatable: false,
        deletable: false,
        if_match: IfMatch::Optional,
    }
}

fn overlaid() -> ModelView {
    let mut view = model();
    view.tables.insert("People".to_owned(), shown("People", people()));
    view.tables.insert("Tags".to_owned(), shown("Tags", tags()));
    let mut locked = tags();
    locked.overlay.restrictions = Restrictions { not_readable: true, ..Restrictions::default() };
    locked.name = "LockedTable".to_owned();
    view.tables.insert("Locked".to_owned(), shown("Locked", locked));
    let me = |key| SingletonView { table: "People".to_owned(), key, labels: IndexMap::new() };
    view.singletons.insert("Me".to_owned(), me(Some(vec![Value::Int32(7)])));
    view.singletons.insert("Only".to_owned(), me(None));
    view
}

fn golden(urls: &[&str], expected: Expect) {
    let view = overlaid();
    expected.assert_eq(&urls.iter().map(|url| format!("{url}\n  {}\n", outcome_in(url, &view))).collect::<String>());
}

#[test]
fn compute_adds_columns_that_later_options_name() {
    golden(
        &[
            "Customers?$compute=Id add 1 as Next,Next mul 2 as Twice&$filter=Twice gt 4&$orderby=Next desc",
            "Customers?$compute=length(Name) as Letters&$select=Letters",
            "Customers?$compute=length(Name) as Letters&$select=Name",
            "Customers(1)?$compute=Id add 1 as Next",
            "Customers?$expand=Orders($compute=Total mul 2 as Double;$filter=Double gt 5;$select=Double)",
            "Customers?$compute=Id add 1 as Name",
            "Customers?$compute=Id add 1 as Orders",
            "Customers?$compute=Id add 1 as A,Id add 2 as A",
            "Customers?$compute=Later add 1 as Early,Id add 1 as Later",
            "Customers/$count?$compute=Id add 1 as Next",
        ],
        expect![[r#"
            Customers?$compute=Id add 1 as Next,Next mul 2 as Twice&$filter=Twice gt 4&$orderby=Next desc
              Collection CustomersTable select=[0, 1, 2, 4, 5, 6, 7, 8] compute=Next:int32=(#0 Add 1:int32):int32 compute=Twice:int32=(#7 Mul 2:int32):int32 filter=(#8 Gt 4:int32) order=#7 desc
            Customers?$compute=length(Name) as Letters&$select=Letters
              Collection CustomersTable select=[0, 7]! compute=Letters:int32=Length(#1):int32
            Customers?$compute=length(Name) as Letters&$select=Name
              Collection CustomersTable select=[0, 1]! compute=Letters:int32=Length(#1):int32
            Customers(1)?$compute=Id add 1 as Next
              Entity CustomersTable select=[0, 1, 2, 4, 5, 6, 7] key=[1:int32] compute=Next:int32=(#0 Add 1:int32):int32
            Customers?$expand=Orders($compute=Total mul 2 as Double;$filter=Double gt 5;$select=Double)
              Collection CustomersTable select=[0, 1, 2, 4, 5, 6] expand=Orders#1*(OrdersTable select=[0, 5]! compute=Double:decimal(24,2)=(#2 Mul 2e-0:decimal(10,0)):decimal(24,2) filter=(#5 Gt 500e-2:decimal(24,2)))
            Customers?$compute=Id add 1 as Name
              BadRequest $compute Some(12): $compute: 'Name' is a property of 'Customers' already
            Customers?$compute=Id add 1 as Orders
              BadRequest $compute Some(12): $compute: 'Orders' is a navigation property of 'Customers' already
            Customers?$compute=Id add 1 as A,Id add 2 as A
              BadRequest $compute Some(26): $compute: 'A' is another computed property of 'Customers' already
            Customers?$compute=Later add 1 as Early,Id add 1 as Later
              BadRequest $compute Some(0): 'Customers' has no property 'Later'
            Customers/$count?$compute=Id add 1 as Next
              BadRequest $compute None: the query option $compute does not apply to /$count
        "#]],
    );
}

#[test]
fn search_is_a_condition_over_searchable_columns() {
    golden(
        &[
            "People?$search=Miller",
            "People?$search=Miller NOT Berlin",
            "People?$search=\"New York\" OR (a b)",
            "People?$search=NOT (a OR b)&$filter=Id gt 1",
            "People/$count?$search=a",
            "People?$expand=Reports($search=a)",
            "Customers?$search=a",
            "People(1)?$search=a",
        ],
        expect![[r#"
            People?$search=Miller
              Collection PeopleTable select=[0, 1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11] filter=(Contains(ToLower(#1):text, 'miller'):boolean Or Contains(ToLower(#3):text, 'miller'):boolean)
            People?$search=Miller NOT Berlin
              Collection PeopleTable select=[0, 1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11] filter=((Contains(ToLower(#1):text, 'miller'):boolean Or Contains(ToLower(#3):text, 'miller'):boolean) And (Not ((Contains(ToLower(#1):text, 'berlin'):boolean Eq true) Or (Contains(ToLower(#3):text, 'berlin'):boolean Eq true))))
            People?$search="New York" OR (a b)
              Collection PeopleTable select=[0, 1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11] filter=((Contains(ToLower(#1):text, 'new york'):boolean Or Contains(ToLower(#3):text, 'new york'):boolean) Or ((Contains(ToLower(#1):text, 'a'):boolean Or Contains(ToLower(#3):text, 'a'):boolean) And (Contains(ToLower(#1):text, 'b'):boolean Or Contains(ToLower(#3):text, 'b'):boolean)))
            People?$search=NOT (a OR b)&$filter=Id gt 1
              Collection PeopleTable select=[0, 1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11] filter=((Not (((Contains(ToLower(#1):text, 'a'):boolean Eq true) Or (Contains(ToLower(#3):text, 'a'):boolean Eq true)) Or ((Contains(ToLower(#1):text, 'b'):boolean Eq true) Or (Contains(ToLower(#3):text, 'b'):boolean Eq true)))) And (#0 Gt 1:int32))
            People/$count?$search=a
              Count PeopleTable select=[0, 1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11] filter=(Contains(ToLower(#1):text, 'a'):boolean Or Contains(ToLower(#3):text, 'a'):boolean)
            People?$expand=Reports($search=a)
              Collection PeopleTable select=[0, 1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11] expand=Reports#2*(PeopleTable select=[0, 1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11] filter=(Contains(ToLower(#1):text, 'a'):boolean Or Contains(ToLower(#3):text, 'a'):boolean))
            Customers?$search=a
              NotImplemented $search Some(0): $search: nothing of 'Customers' is searchable
            People(1)?$search=a
              BadRequest $search None: the query option $search does not apply to one entity
        "#]],
    );
}

#[test]
fn a_salesforce_search_observes_letter_case() {
    let view = ModelView { profile: Profile::Salesforce, ..overlaid() };
    let expected = expect![
        "Collection PeopleTable select=[0, 1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11] filter=(Contains(#1, 'Miller B'):boolean Or Contains(#3, 'Miller B'):boolean)"
    ];
    expected.assert_eq(&outcome_in("People?$search=\"Miller B\"", &view));
}

#[test]
fn select_names_properties_of_every_kind() {
    golden(
        &[
            "People?$select=*",
            "People?$select=Home",
            "People?$select=Home/City,Name",
            "People?$select=Home($select=City)",
            "People?$select=Home/*",
            "People?$select=Home($select=*)",
            "People?$select=Photo",
            "People?$select=Portico.crm.Manager/Bonus",
            "People/Portico.crm.Director?$select=Bonus,Level",
            "People?$select=Portico.crm.*,Name",
            "People?$select=Boss,Name",
            "People?$select=Bonus",
            "People?$select=home_city",
            "People?$select=photo",
            "People?$select=Home/Cty",
            "People?$select=Home($select=Cty)",
            "People?$select=Home($top=1)",
            "People?$select=Name($select=x)",
            "People?$select=Name/x",
            "People?$select=Boss/Name",
            "People?$select=Portico.crm.Nothing/Bonus",
            "People?$select=Other.*",
            "People?$select=Portico.crm.Manager",
        ],
        expect![[r#"
            People?$select=*
              Collection PeopleTable select=[0, 1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11]!
            People?$select=Home
              Collection PeopleTable select=[0, 2, 3]!
            People?$select=Home/City,Name
              Collection PeopleTable select=[0, 1, 3]!
            People?$select=Home($select=City)
              Collection PeopleTable select=[0, 3]!
            People?$select=Home/*
              Collection PeopleTable select=[0, 2, 3]!
            People?$select=Home($select=*)
              Collection PeopleTable select=[0, 2, 3]!
            People?$select=Photo
              Collection PeopleTable select=[0, 7]!
            People?$select=Portico.crm.Manager/Bonus
              Collection PeopleTable select=[0, 5]!
            People/Portico.crm.Director?$select=Bonus,Level
              Collection PeopleTable select=[0, 5, 6]! as=Director filter=(#4 In ['D' 'C'])
            People?$select=Portico.crm.*,Name
              Collection PeopleTable select=[0, 1]!
            People?$select=Boss,Name
              Collection PeopleTable select=[0, 1]!
            People?$select=Bonus
              BadRequest $select Some(0): 'Bonus' is a property of the derived type 'Manager': name the type before it
            People?$select=home_city
              BadRequest $select Some(0): 'People' has no property 'home_city'
            People?$select=photo
              BadRequest $select Some(0): 'People' has no property 'photo'; did you mean 'Photo'?
            People?$select=Home/Cty
              BadRequest $select Some(0): $select: 'Home' has no property 'Cty'; did you mean 'City'?
            People?$select=Home($select=Cty)
              BadRequest $select Some(0): $select: 'Home' has no property 'Cty'; did you mean 'City'?
            People?$select=Home($top=1)
              BadRequest $select Some(0): the query option $top does not apply inside 'Home', a property in $select
            People?$select=Name($select=x)
              BadRequest $select Some(0): $select: 'Name' has no properties of its own, so nothing in parentheses applies to it
            People?$select=Name/x
              BadRequest $select Some(0): $select: 'Name' is a property without parts, so 'Name/x' leads nowhere
            People?$select=Boss/Name
              BadRequest $select Some(0): $select: 'Boss/Name' leads through a navigation property: write $expand=Boss($select=…)
            People?$select=Portico.crm.Nothing/Bonus
              BadRequest $select Some(0): $select: there is no type or operation 'Portico.crm.Nothing' here
            People?$select=Other.*
              BadRequest $select Some(0): $select: there is no namespace 'Other'
            People?$select=Portico.crm.Manager
              BadRequest $select Some(0): $select: a property must follow the type 'Portico.crm.Manager'
        "#]],
    );
}

#[test]
fn expand_takes_every_form() {
    golden(
        &[
            "People?$expand=Tags",
            "People?$expand=Tags($filter=startswith(Note,'x');$top=2;$orderby=Note desc)",
            "People?$expand=*",
            "People?$expand=*/$ref,Boss($select=Name)",
            "People?$expand=Boss/$ref",
            "People?$expand=Reports/$ref($filter=Id gt 2;$top=3;$count=true)",
            "People?$expand=Reports/$count($search=x)",
            "People?$expand=Boss($levels=3;$select=Name)",
            "People?$expand=Boss($levels=max;$select=Name)",
            "People?$expand=Reports($levels=2;$expand=Tags;$top=1)",
            "Customers?$expand=Orders($levels=max)",
            "People?$expand=Portico.crm.Manager/Reports",
            "People?$expand=Reports/Portico.crm.Manager($select=Bonus)",
            "People/Portico.crm.Manager?$expand=Portico.crm.Manager/Reports",
            "People?$expand=Tags(@x=2;$top=1),Reports($filter=Id eq @x)&@x=5",
            "People?$expand=Boss/$count",
            "People?$expand=Boss($levels=9)",
            "Customers?$expand=Orders($levels=2)",
            "People?$expand=Hidden",
            "People?$expand=Tags($count=true)",
            "People?$expand=Boss,Boss",
            "People?$expand=*,*",
            "People?$expand=Name",
            "People?$expand=Home/City",
            "People?$expand=Photo",
            "People?$expand=Boss($filter=Id eq 1)",
            "People?$expand=Reports/$ref($select=Name)",
            "People?$expand=Reports/$count($top=1)",
            "People?$expand=Portico.crm.Nobody/Reports",
            "People?$expand=Boss/$value",
        ],
        expect![[r#"
            People?$expand=Tags
              Collection PeopleTable select=[0, 1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11] expand=Tags#0*(TagsTable select=[0, 1, 2])
            People?$expand=Tags($filter=startswith(Note,'x');$top=2;$orderby=Note desc)
              Collection PeopleTable select=[0, 1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11] expand=Tags#0*(TagsTable select=[0, 1, 2] filter=StartsWith(#2, 'x'):boolean order=#2 desc top=2)
            People?$expand=*
              Collection PeopleTable select=[0, 1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11] expand=Tags#0*(TagsTable select=[0, 1, 2]) expand=Boss#1(PeopleTable select=[0, 1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11]) expand=Reports#2*(PeopleTable select=[0, 1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11])
            People?$expand=*/$ref,Boss($select=Name)
              Collection PeopleTable select=[0, 1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11] expand=Boss#1(PeopleTable select=[0, 1]!) expand=Tags/$ref#0*(TagsTable select=[0]) expand=Reports/$ref#2*(PeopleTable select=[0])
            People?$expand=Boss/$ref
              Collection PeopleTable select=[0, 1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11] expand=Boss/$ref#1(PeopleTable select=[0])
            People?$expand=Reports/$ref($filter=Id gt 2;$top=3;$count=true)
              Collection PeopleTable select=[0, 1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11] expand=Reports/$ref#2*(PeopleTable select=[0] filter=(#0 Gt 2:int32) top=3 count)
            People?$expand=Reports/$count($search=x)
              Collection PeopleTable select=[0, 1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11] expand=Reports/$count#2*(PeopleTable select=[] filter=(Contains(ToLower(#1):text, 'x'):boolean Or Contains(ToLower(#3):text, 'x'):boolean) count)
            People?$expand=Boss($levels=3;$select=Name)
              Collection PeopleTable select=[0, 1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11] expand=Boss#1(PeopleTable select=[0, 1]! expand=Boss#1(PeopleTable select=[0, 1]! expand=Boss#1(PeopleTable select=[0, 1]!)))
            People?$expand=Boss($levels=max;$select=Name)
              Collection PeopleTable select=[0, 1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11] expand=Boss#1(PeopleTable select=[0, 1]! expand=Boss#1(PeopleTable select=[0, 1]! expand=Boss#1(PeopleTable select=[0, 1]! expand=Boss#1(PeopleTable select=[0, 1]! expand=Boss#1(PeopleTable select=[0, 1]! expand=Boss#1(PeopleTable select=[0, 1]! expand=Boss#1(PeopleTable select=[0, 1]! expand=Boss#1(PeopleTable select=[0, 1]!))))))))
            People?$expand=Reports($levels=2;$expand=Tags;$top=1)
              Collection PeopleTable select=[0, 1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11] expand=Reports#2*(PeopleTable select=[0, 1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11] top=1 expand=Tags#0*(TagsTable select=[0, 1, 2]) expand=Reports#2*(PeopleTable select=[0, 1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11] top=1 expand=Tags#0*(TagsTable select=[0, 1, 2])))
            Customers?$expand=Orders($levels=max)
              Collection CustomersTable select=[0, 1, 2, 4, 5, 6] expand=Orders#1*(OrdersTable select=[0, 1, 2, 3, 4])
            People?$expand=Portico.crm.Manager/Reports
              Collection PeopleTable select=[0, 1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11] expand=Manager/Reports#2*(PeopleTable select=[0, 1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11])
            People?$expand=Reports/Portico.crm.Manager($select=Bonus)
              Collection PeopleTable select=[0, 1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11] expand=Reports#2*(PeopleTable select=[0, 5]! filter=(#4 In ['M' 'D' 'C']))
            People/Portico.crm.Manager?$expand=Portico.crm.Manager/Reports
              Collection PeopleTable select=[0, 1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11] as=Manager filter=(#4 In ['M' 'D' 'C']) expand=Reports#2*(PeopleTable select=[0, 1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11])
            People?$expand=Tags(@x=2;$top=1),Reports($filter=Id eq @x)&@x=5
              Collection PeopleTable select=[0, 1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11] expand=Tags#0*(TagsTable select=[0, 1, 2] top=1) expand=Reports#2*(PeopleTable select=[0, 1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11] filter=(#0 Eq 5:int32))
            People?$expand=Boss/$count
              BadRequest $expand Some(0): $expand: 'Boss' leads to one entity, so $count cannot follow it
            People?$expand=Boss($levels=9)
              BadRequest $expand Some(0): $expand is nested more than 8 levels deep at 'Boss'
            Customers?$expand=Orders($levels=2)
              BadRequest $expand Some(0): $levels: 'Orders' leads to 'Orders', which has no 'Orders' that could be expanded again
            People?$expand=Hidden
              NotImplemented $expand Some(0): $expand: 'People' does not offer it for 'Hidden'
            People?$expand=Tags($count=true)
              NotImplemented $expand Some(0): $count: 'Tags' does not offer it
            People?$expand=Boss,Boss
              BadRequest $expand Some(5): $expand names 'Boss' twice
            People?$expand=*,*
              BadRequest $expand Some(2): $expand has * twice
            People?$expand=Name
              BadRequest $expand Some(0): 'Name' is a property of 'People', not a navigation property: it cannot be expanded
            People?$expand=Home/City
              BadRequest $expand Some(0): $expand: 'Home' has no navigation property 'City'
            People?$expand=Photo
              NotImplemented $expand Some(0): the stream 'Photo' in $expand is not supported yet
            People?$expand=Boss($filter=Id eq 1)
              BadRequest $expand Some(0): the query option $filter does not apply inside 'Boss', which leads to one entity
            People?$expand=Reports/$ref($select=Name)
              BadRequest $expand Some(0): the query option $select does not apply inside 'Reports/$ref'
            People?$expand=Reports/$count($top=1)
              BadRequest $expand Some(0): the query option $top does not apply inside 'Reports/$count'
            People?$expand=Portico.crm.Nobody/Reports
              BadRequest $expand Some(0): $expand: there is no type 'Portico.crm.Nobody' with a navigation property here
            People?$expand=Boss/$value
              BadRequest $expand Some(0): $expand: 'Boss/$value' leads nowhere
        "#]],
    );
}

#[test]
fn a_star_stands_for_several_levels() {
    golden(
        &[
            "Tags?$filter=Area eq 'x'&$expand=*($levels=2)",
            "People?$expand=Boss($select=Id),*($levels=2)",
            "People?$expand=*($levels=1)",
            "People?$expand=*($levels=9)",
            "People?$expand=*($levels=8)",
            "People?$expand=Reports($expand=*($levels=8))",
            "People?$expand=Boss($levels=9)",
            "People?$expand=Boss($expand=Boss($levels=8))",
        ],
        expect![[r#"
            Tags?$filter=Area eq 'x'&$expand=*($levels=2)
              Collection TagsTable select=[0, 1, 2] filter=(#1 Eq 'x')
            People?$expand=Boss($select=Id),*($levels=2)
              Collection PeopleTable select=[0, 1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11] expand=Boss#1(PeopleTable select=[0]!) expand=Tags#0*(TagsTable select=[0, 1, 2]) expand=Reports#2*(PeopleTable select=[0, 1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11] expand=Tags#0*(TagsTable select=[0, 1, 2]) expand=Boss#1(PeopleTable select=[0, 1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11]) expand=Reports#2*(PeopleTable select=[0, 1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11]))
            People?$expand=*($levels=1)
              Collection PeopleTable select=[0, 1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11] expand=Tags#0*(TagsTable select=[0, 1, 2]) expand=Boss#1(PeopleTable select=[0, 1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11]) expand=Reports#2*(PeopleTable select=[0, 1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11])
            People?$expand=*($levels=9)
              BadRequest $expand Some(0): $expand is nested more than 8 levels deep at '*'
            People?$expand=*($levels=8)
              BadRequest $expand Some(0): '*' with $levels=8 stands for more than 100 relationships: name those that are wanted
            People?$expand=Reports($expand=*($levels=8))
              BadRequest $expand Some(16): $expand is nested more than 8 levels deep at '*'
            People?$expand=Boss($levels=9)
              BadRequest $expand Some(0): $expand is nested more than 8 levels deep at 'Boss'
            People?$expand=Boss($expand=Boss($levels=8))
              BadRequest $expand Some(13): $expand is nested more than 8 levels deep at 'Boss'
        "#]],
    );
    let context = |url: &str| {
        let read = bound_in(url, &overlaid()).unwrap();
        crate::json::context_url("", &overlaid(), &read, crate::header::Version::V4_0)
    };
    assert_eq!(context("People?$select=Id&$expand=Boss($levels=3;$select=Name)"), "/$metadata#People(Id,Boss+(Id,Name))");
    assert_eq!(context("People?$expand=Boss($levels=max;$select=Name;$expand=Tags)"), "/$metadata#People(Boss+(Id,Name,Tags))");
    assert_eq!(context("Customers?$expand=Orders($apply=groupby((Note),aggregate($count as N)))"), "/$metadata#Customers(Orders(Note,N))");
    // As deep as the relationships that it stands for are not too many.
    let read = bound_in("People?$expand=*($levels=max)", &overlaid()).unwrap();
    fn deepest(query: &crate::BoundQuery) -> usize {
        query.expand.iter().map(|expand| deepest(&expand.query) + 1).max().unwrap_or(0)
    }
    assert_eq!(deepest(&read.query), 5);
}

#[test]
fn hidden_names_are_no_names() {
    let mut view = overlaid();
    if let Some(people) = view.tables.get_mut("People") {
        people.columns.retain(|column| ![3, 7].contains(column));
        people.relationships.retain(|relationship| relationship.name != "Boss");
    }
    for url in ["People(1)/Home/City", "People(1)/Photo", "People(1)/Boss", "People?$select=Home/City", "People?$expand=Boss"] {
        let error = bound_in(url, &view).expect_err(url);
        assert!(matches!(error.kind, ODataErrorKind::NotFound | ODataErrorKind::BadRequest), "{url}: {error:?}");
        assert!(!error.message.contains("did you mean 'Boss'"), "{url}: {error:?}");
    }
    assert!(parse::request("People", None).is_ok());
}

#[test]
fn the_rest_of_an_expanded_collection_is_asked_for_by_itself() {
    let rest = |url: &str| {
        let read = bound_in(url, &overlaid()).unwrap();
        let expand = read.query.expand.into_iter().next().unwrap();
        let (path, query) = crate::skiptoken::rest_request("People(1)", &expand.rest, &[("@f".to_owned(), "'a b'".to_owned())]);
        let text = if query.is_empty() { path.clone() } else { format!("{path}?{query}") };
        // What it asks for is what was expanded, from the one parent.
        let alone = bound_in(&text, &overlaid()).unwrap_or_else(|error| panic!("{text}: {error}")).query;
        assert_eq!(
            (&alone.filter, &alone.order_by, &alone.compute),
            (&expand.query.filter, &expand.query.order_by, &expand.query.compute),
            "{url}"
        );
        assert_eq!(
            (alone.select, alone.expand.len(), alone.count),
            (expand.query.select, expand.query.expand.len(), expand.query.count),
            "{url}"
        );
        text
    };
    let cases = [
        ("People?$expand=Reports&@f='x'", "People(1)/Reports?@f=%27a%20b%27"),
        ("People?$expand=*/$ref", "People(1)/Tags/$ref?@f=%27a%20b%27"),
        (
            "People?$expand=Reports($filter=Name eq 'a;b)';$select=Name)",
            "People(1)/Reports?$filter=Name%20eq%20%27a%3Bb%29%27&$select=Name&@f=%27a%20b%27",
        ),
        ("People?$expand=Reports(@f=1;filter=Id gt @f)", "People(1)/Reports?@f=1&filter=Id%20gt%20%40f"),
        (
            "People?$expand=Reports($levels=3;$expand=Tags($top=1);$top=1)",
            "People(1)/Reports?$expand=Tags%28$top%3D1%29%2CReports%28$expand%3DTags%28$top%3D1%29%3B$top%3D1%3B$levels%3D2%29&$top=1&@f=%27a%20b%27",
        ),
        ("People?$expand=Reports/Portico.crm.Manager($count=true)", "People(1)/Reports/Portico.crm.Manager?$count=true&@f=%27a%20b%27"),
    ];
    for (url, expected) in cases {
        let found = rest(url);
        assert_eq!(found.replace("%24", "$"), expected, "{url}");
    }
}
