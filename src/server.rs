//! The builder that puts the rooms together, and the server it makes.

mod builder;

#[cfg(unix)]
use std::path::Path;
use std::{
    fmt,
    future::{Future, pending},
    io,
    net::SocketAddr,
    time::Duration,
};

use tokio::net::{TcpListener, ToSocketAddrs, lookup_host};

pub use builder::ServerBuilder;

#[cfg(unix)]
use crate::transport::UnixSocket;

use crate::{
    Error, GrpcService,
    schema::Schema,
    service::Health,
    transport::{self, Listener, Service},
};

/// A gRPC server whose methods are known and answered, ready to be bound to an address.
///
/// ```no_run
/// # async fn run() -> Result<(), reflectd::Error> {
/// use reflectd::{Message, Schema, Server, Status};
///
/// let schema = Schema::compile(["proto/user.proto"], ["proto"])?;
/// Server::builder(schema)
///     .unary("/user.UserInfo/getUser", async |id: Message| {
///         Err::<Message, _>(Status::not_found(format!("there is no {id}")))
///     })
///     .build()?
///     .serve("127.0.0.1:10010")
///     .await
/// # }
/// ```
pub struct Server {
    service: Service,
    workers: usize,
    health: Health,
    drain_timeout: Duration,
}

impl Server {
    /// Starts a server for the methods of a schema.
    pub fn builder(schema: Schema) -> ServerBuilder {
        ServerBuilder::new(schema)
    }

    /// The server's health, as its `grpc.health.v1.Health` service tells it.
    pub fn health(&self) -> &Health {
        &self.health
    }

    /// The server as a service of `http::Request`s, to be mounted under axum, hyper or any other HTTP
    /// server. See `examples/axum.rs`.
    pub fn into_service(self) -> GrpcService {
        GrpcService::new(self.service.router, self.service.budget)
    }

    /// Binds to an address; port 0 takes a free one, which [`BoundServer::local_addresses`] tells.
    ///
    /// # Errors
    /// If the address cannot be resolved or is in use.
    pub async fn bind(self, address: impl ToSocketAddrs) -> Result<BoundServer, Error> {
        let listeners = listen(address).await?;
        Ok(BoundServer {
            server: self,
            listeners,
        })
    }

    /// Binds to a Unix socket.
    ///
    /// # Errors
    /// If the path cannot be bound; a server that answers there is left alone, the file of one that
    /// is gone is replaced.
    #[cfg(unix)]
    pub fn bind_unix(self, path: impl AsRef<Path>) -> Result<BoundServer, Error> {
        let bound = BoundServer {
            server: self,
            listeners: Vec::new(),
        };
        bound.and_unix(path)
    }

    /// Binds to an address and serves until the process ends.
    ///
    /// # Errors
    /// If the address cannot be bound.
    pub async fn serve(self, address: impl ToSocketAddrs) -> Result<(), Error> {
        self.serve_with_shutdown(address, pending()).await
    }

    /// Binds to an address and serves until `shutdown` is done and the calls in flight have ended.
    ///
    /// # Errors
    /// If the address cannot be bound.
    pub async fn serve_with_shutdown(
        self,
        address: impl ToSocketAddrs,
        shutdown: impl Future<Output = ()>,
    ) -> Result<(), Error> {
        self.bind(address)
            .await?
            .serve_with_shutdown(shutdown)
            .await;
        Ok(())
    }

    /// Takes over a listener that is bound already.
    pub fn bind_listener(self, listener: TcpListener) -> BoundServer {
        BoundServer {
            server: self,
            listeners: vec![Listener::Tcp(listener)],
        }
    }

    /// Serves the connections of a listener until the process ends.
    pub async fn serve_with_listener(self, listener: TcpListener) {
        self.bind_listener(listener).serve().await;
    }
}

impl fmt::Debug for Server {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Server")
            .field("health", &self.health)
            .finish_non_exhaustive()
    }
}

/// A server that has its address, but takes no connections yet.
#[derive(Debug)]
pub struct BoundServer {
    server: Server,
    listeners: Vec<Listener>,
}

impl BoundServer {
    /// The addresses it listens on, with the ports that were free where port 0 was asked for.
    pub fn local_addresses(&self) -> Vec<SocketAddr> {
        self.listeners
            .iter()
            .filter_map(Listener::address)
            .collect()
    }

    /// The paths of the Unix sockets it listens on.
    #[cfg(unix)]
    pub fn local_paths(&self) -> impl Iterator<Item = &Path> {
        self.listeners.iter().filter_map(Listener::path)
    }

    /// Listens on a Unix socket, too; see [`Server::bind_unix`].
    ///
    /// # Errors
    /// If the path cannot be bound.
    #[cfg(unix)]
    pub fn and_unix(mut self, path: impl AsRef<Path>) -> Result<Self, Error> {
        let path = path.as_ref();
        let socket = UnixSocket::bind(path).map_err(|error| {
            let mend = match error.kind() {
                io::ErrorKind::AddrInUse => ": a server answers there, or the file is no socket",
                io::ErrorKind::NotFound => ": its folder is not there",
                _ => "",
            };
            Error::io(
                format!("cannot listen on unix:{}{mend}", path.display()),
                error,
            )
        })?;
        self.listeners.push(Listener::Unix(socket));
        Ok(self)
    }

    /// The server's health.
    pub fn health(&self) -> &Health {
        self.server.health()
    }

    /// Serves until the process ends.
    pub async fn serve(self) {
        self.serve_with_shutdown(pending()).await;
    }

    /// Serves until `shutdown` is done; then takes no more connections or calls, waits for those in
    /// flight, at most as long as [`ServerBuilder::drain_timeout`] says, and returns.
    pub async fn serve_with_shutdown(self, shutdown: impl Future<Output = ()>) {
        let Server {
            service,
            workers,
            health,
            drain_timeout,
        } = self.server;
        let draining = || health.drain();
        let listeners = self.listeners;
        transport::serve(
            listeners,
            service,
            workers,
            shutdown,
            draining,
            drain_timeout,
        )
        .await;
    }
}

async fn listen(address: impl ToSocketAddrs) -> Result<Vec<Listener>, Error> {
    let addresses: Vec<SocketAddr> = lookup_host(address)
        .await
        .map_err(|error| Error::io("the address to listen on cannot be resolved", error))?
        .collect();
    let mut listeners: Vec<Listener> = Vec::new();
    let mut missing = None;
    for mut address in addresses {
        // `localhost:0` must mean one port, not one for each of its addresses.
        if let (0, Some(first)) = (address.port(), listeners.first())
            && let Some(first) = first.address()
        {
            address.set_port(first.port());
        }
        match TcpListener::bind(address).await {
            Ok(listener) => listeners.push(Listener::Tcp(listener)),
            // A name may have addresses of a family that this machine does not have.
            Err(error) if error.kind() == io::ErrorKind::AddrNotAvailable => {
                missing = Some(cannot_bind(address, error));
            }
            Err(error) => return Err(cannot_bind(address, error)),
        }
    }
    match missing {
        Some(error) if listeners.is_empty() => Err(error),
        None if listeners.is_empty() => Err(Error::configuration(
            "the address to listen on has no IP address",
        )),
        _ => Ok(listeners),
    }
}

fn cannot_bind(address: SocketAddr, error: io::Error) -> Error {
    let context = match error.kind() {
        io::ErrorKind::AddrInUse => format!(
            "cannot listen on {address}: the port is in use; stop the process that has it, or \
             choose another (port 0 takes a free one)"
        ),
        io::ErrorKind::PermissionDenied => format!(
            "cannot listen on {address}: ports below 1024 need privileges; choose a higher one"
        ),
        io::ErrorKind::AddrNotAvailable => {
            format!("cannot listen on {address}: this machine does not have that address")
        }
        _ => format!("cannot listen on {address}"),
    };
    Error::io(context, error)
}
