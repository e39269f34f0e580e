//! Golden bound requests.

mod apply;
mod calls;
mod collections;
mod enumerations;
mod hierarchies;
mod operands;
mod overlaid;
mod refused;
mod spatial;

use super::read;
use crate::fixtures::model;
use crate::{BoundExpr, BoundQuery, ExpandForm, ODataError, parse};
use expect_test::{Expect, expect};
use portico_provider_api::Value;
use proptest::prelude::*;

fn bound(url: &str) -> Result<crate::BoundRead, ODataError> {
    bound_in(url, &model())
}

fn bound_in(url: &str, view: &portico_catalog::ModelView) -> Result<crate::BoundRead, ODataError> {
    let (path, query) = url.split_once('?').map_or((url, None), |(path, query)| (path, Some(query)));
    read(&parse::request(path, query)?, view)
}

fn value(value: &Value) -> String {
    match value {
        Value::Null(scalar_type) => format!("null:{scalar_type}"),
        Value::Decimal { unscaled, precision, scale } => format!("{unscaled}e-{scale}:decimal({precision},{scale})"),
        Value::Float32(float) | Value::Float64(float) => format!("{}:{}", float.0, value.scalar_type()),
        Value::Boolean(inner) => inner.to_string(),
        Value::Int16(inner) => format!("{inner}:int16"),
        Value::Int32(inner) => format!("{inner}:int32"),
        Value::Int64(inner) => format!("{inner}:int64"),
        Value::Text(inner) => format!("'{inner}'"),
        Value::Guid(inner) | Value::Json(inner) => format!("{inner}:{}", value.scalar_type()),
        Value::Binary(inner) => format!("{inner:?}:binary"),
        Value::Date(inner) => format!("{inner}:date"),
        Value::Time(inner) | Value::Timestamp(inner) | Value::TimestampTz(inner) => format!("{inner}:{}", value.scalar_type()),
    }
}

fn expr(inner: &BoundExpr) -> String {
    let two = |op: &dyn std::fmt::Debug, left: &BoundExpr, right: &BoundExpr| format!("({} {op:?} {})", expr(left), expr(right));
    match inner {
        BoundExpr::Column(index) => format!("#{index}"),
        BoundExpr::Parameter { number, .. } => format!("@{number}"),
        BoundExpr::Path { level, steps, column } => format!("^{level}{steps:?}#{column}"),
        BoundExpr::RootPath { table, key, steps, column } => {
            format!("{table}[{}]{steps:?}#{column}", key.iter().map(value).collect::<Vec<_>>().join(" "))
        }
        BoundExpr::Lambda { quantifier, members: of, condition } => {
            format!("{quantifier:?}{{{} : {}}}", members(of), condition.as_deref().map(expr).unwrap_or_default())
        }
        BoundExpr::Count(of) => format!("Count{{{}}}", members(of)),
        BoundExpr::Case { branches, scalar_type } => {
            let branches: Vec<String> = branches.iter().map(|(when, then)| format!("{} : {}", expr(when), expr(then))).collect();
            format!("Case({}):{scalar_type}", branches.join(", "))
        }
        BoundExpr::Literal(inner) => value(inner),
        BoundExpr::Node(test) => format!("{:?} {:?}", test.position, test.expressions().into_iter().map(expr).collect::<Vec<_>>()),
        BoundExpr::Compare { op, left, right } => two(op, left, right),
        BoundExpr::In { expr: subject, list } => {
            format!("({} In [{}])", expr(subject), list.iter().map(value).collect::<Vec<_>>().join(" "))
        }
        BoundExpr::And(left, right) => format!("({} And {})", expr(left), expr(right)),
        BoundExpr::Or(left, right) => format!("({} Or {})", expr(left), expr(right)),
        BoundExpr::Not(inner) => format!("(Not {})", expr(inner)),
        BoundExpr::Arithmetic { op, left, right, scalar_type } => format!("{}:{scalar_type}", two(op, left, right)),
        BoundExpr::Negate(inner) => format!("(- {})", expr(inner)),
        BoundExpr::Cast { expr: inner, to } => format!("({} as {to})", expr(inner)),
        BoundExpr::Convert { expr: inner, from, to } => format!("({} converted from {} to {})", expr(inner), carrier(from), carrier(to)),
        BoundExpr::Call { function, arguments, scalar_type } => {
            format!("{function:?}({}):{scalar_type}", arguments.iter().map(expr).collect::<Vec<_>>().join(", "))
        }
    }
}

fn carrier(value_type: &crate::ValueType) -> String {
    match value_type {
        crate::ValueType::Scalar(scalar_type) => scalar_type.to_string(),
        crate::ValueType::Duration => "duration".to_owned(),
        crate::ValueType::Enumeration(enumeration, _) => enumeration.name.clone(),
        crate::ValueType::Spatial(of) => of.name(),
    }
}

fn members(of: &crate::Members) -> String {
    let origin = match &of.origin {
        crate::MembersOrigin::Related { level, steps, relationship } => format!("^{level}{steps:?}.{relationship} "),
        crate::MembersOrigin::Table => String::new(),
    };
    format!("{origin}{}{}", of.table, of.filter.as_deref().map(|filter| format!(" where {}", expr(filter))).unwrap_or_default())
}

fn query(inner: &BoundQuery) -> String {
    let mut out = format!("{} select={:?}{}", inner.table, inner.select, if inner.selected { "!" } else { "" });
    if let Some(key) = &inner.key {
        out += &format!(" key=[{}]", key.iter().map(value).collect::<Vec<_>>().join(" "));
    }
    let mut next = inner.via.as_ref();
    while let Some(via) = next {
        let key = via.key.iter().flatten().map(value).collect::<Vec<_>>().join(" ");
        let filter = via.filter.as_ref().map(|filter| format!(" where {}", expr(filter))).unwrap_or_default();
        out += &format!(" via={}[{key}{filter}].{}", via.table, via.relationship);
        next = via.from.as_deref();
    }
    if let Some(cast) = &inner.cast {
        out += &format!(" as={cast}");
    }
    for computed in &inner.compute {
        out += &format!(" compute={}:{}={}", computed.column.path.join("/"), computed.column.value_type.scalar(), expr(&computed.expr));
    }
    if let Some(filter) = &inner.filter {
        out += &format!(" filter={}", expr(filter));
    }
    for order in &inner.order_by {
        out += &format!(" order={}{}", expr(&order.expr), if order.descending { " desc" } else { "" });
    }
    if let Some(top) = inner.top {
        out += &format!(" top={top}");
    }
    if inner.skip > 0 {
        out += &format!(" skip={}", inner.skip);
    }
    if inner.count {
        out += " count";
    }
    for expand in &inner.expand {
        let form = match expand.form {
            ExpandForm::Entities => "",
            ExpandForm::References => "/$ref",
            ExpandForm::Count => "/$count",
        };
        let only = expand.only.as_ref().map(|only| format!("{only}/")).unwrap_or_default();
        let many = if expand.many { "*" } else { "" };
        out += &format!(" expand={only}{}{form}#{}{many}({})", expand.name, expand.relationship, query(&expand.query));
    }
    out
}

fn outcome(url: &str) -> String {
    outcome_in(url, &model())
}

fn outcome_in(url: &str, view: &portico_catalog::ModelView) -> String {
    match bound_in(url, view) {
        Ok(read) if !read.property.is_empty() => format!("{:?} {} {}", read.kind, read.property.join("/"), query(&read.query)),
        Ok(read) => format!("{:?} {}", read.kind, query(&read.query)),
        Err(error) => format!("{:?} {} {:?}: {}", error.kind, error.target.as_deref().unwrap_or("-"), error.position, error.message),
    }
}

fn golden(urls: &[&str], expected: Expect) {
    expected.assert_eq(&urls.iter().map(|url| format!("{url}\n  {}\n", outcome(url))).collect::<String>());
}

#[test]
fn paths_and_options() {
    golden(
        &[
            "Customers",
            "Customers(1)",
            "Customers(Id=1)",
            "Customers(@k)?@k=7",
            "Lines(LineNo=2,OrderId=1)",
            "Types(3F2504E0-4F89-11D3-9A0C-0305E82C3301)",
            "Types('3f2504e0-4f89-11d3-9a0c-0305e82c3301')",
            "Customers/$count?$filter=Active",
            "Customers(1)/Orders?$top=5&$skip=2&$count=true&$orderby=Total desc,Note",
            "Customers(1)/Orders/$count",
            "Orders(1)/Customer?$select=Name",
            "Customers?$select=Name,City,Name",
            "Customers?$select=*",
            "Customers?$select=Orders",
            "Customers?$count=false&$top=0",
            "Customers?$orderby=length(Name) desc,Active",
            "Customers?$expand=Orders",
            "Orders?$expand=Customer($select=City),Lines($filter=Quantity gt 1;$orderby=Product;$top=2;$skip=1;$count=true;$expand=Order)",
            "Customers(1)?$expand=Orders($top=1)&$select=Name&$format=json",
            "Customers?$skiptoken=abc&custom=1",
        ],
        expect![[r#"
            Customers
              Collection CustomersTable select=[0, 1, 2, 4, 5, 6]
            Customers(1)
              Entity CustomersTable select=[0, 1, 2, 4, 5, 6] key=[1:int32]
            Customers(Id=1)
              Entity CustomersTable select=[0, 1, 2, 4, 5, 6] key=[1:int32]
            Customers(@k)?@k=7
              Entity CustomersTable select=[0, 1, 2, 4, 5, 6] key=[7:int32]
            Lines(LineNo=2,OrderId=1)
              Entity LinesTable select=[0, 1, 2, 3] key=[1:int64 2:int16]
            Types(3F2504E0-4F89-11D3-9A0C-0305E82C3301)
              Entity TypesTable select=[0, 1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 12, 13, 14, 15] key=[3f2504e0-4f89-11d3-9a0c-0305e82c3301:guid]
            Types('3f2504e0-4f89-11d3-9a0c-0305e82c3301')
              Entity TypesTable select=[0, 1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 12, 13, 14, 15] key=[3f2504e0-4f89-11d3-9a0c-0305e82c3301:guid]
            Customers/$count?$filter=Active
              Count CustomersTable select=[0, 1, 2, 4, 5, 6] filter=#5
            Customers(1)/Orders?$top=5&$skip=2&$count=true&$orderby=Total desc,Note
              Collection OrdersTable select=[0, 1, 2, 3, 4] via=CustomersTable[1:int32].1 order=#2 desc order=#4 top=5 skip=2 count
            Customers(1)/Orders/$count
              Count OrdersTable select=[0, 1, 2, 3, 4] via=CustomersTable[1:int32].1
            Orders(1)/Customer?$select=Name
              Entity CustomersTable select=[0, 1]! via=OrdersTable[1:int64].0
            Customers?$select=Name,City,Name
              Collection CustomersTable select=[0, 1, 2]!
            Customers?$select=*
              Collection CustomersTable select=[0, 1, 2, 4, 5, 6]!
            Customers?$select=Orders
              Collection CustomersTable select=[0]!
            Customers?$count=false&$top=0
              Collection CustomersTable select=[0, 1, 2, 4, 5, 6] top=0
            Customers?$orderby=length(Name) desc,Active
              Collection CustomersTable select=[0, 1, 2, 4, 5, 6] order=Length(#1):int32 desc order=#5
            Customers?$expand=Orders
              Collection CustomersTable select=[0, 1, 2, 4, 5, 6] expand=Orders#1*(OrdersTable select=[0, 1, 2, 3, 4])
            Orders?$expand=Customer($select=City),Lines($filter=Quantity gt 1;$orderby=Product;$top=2;$skip=1;$count=true;$expand=Order)
              Collection OrdersTable select=[0, 1, 2, 3, 4] expand=Customer#0(CustomersTable select=[0, 2]!) expand=Lines#1*(LinesTable select=[0, 1, 2, 3] filter=(#3 Gt 1:int32) order=#2 top=2 skip=1 count expand=Order#0(OrdersTable select=[0, 1, 2, 3, 4]))
            Customers(1)?$expand=Orders($top=1)&$select=Name&$format=json
              Entity CustomersTable select=[0, 1]! key=[1:int32] expand=Orders#1*(OrdersTable select=[0, 1, 2, 3, 4] top=1)
            Customers?$skiptoken=abc&custom=1
              Collection CustomersTable select=[0, 1, 2, 4, 5, 6]
        "#]],
    );
}
