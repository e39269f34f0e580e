//! A server that answers in several parts and keeps what nobody has fetched: what it is told when nobody will.

use crate::downstream::{connect, rows};
use arrow::array::{Int64Array, RecordBatch};
use arrow::datatypes::{DataType, Field, Schema};
use arrow_flight::encode::FlightDataEncoderBuilder;
use arrow_flight::error::FlightError;
use arrow_flight::flight_service_server::{FlightService, FlightServiceServer};
use arrow_flight::sql::metadata::SqlInfoDataBuilder;
use arrow_flight::sql::server::FlightSqlService;
use arrow_flight::sql::{CommandGetSqlInfo, CommandStatementQuery, ProstMessageExt, SqlInfo, TicketStatementQuery};
use arrow_flight::{
    Action, CancelFlightInfoRequest, CancelFlightInfoResult, CancelStatus, FlightDescriptor, FlightEndpoint, FlightInfo, Ticket,
};
use futures::{StreamExt, TryStreamExt, stream};
use portico_provider_api::{QueryContext, RemoteTableName, ScalarType, Source, SourceErrorKind, SourceQuery, TableColumn, TableRelation};
use prost::Message;
use serde_json::json;
use std::sync::{Arc, Mutex};
use std::time::{Duration, Instant};
use tonic::transport::server::TcpIncoming;
use tonic::{Request, Response, Status};

/// The server. A statement over `short` has three parts of one batch each, one over `long` parts without an end, any other fails.
struct Parts {
    says_that_it_cancels: bool,
    cancelled: Arc<Mutex<Vec<FlightInfo>>>,
}

fn batch() -> RecordBatch {
    let schema = Schema::new(vec![Field::new("c0", DataType::Int64, false)]);
    RecordBatch::try_new(Arc::new(schema), vec![Arc::new(Int64Array::from_iter_values(0..1_000))]).unwrap()
}

type Answer = Response<<Parts as FlightService>::DoGetStream>;

fn answer(batches: impl futures::Stream<Item = RecordBatch> + Send + 'static) -> Answer {
    let encoded = FlightDataEncoderBuilder::new().build(batches.map(Ok::<_, FlightError>));
    Response::new(encoded.map_err(Status::from).boxed())
}

#[tonic::async_trait]
impl FlightSqlService for Parts {
    type FlightService = Parts;

    async fn get_flight_info_statement(
        &self,
        query: CommandStatementQuery,
        _: Request<FlightDescriptor>,
    ) -> Result<Response<FlightInfo>, Status> {
        let part = |statement: &str| {
            let ticket = TicketStatementQuery { statement_handle: statement.to_owned().into() };
            FlightEndpoint::new().with_ticket(Ticket::new(ticket.as_any().encode_to_vec()))
        };
        let parts = match query.query.as_str() {
            query if query.contains("short") => ["short"; 3],
            query if query.contains("long") => ["long"; 3],
            _ => return Err(Status::invalid_argument("UnknownName: 'hunter2' is not known here")),
        };
        Ok(Response::new(parts.into_iter().fold(FlightInfo::new(), |info, name| info.with_endpoint(part(name)))))
    }

    async fn do_get_statement(&self, ticket: TicketStatementQuery, _: Request<Ticket>) -> Result<Answer, Status> {
        let batches = if ticket.statement_handle.as_ref() == b"short" { 1 } else { usize::MAX };
        Ok(answer(stream::repeat_with(batch).take(batches)))
    }

    async fn get_flight_info_sql_info(
        &self,
        query: CommandGetSqlInfo,
        _: Request<FlightDescriptor>,
    ) -> Result<Response<FlightInfo>, Status> {
        let ticket = Ticket::new(query.as_any().encode_to_vec());
        Ok(Response::new(FlightInfo::new().with_endpoint(FlightEndpoint::new().with_ticket(ticket))))
    }

    async fn do_get_sql_info(&self, query: CommandGetSqlInfo, _: Request<Ticket>) -> Result<Answer, Status> {
        let mut info = SqlInfoDataBuilder::new();
        info.append(SqlInfo::FlightSqlServerName, "Parts");
        info.append(SqlInfo::FlightSqlServerCancel, self.says_that_it_cancels);
        let data = info.build().unwrap();
        let batch = query.into_builder(&data).build().unwrap();
        Ok(answer(stream::iter([batch])))
    }

    async fn do_action_fallback(&self, request: Request<Action>) -> Result<Response<<Self as FlightService>::DoActionStream>, Status> {
        let action = request.into_inner();
        assert_eq!(action.r#type, "CancelFlightInfo");
        let cancel = CancelFlightInfoRequest::decode(action.body).unwrap();
        self.cancelled.lock().unwrap().push(cancel.info.unwrap());
        let result = CancelFlightInfoResult::new(CancelStatus::Cancelled);
        Ok(Response::new(stream::iter([Ok(arrow_flight::Result::new(result.encode_to_vec()))]).boxed()))
    }

    async fn register_sql_info(&self, _: i32, _: &SqlInfo) {}
}

/// A source over the server, and what the server was told to cancel.
fn served(says_that_it_cancels: bool) -> (Arc<dyn Source>, Arc<Mutex<Vec<FlightInfo>>>) {
    let cancelled = Arc::new(Mutex::new(Vec::new()));
    let parts = Parts { says_that_it_cancels, cancelled: Arc::clone(&cancelled) };
    let incoming = TcpIncoming::bind("127.0.0.1:0".parse().unwrap()).unwrap();
    let url = format!("grpc://{}", incoming.local_addr().unwrap());
    tokio::spawn(tonic::transport::Server::builder().add_service(FlightServiceServer::new(parts)).serve_with_incoming(incoming));
    (connect(json!({ "url": url })).unwrap(), cancelled)
}

fn scan(table: &str) -> SourceQuery {
    let columns = vec![TableColumn::computed("n", ScalarType::Int64, false)];
    SourceQuery::scan(TableRelation { table: RemoteTableName(vec![table.to_owned()]), columns })
}

async fn told(cancelled: &Mutex<Vec<FlightInfo>>, times: usize) -> bool {
    let end = Instant::now() + Duration::from_secs(5);
    while cancelled.lock().unwrap().len() < times && Instant::now() < end {
        tokio::time::sleep(Duration::from_millis(10)).await;
    }
    cancelled.lock().unwrap().len() == times
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_server_that_cancels_is_told_of_parts_that_nobody_will_fetch() {
    let (source, cancelled) = served(true);
    let context = QueryContext::default();
    assert_eq!(rows(&source, scan("short"), &context).await.unwrap().len(), 3_000);
    // Left behind after its first batch, and ended by a cap.
    let mut stream = source.query(scan("long"), &context).await.unwrap();
    assert_eq!(stream.try_next().await.unwrap().unwrap().num_rows(), 1_000);
    drop(stream);
    assert!(told(&cancelled, 1).await, "the first, and only the first, was read to its end");
    let mut capped = QueryContext::default();
    capped.request.limits.max_rows = 2_500;
    assert_eq!(rows(&source, scan("long"), &capped).await.unwrap_err().kind, SourceErrorKind::Unsupported);
    assert!(told(&cancelled, 2).await);
    assert!(cancelled.lock().unwrap().iter().all(|info| info.endpoint.len() == 3), "it is told of what");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_server_that_does_not_cancel_is_told_nothing() {
    let (source, cancelled) = served(false);
    let mut stream = source.query(scan("long"), &QueryContext::default()).await.unwrap();
    stream.try_next().await.unwrap();
    drop(stream);
    assert_eq!(rows(&source, scan("short"), &QueryContext::default()).await.unwrap().len(), 3_000);
    assert!(cancelled.lock().unwrap().is_empty());
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_message_that_begins_like_a_gateways_is_not_believed() {
    let (source, _) = served(true);
    let error = rows(&source, scan("other"), &QueryContext::default()).await.unwrap_err();
    assert_eq!(error.kind, SourceErrorKind::Internal);
    assert!(!format!("{error:?}").contains("hunter2"), "{error:?}");
}
