//! One attempt at a call: a request on a connection, and the halves of its stream.

use http::{
    HeaderMap, HeaderValue, Request, Uri,
    header::{CONTENT_TYPE, TE, USER_AGENT},
    uri::{self, PathAndQuery},
};
use tokio::time::Instant;

use super::{
    Channel,
    channel::Placed,
    failure::{Failure, Reach, deadline_exceeded},
    receiving::Receiving,
    sending::Sending,
};
use crate::grpc::{MessageEncoding, Metadata, Status, format_timeout};

/// What all attempts at a call have in common.
#[derive(Debug)]
pub(super) struct Head {
    pub(super) path: PathAndQuery,
    pub(super) metadata: Metadata,
    pub(super) deadline: Option<Instant>,
    pub(super) encoding: MessageEncoding,
    pub(super) wait_for_ready: bool,
    pub(super) send_bytes_max: usize,
    pub(super) receive_bytes_max: usize,
}

/// A call that has been sent to a server.
pub(super) struct Attempt {
    pub(super) sending: Sending,
    pub(super) receiving: Receiving,
    pub(super) placed: Placed,
}

impl Attempt {
    /// Waits for a connection and opens a stream on it.
    pub(super) async fn start(
        channel: &Channel,
        head: &Head,
        previous: u32,
    ) -> Result<Self, Failure> {
        loop {
            let mut placed = channel.inner.place(head.wait_for_ready).await?;
            let started = match placed.place.stream().await {
                Ok(()) => {
                    let request = request(channel, &placed, head, previous)?;
                    placed.place.start(request, head.receive_bytes_max)
                }
                Err(failure) => Err(failure),
            };
            match started {
                Ok((sending, receiving)) => {
                    return Ok(Self {
                        sending,
                        receiving,
                        placed,
                    });
                }
                // The connection was lost, or drained, before anybody knew. Nothing has left.
                Err(failure) if failure.reach == Reach::Unsent => {
                    placed.subchannel.retire(placed.place.connection());
                }
                Err(failure) => return Err(failure),
            }
        }
    }
}

/// Request-Headers → Call-Definition *Custom-Metadata, in that order.
fn request(
    channel: &Channel,
    placed: &Placed,
    head: &Head,
    previous: u32,
) -> Result<Request<()>, Status> {
    let options = &channel.inner.options;
    let (scheme, authority) = channel.inner.address(&placed.subchannel.endpoint);
    let mut parts = uri::Parts::default();
    parts.scheme = Some(scheme);
    parts.authority = Some(authority);
    parts.path_and_query = Some(head.path.clone());
    let uri = Uri::from_parts(parts)
        .map_err(|error| Status::internal(format!("the request has no URI: {error}")))?;
    let mut request = Request::new(());
    *request.method_mut() = http::Method::POST;
    *request.uri_mut() = uri;
    let headers = request.headers_mut();
    match head.deadline {
        None => headers.clone_from(&options.headers),
        Some(deadline) => {
            // Right after the pseudo-headers.
            headers.insert("grpc-timeout", timeout(deadline)?);
            headers.extend(options.headers.clone());
        }
    }
    if head.encoding != MessageEncoding::Identity {
        let name = HeaderValue::from_static(head.encoding.name());
        headers.insert("grpc-encoding", name);
    }
    if previous > 0 {
        headers.insert("grpc-previous-rpc-attempts", previous.into());
    }
    for (name, value) in head.metadata.iter() {
        headers.append(name.clone(), value.clone());
    }
    Ok(request)
}

fn timeout(deadline: Instant) -> Result<HeaderValue, Status> {
    let left = deadline.saturating_duration_since(Instant::now());
    if left.is_zero() {
        return Err(deadline_exceeded());
    }
    HeaderValue::try_from(format_timeout(left))
        .map_err(|_| Status::internal("grpc-timeout cannot be sent"))
}

/// The headers that all calls of a channel have.
pub(super) fn headers(user_agent: HeaderValue) -> HeaderMap {
    let mut headers = HeaderMap::new();
    headers.insert(TE, HeaderValue::from_static("trailers"));
    headers.insert(CONTENT_TYPE, HeaderValue::from_static("application/grpc"));
    headers.insert(USER_AGENT, user_agent);
    if MessageEncoding::ALL.len() > 1 {
        let accepted = HeaderValue::from_static(MessageEncoding::accepted());
        headers.insert("grpc-accept-encoding", accepted);
    }
    headers
}
