//! Workers: threads that each serve their share of the connections, with a runtime and copies of
//! their own of all that calls count references to. Without them, connections are tasks of the runtime
//! that called.

use std::{
    future::Future,
    io,
    sync::{
        Arc,
        atomic::{AtomicUsize, Ordering},
    },
    thread,
    time::Duration,
};

#[cfg(unix)]
use tokio::net::UnixStream;
use tokio::{
    net::TcpStream,
    runtime::{self, Runtime},
    sync::{OwnedSemaphorePermit, mpsc, oneshot},
    task::JoinSet,
};

use super::{
    front_door,
    listener::Service,
    shutdown::{Shutdown, ShutdownTrigger},
};
use crate::{limits, rpc::Peer};

/// A connection that was accepted.
pub(super) struct Accepted {
    pub(super) socket: Socket,
    pub(super) peer: Peer,
    /// Among all that there may be; given back when the connection ends.
    pub(super) place: OwnedSemaphorePermit,
}

/// A socket of the runtime that accepted it.
pub(super) enum Socket {
    Tcp(TcpStream),
    #[cfg(unix)]
    Unix(UnixStream),
}

/// Who serves connections.
pub(super) enum Workers {
    /// Tasks of the runtime that accepts.
    Tasks {
        service: Service,
        shutdown: Shutdown,
    },
    Threads(Vec<Worker>),
}

/// One thread, as those who accept see it.
pub(super) struct Worker {
    inbox: mpsc::UnboundedSender<Delivery>,
    load: Arc<Load>,
}

/// Ends when all workers have.
pub(super) struct Ends(Vec<oneshot::Receiver<()>>);

/// What a worker has to do. Each count has one writer on the path of a call, and lines of its own.
#[derive(Debug, Default)]
pub(crate) struct Load {
    connections: Count,
    calls: Count,
}

/// 128 bytes: processors fetch cache lines in pairs.
#[derive(Debug, Default)]
#[repr(align(128))]
struct Count(AtomicUsize);

/// An accepted connection on its way to a worker.
struct Delivery {
    socket: Released,
    peer: Peer,
    dealt: Dealt,
}

/// A socket of no runtime.
enum Released {
    Tcp(std::net::TcpStream),
    #[cfg(unix)]
    Unix(std::os::unix::net::UnixStream),
}

/// What a connection takes up until it ends.
struct Dealt {
    load: Arc<Load>,
    _place: OwnedSemaphorePermit,
}

impl Workers {
    /// Starts `count` threads; with 0, or where none can be started, connections are tasks.
    pub(super) fn start(
        count: usize,
        service: Service,
        trigger: &mut ShutdownTrigger,
    ) -> (Self, Ends) {
        let (mut workers, mut ends) = (Vec::new(), Vec::new());
        for index in 0..count {
            match Worker::start(index, service.separate(), trigger.hear()) {
                Ok((worker, end)) => {
                    workers.push(worker);
                    ends.push(end);
                }
                Err(error) => {
                    let (started, wanted) = (workers.len(), count);
                    tracing::error!(%error, started, wanted, "a worker could not be started");
                    break;
                }
            }
        }
        let workers = match workers.is_empty() {
            true => Self::Tasks {
                service,
                shutdown: trigger.hear(),
            },
            false => Self::Threads(workers),
        };
        (workers, Ends(ends))
    }

    /// Lets the worker serve a connection that has the least to do.
    ///
    /// # Errors
    /// If the socket cannot be handed over; the connection is then closed.
    pub(super) fn serve(&self, accepted: Accepted) -> io::Result<()> {
        match self {
            Self::Tasks { service, shutdown } => {
                let (service, shutdown) = (service.clone(), shutdown.clone());
                tokio::spawn(async move {
                    let (peer, place) = (accepted.peer, accepted.place);
                    accepted.socket.serve(peer, service, shutdown).await;
                    drop(place);
                });
                Ok(())
            }
            Self::Threads(workers) => {
                let least = workers.iter().min_by_key(|worker| worker.load.now());
                least.map_or(Ok(()), |worker| worker.deliver(accepted))
            }
        }
    }
}

impl Ends {
    pub(super) async fn wait(self) {
        for end in self.0 {
            // Whether it says so or is gone: it has ended.
            let _ = end.await;
        }
    }
}

impl Worker {
    fn start(
        index: usize,
        mut service: Service,
        shutdown: Shutdown,
    ) -> io::Result<(Self, oneshot::Receiver<()>)> {
        let load = Arc::<Load>::default();
        service.load = Some(Arc::clone(&load));
        let runtime = runtime::Builder::new_current_thread()
            .enable_all()
            .event_interval(limits::POLLS_PER_LOOK_AT_SOCKETS)
            .build()?;
        let (inbox, deliveries) = mpsc::unbounded_channel();
        let (ended, end) = oneshot::channel();
        thread::Builder::new()
            .name(format!("reflectd-{index}"))
            .stack_size(THREAD_STACK_BYTES)
            .spawn(move || run(runtime, work(deliveries, service, shutdown), ended))?;
        Ok((Self { inbox, load }, end))
    }

    fn deliver(&self, accepted: Accepted) -> io::Result<()> {
        let dealt = Dealt::new(&self.load, accepted.place);
        let delivery = Delivery {
            socket: accepted.socket.release()?,
            peer: accepted.peer,
            dealt,
        };
        let sent = self.inbox.send(delivery);
        sent.map_err(|_| io::Error::other("the worker has ended"))
    }
}

fn run(runtime: Runtime, work: impl Future<Output = ()>, ended: oneshot::Sender<()>) {
    runtime.block_on(work);
    // What blocks for a call that has ended must not hold up the end.
    runtime.shutdown_timeout(BLOCKING_TIMEOUT);
    // Nobody waits where the server was dropped.
    let _ = ended.send(());
}

/// Serves what is delivered, until nothing more can be and the last connection has ended.
async fn work(
    mut deliveries: mpsc::UnboundedReceiver<Delivery>,
    service: Service,
    shutdown: Shutdown,
) {
    let mut connections = JoinSet::new();
    loop {
        tokio::select! {
            delivery = deliveries.recv() => match delivery {
                Some(delivery) => {
                    connections.spawn(delivery.serve(service.clone(), shutdown.clone()));
                }
                None => break,
            },
            Some(_) = connections.join_next() => {}
        }
    }
    // From here on only the connections hold up the server's end.
    drop(shutdown);
    while connections.join_next().await.is_some() {}
}

impl Delivery {
    async fn serve(self, service: Service, shutdown: Shutdown) {
        match self.socket.join() {
            Ok(socket) => socket.serve(self.peer, service, shutdown).await,
            Err(error) => tracing::warn!(peer = %self.peer, %error, "a connection was lost"),
        }
        drop(self.dealt);
    }
}

impl Socket {
    async fn serve(self, peer: Peer, service: Service, shutdown: Shutdown) {
        match self {
            Self::Tcp(socket) => front_door::serve(socket, peer, service, shutdown).await,
            #[cfg(unix)]
            Self::Unix(socket) => front_door::serve(socket, peer, service, shutdown).await,
        }
    }

    /// Takes it from its runtime.
    fn release(self) -> io::Result<Released> {
        match self {
            Self::Tcp(socket) => socket.into_std().map(Released::Tcp),
            #[cfg(unix)]
            Self::Unix(socket) => socket.into_std().map(Released::Unix),
        }
    }
}

impl Released {
    /// Makes it a socket of this runtime.
    fn join(self) -> io::Result<Socket> {
        match self {
            Self::Tcp(socket) => TcpStream::from_std(socket).map(Socket::Tcp),
            #[cfg(unix)]
            Self::Unix(socket) => UnixStream::from_std(socket).map(Socket::Unix),
        }
    }
}

impl Load {
    /// Open connections, then calls in flight.
    fn now(&self) -> (usize, usize) {
        let read = |count: &Count| count.0.load(Ordering::Relaxed);
        (read(&self.connections), read(&self.calls))
    }

    /// A connection had `before` calls in flight, and has `after`. Only the worker's thread says so:
    /// nobody else writes the count, and no instruction that locks the line is needed.
    pub(super) fn calls(&self, before: usize, after: usize) {
        let calls = &self.calls.0;
        let sum = calls.load(Ordering::Relaxed) + after;
        calls.store(sum.saturating_sub(before), Ordering::Relaxed);
    }
}

impl Dealt {
    fn new(load: &Arc<Load>, place: OwnedSemaphorePermit) -> Self {
        load.connections.0.fetch_add(1, Ordering::Relaxed);
        Self {
            load: Arc::clone(load),
            _place: place,
        }
    }
}

impl Drop for Dealt {
    fn drop(&mut self) {
        self.load.connections.0.fetch_sub(1, Ordering::Relaxed);
    }
}

const BLOCKING_TIMEOUT: Duration = Duration::from_secs(1);

/// Messages may nest 100 deep, and reading one in a debug build takes more than the usual 2 MiB.
const THREAD_STACK_BYTES: usize = 8 * 1024 * 1024;
