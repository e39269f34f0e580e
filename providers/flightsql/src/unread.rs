//! An answer that has not been read to its end. Dropping the stream of one part ends that part; a server that computes the others ahead, or
//! keeps them, has to be told that nobody will fetch them. It must not know the IR.

use crate::client::Client;
use arrow_flight::{CancelFlightInfoRequest, FlightInfo};
use prost::Message;
use std::time::Duration;
use tokio::time::Instant;

const CANCEL: &str = "CancelFlightInfo";
/// How long telling the server may take.
const PATIENCE: Duration = Duration::from_secs(5);

/// An answer under way. Dropped, it is cancelled at the server, without anybody waiting for that, unless it was [`Unread::ended`].
pub struct Unread {
    client: Client,
    info: Option<FlightInfo>,
    runtime: Option<tokio::runtime::Handle>,
}

impl Unread {
    /// An answer whose parts are described by `info`. Only a server that says that it cancels is told.
    pub fn new(client: &Client, info: &FlightInfo) -> Unread {
        let info = client.cancels().then(|| info.clone());
        Unread { client: client.clone(), info, runtime: tokio::runtime::Handle::try_current().ok() }
    }

    /// There is nothing left to cancel.
    pub fn ended(&mut self) {
        self.info = None;
    }
}

impl Drop for Unread {
    fn drop(&mut self) {
        let (Some(info), Some(runtime)) = (self.info.take(), &self.runtime) else { return };
        let client = self.client.clone();
        runtime.spawn(async move {
            let request = CancelFlightInfoRequest::new(info).encode_to_vec();
            if client.act_raw(CANCEL, request.into(), Instant::now() + PATIENCE).await.is_err() {
                tracing::debug!("an answer could not be cancelled at the server, which will give it up by itself");
            }
        });
    }
}
