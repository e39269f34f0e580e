//! How connections are made, and how each is driven: what several tasks have to say at about the same time is sent in one piece. It must not
//! know what is sent.

use deadpool_postgres::Connect;
use futures::future::BoxFuture;
use std::future::Future;
use std::pin::Pin;
use std::task::{Context, Poll};
use tokio::runtime::Handle;
use tokio::task::{JoinHandle, JoinSet};
use tokio_postgres::{Client, Config, Error};
use tokio_postgres_rustls::MakeRustlsConnect;

/// Makes connections with TLS.
pub struct Connector {
    tls: MakeRustlsConnect,
    /// Which runtime drives them: the one that asks for a connection, where none is named.
    home: Option<Handle>,
}

impl Connector {
    /// For connections that several runtimes use one after the other: all are driven by the runtime in which this is called, whoever asks for
    /// one. What much is read from must not keep those busy that only look up.
    pub fn of_pool(tls: MakeRustlsConnect) -> Connector {
        Connector { tls, home: Handle::try_current().ok() }
    }

    /// For connections that are driven where they are asked for.
    pub fn here(tls: MakeRustlsConnect) -> Connector {
        Connector { tls, home: None }
    }
}

impl Connect for Connector {
    fn connect(&self, config: &Config) -> BoxFuture<'_, Result<(Client, JoinHandle<()>), Error>> {
        let here = connected(config.clone(), self.tls.clone());
        let elsewhere = self.home.as_ref().filter(|home| Handle::try_current().is_ok_and(|here| here.id() != home.id()));
        let Some(home) = elsewhere else { return Box::pin(here) };
        let mut task = JoinSet::new();
        task.spawn_on(connected(config.clone(), self.tls.clone()), home);
        Box::pin(async move {
            match task.join_next().await {
                Some(Ok(outcome)) => outcome,
                // The other runtime is being shut down.
                Some(Err(_)) | None => here.await,
            }
        })
    }
}

async fn connected(config: Config, tls: MakeRustlsConnect) -> Result<(Client, JoinHandle<()>), Error> {
    let (client, connection) = config.connect(tls).await?;
    let driven = tokio::spawn(async move {
        if let Err(error) = Gathering::new(connection).await {
            tracing::debug!(%error, "a connection has ended");
        }
    });
    Ok((client, driven))
}

/// Goes on with its work one turn after it was woken. Whoever wakes a connection with a statement is often one of many that run now: what they
/// say in this turn goes to the server in one write, and comes back in one read.
struct Gathering<F> {
    work: Pin<Box<F>>,
    /// Whether it has waited for its turn.
    due: bool,
}

impl<F> Gathering<F> {
    fn new(work: F) -> Gathering<F> {
        Gathering { work: Box::pin(work), due: true }
    }
}

impl<F: Future> Future for Gathering<F> {
    type Output = F::Output;

    fn poll(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<F::Output> {
        if self.due {
            self.due = false;
            return self.work.as_mut().poll(context);
        }
        self.due = true;
        // A task that wakes itself comes after all that can run now.
        context.waker().wake_by_ref();
        Poll::Pending
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::sync::Arc;
    use std::sync::atomic::{AtomicUsize, Ordering};
    use tokio::sync::mpsc;

    #[tokio::test]
    async fn what_is_said_in_one_turn_is_taken_together() {
        let (sender, mut receiver) = mpsc::unbounded_channel::<usize>();
        let (most, sum) = (Arc::new(AtomicUsize::new(0)), Arc::new(AtomicUsize::new(0)));
        let (seen, total) = (Arc::clone(&most), Arc::clone(&sum));
        let work = std::future::poll_fn(move |context| {
            let mut taken = 0;
            let outcome = loop {
                match receiver.poll_recv(context) {
                    Poll::Ready(Some(number)) => {
                        taken += 1;
                        total.fetch_add(number, Ordering::Relaxed);
                    }
                    Poll::Ready(None) => break Poll::Ready(()),
                    Poll::Pending => break Poll::Pending,
                }
            };
            seen.fetch_max(taken, Ordering::Relaxed);
            outcome
        });
        let driven = tokio::spawn(Gathering::new(work));
        tokio::task::yield_now().await;
        for number in 1..=8 {
            let sender = sender.clone();
            tokio::spawn(async move { sender.send(number).unwrap() });
        }
        drop(sender);
        driven.await.unwrap();
        assert_eq!(sum.load(Ordering::Relaxed), 36, "nothing is lost");
        assert_eq!(most.load(Ordering::Relaxed), 8, "they were taken one by one");
    }
}
