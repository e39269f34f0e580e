//! A model view for tests: customers, orders, lines with a composite key, a table with every type, and a hidden column and relationship.

use portico_catalog::overlay::{AggregateMethod, CustomAggregate};
use portico_catalog::{Column, IfMatch, ModelView, Origin, Profile, Relationship, RelationshipView, TableView, VirtualTable};
use portico_provider_api::ScalarType;
use std::sync::Arc;
use std::time::Duration;

pub(crate) fn column(name: &str, scalar_type: ScalarType) -> Column {
    Column::plain(name, 0, scalar_type, true)
}

fn required(name: &str, scalar_type: ScalarType) -> Column {
    Column { nullable: false, ..column(name, scalar_type) }
}

fn relationship(name: &str, to: &str, on: (usize, usize), many: bool, partner: Option<&str>) -> Relationship {
    Relationship { partner: partner.map(str::to_owned), ..Relationship::plain(name, to, vec![on], many) }
}

fn table(name: &str, key: Vec<usize>, columns: Vec<Column>, relationships: Vec<Relationship>) -> VirtualTable {
    VirtualTable {
        name: format!("{name}Table"),
        description: Some(format!("All <{name}> & more")),
        origin: Origin::Query { sql: String::new() },
        columns,
        key,
        relationships,
        freshness: Duration::ZERO,
        if_match: None,
        guarded: false,
        limits: portico_catalog::RowLimits::default(),
        row_estimate: None,
        overlay: portico_catalog::Overlay::default(),
    }
}

/// Shows all columns and relationships but those called `Secret…`.
fn view(name: &str, table: VirtualTable) -> TableView {
    let shown = |name: &str| !name.starts_with("Secret");
    let columns = table.columns.iter().enumerate().filter(|(_, column)| shown(&column.name)).map(|(index, _)| index).collect();
    let relationships = table.relationships.iter().enumerate().filter(|(_, relationship)| shown(&relationship.name));
    let relationships = relationships.map(|(index, relationship)| RelationshipView {
        index,
        name: relationship.name.clone(),
        to: relationship.to.trim_end_matches("Table").to_owned(),
        many: relationship.many,
        partner: relationship.partner.clone(),
    });
    TableView {
        name: name.to_owned(),
        columns,
        relationships: relationships.collect(),
        table: Arc::new(table),
        insertable: name != "Lines",
        updatable: name != "Lines",
        deletable: name != "Lines",
        if_match: IfMatch::Optional,
    }
}

/// The view.
pub(crate) fn model() -> ModelView {
    let money = ScalarType::Decimal { precision: 13, scale: 2 };
    let customers = table(
        "Customers",
        vec![0],
        vec![
            required("Id", ScalarType::Int32),
            Column { max_length: Some(20), original_name: Some("cust-name".into()), ..required("Name", ScalarType::Text) },
            column("City", ScalarType::Text),
            column("SecretLimit", money),
            Column { read_only: true, ..column("Credit", money) },
            Column { has_default: true, ..required("Active", ScalarType::Boolean) },
            Column { description: Some("Since \"when\"".into()), ..column("Since", ScalarType::Date) },
        ],
        vec![
            relationship("SecretOrders", "OrdersTable", (0, 1), true, None),
            relationship("Orders", "OrdersTable", (0, 1), true, Some("Customer")),
        ],
    );
    let mut orders = table(
        "Orders",
        vec![0],
        vec![
            Column { generated: true, ..required("Id", ScalarType::Int64) },
            required("CustomerId", ScalarType::Int32),
            column("Total", money),
            column("PlacedAt", ScalarType::TimestampTz),
            column("Note", ScalarType::Text),
        ],
        vec![
            relationship("Customer", "CustomersTable", (1, 0), false, Some("Orders")),
            relationship("Lines", "LinesTable", (0, 0), true, None),
        ],
    );
    let aggregate = |name: &str, method| CustomAggregate { name: name.to_owned(), method, column: Some(2) };
    orders.overlay.aggregates = vec![aggregate("Turnover", AggregateMethod::Sum), aggregate("Total", AggregateMethod::Max)];
    let lines = table(
        "Lines",
        vec![0, 1],
        vec![
            required("OrderId", ScalarType::Int64),
            required("LineNo", ScalarType::Int16),
            column("Product", ScalarType::Text),
            column("Quantity", ScalarType::Int32),
        ],
        vec![relationship("Order", "OrdersTable", (0, 0), false, None)],
    );
    let types = table(
        "Types",
        vec![13],
        vec![
            column("Flag", ScalarType::Boolean),
            column("Small", ScalarType::Int16),
            column("Medium", ScalarType::Int32),
            column("Large", ScalarType::Int64),
            column("Single", ScalarType::Float32),
            column("Double", ScalarType::Float64),
            column("Amount", ScalarType::Decimal { precision: 38, scale: 9 }),
            column("Huge", ScalarType::Decimal { precision: 60, scale: 10 }),
            column("Label", ScalarType::Text),
            Column { max_length: Some(8), ..column("Bytes", ScalarType::Binary) },
            column("Day", ScalarType::Date),
            column("Clock", ScalarType::Time),
            column("Local", ScalarType::Timestamp),
            required("Uid", ScalarType::Guid),
            column("Document", ScalarType::Json),
            column("Instant", ScalarType::TimestampTz),
        ],
        Vec::new(),
    );
    let tables = [("Customers", customers), ("Orders", orders), ("Lines", lines), ("Types", types)];
    ModelView {
        version: "v1".to_owned(),
        service: "crm".to_owned(),
        path: "/odata/crm".to_owned(),
        profile: Profile::Standard,
        tables: tables.into_iter().map(|(name, table)| (name.to_owned(), view(name, table))).collect(),
        singletons: indexmap::IndexMap::new(),
        operations: Vec::new(),
        results: indexmap::IndexMap::new(),
    }
}
