//! What one test of one field is at a Tryton server: a domain that keeps every record that passes it, and whether it keeps others. Pure. All of it was measured on
//! Tryton 8.2; the conformance suite asks it again.
//!
//! - Text that need not have a value is compared as if null were the empty text, and so nothing tells the two apart.
//! - Blanks at the ends of a text that is looked for go, as they do when it is stored.
//! - A boolean that is null is false for `=`, but not for `in`.
//! - Fractions of seconds go from moments and times that are looked for.
//! - Numbers of records, dates, integers and floats compare as in SQL: a comparison keeps no null.

#![deny(clippy::wildcard_enum_match_arm)]

use crate::capabilities::is_rounded;
use crate::config::{Backend, TrytonConfig};
use crate::decode::spelt;
use crate::fields::{Field, Kind};
use portico_provider_api::{CompareOp, Function, TableColumn, Value};
use portico_provider_domain::{Bounded, Domain, Test};
use serde_json::{Value as Json, json};

const SECOND: i64 = 1_000_000;

/// A test of a column.
pub fn leaf(config: &TrytonConfig, column: &TableColumn, test: &Test<'_>) -> Bounded {
    let Some(field) = column.native_type.as_deref().and_then(Field::parse) else { return Bounded::loose(Domain::Everything) };
    let name = column.name.as_str();
    match field.kind {
        Kind::Boolean => boolean(name, test),
        Kind::Text => Text { name, field, config }.test(test),
        // Theirs are values of their own.
        Kind::Selection | Kind::Reference => plain(name, field.kind, test),
        Kind::Numeric if is_rounded(column.scalar_type, config) => rounded(name, field.kind, test),
        Kind::DateTime | Kind::Time => seconds(name, field.kind, test),
        Kind::Integer | Kind::Float | Kind::Numeric | Kind::Many2One | Kind::Date | Kind::Timestamp => plain(name, field.kind, test),
        Kind::TimeDelta | Kind::Binary | Kind::Document | Kind::Version => Bounded::loose(Domain::Everything),
    }
}

fn operator(op: CompareOp) -> &'static str {
    match op {
        CompareOp::Eq | CompareOp::IsNotDistinctFrom => "=",
        CompareOp::NotEq | CompareOp::IsDistinctFrom => "!=",
        CompareOp::Lt => "<",
        CompareOp::LtEq => "<=",
        CompareOp::Gt => ">",
        CompareOp::GtEq => ">=",
    }
}

fn not_null(name: &str) -> Domain {
    Domain::fixed(name, "!=", Json::Null)
}

/// The values of a list as the server reads them, and whether all of them could be told.
fn list(values: &[&Value], kind: Kind) -> (Vec<Json>, bool) {
    let told: Vec<Json> = values.iter().filter_map(|value| spelt(value, kind)).collect();
    let all = told.len() == values.len();
    (told, all)
}

fn plain(name: &str, kind: Kind, test: &Test<'_>) -> Bounded {
    match test {
        Test::Null => Bounded::exact(Domain::fixed(name, "=", Json::Null)),
        Test::NotNull => Bounded::exact(not_null(name)),
        Test::Compare(op, value) => match spelt(value, kind) {
            Some(value) => Bounded::exact(Domain::leaf(name, operator(*op), value)),
            // A year beyond the server's, a float that is no number.
            None => Bounded::loose(not_null(name)),
        },
        Test::In(values) => match list(values, kind) {
            (told, true) => Bounded::exact(Domain::leaf(name, "in", told)),
            (_, false) => Bounded::loose(not_null(name)),
        },
        Test::NotIn(values) => match list(values, kind) {
            (told, true) if !told.is_empty() => Bounded::exact(Domain::leaf(name, "not in", told)),
            (_, _) => Bounded::loose(not_null(name)),
        },
        Test::Matches(..) => Bounded::loose(Domain::Everything),
    }
}

fn boolean(name: &str, test: &Test<'_>) -> Bounded {
    let any_of = |values: &[bool]| match values {
        [] => Bounded::exact(Domain::Nothing),
        values => Bounded::exact(Domain::leaf(name, "in", json!(values))),
    };
    let is = |value: &&Value| matches!(value, Value::Boolean(true));
    match test {
        Test::Null => Bounded::exact(Domain::fixed(name, "in", json!([null]))),
        Test::NotNull => Bounded::exact(Domain::fixed(name, "in", json!([true, false]))),
        Test::Compare(CompareOp::Eq, value) => any_of(&[is(value)]),
        Test::Compare(CompareOp::NotEq, value) => any_of(&[!is(value)]),
        Test::In(values) => any_of(&values.iter().map(is).collect::<Vec<_>>()),
        Test::NotIn(values) => {
            let listed: Vec<bool> = values.iter().map(is).collect();
            any_of(&[true, false].into_iter().filter(|value| !listed.contains(value)).collect::<Vec<_>>())
        }
        Test::Compare(..) | Test::Matches(..) => Bounded::loose(Domain::Everything),
    }
}

/// Decimals that are compared as doubles: what is equal is found, with its neighbours.
fn rounded(name: &str, kind: Kind, test: &Test<'_>) -> Bounded {
    let loose = |domain| Bounded::loose(domain);
    match test {
        Test::Compare(op, value) => match (op, spelt(value, kind)) {
            (CompareOp::Eq, Some(value)) => loose(Domain::leaf(name, "=", value)),
            (CompareOp::Lt | CompareOp::LtEq, Some(value)) => loose(Domain::leaf(name, "<=", value)),
            (CompareOp::Gt | CompareOp::GtEq, Some(value)) => loose(Domain::leaf(name, ">=", value)),
            (_, _) => loose(not_null(name)),
        },
        Test::NotIn(_) => loose(not_null(name)),
        Test::In(_) => loose(plain(name, kind, test).domain),
        Test::Null | Test::NotNull | Test::Matches(..) => plain(name, kind, test),
    }
}

/// Moments and times of whole seconds: of what is looked for, only whole seconds are, and what lies between two is said by its second.
fn seconds(name: &str, kind: Kind, test: &Test<'_>) -> Bounded {
    let micros = |value: &Value| {
        if let Value::Time(micros) | Value::Timestamp(micros) | Value::TimestampTz(micros) = value { Some(*micros) } else { None }
    };
    let at = |value: &Value, micros: i64| if matches!(value, Value::Time(_)) { Value::Time(micros) } else { Value::TimestampTz(micros) };
    let is_whole = |value: &&&Value| micros(value).is_some_and(|micros| micros.rem_euclid(SECOND) == 0);
    match test {
        Test::Compare(op, value) if !is_whole(&value) => {
            let Some(between) = micros(value) else { return Bounded::loose(not_null(name)) };
            let before = at(value, between - between.rem_euclid(SECOND));
            match op {
                CompareOp::Eq | CompareOp::IsNotDistinctFrom => Bounded::exact(Domain::Nothing),
                CompareOp::NotEq | CompareOp::IsDistinctFrom => Bounded::exact(not_null(name)),
                CompareOp::Lt | CompareOp::LtEq => plain(name, kind, &Test::Compare(CompareOp::LtEq, &before)),
                CompareOp::Gt | CompareOp::GtEq => plain(name, kind, &Test::Compare(CompareOp::Gt, &before)),
            }
        }
        Test::In(values) => match values.iter().filter(is_whole).copied().collect::<Vec<_>>() {
            whole if whole.is_empty() => Bounded::exact(Domain::Nothing),
            whole => plain(name, kind, &Test::In(whole)),
        },
        Test::NotIn(values) => match values.iter().filter(is_whole).copied().collect::<Vec<_>>() {
            whole if whole.is_empty() => Bounded::exact(not_null(name)),
            whole => plain(name, kind, &Test::NotIn(whole)),
        },
        Test::Null | Test::NotNull | Test::Compare(..) | Test::Matches(..) => plain(name, kind, test),
    }
}

/// Text fields.
struct Text<'a> {
    name: &'a str,
    field: Field,
    config: &'a TrytonConfig,
}

impl Text<'_> {
    /// Whether blanks at its ends would go, so that another text would be looked for.
    fn is_cut(&self, text: &str) -> bool {
        // What Python takes for blank, and more: a text too many is only looked for in another way.
        let blank = |end: Option<char>| end.is_some_and(|character| character.is_whitespace() || character.is_control());
        self.field.stripped && (blank(text.chars().next()) || blank(text.chars().next_back()))
    }

    /// A domain that keeps those which it means, and of text that may be null also what is null.
    fn kept(&self, domain: Domain, null_too: bool) -> Bounded {
        Bounded { domain, exact: self.field.required || !null_too }
    }

    /// Whatever holds a text somewhere.
    fn holding(&self, text: &str) -> Bounded {
        Bounded::loose(Domain::leaf(self.name, "like", format!("%{}%", escaped(text))))
    }

    fn test(&self, test: &Test<'_>) -> Bounded {
        let text = |value: &Value| if let Value::Text(text) = value { Some(text.clone()) } else { None };
        match test {
            Test::Null if self.field.required => Bounded::exact(Domain::fixed(self.name, "=", Json::Null)),
            Test::Null => Bounded::loose(Domain::fixed(self.name, "=", Json::Null)),
            Test::NotNull if self.field.required => Bounded::exact(not_null(self.name)),
            // What is empty is not null, and would be left out.
            Test::NotNull => Bounded::loose(Domain::Everything),
            Test::Compare(op, value) => match text(value) {
                Some(text) => self.compare(*op, &text),
                None => Bounded::loose(Domain::Everything),
            },
            Test::In(values) => {
                let texts: Vec<String> = values.iter().filter_map(|value| text(value)).collect();
                let (cut, whole): (Vec<&String>, Vec<&String>) = texts.iter().partition(|text| self.is_cut(text));
                let empty = whole.iter().any(|text| text.is_empty());
                let listed = if whole.is_empty() { Domain::Nothing } else { Domain::leaf(self.name, "in", json!(whole)) };
                Bounded::any(std::iter::once(self.kept(listed, empty)).chain(cut.into_iter().map(|text| self.holding(text))))
            }
            Test::NotIn(values) => {
                let texts: Vec<String> = values.iter().filter_map(|value| text(value)).collect();
                if texts.iter().any(|text| self.is_cut(text)) {
                    return Bounded::loose(Domain::Everything);
                }
                let empty = texts.iter().any(String::is_empty);
                self.kept(Domain::leaf(self.name, "not in", json!(texts)), !empty)
            }
            Test::Matches(function, text, wanted) => self.matches(*function, text, *wanted),
        }
    }

    fn compare(&self, op: CompareOp, text: &str) -> Bounded {
        let leaf = |null_too: bool| self.kept(Domain::leaf(self.name, operator(op), text), null_too);
        if self.is_cut(text) {
            return if op == CompareOp::Eq { self.holding(text) } else { Bounded::loose(Domain::Everything) };
        }
        // Null passes as what is empty.
        match op {
            CompareOp::Eq | CompareOp::IsNotDistinctFrom | CompareOp::GtEq => leaf(text.is_empty()),
            CompareOp::NotEq | CompareOp::IsDistinctFrom | CompareOp::Lt => leaf(!text.is_empty()),
            CompareOp::LtEq => leaf(true),
            CompareOp::Gt => leaf(false),
        }
    }

    fn matches(&self, function: Function, text: &str, wanted: bool) -> Bounded {
        let pattern = match function {
            Function::Contains => format!("%{}%", escaped(text)),
            Function::StartsWith => format!("{}%", escaped(text)),
            Function::EndsWith => format!("%{}", escaped(text)),
            // A backslash at the end escapes nothing, and is an error to some databases.
            Function::Like if !dangles(text) => text.to_owned(),
            Function::Like
            | Function::Length
            | Function::Position
            | Function::Substring
            | Function::Lower
            | Function::Upper
            | Function::Trim
            | Function::Concat
            | Function::Year
            | Function::Month
            | Function::Day
            | Function::Hour
            | Function::Minute
            | Function::Second
            | Function::Round
            | Function::Floor
            | Function::Ceiling
            | Function::Abs => return Bounded::loose(Domain::Everything),
        };
        if self.is_cut(&pattern) {
            return if wanted && function != Function::Like { self.holding(text) } else { Bounded::loose(Domain::Everything) };
        }
        let ignores_case = self.config.backend == Backend::Sqlite;
        match (wanted, ignores_case) {
            (true, _) => {
                let empty_too = pattern.chars().all(|character| character == '%');
                let bounded = self.kept(Domain::leaf(self.name, "like", pattern), empty_too);
                Bounded { exact: bounded.exact && !ignores_case, ..bounded }
            }
            // What is equal but for its case would be left out.
            (false, true) => Bounded::loose(Domain::Everything),
            (false, false) => self.kept(Domain::leaf(self.name, "not like", pattern), true),
        }
    }
}

/// A text in which nothing is a wildcard.
fn escaped(text: &str) -> String {
    text.chars().fold(String::with_capacity(text.len()), |mut escaped, character| {
        if matches!(character, '%' | '_' | '\\') {
            escaped.push('\\');
        }
        escaped.push(character);
        escaped
    })
}

/// Whether a pattern ends with a backslash that escapes nothing.
fn dangles(pattern: &str) -> bool {
    pattern.chars().rev().take_while(|character| *character == '\\').count() % 2 == 1
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::config::TextOrder;
    use expect_test::{Expect, expect};
    use portico_provider_api::{ScalarType, Secret};
    use portico_provider_domain::Spelling;

    fn config(backend: Backend) -> TrytonConfig {
        TrytonConfig {
            database: "d".to_owned(),
            user: "u".to_owned(),
            password: Secret::new("p"),
            models: None,
            methods: Vec::new(),
            context: serde_json::Map::new(),
            page_rows: 100,
            backend,
            text_order: TextOrder::Binary,
        }
    }

    /// Every test of a column, as it is spelt on PostgreSQL and, where that differs, on SQLite.
    fn told(native: &str, scalar_type: ScalarType, tests: &[(&str, Test<'_>)]) -> String {
        let column = TableColumn { native_type: Some(native.to_owned()), ..TableColumn::computed("f", scalar_type, true) };
        let one = |backend, test: &Test<'_>| {
            let bounded = leaf(&config(backend), &column, test);
            format!("{} {}", if bounded.exact { "exact" } else { "loose" }, bounded.domain.spelt(Spelling::Infix))
        };
        let line = |(name, test): &(&str, Test<'_>)| {
            let (postgres, sqlite) = (one(Backend::Postgresql, test), one(Backend::Sqlite, test));
            let sqlite = if sqlite == postgres { String::new() } else { format!(" | SQLite: {sqlite}") };
            format!("{name}: {postgres}{sqlite}\n")
        };
        tests.iter().map(line).collect()
    }

    fn check(native: &str, scalar_type: ScalarType, tests: &[(&str, Test<'_>)], expected: &Expect) {
        expected.assert_eq(&told(native, scalar_type, tests));
    }

    #[test]
    fn text_that_may_be_null() {
        let (value, empty, cut) = (Value::text("a"), Value::text(""), Value::text(" a"));
        let tests = [
            ("null", Test::Null),
            ("not null", Test::NotNull),
            ("= a", Test::Compare(CompareOp::Eq, &value)),
            ("<> a", Test::Compare(CompareOp::NotEq, &value)),
            ("< a", Test::Compare(CompareOp::Lt, &value)),
            ("> a", Test::Compare(CompareOp::Gt, &value)),
            ("= ''", Test::Compare(CompareOp::Eq, &empty)),
            ("<> ''", Test::Compare(CompareOp::NotEq, &empty)),
            ("= ' a'", Test::Compare(CompareOp::Eq, &cut)),
            ("<> ' a'", Test::Compare(CompareOp::NotEq, &cut)),
            ("in", Test::In(vec![&value, &empty, &cut])),
            ("not in", Test::NotIn(vec![&value])),
            ("contains 10%_", Test::Matches(Function::Contains, "10%_\\", true)),
            ("starts with ' a'", Test::Matches(Function::StartsWith, " a", true)),
            ("not ends with a", Test::Matches(Function::EndsWith, "a", false)),
            ("like %", Test::Matches(Function::Like, "%", true)),
            ("like a\\", Test::Matches(Function::Like, "a\\", true)),
        ];
        check(
            "char stripped",
            ScalarType::Text,
            &tests,
            &expect![[r#"
            null: loose [["f","=",null]]
            not null: loose []
            = a: exact [["f","=","a"]]
            <> a: loose [["f","!=","a"]]
            < a: loose [["f","<","a"]]
            > a: exact [["f",">","a"]]
            = '': loose [["f","=",""]]
            <> '': exact [["f","!=",""]]
            = ' a': loose [["f","like","% a%"]]
            <> ' a': loose []
            in: loose ["OR",["f","in",["a",""]],["f","like","% a%"]]
            not in: loose [["f","not in",["a"]]]
            contains 10%_: exact [["f","like","%10\\%\\_\\\\%"]] | SQLite: loose [["f","like","%10\\%\\_\\\\%"]]
            starts with ' a': loose [["f","like","% a%"]]
            not ends with a: loose [["f","not like","%a"]] | SQLite: loose []
            like %: loose [["f","like","%"]]
            like a\: loose []
        "#]],
        );
    }

    #[test]
    fn text_that_is_required() {
        let (value, empty) = (Value::text("a"), Value::text(""));
        let tests = [
            ("null", Test::Null),
            ("<> a", Test::Compare(CompareOp::NotEq, &value)),
            ("= ''", Test::Compare(CompareOp::Eq, &empty)),
            ("not in", Test::NotIn(vec![&value])),
            ("contains", Test::Matches(Function::Contains, "a", true)),
            ("not contains", Test::Matches(Function::Contains, "a", false)),
        ];
        check(
            "char required",
            ScalarType::Text,
            &tests,
            &expect![[r#"
            null: exact [["f","=",null]]
            <> a: exact [["f","!=","a"]]
            = '': exact [["f","=",""]]
            not in: exact [["f","not in",["a"]]]
            contains: exact [["f","like","%a%"]] | SQLite: loose [["f","like","%a%"]]
            not contains: exact [["f","not like","%a%"]] | SQLite: loose []
        "#]],
        );
    }

    #[test]
    fn booleans_and_references() {
        let (truth, five) = (Value::Boolean(true), Value::Int32(5));
        let tests = [
            ("null", Test::Null),
            ("not null", Test::NotNull),
            ("= true", Test::Compare(CompareOp::Eq, &truth)),
            ("<> true", Test::Compare(CompareOp::NotEq, &truth)),
            ("not in true", Test::NotIn(vec![&truth])),
        ];
        check(
            "boolean",
            ScalarType::Boolean,
            &tests,
            &expect![[r#"
            null: exact [["f","in",[null]]]
            not null: exact [["f","in",[true,false]]]
            = true: exact [["f","in",[true]]]
            <> true: exact [["f","in",[false]]]
            not in true: exact [["f","in",[false]]]
        "#]],
        );
        let tests = [
            ("null", Test::Null),
            ("= 5", Test::Compare(CompareOp::Eq, &five)),
            ("<> 5", Test::Compare(CompareOp::NotEq, &five)),
            ("in", Test::In(vec![&five])),
        ];
        check(
            "many2one unsortable",
            ScalarType::Int32,
            &tests,
            &expect![[r#"
            null: exact [["f","=",null]]
            = 5: exact [["f","=",5]]
            <> 5: exact [["f","!=",5]]
            in: exact [["f","in",[5]]]
        "#]],
        );
    }

    #[test]
    fn moments_decimals_and_what_the_server_cannot_say() {
        let (whole, between) = (Value::TimestampTz(1_000_000), Value::TimestampTz(1_500_000));
        let tests = [
            ("= 1s", Test::Compare(CompareOp::Eq, &whole)),
            ("= 1.5s", Test::Compare(CompareOp::Eq, &between)),
            ("< 1.5s", Test::Compare(CompareOp::Lt, &between)),
            (">= 1.5s", Test::Compare(CompareOp::GtEq, &between)),
            ("in", Test::In(vec![&whole, &between])),
            ("not in", Test::NotIn(vec![&between])),
        ];
        check(
            "datetime",
            ScalarType::TimestampTz,
            &tests,
            &expect![[r#"
            = 1s: exact [["f","=",{"__class__":"datetime","year":1970,"month":1,"day":1,"hour":0,"minute":0,"second":1,"microsecond":0}]]
            = 1.5s: exact [["id","in",[]]]
            < 1.5s: exact [["f","<=",{"__class__":"datetime","year":1970,"month":1,"day":1,"hour":0,"minute":0,"second":1,"microsecond":0}]]
            >= 1.5s: exact [["f",">",{"__class__":"datetime","year":1970,"month":1,"day":1,"hour":0,"minute":0,"second":1,"microsecond":0}]]
            in: exact [["f","in",[{"__class__":"datetime","year":1970,"month":1,"day":1,"hour":0,"minute":0,"second":1,"microsecond":0}]]]
            not in: exact [["f","!=",null]]
        "#]],
        );
        let scalar_type = ScalarType::Decimal { precision: 20, scale: 4 };
        let price = portico_provider_api::evaluate::cast_value(&Value::text("12.5"), scalar_type).unwrap();
        let tests = [
            ("= 12.5", Test::Compare(CompareOp::Eq, &price)),
            ("<> 12.5", Test::Compare(CompareOp::NotEq, &price)),
            ("< 12.5", Test::Compare(CompareOp::Lt, &price)),
            ("in", Test::In(vec![&price])),
            ("not in", Test::NotIn(vec![&price])),
        ];
        check(
            "numeric",
            scalar_type,
            &tests,
            &expect![[r#"
            = 12.5: exact [["f","=",{"__class__":"Decimal","decimal":"12.5000"}]] | SQLite: loose [["f","=",{"__class__":"Decimal","decimal":"12.5000"}]]
            <> 12.5: exact [["f","!=",{"__class__":"Decimal","decimal":"12.5000"}]] | SQLite: loose [["f","!=",null]]
            < 12.5: exact [["f","<",{"__class__":"Decimal","decimal":"12.5000"}]] | SQLite: loose [["f","<=",{"__class__":"Decimal","decimal":"12.5000"}]]
            in: exact [["f","in",[{"__class__":"Decimal","decimal":"12.5000"}]]] | SQLite: loose [["f","in",[{"__class__":"Decimal","decimal":"12.5000"}]]]
            not in: exact [["f","not in",[{"__class__":"Decimal","decimal":"12.5000"}]]] | SQLite: loose [["f","!=",null]]
        "#]],
        );
        let (no_number, year_0) = (Value::float64(f64::NAN), Value::Date(-719_163));
        check(
            "float",
            ScalarType::Float64,
            &[("< NaN", Test::Compare(CompareOp::Lt, &no_number))],
            &expect![[r#"
            < NaN: loose [["f","!=",null]]
        "#]],
        );
        check(
            "date",
            ScalarType::Date,
            &[("= year 0", Test::Compare(CompareOp::Eq, &year_0))],
            &expect![[r#"
            = year 0: loose [["f","!=",null]]
        "#]],
        );
    }
}
