//! Changes, and the references between them.

use super::*;

fn show_change(described: &Change, dialect: &Dialect) -> String {
    let plan = match change(described, dialect) {
        Ok(plan) => plan,
        Err(refused) => return format!("refused: {refused}\n"),
    };
    let mut text = format!("returning {} requires {}\n{}", plan.returning, plan.requires, show_statement(&plan.statement));
    for (name, statement) in [("otherwise", &plan.otherwise), ("probe", &plan.probe)] {
        if let Some(statement) = statement {
            text.push_str(&format!("{name}: {}", show_statement(statement)));
        }
    }
    text
}

fn check_change(described: &Change, postgres: &Expect, sqlite: &Expect) {
    postgres.assert_eq(&show_change(described, &POSTGRES));
    sqlite.assert_eq(&show_change(described, &SQLITE));
}

fn small(columns: &[usize]) -> TableRelation {
    let whole = table();
    TableRelation { table: whole.table, columns: columns.iter().map(|index| whole.columns[*index].clone()).collect() }
}

#[test]
fn inserts() {
    let json = column("doc", ScalarType::Json, None, Some("jsonb"));
    let mut relation = small(&[0, 3, 7]);
    relation.columns.push(json);
    relation.columns.push(column("mood", ScalarType::Text, None, Some("crm.mood")));
    let values = vec![
        (0, ChangeValue::Given(Value::Int32(1))),
        (1, ChangeValue::Given(decimal(15, 1))),
        (2, ChangeValue::Null),
        (3, ChangeValue::Given(Value::Json("{}".to_owned()))),
        (4, ChangeValue::Given(Value::text("glad"))),
    ];
    let insert = Change::Insert { table: relation.clone(), values, require: Some(cmp(CompareOp::Gt, col(0), lit(Value::Int32(0)))) };
    check_change(
        &insert,
        &expect![[r#"
        returning true requires true
        INSERT INTO "main"."od""d" ("id", "price", "code", "doc", "mood") VALUES ($1::int4, $2::text, $3::text, $4::text::"jsonb", $5::text::"crm"."mood") RETURNING "id", "price", "code"::text, "doc"::text, "mood"::text, ("id" > $6::int4)
          Int32(1)
          Text("1.50")
          Null(Text)
          Json("{}")
          Text("glad")
          Int32(0)
    "#]],
        &expect![[r#"
            returning true requires true
            INSERT INTO "main"."od""d" ("id", "price", "code", "doc", "mood") VALUES (?1, ?2, ?3, ?4, ?5) RETURNING "id", "price", "code", "doc", CAST("mood" AS TEXT), ("id" > ?6)
              Int64(1)
              Text("1.50")
              Null(Text)
              Text("{}")
              Text("glad")
              Int64(0)
        "#]],
    );
    check_change(
        &Change::Insert { table: small(&[0]), values: vec![], require: None },
        &expect![[r#"
        returning true requires false
        INSERT INTO "main"."od""d" DEFAULT VALUES RETURNING "id"
    "#]],
        &expect![[r#"
        returning true requires false
        INSERT INTO "main"."od""d" DEFAULT VALUES RETURNING "id"
    "#]],
    );
    let lossy = Change::Insert { table: relation, values: vec![(1, ChangeValue::Given(decimal(1_234, 3)))], require: None };
    check_change(
        &lossy,
        &expect![[r#"
        refused: column 'price': the value cannot be held exactly as decimal text (decimal(10,2))
    "#]],
        &expect![[r#"
        refused: column 'price': the value cannot be held exactly as decimal text (decimal(10,2))
    "#]],
    );
}

#[test]
fn updates_upserts_and_deletes() {
    let relation = small(&[0, 1, 2, 4]);
    let visible = Some(cmp(CompareOp::NotEq, col(1), lit(Value::text("secret"))));
    let update = |values, precondition| Change::Update {
        table: relation.clone(),
        key: vec![(0, Value::Int32(1))],
        values,
        precondition,
        visible: visible.clone(),
        require: None,
    };
    let rename = vec![(1, ChangeValue::Given(Value::text("new")))];
    check_change(
        &update(rename.clone(), Precondition::Version { column: 3, value: Value::Date(0) }),
        &expect![[r#"
        returning true requires false
        UPDATE "main"."od""d" SET "name" = $1::text WHERE ("id" = $2::int4) AND ("day" IS NOT DISTINCT FROM $3::text) AND ("name" <> $4::text) RETURNING "id", "name", "ratio", "day"
          Text("new")
          Int32(1)
          Text("1970-01-01")
          Text("secret")
        probe: SELECT 1 FROM "main"."od""d" WHERE ("id" = $1::int4) AND ("name" <> $2::text)
          Int32(1)
          Text("secret")
    "#]],
        &expect![[r#"
        returning true requires false
        UPDATE "main"."od""d" SET "name" = ?1 WHERE ("id" = ?2) AND ("day" COLLATE BINARY IS ?3) AND ("name" COLLATE BINARY <> ?4) RETURNING "id", "name", "ratio", "day"
          Text("new")
          Int64(1)
          Text("1970-01-01")
          Text("secret")
        probe: SELECT 1 FROM "main"."od""d" WHERE ("id" = ?1) AND ("name" COLLATE BINARY <> ?2)
          Int64(1)
          Text("secret")
    "#]],
    );
    let unchanged = vec![(1, Value::Null(ScalarType::Text)), (2, Value::float64(f64::NAN)), (3, Value::Date(0))];
    check_change(
        &update(rename.clone(), Precondition::Unchanged(unchanged)),
        &expect![[r#"
        returning true requires false
        UPDATE "main"."od""d" SET "name" = $1::text WHERE ("id" = $2::int4) AND ("name" IS NOT DISTINCT FROM $3::text) AND ("ratio" IS NOT DISTINCT FROM $4::float8) AND ("day" IS NOT DISTINCT FROM $5::text) AND ("name" <> $6::text) RETURNING "id", "name", "ratio", "day"
          Text("new")
          Int32(1)
          Null(Text)
          Float64(Float(NaN))
          Text("1970-01-01")
          Text("secret")
        probe: SELECT 1 FROM "main"."od""d" WHERE ("id" = $1::int4) AND ("name" <> $2::text)
          Int32(1)
          Text("secret")
    "#]],
        &expect![[r#"
        refused: not-a-number as a value is not supported by this source
    "#]],
    );
    check_change(
        &update(vec![], Precondition::None),
        &expect![[r#"
        returning true requires false
        SELECT "id", "name", "ratio", "day" FROM "main"."od""d" WHERE ("id" = $1::int4) AND ("name" <> $2::text)
          Int32(1)
          Text("secret")
        probe: SELECT 1 FROM "main"."od""d" WHERE ("id" = $1::int4) AND ("name" <> $2::text)
          Int32(1)
          Text("secret")
    "#]],
        &expect![[r#"
        returning true requires false
        SELECT "id", "name", "ratio", "day" FROM "main"."od""d" WHERE ("id" = ?1) AND ("name" COLLATE BINARY <> ?2)
          Int64(1)
          Text("secret")
        probe: SELECT 1 FROM "main"."od""d" WHERE ("id" = ?1) AND ("name" COLLATE BINARY <> ?2)
          Int64(1)
          Text("secret")
    "#]],
    );
    let upsert = Change::Upsert { table: relation.clone(), key: vec![(0, Value::Int32(1))], values: rename, require: None };
    check_change(
        &upsert,
        &expect![[r#"
        returning true requires false
        UPDATE "main"."od""d" SET "name" = $1::text WHERE ("id" = $2::int4) RETURNING "id", "name", "ratio", "day"
          Text("new")
          Int32(1)
        otherwise: INSERT INTO "main"."od""d" ("id", "name") VALUES ($1::int4, $2::text) RETURNING "id", "name", "ratio", "day"
          Int32(1)
          Text("new")
    "#]],
        &expect![[r#"
        returning true requires false
        UPDATE "main"."od""d" SET "name" = ?1 WHERE ("id" = ?2) RETURNING "id", "name", "ratio", "day"
          Text("new")
          Int64(1)
        otherwise: INSERT INTO "main"."od""d" ("id", "name") VALUES (?1, ?2) RETURNING "id", "name", "ratio", "day"
          Int64(1)
          Text("new")
    "#]],
    );
    let delete = |key| Change::Delete { table: relation.clone(), key, precondition: Precondition::None, visible: visible.clone() };
    check_change(
        &delete(vec![(0, Value::Int32(1))]),
        &expect![[r#"
        returning false requires false
        DELETE FROM "main"."od""d" WHERE ("id" = $1::int4) AND ("name" <> $2::text)
          Int32(1)
          Text("secret")
        probe: SELECT 1 FROM "main"."od""d" WHERE ("id" = $1::int4) AND ("name" <> $2::text)
          Int32(1)
          Text("secret")
    "#]],
        &expect![[r#"
        returning false requires false
        DELETE FROM "main"."od""d" WHERE ("id" = ?1) AND ("name" COLLATE BINARY <> ?2)
          Int64(1)
          Text("secret")
        probe: SELECT 1 FROM "main"."od""d" WHERE ("id" = ?1) AND ("name" COLLATE BINARY <> ?2)
          Int64(1)
          Text("secret")
    "#]],
    );
    check_change(
        &delete(vec![]),
        &expect![[r#"
        refused: a change without a key is not supported by this source
    "#]],
        &expect![[r#"
        refused: a change without a key is not supported by this source
    "#]],
    );
    check_change(
        &delete(vec![(0, Value::Null(ScalarType::Int32))]),
        &expect![[r#"
        refused: key column 'id' is null
    "#]],
        &expect![[r#"
        refused: key column 'id' is null
    "#]],
    );
}

#[test]
fn references_are_resolved_from_stored_rows() {
    let insert = |value| Change::Insert { table: small(&[0]), values: vec![(0, value)], require: None };
    let referring = insert(ChangeValue::FromChange { change: 0, column: 1 });
    let rows = [Some(vec![Value::text("x"), Value::Int32(5)]), None];
    assert_eq!(resolve_references(&referring, &rows), Ok(insert(ChangeValue::Given(Value::Int32(5)))));
    assert!(resolve_references(&insert(ChangeValue::FromChange { change: 1, column: 0 }), &rows).is_err());
    assert!(change(&referring, &SQLITE).is_err());
}
