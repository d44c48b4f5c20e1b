//! The only room with sockets and timers.

mod connection;
mod http2_by_h2;
mod listener;
mod shutdown;

pub(crate) use listener::serve;
