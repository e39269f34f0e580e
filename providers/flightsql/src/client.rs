//! The only IO of this kind: one connection that all requests share, who asks, and until when. Every request carries its deadline to the
//! server, and dropping what it waits for cancels it there. It must not know the IR.

use crate::address::Address;
use crate::config::{Auth, FlightSqlConfig};
use crate::errors;
use arrow_flight::decode::FlightRecordBatchStream;
use arrow_flight::error::FlightError;
use arrow_flight::flight_service_client::FlightServiceClient;
use arrow_flight::sql::{Any, ProstMessageExt};
use arrow_flight::{Action, BasicAuth, FlightData, FlightDescriptor, FlightInfo, HandshakeRequest, PutResult, Ticket};
use base64::Engine as _;
use base64::prelude::BASE64_STANDARD;
use bytes::Bytes;
use futures::TryStreamExt;
use portico_provider_api::{ConnectContext, Late, Patience, QueryContext, Secret, SourceError, SourceErrorKind};
use prost::Message;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, OnceLock};
use std::time::Duration;
use tokio::sync::{Mutex, OwnedSemaphorePermit, Semaphore};
use tokio::time::Instant;
use tonic::metadata::{Ascii, AsciiMetadataKey, MetadataValue};
use tonic::transport::Channel;
use tonic::{Code, Request, Status};

/// Largest message that is read: a batch of rows.
const MAX_MESSAGE: usize = 256 << 20;

/// One server. Cloning it is cheap.
#[derive(Clone)]
pub struct Client {
    shared: Arc<Shared>,
    /// The id of the request, which the server may put into its log.
    request_id: Option<MetadataValue<Ascii>>,
}

struct Shared {
    address: Address,
    source_name: String,
    timeout: Duration,
    request_time: Duration,
    login: Login,
    slots: Arc<Semaphore>,
    /// Made when it is first needed, and remade by itself when it breaks.
    channel: OnceLock<Channel>,
    /// Whether the server is known to be a gateway like this one, so that what it says of a failure may be passed on.
    is_gateway: AtomicBool,
    /// Whether the server says that it cancels answers when it is told to.
    cancels: AtomicBool,
}

type Header = (AsciiMetadataKey, MetadataValue<Ascii>);

/// How requests say who asks.
enum Login {
    Anonymous,
    Header(Header),
    /// By a token that a handshake gives for user and password.
    Handshake {
        user: String,
        password: Secret,
        token: Mutex<Option<MetadataValue<Ascii>>>,
    },
}

/// A gRPC call that is made anew each time it is tried.
type Connection = FlightServiceClient<Channel>;

impl Client {
    /// A client that connects when it is first needed.
    ///
    /// # Errors
    /// When the settings cannot be used.
    pub fn new(config: &FlightSqlConfig, context: &ConnectContext) -> Result<Client, SourceError> {
        let shared = Shared {
            address: Address::new(config, context)?,
            source_name: context.source_name.clone(),
            timeout: context.timeout,
            request_time: context.request_time,
            login: login(config, context)?,
            slots: Arc::new(Semaphore::new(context.max_connections.max(1))),
            channel: OnceLock::new(),
            is_gateway: AtomicBool::new(false),
            cancels: AtomicBool::new(false),
        };
        Ok(Client { shared: Arc::new(shared), request_id: None })
    }

    /// The same for one request, whose id goes along.
    pub fn of_request(&self, context: &QueryContext) -> Client {
        Client {
            shared: Arc::clone(&self.shared),
            request_id: context.request.request_id.parse().ok().filter(|id: &MetadataValue<Ascii>| !id.is_empty()),
        }
    }

    /// The configured name of the source.
    pub fn source_name(&self) -> &str {
        &self.shared.source_name
    }

    /// Whether an answer at these places can be fetched here.
    pub fn serves(&self, locations: &[String]) -> bool {
        self.shared.address.serves(locations)
    }

    /// When a request must have been answered that has one part only, or has begun to be answered.
    ///
    /// # Errors
    /// `Timeout` when it already is: nothing must be asked any more.
    pub fn deadline(&self, context: &QueryContext) -> Result<Instant, SourceError> {
        match context.remaining() {
            Some(Duration::ZERO) => Err(self.error(SourceErrorKind::Timeout, "the deadline had passed before the server was asked")),
            Some(remaining) => Ok(Instant::now() + remaining.min(self.shared.timeout)),
            None => Ok(Instant::now() + self.shared.timeout),
        }
    }

    /// How long the parts of an answer are waited for.
    ///
    /// # Errors
    /// As [`Client::deadline`].
    pub fn patience(&self, context: &QueryContext) -> Result<Patience, SourceError> {
        self.deadline(context).map(|_| Patience::new(self.shared.timeout, context))
    }

    /// That the server was waited for in vain.
    pub fn late(&self, late: Late) -> SourceError {
        self.error(SourceErrorKind::Timeout, late.to_string())
    }

    /// An error of this source.
    pub fn error(&self, kind: SourceErrorKind, message: impl Into<String>) -> SourceError {
        SourceError::new(self.source_name(), kind, message)
    }

    /// What the server is. From now on a gateway like this one is believed in what it says of a failure.
    pub fn know(&self, is_gateway: bool, cancels: bool) {
        self.shared.is_gateway.store(is_gateway, Ordering::Relaxed);
        self.shared.cancels.store(cancels, Ordering::Relaxed);
    }

    /// Whether the server cancels answers when it is told to.
    pub fn cancels(&self) -> bool {
        self.shared.cancels.load(Ordering::Relaxed)
    }

    /// What a status means.
    fn described(&self, status: &Status) -> SourceError {
        errors::describe(self.source_name(), status, self.shared.is_gateway.load(Ordering::Relaxed))
    }

    /// What a failure means that came while an answer was read.
    pub fn of_answer(&self, error: &FlightError) -> SourceError {
        errors::of_answer(self.source_name(), error, self.shared.is_gateway.load(Ordering::Relaxed))
    }

    /// Waits for a place among the requests that may run at once.
    ///
    /// # Errors
    /// `Timeout` when none became free before the deadline.
    pub async fn place(&self, deadline: Instant) -> Result<OwnedSemaphorePermit, SourceError> {
        match tokio::time::timeout_at(deadline, Arc::clone(&self.shared.slots).acquire_owned()).await {
            Ok(Ok(permit)) => Ok(permit),
            Ok(Err(_)) => Err(self.error(SourceErrorKind::Internal, "no request can be made any more")),
            Err(_) => Err(self.error(SourceErrorKind::Timeout, "no request to the server ended before the deadline")),
        }
    }

    fn connection(&self) -> Connection {
        let channel = self.shared.channel.get_or_init(|| self.shared.address.endpoint.connect_lazy());
        FlightServiceClient::new(channel.clone()).max_decoding_message_size(MAX_MESSAGE).max_encoding_message_size(MAX_MESSAGE)
    }

    fn request<T>(&self, message: T, header: Option<&Header>, end: Instant) -> Request<T> {
        let mut request = Request::new(message);
        // The server gives up with us.
        request.set_timeout(end.saturating_duration_since(Instant::now()).max(Duration::from_millis(1)));
        if let Some((name, value)) = header {
            request.metadata_mut().insert(name.clone(), value.clone());
        }
        if let Some(id) = &self.request_id {
            request.metadata_mut().insert("x-request-id", id.clone());
        }
        request
    }

    /// Makes a call, once more when the connection turns out to be broken, and once more when the token is not taken any more: until then
    /// nothing has been answered.
    async fn call<T, R, F>(&self, message: T, deadline: Instant, call: impl Fn(Connection, Request<T>) -> F) -> Result<R, SourceError>
    where
        T: Clone,
        F: Future<Output = Result<R, Status>>,
    {
        self.call_until(message, deadline, deadline, call).await
    }

    /// The same for an answer in parts: it begins before the deadline, and the server stops it at the end.
    async fn call_until<T, R, F>(
        &self,
        message: T,
        deadline: Instant,
        end: Instant,
        call: impl Fn(Connection, Request<T>) -> F,
    ) -> Result<R, SourceError>
    where
        T: Clone,
        F: Future<Output = Result<R, Status>>,
    {
        let (mut reconnected, mut logged_in) = (false, false);
        loop {
            let header = self.header(deadline).await?;
            let request = self.request(message.clone(), header.as_ref(), end);
            let late = || self.error(SourceErrorKind::Timeout, "the server did not answer before the deadline");
            let status = match tokio::time::timeout_at(deadline, call(self.connection(), request)).await.map_err(|_| late())? {
                Ok(answer) => return Ok(answer),
                Err(status) => status,
            };
            if errors::is_of_connection(&status) && !reconnected {
                reconnected = true;
                continue;
            }
            if status.code() == Code::Unauthenticated && !logged_in && self.forget(header.as_ref()).await {
                logged_in = true;
                continue;
            }
            return Err(self.described(&status));
        }
    }

    /// Where the answer to a command is.
    ///
    /// # Errors
    /// What the server says.
    pub async fn info(&self, command: &impl ProstMessageExt, deadline: Instant) -> Result<FlightInfo, SourceError> {
        let descriptor = FlightDescriptor::new_cmd(command.as_any().encode_to_vec());
        let answer = self.call(descriptor, deadline, |mut connection, request| async move { connection.get_flight_info(request).await });
        Ok(answer.await?.into_inner())
    }

    /// The batches behind a ticket, until the end of the whole request, which counts the time of a slow reader, too. Dropping them cancels the
    /// request.
    ///
    /// # Errors
    /// What the server says before the first of them.
    pub async fn get(&self, ticket: Ticket, patience: Patience) -> Result<FlightRecordBatchStream, SourceError> {
        let end = patience.end().unwrap_or_else(|| Instant::now() + self.shared.request_time);
        let get = |mut connection: Connection, request| async move { connection.do_get(request).await };
        let answer = self.call_until(ticket, patience.until(), end, get);
        let data = answer.await?.into_inner();
        Ok(FlightRecordBatchStream::new_from_flight_data(data.map_err(|status| FlightError::Tonic(Box::new(status)))))
    }

    /// Does an action, and gives what it answers first.
    ///
    /// # Errors
    /// What the server says, or `Malformed` when it answers something else than `R`.
    pub async fn act<R: ProstMessageExt>(&self, kind: &str, command: &impl ProstMessageExt, deadline: Instant) -> Result<R, SourceError> {
        let body = self.act_raw(kind, command.as_any().encode_to_vec().into(), deadline).await?;
        let malformed = || self.error(SourceErrorKind::Malformed, "the server's answer to an action cannot be understood");
        let any = Any::decode(body.ok_or_else(malformed)?).map_err(|_| malformed())?;
        any.unpack().ok().flatten().ok_or_else(malformed)
    }

    /// Does an action, and gives the bytes that it answers first, if there are any.
    ///
    /// # Errors
    /// What the server says.
    pub async fn act_raw(&self, kind: &str, body: Bytes, deadline: Instant) -> Result<Option<Bytes>, SourceError> {
        let action = Action { r#type: kind.to_owned(), body };
        let call = |mut connection: Connection, request| async move {
            let mut answers = connection.do_action(request).await?.into_inner();
            let first = answers.message().await?.map(|answer| answer.body);
            // To its end, so that the server does not take it for cancelled.
            while answers.message().await?.is_some() {}
            Ok(first)
        };
        self.call(action, deadline, call).await
    }

    /// Sends a few messages, and gives what is answered first.
    ///
    /// # Errors
    /// What the server says.
    pub async fn put(&self, messages: Vec<FlightData>, deadline: Instant) -> Result<Option<PutResult>, SourceError> {
        let call = |mut connection: Connection, request: Request<Vec<FlightData>>| async move {
            let request = request.map(futures::stream::iter);
            let mut answers = connection.do_put(request).await?.into_inner();
            let first = answers.message().await?;
            while answers.message().await?.is_some() {}
            Ok(first)
        };
        self.call(messages, deadline, call).await
    }

    async fn header(&self, deadline: Instant) -> Result<Option<Header>, SourceError> {
        let authorization = |token| Some((AsciiMetadataKey::from_static("authorization"), token));
        match &self.shared.login {
            Login::Anonymous => Ok(None),
            Login::Header(header) => Ok(Some(header.clone())),
            Login::Handshake { user, password, token } => {
                let mut held = token.lock().await;
                if held.is_none() {
                    *held = Some(self.handshake(user, password.reveal(), deadline).await?);
                }
                Ok(held.clone().and_then(authorization))
            }
        }
    }

    /// Forgets the token that was sent, unless another request has replaced it already; whether there is anything to forget.
    async fn forget(&self, sent: Option<&Header>) -> bool {
        let Login::Handshake { token, .. } = &self.shared.login else { return false };
        let mut held = token.lock().await;
        if held.as_ref() == sent.map(|(_, value)| value) {
            *held = None;
        }
        true
    }

    /// A token for user and password: from the header of the answer, or from its payload. A server without either takes the credentials
    /// with every request.
    async fn handshake(&self, user: &str, password: &str, deadline: Instant) -> Result<MetadataValue<Ascii>, SourceError> {
        let basic = format!("Basic {}", BASE64_STANDARD.encode(format!("{user}:{password}")));
        let basic = secret(&basic).ok_or_else(|| self.error(SourceErrorKind::Internal, "the credentials cannot be sent"))?;
        let payload = BasicAuth { username: user.to_owned(), password: password.to_owned() }.encode_to_vec();
        let shake = async {
            let mut reconnected = false;
            loop {
                let message = HandshakeRequest { protocol_version: 0, payload: payload.clone().into() };
                let header = (AsciiMetadataKey::from_static("authorization"), basic.clone());
                let request = self.request(futures::stream::iter([message]), Some(&header), deadline);
                match self.connection().handshake(request).await {
                    Ok(answer) => break token_of(answer).await,
                    Err(status) if errors::is_of_connection(&status) && !reconnected => reconnected = true,
                    Err(status) => break Err(status),
                }
            }
        };
        match tokio::time::timeout_at(deadline, shake).await {
            Err(_) => Err(self.error(SourceErrorKind::Timeout, "the server did not answer before the deadline")),
            Ok(Ok(token)) => Ok(token.unwrap_or(basic)),
            Ok(Err(status)) if status.code() == Code::Unimplemented => Ok(basic),
            Ok(Err(status)) => Err(self.described(&status)),
        }
    }
}

async fn token_of(
    answer: tonic::Response<tonic::Streaming<arrow_flight::HandshakeResponse>>,
) -> Result<Option<MetadataValue<Ascii>>, Status> {
    let given = answer.metadata().get("authorization").cloned();
    let mut answers = answer.into_inner();
    let first = answers.message().await?;
    while answers.message().await?.is_some() {}
    if let Some(mut given) = given {
        given.set_sensitive(true);
        return Ok(Some(given));
    }
    let payload = first.map(|answer| answer.payload).filter(|payload| !payload.is_empty());
    let token = payload.and_then(|payload| String::from_utf8(payload.to_vec()).ok());
    Ok(token.and_then(|token| secret(&format!("Bearer {token}"))))
}

/// A header's value that is not shown in a debug print.
fn secret(text: &str) -> Option<MetadataValue<Ascii>> {
    let mut value: MetadataValue<Ascii> = text.parse().ok()?;
    value.set_sensitive(true);
    Some(value)
}

fn login(config: &FlightSqlConfig, context: &ConnectContext) -> Result<Login, SourceError> {
    let invalid = |message: &str| SourceError::new(&context.source_name, SourceErrorKind::Unsupported, message);
    let value =
        |text: &str, way: &str| secret(text).ok_or_else(|| invalid("'auth' holds characters that a header cannot have").at(&["auth", way]));
    Ok(match &config.auth {
        Some(Auth { basic: Some(basic), .. }) => {
            Login::Handshake { user: basic.user.clone(), password: basic.password.clone(), token: Mutex::default() }
        }
        Some(Auth { bearer: Some(token), .. }) => {
            Login::Header((AsciiMetadataKey::from_static("authorization"), value(&format!("Bearer {}", token.reveal()), "bearer")?))
        }
        Some(Auth { api_key: Some(key), .. }) => {
            let name = key
                .header
                .to_ascii_lowercase()
                .parse()
                .map_err(|_| invalid("'auth.api_key.header' is not the name of a header").at(&["auth", "api_key", "header"]))?;
            Login::Header((name, value(key.key.reveal(), "api_key")?))
        }
        Some(_) | None => Login::Anonymous,
    })
}
