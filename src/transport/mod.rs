//! The only room with sockets and timers.

mod buffers;
mod connection;
mod connection_limits;
mod first_bytes;
mod front_door;
mod lifetime;
mod listener;
mod shutdown;
#[cfg(feature = "tls")]
mod tls;
#[cfg(unix)]
mod unix;
mod worker;

pub use connection_limits::ConnectionLimits;
pub(crate) use listener::{Listener, Service, serve};
#[cfg(feature = "tls")]
pub(crate) use tls::Tls;
#[cfg(feature = "tls")]
pub use tls::{ClientAuth, TlsConfig};
#[cfg(unix)]
pub(crate) use unix::UnixSocket;
