//! A TCP proxy between the gateway and a server that can be made to misbehave, as networks and servers do. It knows no protocol.

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, AtomicUsize, Ordering};
use std::time::Duration;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::tcp::{OwnedReadHalf, OwnedWriteHalf};
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::watch;

/// What happens to what the server says.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Fault {
    /// Nothing.
    None,
    /// Connections are open and nothing comes any more, in either direction.
    Hang,
    /// After so many more bytes the connection is reset.
    Reset(u64),
    /// After so many more bytes the connection ends as if the server had closed it.
    Close(u64),
    /// After so many more bytes the server's half is closed, and the client's goes on being read.
    HalfOpen(u64),
    /// After so many more bytes come others than the server's.
    Garbage(u64),
    /// It comes in pieces of so many bytes, with a pause after each.
    Slow(usize),
}

/// The proxy. Dropping it ends all its connections.
pub struct FaultyProxy {
    pub port: u16,
    fault: watch::Sender<Fault>,
    left: Arc<AtomicU64>,
    connections: Arc<AtomicUsize>,
    task: tokio::task::JoinHandle<()>,
}

impl FaultyProxy {
    /// In front of a server, without a fault.
    pub async fn start(target: String) -> FaultyProxy {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let port = listener.local_addr().unwrap().port();
        let (fault, faults) = watch::channel(Fault::None);
        let (left, connections) = (Arc::new(AtomicU64::new(0)), Arc::new(AtomicUsize::new(0)));
        let (bytes, count) = (Arc::clone(&left), Arc::clone(&connections));
        let task = tokio::spawn(async move {
            let mut served = tokio::task::JoinSet::new();
            while let Ok((client, _)) = listener.accept().await {
                count.fetch_add(1, Ordering::SeqCst);
                served.spawn(serve(client, target.clone(), faults.clone(), Arc::clone(&bytes)));
            }
        });
        FaultyProxy { port, fault, left, connections, task }
    }

    /// From now on, for all connections together.
    pub fn set(&self, fault: Fault) {
        if let Fault::Reset(bytes) | Fault::Close(bytes) | Fault::HalfOpen(bytes) | Fault::Garbage(bytes) = fault {
            self.left.store(bytes, Ordering::SeqCst);
        }
        self.fault.send_replace(fault);
    }

    /// How many connections were made so far.
    pub fn connections(&self) -> usize {
        self.connections.load(Ordering::SeqCst)
    }
}

impl Drop for FaultyProxy {
    fn drop(&mut self) {
        self.task.abort();
    }
}

async fn serve(client: TcpStream, target: String, faults: watch::Receiver<Fault>, left: Arc<AtomicU64>) {
    let Ok(server) = TcpStream::connect(target).await else { return };
    let (from_client, to_client) = client.into_split();
    let (from_server, to_server) = server.into_split();
    let up = pass_up(from_client, to_server, faults.clone());
    let down = pass_down(from_server, to_client, faults, left);
    tokio::pin!(up, down);
    tokio::select! {
        () = &mut up => {}
        (after, mut to_client) = &mut down => match after {
            After::Reset => {
                // Without lingering, a close is a reset.
                let _ = to_client.as_ref().set_zero_linger();
            }
            After::Close => {}
            After::HalfOpen => {
                let _ = to_client.shutdown().await;
                up.await;
            }
        },
    }
}

/// How a connection ends.
enum After {
    Reset,
    Close,
    HalfOpen,
}

async fn unless_hanging(faults: &mut watch::Receiver<Fault>) {
    // The sender lives as long as the proxy.
    let _ = faults.wait_for(|fault| *fault != Fault::Hang).await;
}

async fn pass_up(mut from: OwnedReadHalf, mut to: OwnedWriteHalf, mut faults: watch::Receiver<Fault>) {
    let mut buffer = vec![0; 16 << 10];
    loop {
        let Ok(length @ 1..) = from.read(&mut buffer).await else { return };
        unless_hanging(&mut faults).await;
        if to.write_all(&buffer[..length]).await.is_err() {
            return;
        }
    }
}

async fn pass_down(
    mut from: OwnedReadHalf,
    mut to: OwnedWriteHalf,
    mut faults: watch::Receiver<Fault>,
    left: Arc<AtomicU64>,
) -> (After, OwnedWriteHalf) {
    let mut buffer = vec![0; 16 << 10];
    loop {
        let Ok(length @ 1..) = from.read(&mut buffer).await else { return (After::Close, to) };
        unless_hanging(&mut faults).await;
        let fault = *faults.borrow();
        let bytes = &mut buffer[..length];
        let whole = match fault {
            Fault::None | Fault::Hang | Fault::Slow(_) => length,
            Fault::Reset(_) | Fault::Close(_) | Fault::HalfOpen(_) | Fault::Garbage(_) => {
                let take = |left: u64| Some(left.saturating_sub(length as u64));
                let before = left.fetch_update(Ordering::SeqCst, Ordering::SeqCst, take).unwrap();
                length.min(usize::try_from(before).unwrap())
            }
        };
        if matches!(fault, Fault::Garbage(_)) {
            for byte in &mut bytes[whole..] {
                *byte = fastrand::u8(..);
            }
        }
        let (piece, pause) = match fault {
            Fault::Slow(piece) => (piece, Duration::from_millis(2)),
            _ => (length, Duration::ZERO),
        };
        let sent = if matches!(fault, Fault::Garbage(_)) { length } else { whole };
        for part in bytes[..sent].chunks(piece.max(1)) {
            if to.write_all(part).await.is_err() {
                return (After::Close, to);
            }
            if !pause.is_zero() {
                tokio::time::sleep(pause).await;
            }
        }
        if whole < length {
            match fault {
                Fault::Reset(_) => return (After::Reset, to),
                Fault::Close(_) => return (After::Close, to),
                Fault::HalfOpen(_) => return (After::HalfOpen, to),
                Fault::None | Fault::Hang | Fault::Slow(_) | Fault::Garbage(_) => {}
            }
        }
    }
}
