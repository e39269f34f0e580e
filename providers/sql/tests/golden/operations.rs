//! Calls of a source's own operations: as a query, and as a change.

use super::*;
use portico_provider_api::{OperationCall, RemoteOperation, RemoteParameter, RemoteResult};
use portico_provider_sql::invoke;

fn operation() -> RemoteOperation {
    let parameter = |name: &str, native_type: &str, scalar_type| RemoteParameter {
        name: name.to_owned(),
        native_type: native_type.to_owned(),
        scalar_type,
        optional: true,
    };
    RemoteOperation {
        name: RemoteTableName(vec!["crm".to_owned(), "od\"d".to_owned()]),
        signature: "crm.od\"d(int4, numeric, crm.mood, jsonb)".to_owned(),
        description: None,
        procedure: false,
        parameters: vec![
            parameter("Id", "int4", ScalarType::Int32),
            parameter("by \"x\"", "numeric", DECIMAL),
            parameter("mood", "crm.mood", ScalarType::Text),
            parameter("doc", "jsonb", ScalarType::Json),
        ],
        result: Some(RemoteResult {
            columns: vec![
                column("Id", ScalarType::Int32, None, Some("int4")),
                column("the \"mood\"", ScalarType::Text, None, Some("crm.mood")),
            ],
            many: false,
            composite: true,
        }),
        changes: false,
        unavailable: None,
    }
}

fn arguments() -> Vec<(usize, Value)> {
    vec![(0, Value::Int64(7)), (2, Value::text("'); DROP")), (3, Value::Null(ScalarType::Json))]
}

fn show_invocation(operation: &RemoteOperation, dialect: &Dialect) -> String {
    let given = |value: Value| if value.is_null() { ChangeValue::Null } else { ChangeValue::Given(value) };
    let arguments: Vec<_> = arguments().into_iter().map(|(index, value)| (index, given(value))).collect();
    invoke(operation, &arguments, dialect).map_or_else(|refused| format!("refused: {refused}\n"), |statement| show_statement(&statement))
}

#[test]
fn rows_of_an_operation() {
    let call = OperationCall { operation: operation(), arguments: arguments() };
    check(
        &SourceQuery::call(call.clone()),
        &expect![[r#"
        SELECT t0."Id" AS "c0", t0."the ""mood"""::text AS "c1" FROM "crm"."od""d"("Id" => $1::int8::"int4", "mood" => $2::text::"crm"."mood", "doc" => $3::text::"jsonb") AS t0("Id", "the ""mood""") WHERE NOT (t0.* IS NULL)
          Int64(7)
          Text("'); DROP")
          Null(Json)
    "#]],
        &expect![[r#"
        refused: the operation 'crm.od"d' is not supported by this source
    "#]],
    );
    let mut every = operation();
    every.result = every.result.map(|result| RemoteResult { many: true, ..result });
    let mut part = SourceQuery::call(OperationCall { operation: every, arguments: Vec::new() });
    part.output.remove(0);
    check(
        &part,
        &expect![[r#"
        SELECT t0."the ""mood"""::text AS "c0" FROM "crm"."od""d"() AS t0("Id", "the ""mood""")
    "#]],
        &expect![[r#"
        refused: the operation 'crm.od"d' is not supported by this source
    "#]],
    );
    let limited = SourceQuery { limit: Some(1), ..SourceQuery::call(call) };
    check(
        &limited,
        &expect![[r#"
            SELECT t0."Id" AS "c0", t0."the ""mood"""::text AS "c1" FROM "crm"."od""d"("Id" => $1::int8::"int4", "mood" => $2::text::"crm"."mood", "doc" => $3::text::"jsonb") AS t0("Id", "the ""mood""") WHERE NOT (t0.* IS NULL) LIMIT 1
              Int64(7)
              Text("'); DROP")
              Null(Json)
        "#]],
        &expect![[r#"
            refused: the operation 'crm.od"d' is not supported by this source
        "#]],
    );
}

#[test]
fn invocations() {
    let mut described = operation();
    expect![[r#"
        SELECT t0."Id", t0."the ""mood"""::text FROM "crm"."od""d"("Id" => $1::int8::"int4", "mood" => $2::text::"crm"."mood", "doc" => $3::text::"jsonb") AS t0("Id", "the ""mood""") WHERE NOT (t0.* IS NULL)
          Int64(7)
          Text("'); DROP")
          Null(Json)
    "#]].assert_eq(&show_invocation(&described, &POSTGRES));
    expect![[r#"
        refused: the operation 'crm.od"d' is not supported by this source
    "#]]
    .assert_eq(&show_invocation(&described, &SQLITE));
    described.result = None;
    expect![[r#"
        SELECT 1 FROM "crm"."od""d"("Id" => $1::int8::"int4", "mood" => $2::text::"crm"."mood", "doc" => $3::text::"jsonb") AS t0
          Int64(7)
          Text("'); DROP")
          Null(Json)
    "#]]
    .assert_eq(&show_invocation(&described, &POSTGRES));
    let procedure = RemoteOperation { procedure: true, changes: true, ..operation() };
    expect![[r#"
        CALL "crm"."od""d"("Id" => $1::int8::"int4", "mood" => $2::text::"crm"."mood", "doc" => $3::text::"jsonb", "the ""mood""" => NULL)
          Int64(7)
          Text("'); DROP")
          Null(Json)
    "#]]
    .assert_eq(&show_invocation(&procedure, &POSTGRES));
    let wrong = vec![(0, ChangeValue::Given(Value::text("7")))];
    expect!["'Id' is int32, and not text"].assert_eq(&invoke(&described, &wrong, &POSTGRES).unwrap_err().to_string());
    let unresolved = vec![(0, ChangeValue::FromChange { change: 0, column: 0 })];
    expect!["a reference to an earlier change that was not resolved is not supported by this source"]
        .assert_eq(&invoke(&described, &unresolved, &POSTGRES).unwrap_err().to_string());
}
