//! Sales as an ERP takes them: with their lines in one transaction, changed under a version, confirmed by a button, refused by its rules.

use super::{equals, rows, schema, select, table};
use crate::erp::Erp;
use portico_provider_api::{
    Change, ChangeOutcome, ChangeSet, ChangeValue, ConstraintKind, Effect, Precondition, QueryContext, RemoteSchema, Source, SourceError,
    SourceErrorKind, TableRelation, Value,
};
use serde_json::json;
use std::sync::Arc;

struct Shop {
    _erp: Erp,
    source: Arc<dyn Source>,
    schema: RemoteSchema,
    sale: TableRelation,
    line: TableRelation,
}

const SALE: [&str; 6] = ["id", "party", "reference", "invoice_address", "state", "_timestamp"];
const LINE: [&str; 7] = ["id", "sale", "product", "quantity", "unit", "unit_price", "description"];

async fn shop() -> Shop {
    let erp = Erp::start();
    let source = erp.source(json!({}));
    let schema = schema(&*source, &["sale.sale", "sale.line", "party.party", "product.product", "party.address"]).await;
    let (sale, line) = (table(&schema, "sale.sale", &SALE), table(&schema, "sale.line", &LINE));
    Shop { _erp: erp, source, schema, sale, line }
}

fn int(value: i32) -> ChangeValue {
    ChangeValue::Given(Value::Int32(value))
}

fn text(value: &str) -> ChangeValue {
    ChangeValue::Given(Value::text(value))
}

impl Shop {
    async fn write(&self, changes: Vec<Change>) -> Result<Vec<ChangeOutcome>, SourceError> {
        self.source.writable().unwrap().write(ChangeSet { changes, idempotency_key: None }, &QueryContext::default()).await
    }

    async fn first(&self, model: &str, filter: (&str, Value)) -> i32 {
        let table = table(&self.schema, model, &["id", filter.0]);
        let found = rows(&*self.source, select(&table, Some(equals(1, filter.1)))).await.unwrap();
        let Value::Int32(id) = found[0][0] else { panic!("{found:?}") };
        id
    }

    async fn new_sale(&self, reference: &str) -> Change {
        let party = self.first("party.party", ("code", Value::text("C003"))).await;
        let address = self.first("party.address", ("party", Value::Int32(party))).await;
        let values = vec![(1, int(party)), (2, text(reference)), (3, int(address))];
        Change::Insert { table: self.sale.clone(), values, require: None }
    }

    async fn new_line(&self, sale: usize, description: &str) -> Change {
        let products = table(&self.schema, "product.product", &["id", "default_uom"]);
        let found = rows(&*self.source, select(&products, None)).await.unwrap();
        let (Value::Int32(product), Value::Int32(unit)) = (&found[0][0], &found[0][1]) else { panic!("{found:?}") };
        let scalar_type = self.line.columns[5].scalar_type;
        let price = portico_provider_api::evaluate::cast_value(&Value::text("12.5"), scalar_type).unwrap();
        let values = vec![
            (1, ChangeValue::FromChange { change: sale, column: 0 }),
            (2, int(*product)),
            (3, ChangeValue::Given(Value::float64(2.0))),
            (4, int(*unit)),
            (5, ChangeValue::Given(price)),
            (6, text(description)),
        ];
        Change::Insert { table: self.line.clone(), values, require: None }
    }

    async fn sale_of(&self, id: i32) -> Vec<Value> {
        rows(&*self.source, select(&self.sale, Some(equals(0, Value::Int32(id))))).await.unwrap().pop().unwrap()
    }

    fn update(&self, id: i32, reference: ChangeValue, precondition: Precondition) -> Change {
        Change::Update {
            table: self.sale.clone(),
            key: vec![(0, Value::Int32(id))],
            values: vec![(2, reference)],
            precondition,
            visible: None,
            require: None,
        }
    }

    async fn invoke(&self, operation: &str, id: i32) -> Result<Vec<ChangeOutcome>, SourceError> {
        let operation = self.schema.operations.iter().find(|known| known.is_named(operation)).unwrap().clone();
        self.write(vec![Change::Invoke { operation: Box::new(operation), arguments: vec![(0, int(id))] }]).await
    }
}

fn key(outcome: &ChangeOutcome) -> i32 {
    match outcome {
        ChangeOutcome::Keyed(key) => match key.as_slice() {
            [(0, Value::Int32(id))] => *id,
            other => panic!("{other:?}"),
        },
        other => panic!("{other:?}"),
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_sale_and_its_lines_are_one_transaction() {
    let shop = shop().await;
    let set = vec![
        shop.new_sale("two lines").await,
        shop.new_line(0, "first").await,
        shop.new_sale("one line").await,
        shop.new_line(0, "second").await,
        shop.new_line(2, "third").await,
    ];
    let outcomes = shop.write(set).await.unwrap();
    let keys: Vec<i32> = outcomes.iter().map(key).collect();
    for (line, sale, description) in [(1, 0, "first"), (3, 0, "second"), (4, 2, "third")] {
        let found = rows(&*shop.source, select(&shop.line, Some(equals(0, Value::Int32(keys[line]))))).await.unwrap();
        assert_eq!((&found[0][1], &found[0][6]), (&Value::Int32(keys[sale]), &Value::text(description)));
    }
    assert_eq!(shop.sale_of(keys[0]).await[4], Value::text("draft"));

    // A line that breaks a rule leaves nothing of the sale.
    let before = rows(&*shop.source, select(&shop.sale, None)).await.unwrap().len();
    let (sale, line) = (shop.new_sale("undone").await, shop.new_line(0, "no quantity").await);
    let Change::Insert { table, mut values, require } = line else { unreachable!() };
    values.retain(|(column, _)| *column != 3);
    let error = shop.write(vec![sale, Change::Insert { table, values, require }]).await.unwrap_err();
    assert!(matches!(error.kind, SourceErrorKind::Constraint { kind: ConstraintKind::NotNull, .. }), "{error:?}");
    assert_eq!(error.effect, Effect::None);
    assert_eq!(rows(&*shop.source, select(&shop.sale, None)).await.unwrap().len(), before);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_sale_and_the_lines_that_it_has_are_changed_in_one_transaction() {
    let shop = shop().await;
    let set = vec![shop.new_sale("before").await, shop.new_line(0, "kept").await, shop.new_line(0, "removed").await];
    let [id, kept, removed] = shop.write(set).await.unwrap().iter().map(key).collect::<Vec<_>>()[..] else { panic!("not three") };
    let line_of = async |description: &str| match shop.new_line(0, description).await {
        Change::Insert { table, mut values, require } => {
            values[0] = (1, int(id));
            Change::Insert { table, values, require }
        }
        other => panic!("{other:?}"),
    };
    let describe = |line: i32, description: &str| Change::Update {
        table: shop.line.clone(),
        key: vec![(0, Value::Int32(line))],
        values: vec![(6, text(description))],
        precondition: Precondition::None,
        visible: None,
        require: None,
    };
    let remove = |line: i32| Change::Delete {
        table: shop.line.clone(),
        key: vec![(0, Value::Int32(line))],
        precondition: Precondition::None,
        visible: None,
    };
    let lines = async || {
        let found = rows(&*shop.source, select(&shop.line, Some(equals(1, Value::Int32(id))))).await.unwrap();
        let mut found: Vec<_> = found.into_iter().map(|row| (row[0].clone(), row[6].clone())).collect();
        found.sort_by_key(|(number, _)| number.as_integer());
        found
    };
    let set = vec![
        line_of("new").await,
        shop.update(id, text("after"), Precondition::None),
        describe(kept, "changed"),
        remove(removed),
        line_of("newer").await,
    ];
    let outcomes = shop.write(set).await.unwrap();
    let done = ChangeOutcome::Done { row: None, created: false };
    assert_eq!(outcomes[1..4], [done.clone(), done.clone(), done]);
    let (new, newer) = (key(&outcomes[0]), key(&outcomes[4]));
    assert_eq!(shop.sale_of(id).await[2], Value::text("after"));
    let expected = [(kept, "changed"), (new, "new"), (newer, "newer")].map(|(line, text)| (Value::Int32(line), Value::text(text)));
    assert_eq!(lines().await, expected);

    // A line that breaks a rule leaves all as it was, and so does one that is not there.
    let Change::Insert { table, mut values, require } = line_of("no quantity").await else { unreachable!() };
    values.retain(|(column, _)| *column != 3);
    let broken = Change::Insert { table, values, require };
    let error = shop.write(vec![shop.update(id, text("undone"), Precondition::None), remove(new), broken]).await.unwrap_err();
    assert!(matches!(error.kind, SourceErrorKind::Constraint { kind: ConstraintKind::NotNull, .. }), "{error:?}");
    let outcomes = shop.write(vec![shop.update(id, text("undone"), Precondition::None), remove(removed)]).await.unwrap();
    assert_eq!(outcomes, [ChangeOutcome::NotAttempted, ChangeOutcome::NotFound]);
    assert_eq!((shop.sale_of(id).await[2].clone(), lines().await), (Value::text("after"), expected.to_vec()));
}

/// On PostgreSQL the server's transactions are apart from each other.
#[tokio::test(flavor = "multi_thread")]
async fn a_stale_version_is_refused_by_the_server() {
    let erp = Erp::start_on_postgres();
    let source = erp.source(json!({"database": erp.database, "backend": "postgresql", "text_order": "language"}));
    let schema = schema(&*source, &["portico.fixture.write_parent", "portico.fixture.write_child"]).await;
    let children = super::table(&schema, "portico.fixture.write_child", &["id", "parent_id", "label"]);
    let table = table(&schema, "portico.fixture.write_parent", &["id", "name", "version", "_timestamp"]);
    let write = async |changes: Vec<Change>| {
        source.writable().unwrap().write(ChangeSet { changes, idempotency_key: None }, &QueryContext::default()).await.unwrap()
    };
    let insert = |name: &str| Change::Insert { table: table.clone(), values: vec![(1, text(name)), (2, int(1))], require: None };
    let update = |id: i32, name: &str, version: &Value| Change::Update {
        table: table.clone(),
        key: vec![(0, Value::Int32(id))],
        values: vec![(1, text(name))],
        precondition: Precondition::Version { column: 3, value: version.clone() },
        visible: None,
        require: None,
    };
    let stored = async |id: i32| rows(&*source, select(&table, Some(equals(0, Value::Int32(id))))).await.unwrap().pop().unwrap();
    let made = write(vec![insert("one"), insert("other")]).await;
    let (one, other) = (key(&made[0]), key(&made[1]));
    let (version, current) = (stored(one).await[3].clone(), stored(other).await[3].clone());
    // Of many who come with the same version, one is first.
    let names: Vec<String> = (0..5).map(|number| format!("writer {number}")).collect();
    let outcomes = futures::future::join_all(names.iter().map(|name| write(vec![update(one, name, &version)]))).await.concat();
    let done = ChangeOutcome::Done { row: None, created: false };
    assert_eq!(outcomes.iter().filter(|outcome| **outcome == done).count(), 1, "{outcomes:?}");
    assert_eq!(outcomes.iter().filter(|outcome| **outcome == ChangeOutcome::Changed).count(), 4, "{outcomes:?}");
    // One of several records: none is written, and it is told which was changed.
    let set = vec![update(other, "both", &current), update(one, "both", &version)];
    assert_eq!(write(set).await, [ChangeOutcome::NotAttempted, ChangeOutcome::Changed]);
    assert_eq!(stored(other).await[1], Value::text("other"));
    // So with a record and one that it holds, whose version is compared as well.
    let child = Change::Insert { table: children.clone(), values: vec![(1, int(one)), (2, text("child"))], require: None };
    let set = vec![child.clone(), update(one, "with a child", &version)];
    assert_eq!(write(set).await, [ChangeOutcome::NotAttempted, ChangeOutcome::Changed]);
    let set = vec![child, update(one, "with a child", &stored(one).await[3])];
    let held = key(&write(set).await[0]);
    assert_eq!(stored(one).await[1], Value::text("with a child"));
    let found = rows(&*source, select(&children, Some(equals(1, Value::Int32(one))))).await.unwrap();
    assert_eq!(found, [[Value::Int32(held), Value::Int32(one), Value::text("child")]]);
    let remove = Change::Delete { table: children, key: vec![(0, Value::Int32(held))], precondition: Precondition::None, visible: None };
    let set = vec![update(one, "alone", &stored(one).await[3]), remove];
    assert_eq!(write(set).await, [done.clone(), done.clone()]);
    let delete = |version: &Value| Change::Delete {
        table: table.clone(),
        key: vec![(0, Value::Int32(one))],
        precondition: Precondition::Version { column: 3, value: version.clone() },
        visible: None,
    };
    assert_eq!(write(vec![delete(&version)]).await, [ChangeOutcome::Changed]);
    assert_eq!(write(vec![update(99_999, "nobody", &version)]).await, [ChangeOutcome::NotFound]);
    let now = stored(one).await[3].clone();
    assert_eq!(write(vec![delete(&now)]).await, [done]);
    assert_eq!(write(vec![delete(&now)]).await, [ChangeOutcome::NotFound]);
}

/// On SQLite the server compares versions before its transaction begins, so that it is not asked to.
#[tokio::test(flavor = "multi_thread")]
async fn what_the_server_does_not_compare_in_time_is_not_asked_of_it() {
    let shop = shop().await;
    let id = key(&shop.write(vec![shop.new_sale("versioned").await]).await.unwrap()[0]);
    let version = shop.sale_of(id).await[5].clone();
    let error = shop.write(vec![shop.update(id, text("new"), Precondition::Version { column: 5, value: version })]).await.unwrap_err();
    assert_eq!((error.kind, shop.sale_of(id).await[2].clone()), (SourceErrorKind::Unsupported, Value::text("versioned")));
    assert_eq!(shop.write(vec![shop.update(99_999, text("nobody"), Precondition::None)]).await.unwrap(), [ChangeOutcome::NotFound]);
}

#[tokio::test(flavor = "multi_thread")]
async fn buttons_are_operations() {
    let shop = shop().await;
    let names: Vec<String> = shop.schema.operations.iter().map(|operation| operation.name.to_string()).collect();
    for name in ["sale.sale.quote", "sale.sale.confirm", "sale.sale.process", "sale.sale.cancel", "sale.sale.draft"] {
        assert!(names.iter().any(|known| known == name), "{names:?}");
    }
    let made = shop.write(vec![shop.new_sale("confirmed").await, shop.new_line(0, "x").await]).await.unwrap();
    let id = key(&made[0]);
    assert_eq!(shop.invoke("sale.sale.quote", id).await.unwrap(), [ChangeOutcome::Returned(Vec::new())]);
    assert_eq!(shop.sale_of(id).await[4], Value::text("quotation"));
    // What is quoted is not removed: the server says why.
    let delete =
        Change::Delete { table: shop.sale.clone(), key: vec![(0, Value::Int32(id))], precondition: Precondition::None, visible: None };
    let error = shop.write(vec![delete]).await.unwrap_err();
    assert!(matches!(error.kind, SourceErrorKind::Constraint { .. }) && error.message.contains("cancel"), "{error:?}");
}

#[tokio::test(flavor = "multi_thread")]
async fn what_is_no_single_call_is_refused_before_anything_is_sent() {
    let shop = shop().await;
    let id = key(&shop.write(vec![shop.new_sale("first").await]).await.unwrap()[0]);
    let before = rows(&*shop.source, select(&shop.sale, None)).await.unwrap().len();
    let several = [
        vec![shop.new_sale("second").await, shop.update(id, text("changed"), Precondition::None)],
        vec![shop.update(id, text("changed"), Precondition::None), shop.new_sale("second").await],
    ];
    for set in several {
        let error = shop.write(set).await.unwrap_err();
        assert_eq!((error.kind.clone(), error.effect), (SourceErrorKind::Unsupported, Effect::None), "{error}");
    }
    let unchanged = Precondition::Unchanged(vec![(2, Value::text("first"))]);
    let error = shop.write(vec![shop.update(id, text("changed"), unchanged)]).await.unwrap_err();
    assert_eq!(error.kind, SourceErrorKind::Unsupported);
    let Change::Insert { table, mut values, require } = shop.new_sale("numbered").await else { unreachable!() };
    values.push((0, int(7_777)));
    let error = shop.write(vec![Change::Insert { table, values, require }]).await.unwrap_err();
    assert!(error.message.contains("numbers records"), "{error}");
    assert_eq!(rows(&*shop.source, select(&shop.sale, None)).await.unwrap().len(), before);
    assert_eq!(shop.sale_of(id).await[2], Value::text("first"));
}

#[tokio::test(flavor = "multi_thread")]
async fn a_broken_rule_names_its_field() {
    let shop = shop().await;
    let id = key(&shop.write(vec![shop.new_sale("rules").await]).await.unwrap()[0]);
    let table = table(&shop.schema, "sale.sale", &["id", "currency", "party"]);
    // What a customer's address has to do with the customer, and that there is a currency, are rules of the ERP's.
    for (column, kind, field) in [(1, ConstraintKind::NotNull, "currency"), (2, ConstraintKind::Check, "invoice_address")] {
        let change = Change::Update {
            table: table.clone(),
            key: vec![(0, Value::Int32(id))],
            values: vec![(column, ChangeValue::Null)],
            precondition: Precondition::None,
            visible: None,
            require: None,
        };
        let error = shop.write(vec![change]).await.unwrap_err();
        assert_eq!(error.kind, SourceErrorKind::Constraint { kind, columns: vec![field.to_owned()] }, "{error}");
    }
}
