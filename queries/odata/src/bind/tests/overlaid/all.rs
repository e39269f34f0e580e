//! Golden bound reads of `$all`, set by set, and of `$all` with a type.

use super::*;

/// The parts of a read of `$all`, and what is asked of them together.
fn everything(url: &str, view: &ModelView) -> String {
    let (path, query) = url.split_once('?').map_or((url, None), |(path, query)| (path, Some(query)));
    match crate::bind::all(&parse::request(path, query).unwrap(), view) {
        Ok(Some(all)) => {
            let mut out = format!("top={:?} skip={} count={}", all.top, all.skip, all.count);
            for part in &all.parts {
                let filter = part.read.query.filter.as_ref().map(super::super::expr).unwrap_or_default();
                let key = part.read.query.key.as_ref().map(|key| format!("{key:?}")).unwrap_or_default();
                assert!(part.read.query.select.contains(&0) && part.read.query.order_by.is_empty(), "{part:?}");
                out += &format!("\n    {}: {:?} {} {key}{filter}", part.name, part.read.kind, part.read.query.table);
            }
            out
        }
        Ok(None) => "not $all".to_owned(),
        Err(error) => format!("{:?} {} {:?}: {}", error.kind, error.target.as_deref().unwrap_or("-"), error.position, error.message),
    }
}

#[test]
fn all_is_every_set_that_is_read_as_a_whole() {
    // Of what is read by key only, singletons are read: each entity once, however many names it has.
    let mut view = overlaid();
    let locked = |key: Option<&str>| SingletonView {
        table: "Locked".to_owned(),
        key: key.map(|key| vec![Value::text(key)]),
        labels: IndexMap::new(),
    };
    view.singletons.insert("Current".to_owned(), locked(Some("a")));
    view.singletons.insert("Same".to_owned(), locked(Some("a")));
    view.singletons.insert("Other".to_owned(), locked(Some("b")));
    let urls = [
        "$all",
        "$all?$search=red&$top=3&$skip=2&$count=true",
        "$all?$search=NOT red&$format=json&$schemaversion=v1&own=1",
        "$all?$schemaversion=v0",
        "$all?$filter=true",
        "$all?$orderby=Id",
        "$all?$select=Id",
        "$all?$expand=*",
        "$all?$compute=1 as One",
        "$all?$apply=aggregate($count as n)",
        "$all/Portico.crm.People",
        "People",
    ];
    let found = urls.map(|url| format!("{url}\n    {}\n", everything(url, &view))).concat();
    expect![[r#"
        $all
            top=None skip=0 count=false
            Customers: Collection CustomersTable 
            Orders: Collection OrdersTable 
            Lines: Collection LinesTable 
            Types: Collection TypesTable 
            People: Collection PeopleTable 
            Current: Collection LockedTable [Text("a")]
            Other: Collection LockedTable [Text("b")]
        $all?$search=red&$top=3&$skip=2&$count=true
            top=Some(3) skip=2 count=true
            People: Collection PeopleTable (Contains(ToLower(#1):text, 'red'):boolean Or Contains(ToLower(#3):text, 'red'):boolean)
        $all?$search=NOT red&$format=json&$schemaversion=v1&own=1
            top=None skip=0 count=false
            People: Collection PeopleTable (Not ((Contains(ToLower(#1):text, 'red'):boolean Eq true) Or (Contains(ToLower(#3):text, 'red'):boolean Eq true)))
        $all?$schemaversion=v0
            NotFound $schemaversion None: the schema is not there in this version any more: its version is v1
        $all?$filter=true
            NotImplemented $filter None: the query option $filter of $all, where no type is named after it, is not supported yet
        $all?$orderby=Id
            NotImplemented $orderby None: the query option $orderby of $all, where no type is named after it, is not supported yet
        $all?$select=Id
            NotImplemented $select None: the query option $select of $all, where no type is named after it, is not supported yet
        $all?$expand=*
            NotImplemented $expand None: the query option $expand of $all, where no type is named after it, is not supported yet
        $all?$compute=1 as One
            NotImplemented $compute None: the query option $compute of $all, where no type is named after it, is not supported yet
        $all?$apply=aggregate($count as n)
            NotImplemented $apply None: the query option $apply of $all, where no type is named after it, is not supported yet
        $all/Portico.crm.People
            not $all
        People
            not $all
    "#]].assert_eq(&found);
    // Nothing is searchable.
    assert!(everything("$all?$search=x", &model()).contains("NotImplemented $search Some(0)"));
    view.tables.get_mut("Orders").map(|orders| Arc::make_mut(&mut orders.table).overlay.restrictions.not_countable = true).unwrap();
    assert!(everything("$all?$count=true", &view).contains("NotImplemented $count None: $count: 'Orders' does not offer it"));
}

#[test]
fn all_of_a_type_is_the_set_that_has_it() {
    golden(
        &[
            "$all/Portico.crm.People?$filter=Id gt 1&$select=Name&$orderby=Name&$expand=Boss&$top=1",
            "$all/Customers",
            "$all/Portico.crm.Director?$filter=Bonus gt 1",
            "$all/Portico.crm.Locked",
            "$all/Portico.crm.Peple",
            "$all/Other.People",
            "$all/Portico.crm.Address",
            "$all/Portico.crm.People(1)",
            "$all/Portico.crm.People/$count",
            "$all/$count",
            "$all",
        ],
        expect![[r#"
            $all/Portico.crm.People?$filter=Id gt 1&$select=Name&$orderby=Name&$expand=Boss&$top=1
              Collection PeopleTable select=[0, 1]! filter=(#0 Gt 1:int32) order=#1 top=1 expand=Boss#1(PeopleTable select=[0, 1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11])
            $all/Customers
              Collection CustomersTable select=[0, 1, 2, 4, 5, 6]
            $all/Portico.crm.Director?$filter=Bonus gt 1
              Collection PeopleTable select=[0, 1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11] as=Director filter=((#4 In ['D' 'C']) And (#5 Gt 1:int32))
            $all/Portico.crm.Locked
              NotAllowed path Some(0): 'Locked' is read one entity at a time, by key
            $all/Portico.crm.Peple
              NotFound path Some(5): there is no entity type 'Portico.crm.Peple'; did you mean 'People'?
            $all/Other.People
              NotFound path Some(5): there is no entity type 'Other.People'
            $all/Portico.crm.Address
              NotFound path Some(5): there is no entity type 'Portico.crm.Address'
            $all/Portico.crm.People(1)
              NotFound path Some(5): after $all can only stand a type, not 'Portico.crm.People(1)'
            $all/Portico.crm.People/$count
              NotFound path Some(24): after $all can only stand a type, not '$count'
            $all/$count
              NotFound path Some(5): there is no entity type '$count'
            $all
              NotImplemented path Some(0): $all is not supported yet
        "#]],
    );
}
