//! Two memory sources, a model over both, and an engine that answers statements. It also has a source that can evaluate nothing,
//! to compare what is pushed down with what is not.

use arrow::array::RecordBatch;
use arrow::util::pretty::pretty_format_batches;
use async_trait::async_trait;
use futures::StreamExt;
use portico_catalog::{ModelDefinition, TableDefinition};
use portico_engine::{
    AccessDefinition, Answer, Engine, EngineError, EngineSettings, EntityRead, Journal, Paging, Principal, RequestContext,
    RequestedFreshness, SqlStatement, Statement, WriteAnswer,
};
use portico_odata::{BoundQuery, BoundRead, BoundWrite, ReadKind};
use portico_provider_api::arrays::batch_from_rows;
use portico_provider_api::{
    Capabilities, ChangeOutcome, ChangeSet, CompareOp, Expr, ForeignKey, NativeRequest, QueryContext, QueryStream, RemoteColumn,
    RemoteSchema, RemoteTableName, ScalarType, Selection, Source, SourceError, SourceQuery, Support, Value, WritableSource,
};
use portico_provider_memory::{MemorySource, MemoryTable};
use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::{Duration, SystemTime};

pub fn name(table: &str) -> RemoteTableName {
    RemoteTableName(vec![table.to_owned()])
}

pub fn table(table_name: &str, columns: Vec<RemoteColumn>, key: &[&str], rows: &[Vec<Value>]) -> MemoryTable {
    let described: Vec<_> = columns.iter().map(|column| (column.name.clone(), column.scalar_type, column.nullable)).collect();
    MemoryTable {
        name: name(table_name),
        description: None,
        columns,
        primary_key: key.iter().map(|key| (*key).to_owned()).collect(),
        foreign_keys: Vec::new(),
        batches: vec![batch_from_rows(&described, rows).unwrap()],
    }
}

pub fn decimal(unscaled: i64) -> Value {
    Value::Decimal { unscaled: unscaled.into(), precision: 12, scale: 2 }
}

/// Customers 1 to 5; 4 has no region, 5 no orders.
pub fn customers() -> MemoryTable {
    let columns = vec![
        RemoteColumn::plain("id", ScalarType::Int64, false),
        RemoteColumn::plain("name", ScalarType::Text, false),
        RemoteColumn::plain("region", ScalarType::Text, true),
        RemoteColumn::plain("tax_id", ScalarType::Text, true),
        RemoteColumn::plain("credit", ScalarType::Decimal { precision: 12, scale: 2 }, true),
        RemoteColumn::plain("version", ScalarType::Int64, false),
    ];
    let row = |id: i64, customer: &str, region: Option<&str>, credit: Option<i64>| {
        vec![
            Value::Int64(id),
            Value::text(customer),
            region.map_or(Value::Null(ScalarType::Text), Value::text),
            Value::text(format!("TAX-{id:03}")),
            credit.map_or(Value::Null(ScalarType::Decimal { precision: 12, scale: 2 }), decimal),
            Value::Int64(1),
        ]
    };
    let rows = [
        row(1, "Alpha", Some("EMEA"), Some(100_000)),
        row(2, "Beta", Some("APAC"), Some(50_000)),
        row(3, "Gamma", Some("EMEA"), None),
        row(4, "Delta", None, Some(0)),
        row(5, "Epsilon", Some("AMER"), Some(999)),
    ];
    table("customers", columns, &["id"], &rows)
}

/// Orders 101 to 110, of customers 1 to 4.
pub fn orders() -> MemoryTable {
    let columns = vec![
        RemoteColumn::plain("order_id", ScalarType::Int64, false),
        RemoteColumn::plain("customer_id", ScalarType::Int64, false),
        RemoteColumn::plain("amount", ScalarType::Decimal { precision: 12, scale: 2 }, false),
        RemoteColumn::plain("placed", ScalarType::Date, false),
        RemoteColumn::plain("note", ScalarType::Text, true),
    ];
    let rows: Vec<Vec<Value>> = (0..10_i64)
        .map(|index| {
            vec![
                Value::Int64(101 + index),
                Value::Int64(1 + index % 4),
                decimal(1_000 * (index + 1)),
                Value::Date(19_000 + i32::try_from(index).unwrap()),
                if index % 3 == 0 { Value::Null(ScalarType::Text) } else { Value::text(format!("note {index}")) },
            ]
        })
        .collect();
    let mut table = table("orders", columns, &["order_id"], &rows);
    table.foreign_keys = Vec::<ForeignKey>::new();
    table
}

pub const TABLES: &str = r#"{
  "Customers": {
    "source": "crm", "remote": "customers",
    "columns": { "Id": {"remote": "id"}, "Name": {"remote": "name"}, "Region": {"remote": "region"}, "TaxId": {"remote": "tax_id"}, "Credit": {"remote": "credit"} },
    "version": "version",
    "relationships": { "Orders": { "to": "Orders", "on": { "Id": "CustomerId" }, "many": true } }
  },
  "Orders": {
    "source": "erp", "remote": "orders",
    "columns": { "OrderId": {"remote": "order_id"}, "CustomerId": {"remote": "customer_id"}, "Amount": {"remote": "amount"}, "Placed": {"remote": "placed"}, "Note": {"remote": "note"} },
    "relationships": { "Customer": { "to": "Customers", "on": { "CustomerId": "Id" } } }
  },
  "Revenue": {
    "sql": "SELECT c.Id, c.Name, sum(o.Amount) AS Total FROM Customers c JOIN Orders o ON o.CustomerId = c.Id GROUP BY c.Id, c.Name",
    "key": ["Id"]
  }
}"#;

pub const ACCESS: &str = r#"{ "roles": {
  "all": { "Customers": { "write": ["insert", "update", "delete"] }, "Orders": { "write": ["insert", "update", "delete"] }, "Revenue": {} },
  "emea": { "Customers": { "rows": "Region = principal.region", "hide": ["Credit"], "mask": { "TaxId": "'***' || right(TaxId, 3)" }, "write": ["update", "insert"] }, "Orders": {} },
  "orders": { "Orders": {} },
  "revenue": { "Revenue": {}, "Orders": {} }
} }"#;

/// A source with its abilities taken away: it can only return columns.
pub struct Incapable(pub Arc<dyn Source>);

#[async_trait]
impl Source for Incapable {
    async fn remote_schema(&self, wanted: &Selection, context: &QueryContext) -> Result<RemoteSchema, SourceError> {
        let capabilities = Capabilities { projection: Support::Exact, ..Capabilities::default() };
        Ok(RemoteSchema { capabilities, ..self.0.remote_schema(wanted, context).await? })
    }
    async fn query(&self, query: SourceQuery, context: &QueryContext) -> Result<QueryStream, SourceError> {
        self.0.query(query, context).await
    }
    fn describe(&self, query: &SourceQuery) -> Vec<NativeRequest> {
        self.0.describe(query)
    }
    fn writable(&self) -> Option<&dyn WritableSource> {
        self.0.writable()
    }
}

/// A source that answers only so many questions at once; each has its place until its answer has ended.
struct Placed {
    source: Arc<dyn Source>,
    places: Arc<tokio::sync::Semaphore>,
}

#[async_trait]
impl Source for Placed {
    async fn remote_schema(&self, wanted: &Selection, context: &QueryContext) -> Result<RemoteSchema, SourceError> {
        self.source.remote_schema(wanted, context).await
    }
    async fn query(&self, query: SourceQuery, context: &QueryContext) -> Result<QueryStream, SourceError> {
        let place = Arc::clone(&self.places).acquire_owned().await.unwrap();
        Ok(self.source.query(query, context).await?.holding(place, |_, _| {}))
    }
    fn describe(&self, query: &SourceQuery) -> Vec<NativeRequest> {
        self.source.describe(query)
    }
    fn writable(&self) -> Option<&dyn WritableSource> {
        self.source.writable()
    }
}

/// A source in which somebody else replaces a table just before anything is written to it.
struct Meddling {
    inner: Arc<MemorySource>,
    table: fn() -> MemoryTable,
}

#[async_trait]
impl Source for Meddling {
    async fn remote_schema(&self, wanted: &Selection, context: &QueryContext) -> Result<RemoteSchema, SourceError> {
        self.inner.remote_schema(wanted, context).await
    }
    async fn query(&self, query: SourceQuery, context: &QueryContext) -> Result<QueryStream, SourceError> {
        self.inner.query(query, context).await
    }
    fn describe(&self, query: &SourceQuery) -> Vec<NativeRequest> {
        self.inner.describe(query)
    }
    fn writable(&self) -> Option<&dyn WritableSource> {
        self.inner.writable().map(|_| self as &dyn WritableSource)
    }
}

#[async_trait]
impl WritableSource for Meddling {
    async fn write(&self, changes: ChangeSet, context: &QueryContext) -> Result<Vec<ChangeOutcome>, SourceError> {
        self.inner.replace_table((self.table)());
        self.inner.write(changes, context).await
    }
}

/// A source that looks texts of a key set up whatever their letter case.
struct IgnoresCase {
    declared: Arc<MemorySource>,
    free: MemorySource,
}

#[async_trait]
impl Source for IgnoresCase {
    async fn remote_schema(&self, wanted: &Selection, context: &QueryContext) -> Result<RemoteSchema, SourceError> {
        self.declared.remote_schema(wanted, context).await
    }
    async fn query(&self, mut query: SourceQuery, context: &QueryContext) -> Result<QueryStream, SourceError> {
        let other = |value: &Value| match value {
            Value::Text(text) if text.to_uppercase() == *text => Value::text(text.to_lowercase()),
            Value::Text(text) => Value::text(text.to_uppercase()),
            value => value.clone(),
        };
        let mut inner = query.clone();
        if let Some(keys) = &mut query.keys {
            // The keys in both cases are more than one: what it declares does not hold for what it asks itself.
            keys.tuples.extend(keys.tuples.clone().iter().map(|tuple| tuple.iter().map(other).collect()));
            let any = keys.tuples.iter().map(|tuple| {
                let equal = keys
                    .columns
                    .iter()
                    .zip(tuple)
                    .map(|(column, value)| Expr::compare(CompareOp::Eq, Expr::Column(*column), Expr::Literal(value.clone())));
                Expr::all(equal).unwrap()
            });
            inner.filter = Expr::all(query.filter.clone().into_iter().chain([Expr::Or(any.collect())]));
            inner.keys = None;
        }
        self.free.query(inner, context).await
    }
    fn describe(&self, query: &SourceQuery) -> Vec<NativeRequest> {
        self.declared.describe(query)
    }
}

/// A source that answers only when so many questions are under way.
struct Together {
    source: Arc<dyn Source>,
    together: Arc<tokio::sync::Barrier>,
}

#[async_trait]
impl Source for Together {
    async fn remote_schema(&self, wanted: &Selection, context: &QueryContext) -> Result<RemoteSchema, SourceError> {
        self.source.remote_schema(wanted, context).await
    }
    async fn query(&self, query: SourceQuery, context: &QueryContext) -> Result<QueryStream, SourceError> {
        self.together.wait().await;
        self.source.query(query, context).await
    }
    fn describe(&self, query: &SourceQuery) -> Vec<NativeRequest> {
        self.source.describe(query)
    }
}

pub struct Bench {
    pub engine: Engine,
    pub crm: Arc<MemorySource>,
    pub erp: Arc<MemorySource>,
    pub definition: ModelDefinition,
    pub schemas: BTreeMap<String, RemoteSchema>,
}

pub struct Options {
    pub tables: String,
    pub access: String,
    pub operations: String,
    pub settings: EngineSettings,
    pub incapable: bool,
    /// How many questions each source answers at once.
    pub places: Option<usize>,
    /// A table that somebody else puts into the source between reading and writing.
    pub meddling: Option<fn() -> MemoryTable>,
    /// How many questions must be under way at `erp` before it answers any.
    pub together: Option<usize>,
    /// Whether `erp` finds by a text those that differ from it in letter case.
    pub ignores_case: bool,
    /// What both sources declare, and keep to, instead of all that they can.
    pub capabilities: Option<Capabilities>,
    /// What is taken from that, which they then refuse.
    pub limits: fn(&mut Capabilities),
    pub crm: Vec<MemoryTable>,
    pub erp: Vec<MemoryTable>,
}

impl Default for Options {
    fn default() -> Self {
        Options {
            tables: TABLES.to_owned(),
            access: ACCESS.to_owned(),
            operations: "{}".to_owned(),
            settings: EngineSettings::default(),
            incapable: false,
            places: None,
            meddling: None,
            limits: |_| {},
            together: None,
            ignores_case: false,
            capabilities: None,
            crm: vec![customers()],
            erp: vec![orders()],
        }
    }
}

pub async fn bench(options: Options) -> Bench {
    let mut able = options.capabilities.unwrap_or_else(portico_provider_memory::capabilities::capabilities);
    (options.limits)(&mut able);
    let memory = |name: &str, tables: Vec<MemoryTable>| Arc::new(MemorySource::new(name, tables).unwrap().limited_to(able.clone()));
    let free = options.erp.clone();
    let (crm, erp) = (memory("crm", options.crm), memory("erp", options.erp));
    let wrap = |inner: &Arc<MemorySource>| -> Arc<dyn Source> {
        let source: Arc<dyn Source> = Arc::clone(inner) as _;
        match (options.incapable, options.places) {
            (true, _) => Arc::new(Incapable(source)),
            (false, Some(places)) => Arc::new(Placed { source, places: Arc::new(tokio::sync::Semaphore::new(places)) }),
            (false, None) => options.meddling.map_or(source, |table| Arc::new(Meddling { inner: inner.clone(), table })),
        }
    };
    let mut sources: BTreeMap<String, Arc<dyn Source>> = [("crm".to_owned(), wrap(&crm)), ("erp".to_owned(), wrap(&erp))].into();
    if let Some(number) = options.together {
        let together = Arc::new(tokio::sync::Barrier::new(number));
        sources.insert("erp".to_owned(), Arc::new(Together { source: wrap(&erp), together }));
    }
    if options.ignores_case {
        sources
            .insert("erp".to_owned(), Arc::new(IgnoresCase { declared: Arc::clone(&erp), free: MemorySource::new("erp", free).unwrap() }));
    }
    let mut schemas = BTreeMap::new();
    for (source_name, source) in &sources {
        schemas.insert(source_name.clone(), source.remote_schema(&Selection::All, &QueryContext::default()).await.unwrap());
    }
    let tables: indexmap::IndexMap<String, TableDefinition> = serde_json::from_str(&options.tables).unwrap();
    let access: AccessDefinition = serde_json::from_str(&options.access).unwrap();
    let engine = Engine::new(options.settings, sources, access).unwrap();
    let operations = serde_json::from_str(&options.operations).unwrap();
    let sources = vec!["crm".to_owned(), "erp".to_owned()];
    let definition = ModelDefinition { sources, tables, operations, ..ModelDefinition::default() };
    let (model, _) = portico_catalog::build(&definition, &schemas, &|model, sql| engine.describe_view(model, sql)).unwrap();
    assert_eq!(engine.check(&model), Vec::new());
    engine.publish(Arc::new(model));
    crm.clear_log();
    erp.clear_log();
    Bench { engine, crm, erp, definition, schemas }
}

pub fn principal(role: &str) -> Principal {
    let attributes = [("region".to_owned(), portico_engine::Attribute::Text("EMEA".to_owned()))];
    Principal { name: format!("test-{role}"), roles: vec![role.to_owned()], attributes: attributes.into(), operator: false }
}

pub fn context(principal: &Principal) -> RequestContext {
    RequestContext {
        request_id: "test".to_owned(),
        principal: Arc::new(principal.clone()),
        caller: None,
        deadline: SystemTime::now() + Duration::from_secs(300),
        freshness: RequestedFreshness::AsDeclared,
        journal: Arc::new(Journal::default()),
        local: Default::default(),
    }
}

impl Bench {
    pub async fn sql_as(&self, principal: &Principal, text: &str) -> Result<Vec<RecordBatch>, EngineError> {
        self.sql_in(&context(principal), text).await
    }

    pub async fn sql_in(&self, context: &RequestContext, text: &str) -> Result<Vec<RecordBatch>, EngineError> {
        let statement = Statement::Sql(SqlStatement { text: text.to_owned(), parameters: Vec::new() });
        let Answer::Table(mut answer) = self.answer(&statement, context).await? else { panic!("not a table") };
        let mut batches = Vec::new();
        while let Some(batch) = answer.batches.next().await {
            batches.push(batch?);
        }
        Ok(batches)
    }

    pub async fn answer(&self, statement: &Statement, context: &RequestContext) -> Result<Answer, EngineError> {
        let plan = self.engine.plan(statement, &context.principal)?;
        let permitted = self.engine.permit(plan, &context.principal)?;
        let pushed = self.engine.push_down(permitted)?;
        self.engine.execute(pushed, context).await
    }

    /// The rows of a query as sorted lines of text.
    pub async fn rows(&self, role: &str, text: &str) -> Vec<String> {
        let batches = self.sql_as(&principal(role), text).await.unwrap_or_else(|error| panic!("{text}: {error}"));
        lines(&batches)
    }

    pub async fn error(&self, role: &str, text: &str) -> EngineError {
        match self.sql_as(&principal(role), text).await {
            Ok(batches) => panic!("{text} was answered:\n{}", pretty_format_batches(&batches).unwrap()),
            Err(error) => error,
        }
    }

    pub async fn read(&self, role: &str, read: BoundRead, paging: Paging) -> Result<Answer, EngineError> {
        let principal = principal(role);
        let service = self.engine.model().unwrap().services.keys().next().unwrap().clone();
        self.answer(
            &Statement::Entities(Box::new(EntityRead {
                service,
                model_version: self.engine.model().unwrap().version.clone(),
                read,
                paging,
            })),
            &context(&principal),
        )
        .await
    }

    pub async fn write(&self, role: &str, write: &BoundWrite) -> Result<WriteAnswer, EngineError> {
        let principal = principal(role);
        let service = self.engine.model().unwrap().services.keys().next().unwrap().clone();
        let view = self.engine.view(&principal, &service)?;
        let permitted = self.engine.permit_write(write, &view, &principal)?;
        self.engine.write(permitted, &context(&principal)).await
    }
}

pub fn lines(batches: &[RecordBatch]) -> Vec<String> {
    let text = pretty_format_batches(batches).unwrap().to_string();
    let mut lines: Vec<String> = text
        .lines()
        .filter(|line| line.starts_with('|'))
        .skip(1)
        .map(|line| line.trim_matches('|').split('|').map(str::trim).collect::<Vec<_>>().join(","))
        .collect();
    lines.sort();
    lines
}

pub fn query(table: &str, select: &[usize]) -> BoundQuery {
    BoundQuery::of(table, select.to_vec())
}

pub fn collection(query: BoundQuery) -> BoundRead {
    BoundRead::new(query, ReadKind::Collection)
}
