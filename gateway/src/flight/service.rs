//! The calls of Flight SQL. Each one begins with the caller's credentials and ends in the trace. What would change something is
//! refused by name.

use crate::error::{Code, RequestError};
use crate::flight::call::{Call, Weight, authenticate, failed};
use crate::flight::handle::{self, Purpose};
use crate::flight::listing::{self, TableFilter};
use crate::flight::prepared::{bind, not_a_change, prepare};
use crate::flight::stream::{self, FlightStream};
use crate::http::current_model;
use crate::pipeline;
use crate::startup::{Gateway, StartError};
use crate::telemetry::Stage;
use arrow::array::RecordBatch;
use arrow::datatypes::{Schema, SchemaRef};
use arrow_flight::flight_service_server::FlightService;
use arrow_flight::sql::metadata::SqlInfoData;
use arrow_flight::sql::server::{FlightSqlService, PeekableFlightDataStream};
use arrow_flight::sql::{
    ActionBeginSavepointRequest, ActionBeginSavepointResult, ActionBeginTransactionRequest, ActionBeginTransactionResult,
    ActionCancelQueryRequest, ActionCancelQueryResult, ActionClosePreparedStatementRequest, ActionCreatePreparedStatementRequest,
    ActionCreatePreparedStatementResult, ActionCreatePreparedSubstraitPlanRequest, ActionEndSavepointRequest, ActionEndTransactionRequest,
    CommandGetCatalogs, CommandGetCrossReference, CommandGetDbSchemas, CommandGetExportedKeys, CommandGetImportedKeys,
    CommandGetPrimaryKeys, CommandGetSqlInfo, CommandGetTableTypes, CommandGetTables, CommandPreparedStatementQuery,
    CommandPreparedStatementUpdate, CommandStatementIngest, CommandStatementQuery, CommandStatementSubstraitPlan, CommandStatementUpdate,
    DoPutPreparedStatementResult, ProstMessageExt, SqlInfo, TicketStatementQuery,
};
use arrow_flight::{Action, FlightDescriptor, FlightEndpoint, FlightInfo, HandshakeRequest, HandshakeResponse, Ticket};
use futures::Stream;
use portico_engine::{Answer, SqlStatement, Statement, TableAnswer, VisibleTable};
use prost::Message;
use std::pin::Pin;
use std::sync::Arc;
use tonic::{Request, Response, Status, Streaming};

/// The service.
pub struct FlightSql {
    gateway: Arc<Gateway>,
    info: SqlInfoData,
}

type HandshakeStream = Pin<Box<dyn Stream<Item = Result<HandshakeResponse, Status>> + Send>>;

impl FlightSql {
    /// The service over what all doors share.
    ///
    /// # Errors
    /// Never in practice: the server's description cannot be encoded.
    pub fn new(gateway: Arc<Gateway>) -> Result<FlightSql, StartError> {
        let info = listing::sql_info().map_err(|error| StartError::System(error.message))?;
        Ok(FlightSql { gateway, info })
    }

    async fn begin<T>(&self, request: &Request<T>, method: &'static str) -> Result<Call, Status> {
        Call::begin(&self.gateway, request.metadata(), method, Weight::Query).await
    }

    async fn begin_light<T>(&self, request: &Request<T>, method: &'static str) -> Result<Call, Status> {
        Call::begin(&self.gateway, request.metadata(), method, Weight::Light).await
    }

    /// The schema that a statement's result will have: parse, plan, policy and push-down, without running it.
    pub(super) fn planned(call: &Call, statement: &SqlStatement) -> Result<SchemaRef, RequestError> {
        call.trace.set_statement("sql");
        let (engine, principal, trace) = (&call.gateway.engine, &call.context.principal, &call.trace);
        let statement = Statement::Sql(statement.clone());
        let plan = trace.stage(Stage::Plan, || engine.plan(&statement, principal))?;
        let permitted = trace.stage(Stage::Policy, || engine.permit(plan, principal))?;
        let pushed = trace.stage(Stage::PushDown, || engine.push_down(permitted))?;
        pushed.schema().ok_or_else(|| RequestError::new(Code::Internal, "a SQL statement has no schema"))
    }

    /// The answer to "where is this result": one endpoint, here, with a ticket that is the signed statement.
    fn located(call: &Call, statement: &SqlStatement, descriptor: FlightDescriptor) -> Result<FlightInfo, RequestError> {
        let schema = FlightSql::planned(call, statement)?;
        let handle = handle::make(&call.gateway.tokens, Purpose::Ticket, statement)?;
        let ticket = TicketStatementQuery { statement_handle: handle };
        flight_info(&schema, ticket.as_any().encode_to_vec(), descriptor)
    }

    async fn run(call: Call, statement: SqlStatement) -> Result<Response<FlightStream>, Status> {
        call.trace.set_statement("sql");
        let parse = || Ok(Statement::Sql(statement));
        let outcome = pipeline::read(&call.gateway.engine, &call.context, &call.trace, parse, table_of).await;
        match outcome {
            Ok(answer) => Ok(Response::new(stream::table(call, answer).await?)),
            Err(error) => Err(failed(&call.trace, error)),
        }
    }

    fn visible(call: &Call) -> Result<Vec<VisibleTable>, RequestError> {
        call.trace.set_statement("listing");
        current_model(&call.gateway)?;
        Ok(call.gateway.engine.visible_tables(&call.context.principal)?)
    }

    /// A listing is fetched with its own command as the ticket.
    async fn listing_info(
        &self,
        command: impl ProstMessageExt,
        schema: &Schema,
        request: Request<FlightDescriptor>,
    ) -> Result<Response<FlightInfo>, Status> {
        let call = self.begin_light(&request, "GetFlightInfo").await?;
        call.trace.set_statement("listing");
        let info = flight_info(schema, command.as_any().encode_to_vec(), request.into_inner());
        call.conclude(info).map(Response::new)
    }

    async fn listing(
        &self,
        request: &Request<Ticket>,
        make: impl FnOnce(&[VisibleTable]) -> Result<RecordBatch, RequestError>,
    ) -> Result<Response<FlightStream>, Status> {
        let call = self.begin_light(request, "DoGet").await?;
        match FlightSql::visible(&call).and_then(|tables| make(&tables)) {
            Ok(batch) => Ok(Response::new(stream::ready(&call, batch))),
            Err(error) => Err(failed(&call.trace, error)),
        }
    }

    /// Refuses what would change something, with the caller's credentials checked first.
    async fn refuse<T, R>(&self, request: &Request<T>, method: &'static str, code: Code, message: &str) -> Result<R, Status> {
        let call = self.begin_light(request, method).await?;
        Err(failed(&call.trace, RequestError::new(code, message)))
    }
}

fn table_of(answer: Answer) -> Result<TableAnswer, RequestError> {
    match answer {
        Answer::Table(table) => Ok(table),
        Answer::Entities(_) | Answer::Count(_) => {
            Err(RequestError::new(Code::Internal, "SQL was answered with something else than a table"))
        }
    }
}

fn flight_info(schema: &Schema, ticket: Vec<u8>, descriptor: FlightDescriptor) -> Result<FlightInfo, RequestError> {
    let failed = |_| RequestError::new(Code::Internal, "the schema cannot be encoded");
    let endpoint = FlightEndpoint::new().with_ticket(Ticket::new(ticket));
    Ok(FlightInfo::new().try_with_schema(schema).map_err(failed)?.with_endpoint(endpoint).with_descriptor(descriptor))
}

const READ_ONLY: &str = "changes are refused: SQL is read-only here";
pub(super) const NO_TRANSACTIONS: &str = "transactions are not supported: every query reads its sources as they are";
const NO_SUBSTRAIT: &str = "Substrait plans are not supported: send SQL";

#[tonic::async_trait]
impl FlightSqlService for FlightSql {
    type FlightService = FlightSql;

    async fn do_handshake(&self, request: Request<Streaming<HandshakeRequest>>) -> Result<Response<HandshakeStream>, Status> {
        let token = handshake(&self.gateway, request).await.map_err(|error| error.to_status())?;
        let answer = HandshakeResponse { protocol_version: 0, payload: token.clone().into() };
        let stream: HandshakeStream = Box::pin(futures::stream::iter([Ok(answer)]));
        let mut response = Response::new(stream);
        // Most clients read the token from the header, older ones from the payload.
        if let Ok(value) = format!("Bearer {token}").parse() {
            response.metadata_mut().insert("authorization", value);
        }
        Ok(response)
    }

    async fn get_flight_info_statement(
        &self,
        query: CommandStatementQuery,
        request: Request<FlightDescriptor>,
    ) -> Result<Response<FlightInfo>, Status> {
        let call = self.begin(&request, "GetFlightInfo").await?;
        if query.transaction_id.is_some() {
            return Err(failed(&call.trace, RequestError::new(Code::NotImplemented, NO_TRANSACTIONS)));
        }
        let statement = SqlStatement { text: query.query, parameters: Vec::new() };
        let info = FlightSql::located(&call, &statement, request.into_inner());
        call.conclude(info).map(Response::new)
    }

    async fn get_flight_info_prepared_statement(
        &self,
        query: CommandPreparedStatementQuery,
        request: Request<FlightDescriptor>,
    ) -> Result<Response<FlightInfo>, Status> {
        let call = self.begin(&request, "GetFlightInfo").await?;
        let statement = handle::read(&self.gateway.tokens, Purpose::Prepared, &query.prepared_statement_handle);
        let info = statement.and_then(|statement| FlightSql::located(&call, &statement, request.into_inner()));
        call.conclude(info).map(Response::new)
    }

    async fn get_flight_info_substrait_plan(
        &self,
        _: CommandStatementSubstraitPlan,
        request: Request<FlightDescriptor>,
    ) -> Result<Response<FlightInfo>, Status> {
        self.refuse(&request, "GetFlightInfo", Code::NotImplemented, NO_SUBSTRAIT).await
    }

    async fn get_flight_info_catalogs(
        &self,
        query: CommandGetCatalogs,
        request: Request<FlightDescriptor>,
    ) -> Result<Response<FlightInfo>, Status> {
        let schema = query.into_builder().schema();
        self.listing_info(query, &schema, request).await
    }

    async fn get_flight_info_schemas(
        &self,
        query: CommandGetDbSchemas,
        request: Request<FlightDescriptor>,
    ) -> Result<Response<FlightInfo>, Status> {
        let schema = query.clone().into_builder().schema();
        self.listing_info(query, &schema, request).await
    }

    async fn get_flight_info_tables(
        &self,
        query: CommandGetTables,
        request: Request<FlightDescriptor>,
    ) -> Result<Response<FlightInfo>, Status> {
        let schema = query.clone().into_builder().schema();
        self.listing_info(query, &schema, request).await
    }

    async fn get_flight_info_table_types(
        &self,
        query: CommandGetTableTypes,
        request: Request<FlightDescriptor>,
    ) -> Result<Response<FlightInfo>, Status> {
        let schema = query.into_builder().schema();
        self.listing_info(query, &schema, request).await
    }

    async fn get_flight_info_sql_info(
        &self,
        query: CommandGetSqlInfo,
        request: Request<FlightDescriptor>,
    ) -> Result<Response<FlightInfo>, Status> {
        let schema = self.info.schema();
        self.listing_info(query, &schema, request).await
    }

    async fn get_flight_info_primary_keys(
        &self,
        query: CommandGetPrimaryKeys,
        request: Request<FlightDescriptor>,
    ) -> Result<Response<FlightInfo>, Status> {
        self.listing_info(query, &listing::primary_keys_schema(), request).await
    }

    async fn get_flight_info_exported_keys(
        &self,
        query: CommandGetExportedKeys,
        request: Request<FlightDescriptor>,
    ) -> Result<Response<FlightInfo>, Status> {
        self.listing_info(query, &listing::foreign_keys_schema(), request).await
    }

    async fn get_flight_info_imported_keys(
        &self,
        query: CommandGetImportedKeys,
        request: Request<FlightDescriptor>,
    ) -> Result<Response<FlightInfo>, Status> {
        self.listing_info(query, &listing::foreign_keys_schema(), request).await
    }

    async fn get_flight_info_cross_reference(
        &self,
        query: CommandGetCrossReference,
        request: Request<FlightDescriptor>,
    ) -> Result<Response<FlightInfo>, Status> {
        self.listing_info(query, &listing::foreign_keys_schema(), request).await
    }

    async fn do_get_statement(&self, ticket: TicketStatementQuery, request: Request<Ticket>) -> Result<Response<FlightStream>, Status> {
        let call = self.begin(&request, "DoGet").await?;
        match handle::read(&self.gateway.tokens, Purpose::Ticket, &ticket.statement_handle) {
            Ok(statement) => FlightSql::run(call, statement).await,
            Err(error) => Err(failed(&call.trace, error)),
        }
    }

    async fn do_get_prepared_statement(
        &self,
        query: CommandPreparedStatementQuery,
        request: Request<Ticket>,
    ) -> Result<Response<FlightStream>, Status> {
        let call = self.begin(&request, "DoGet").await?;
        match handle::read(&self.gateway.tokens, Purpose::Prepared, &query.prepared_statement_handle) {
            Ok(statement) => FlightSql::run(call, statement).await,
            Err(error) => Err(failed(&call.trace, error)),
        }
    }

    async fn do_get_catalogs(&self, query: CommandGetCatalogs, request: Request<Ticket>) -> Result<Response<FlightStream>, Status> {
        self.listing(&request, |tables| listing::catalogs(query, tables)).await
    }

    async fn do_get_schemas(&self, query: CommandGetDbSchemas, request: Request<Ticket>) -> Result<Response<FlightStream>, Status> {
        self.listing(&request, |tables| listing::schemas(query, tables)).await
    }

    async fn do_get_tables(&self, query: CommandGetTables, request: Request<Ticket>) -> Result<Response<FlightStream>, Status> {
        self.listing(&request, |tables| listing::tables(query, tables)).await
    }

    async fn do_get_table_types(&self, query: CommandGetTableTypes, request: Request<Ticket>) -> Result<Response<FlightStream>, Status> {
        self.listing(&request, |_| listing::table_types(query)).await
    }

    async fn do_get_sql_info(&self, query: CommandGetSqlInfo, request: Request<Ticket>) -> Result<Response<FlightStream>, Status> {
        let info = query
            .into_builder(&self.info)
            .build()
            .map_err(|_| RequestError::new(Code::Internal, "the server's description cannot be made"));
        self.listing(&request, |_| info).await
    }

    async fn do_get_primary_keys(&self, query: CommandGetPrimaryKeys, request: Request<Ticket>) -> Result<Response<FlightStream>, Status> {
        let filter = TableFilter { catalog: query.catalog, schema: query.db_schema, table: query.table };
        self.listing(&request, |tables| listing::primary_keys(&filter, tables)).await
    }

    async fn do_get_exported_keys(
        &self,
        query: CommandGetExportedKeys,
        request: Request<Ticket>,
    ) -> Result<Response<FlightStream>, Status> {
        let parent = TableFilter { catalog: query.catalog, schema: query.db_schema, table: query.table };
        self.listing(&request, |tables| listing::foreign_keys(Some(&parent), None, tables)).await
    }

    async fn do_get_imported_keys(
        &self,
        query: CommandGetImportedKeys,
        request: Request<Ticket>,
    ) -> Result<Response<FlightStream>, Status> {
        let child = TableFilter { catalog: query.catalog, schema: query.db_schema, table: query.table };
        self.listing(&request, |tables| listing::foreign_keys(None, Some(&child), tables)).await
    }

    async fn do_get_cross_reference(
        &self,
        query: CommandGetCrossReference,
        request: Request<Ticket>,
    ) -> Result<Response<FlightStream>, Status> {
        let parent = TableFilter { catalog: query.pk_catalog, schema: query.pk_db_schema, table: query.pk_table };
        let child = TableFilter { catalog: query.fk_catalog, schema: query.fk_db_schema, table: query.fk_table };
        self.listing(&request, |tables| listing::foreign_keys(Some(&parent), Some(&child), tables)).await
    }

    async fn do_put_statement_update(&self, _: CommandStatementUpdate, request: Request<PeekableFlightDataStream>) -> Result<i64, Status> {
        self.refuse(&request, "DoPut", Code::ReadOnly, READ_ONLY).await
    }

    async fn do_put_statement_ingest(&self, _: CommandStatementIngest, request: Request<PeekableFlightDataStream>) -> Result<i64, Status> {
        self.refuse(&request, "DoPut", Code::ReadOnly, READ_ONLY).await
    }

    async fn do_put_prepared_statement_update(
        &self,
        query: CommandPreparedStatementUpdate,
        request: Request<PeekableFlightDataStream>,
    ) -> Result<i64, Status> {
        let call = self.begin(&request, "DoPut").await?;
        Err(failed(&call.trace, not_a_change(&call, &query.prepared_statement_handle)))
    }

    async fn do_put_substrait_plan(
        &self,
        _: CommandStatementSubstraitPlan,
        request: Request<PeekableFlightDataStream>,
    ) -> Result<i64, Status> {
        self.refuse(&request, "DoPut", Code::NotImplemented, NO_SUBSTRAIT).await
    }

    async fn do_put_prepared_statement_query(
        &self,
        query: CommandPreparedStatementQuery,
        request: Request<PeekableFlightDataStream>,
    ) -> Result<DoPutPreparedStatementResult, Status> {
        let call = self.begin(&request, "DoPut").await?;
        let bound = bind(&call, &query.prepared_statement_handle, request.into_inner()).await;
        call.conclude(bound)
    }

    async fn do_action_create_prepared_statement(
        &self,
        query: ActionCreatePreparedStatementRequest,
        request: Request<Action>,
    ) -> Result<ActionCreatePreparedStatementResult, Status> {
        let call = self.begin(&request, "DoAction").await?;
        let prepared = prepare(&call, query);
        call.conclude(prepared)
    }

    async fn do_action_close_prepared_statement(
        &self,
        _: ActionClosePreparedStatementRequest,
        request: Request<Action>,
    ) -> Result<(), Status> {
        // Nothing is kept of a prepared statement.
        let call = self.begin_light(&request, "DoAction").await?;
        call.conclude(Ok(()))
    }

    async fn do_action_create_prepared_substrait_plan(
        &self,
        _: ActionCreatePreparedSubstraitPlanRequest,
        request: Request<Action>,
    ) -> Result<ActionCreatePreparedStatementResult, Status> {
        self.refuse(&request, "DoAction", Code::NotImplemented, NO_SUBSTRAIT).await
    }

    async fn do_action_begin_transaction(
        &self,
        _: ActionBeginTransactionRequest,
        request: Request<Action>,
    ) -> Result<ActionBeginTransactionResult, Status> {
        self.refuse(&request, "DoAction", Code::NotImplemented, NO_TRANSACTIONS).await
    }

    async fn do_action_end_transaction(&self, _: ActionEndTransactionRequest, request: Request<Action>) -> Result<(), Status> {
        self.refuse(&request, "DoAction", Code::NotImplemented, NO_TRANSACTIONS).await
    }

    async fn do_action_begin_savepoint(
        &self,
        _: ActionBeginSavepointRequest,
        request: Request<Action>,
    ) -> Result<ActionBeginSavepointResult, Status> {
        self.refuse(&request, "DoAction", Code::NotImplemented, NO_TRANSACTIONS).await
    }

    async fn do_action_end_savepoint(&self, _: ActionEndSavepointRequest, request: Request<Action>) -> Result<(), Status> {
        self.refuse(&request, "DoAction", Code::NotImplemented, NO_TRANSACTIONS).await
    }

    async fn do_action_cancel_query(
        &self,
        _: ActionCancelQueryRequest,
        request: Request<Action>,
    ) -> Result<ActionCancelQueryResult, Status> {
        self.refuse(&request, "DoAction", Code::NotImplemented, "cancel a query by ending its stream").await
    }

    async fn do_action_fallback(&self, request: Request<Action>) -> Result<Response<<Self as FlightService>::DoActionStream>, Status> {
        self.refuse(&request, "DoAction", Code::NotImplemented, "this action is not supported").await
    }

    /// The description is built once, at start.
    async fn register_sql_info(&self, _: i32, _: &SqlInfo) {}
}

/// Basic credentials → a token. They come in the header, or in the payload of the first message.
async fn handshake(gateway: &Gateway, request: Request<Streaming<HandshakeRequest>>) -> Result<String, RequestError> {
    let metadata = request.metadata().clone();
    let principal = if metadata.contains_key("authorization") || metadata.contains_key(crate::identity::KEY_HEADER) {
        authenticate(gateway, &metadata).await?.0
    } else {
        let first = request.into_inner().message().await.ok().flatten();
        let basic = first.and_then(|message| arrow_flight::BasicAuth::decode(message.payload).ok());
        let basic = basic.filter(|basic| !basic.username.is_empty());
        let basic = basic.ok_or_else(|| RequestError::new(Code::Unauthenticated, "the handshake carries no credentials"))?;
        gateway.identities.authenticate(crate::identity::Credentials::Basic(basic.username, basic.password)).await?
    };
    let lifetime = gateway.config.gateway.flight.as_ref().map(|flight| flight.token_lifetime).unwrap_or_default();
    gateway.tokens.issue(&principal.name, lifetime).ok_or_else(|| RequestError::new(Code::Internal, "no token can be made"))
}
