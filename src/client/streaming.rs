//! Calls with streams of messages, as their callers hold them: requests, and replies.

use std::{fmt, future::poll_fn, sync::Arc};

use http::HeaderMap;
use tokio::time::{Instant, timeout_at};

use super::{
    Channel,
    attempt::Head,
    incoming::Incoming,
    outgoing::{Outgoing, ended},
};
use crate::grpc::{Metadata, RawMessage, Status};

/// The requests of a client-streaming or bidirectional call, which end with
/// [`close`](Self::close). Dropping it before gives the call up, so that no server takes what was cut
/// short for the whole.
pub struct Requests<T> {
    outgoing: Arc<Outgoing>,
    encode: Encode<T>,
    deadline: Option<Instant>,
    closed: bool,
}

/// How a request is written.
pub(super) type Encode<T> = Arc<dyn Fn(T) -> Result<RawMessage, Status> + Send + Sync>;

/// The replies of a server-streaming or bidirectional call. Dropping it gives the call up.
pub struct Responses<T> {
    incoming: Incoming,
    decode: Decode<T>,
}

/// How a reply is read.
pub(super) type Decode<T> = Arc<dyn Fn(RawMessage) -> Result<T, Status> + Send + Sync>;

impl<T> Requests<T> {
    /// Sends a request when the server has room for it.
    ///
    /// # Errors
    /// INTERNAL if the value does not fit the method's type. CANCELLED if the call has ended: why,
    /// the replies tell.
    pub async fn send(&mut self, request: T) -> Result<(), Status> {
        let message = (self.encode)(request)?;
        let sent = poll_fn(|cx| self.outgoing.poll_send(cx, &message));
        let Some(deadline) = self.deadline else {
            return sent.await;
        };
        timeout_at(deadline, sent).await.unwrap_or_else(|_| {
            self.outgoing.cancel();
            Err(ended())
        })
    }

    /// Tells the server that this was the last.
    pub fn close(mut self) {
        self.closed = true;
        self.outgoing.close();
    }
}

impl<T> Drop for Requests<T> {
    fn drop(&mut self) {
        if !self.closed {
            self.outgoing.cancel();
        }
    }
}

/// Opens a call: it waits for a connection and sends the request's head.
pub(super) async fn open<I, O>(
    channel: Channel,
    head: Head,
    encode: Encode<I>,
    decode: Decode<O>,
) -> Result<(Requests<I>, Responses<O>), Status> {
    let deadline = head.deadline;
    let outgoing = Arc::new(Outgoing::new());
    let mut incoming = Incoming::new(channel, head, Arc::clone(&outgoing));
    incoming.open().await?;
    let requests = Requests {
        outgoing,
        encode,
        deadline,
        closed: false,
    };
    Ok((requests, Responses { incoming, decode }))
}

impl<T> Responses<T> {
    /// Waits for the next reply; `None` when the call has ended with OK.
    ///
    /// # Errors
    /// The status that the call ended with, then and whenever asked again; INTERNAL if a reply is
    /// none of the method's type.
    pub async fn message(&mut self) -> Result<Option<T>, Status> {
        match self.incoming.message().await? {
            Some(message) => (self.decode)(message).map(Some),
            None => Ok(None),
        }
    }

    /// Waits for the initial metadata, which a server sends with its first reply or before.
    ///
    /// # Errors
    /// The status that the call ended with.
    pub async fn metadata(&mut self) -> Result<&Metadata, Status> {
        self.incoming.metadata().await
    }

    /// The head of the response as it came, with what is gRPC's own in it (content-type,
    /// grpc-encoding); empty before [`metadata`](Self::metadata) is there.
    pub fn headers(&self) -> &HeaderMap {
        self.incoming.headers()
    }

    /// Gives the call up: the server is told, and no request is sent any more. What it had sent can
    /// still be taken, then CANCELLED.
    pub fn cancel(&mut self) {
        self.incoming.cancel();
    }

    /// Initial and trailing metadata, as far as they have come.
    pub(super) fn into_metadata(mut self) -> (Metadata, Metadata) {
        self.incoming.take_metadata()
    }

    /// The trailing metadata, once [`message`](Self::message) has given `None`. That of a failure is
    /// with its [`Status`].
    pub fn trailers(&self) -> &Metadata {
        self.incoming.trailers()
    }
}

impl<T> fmt::Debug for Requests<T> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Requests").finish_non_exhaustive()
    }
}

impl<T> fmt::Debug for Responses<T> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Responses")
            .field("ended", &self.incoming.end())
            .finish_non_exhaustive()
    }
}
