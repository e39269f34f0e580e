//! The suite's fixtures as the server holds them: every table has the number `id` that the server gives, from 1 on; columns come in the order of their names.

use portico_provider_api::{
    Change, ChangeOutcome, ChangeSet, ChangeValue, QueryContext, RemoteSchema, RemoteTableName, ScalarType, Selection, Source, TableColumn,
    TableRelation, Value,
};
use portico_provider_testkit::{FixtureTable, Limitation, LoadedTable, Purpose, adapt, fixtures};

/// Columns that every model has besides.
const OF_SERVER: [&str; 7] = ["create_date", "create_uid", "last_modified_at", "rec_name", "write_date", "write_uid", "xml_id"];
const SECOND: i64 = 1_000_000;

fn limitations() -> Vec<Limitation> {
    let table = |table: &str, reason: &str| Limitation::Table { table: table.to_owned(), reason: reason.to_owned() };
    let held = |from, to, reason: &str| Limitation::Type { from, to, reason: reason.to_owned() };
    let wide = ScalarType::Decimal { precision: 76, scale: 20 };
    vec![
        table("edge_int16", "there is one type of integers"),
        table("edge_int64", "there is one type of integers"),
        table("edge_float32", "there is one type of floats"),
        table("edge_decimal_76", &format!("{wide} is beyond what the server computes with")),
        table("edge_timestamp", "moments have one type, in UTC"),
        table("edge_json", "there are objects of known members alone"),
        table("Odd \"Names\"", "names of fields are Python's"),
        table("composite", "keys are numbers of records"),
        table("write_pair", "keys are numbers of records"),
        Limitation::Column { table: "mixed".to_owned(), column: "big".to_owned(), reason: "there is one type of integers".to_owned() },
        held(ScalarType::Int16, ScalarType::Int32, "there is one type of integers"),
        held(ScalarType::Int64, ScalarType::Int32, "there is one type of integers"),
        held(ScalarType::Timestamp, ScalarType::TimestampTz, "moments have one type, in UTC"),
        held(ScalarType::Guid, ScalarType::Text, "there is no such type"),
        Limitation::Values {
            what: "floats that are no number, or not finite, or less than nothing".to_owned(),
            matches: |value| matches!(value, Value::Float64(float) if !float.0.is_finite() || (float.0 == 0.0 && float.0.is_sign_negative())),
            reason: "JSON has none, and SQLite no negative zero".to_owned(),
        },
        Limitation::Values {
            what: "times with fractions of seconds".to_owned(),
            matches: |value| matches!(value, Value::Time(micros) if micros % SECOND != 0),
            reason: "times have whole seconds".to_owned(),
        },
        Limitation::GeneratedKeys { reason: "the server numbers records".to_owned() },
    ]
}

/// The tables, and what is said of them.
pub fn adapted() -> (Vec<LoadedTable>, Vec<Limitation>) {
    let mut limitations = limitations();
    let mut tables = adapt(fixtures(), &limitations).unwrap();
    let of = |tables: &[FixtureTable], name: &str| tables.iter().find(|table| table.name == name).cloned().unwrap();
    let mut stripped = FixtureTable { name: "edge_stripped".to_owned(), ..of(&tables, "edge_text") };
    stripped.rows.retain(|row| {
        row.iter().all(|value| !matches!(value, Value::Text(text) if text.trim() != text || text.contains(char::is_control)))
    });
    let mut moments = FixtureTable { name: "edge_datetime".to_owned(), ..of(&tables, "edge_timestamptz") };
    moments.rows.retain(|row| row.iter().all(|value| !matches!(value, Value::TimestampTz(micros) if micros % SECOND != 0)));
    tables.extend([stripped, moments]);
    for table in &mut tables {
        number(table);
    }
    for table in &mut tables {
        for key in &mut table.foreign_keys {
            key.referenced_columns = vec!["id".to_owned()];
        }
        sort_columns(table);
        let other = |column: &str| Limitation::OtherColumn {
            table: table.name.clone(),
            column: column.to_owned(),
            reason: "every model has it".to_owned(),
        };
        limitations.extend(OF_SERVER.map(other));
    }
    let loaded = tables.into_iter().map(|fixture| {
        let remote = RemoteTableName(["portico", "fixture", fixture.name.as_str()].map(str::to_owned).to_vec());
        LoadedTable { fixture, remote }
    });
    (loaded.collect(), limitations)
}

/// Gives a table the numbers that the server will give its rows.
fn number(table: &mut FixtureTable) {
    let key = table.position(&table.primary_key[0]).unwrap();
    table.columns[key].name = "id".to_owned();
    table.columns[key].scalar_type = ScalarType::Int32;
    table.primary_key = vec!["id".to_owned()];
    for (row, id) in table.rows.iter_mut().zip(1..) {
        row[key] = Value::Int32(id);
    }
}

fn sort_columns(table: &mut FixtureTable) {
    let mut order: Vec<usize> = (0..table.columns.len()).collect();
    order.sort_by_key(|index| (table.columns[*index].name != "id", table.columns[*index].name.clone()));
    table.columns = order.iter().map(|index| table.columns[*index].clone()).collect();
    for row in &mut table.rows {
        *row = order.iter().map(|index| row[*index].clone()).collect();
    }
}

/// A table of a schema with all its columns.
pub fn relation(schema: &RemoteSchema, name: &RemoteTableName) -> TableRelation {
    let table = schema.table(name).unwrap_or_else(|| panic!("no table '{name}'"));
    let columns = table.columns.iter().chain(&table.row_version).map(|column| TableColumn {
        name: column.name.clone(),
        scalar_type: column.scalar_type,
        nullable: column.nullable,
        codec: column.codec,
        native_type: Some(column.native_type.clone()),
    });
    TableRelation { table: name.clone(), columns: columns.collect() }
}

fn position(relation: &TableRelation, name: &str) -> usize {
    let found = relation.columns.iter().position(|known| known.name == name);
    found.unwrap_or_else(|| panic!("'{}' has no column '{name}'", relation.table))
}

/// Makes the rows of the tables through the kind itself, as many in a call as there are in a part of them. The large ones are there.
pub async fn load(source: &dyn Source, tables: &[LoadedTable]) {
    let context = QueryContext::default();
    let wanted = Selection::Tables(tables.iter().map(|table| table.remote.clone()).collect());
    let schema = source.remote_schema(&wanted, &context).await.unwrap();
    for table in tables.iter().filter(|table| table.fixture.purpose != Purpose::Large) {
        let relation = relation(&schema, &table.remote);
        let columns: Vec<usize> = table.fixture.columns.iter().map(|column| position(&relation, &column.name)).collect();
        let id = position(&relation, "id");
        for rows in table.fixture.rows.chunks(100) {
            let insert = |row: &Vec<Value>| {
                let given = |(column, value): (&usize, &Value)| {
                    (*column, if value.is_null() { ChangeValue::Null } else { ChangeValue::Given(value.clone()) })
                };
                let values = columns.iter().zip(row).filter(|(column, _)| **column != id).map(given).collect();
                Change::Insert { table: relation.clone(), values, require: None }
            };
            let set = ChangeSet { changes: rows.iter().map(insert).collect(), idempotency_key: None };
            let outcomes =
                source.writable().unwrap().write(set, &context).await.unwrap_or_else(|error| panic!("{}: {error}", table.remote));
            let place = table.fixture.position("id").unwrap();
            let expected: Vec<ChangeOutcome> = rows.iter().map(|row| ChangeOutcome::Keyed(vec![(id, row[place].clone())])).collect();
            assert_eq!(outcomes, expected, "{}", table.remote);
        }
    }
}
