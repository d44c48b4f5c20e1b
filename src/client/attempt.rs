//! One attempt at a call: a request on a connection, and the halves of its stream.

use std::{
    sync::{Arc, PoisonError},
    time::Duration,
};

use bytes::Bytes;
use h2::{SendStream, client::ResponseFuture};
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
};
use crate::grpc::{MessageEncoding, Metadata, Status, format_timeout};

/// What all attempts at a call have in common.
#[derive(Debug)]
pub(super) struct Head {
    pub(super) path: PathAndQuery,
    pub(super) metadata: Option<Box<Metadata>>,
    pub(super) timeout: Option<Duration>,
    pub(super) deadline: Option<Instant>,
    pub(super) encoding: MessageEncoding,
    pub(super) wait_for_ready: bool,
    pub(super) send_bytes_max: usize,
    pub(super) receive_bytes_max: usize,
    /// Whether there is exactly one reply.
    pub(super) single_reply: bool,
    /// Whether somebody asks for the metadata of a reply.
    pub(super) keeps_metadata: bool,
}

/// A stream whose head has been sent to a server.
pub(super) struct Attempt {
    pub(super) sending: SendStream<Bytes>,
    pub(super) response: ResponseFuture,
    pub(super) placed: Placed,
}

impl Attempt {
    /// Waits for a connection and opens a stream on it.
    pub(super) async fn start(
        channel: &Channel,
        head: &Head,
        previous: u32,
    ) -> Result<Self, Box<Failure>> {
        let inner = &channel.inner;
        let mut lost = 0;
        loop {
            // Most often there is a connection that has room: then nothing is waited for. The waits
            // are boxed, so that calls which need none do not carry their space.
            let mut placed = match inner.place_now(head.deadline) {
                Some(placed) => placed,
                None => Box::pin(inner.place(head.wait_for_ready, head.deadline)).await?,
            };
            if placed.place.stream_now() || Box::pin(placed.place.stream()).await {
                let request = request(channel, &placed, head, previous)?;
                match placed.place.start(request) {
                    Ok((response, sending)) => {
                        placed.subchannel.opened(placed.place.connection());
                        return Ok(Self {
                            sending,
                            response,
                            placed,
                        });
                    }
                    Err(failure) if failure.reach == Reach::Unsent => {}
                    Err(failure) => return Err(failure),
                }
            }
            // The connection was lost, or drained, before anybody knew. Nothing has left.
            let connection = placed.place.connection();
            placed.subchannel.retire(connection);
            lost += u32::from(!connection.is_used());
            if lost > UNUSED_LOST_MAX && !head.wait_for_ready {
                return Err(Status::unavailable(format!(
                    "{} closes connections before it takes a call",
                    placed.subchannel.endpoint.name()
                ))
                .into());
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
    *headers = match time(head)? {
        None => options.headers.clone(),
        Some(Time::Given(given)) => headers_given(channel, given)?.as_ref().clone(),
        Some(Time::Left(left)) => with_timeout(&options.headers, left)?,
    };
    if head.encoding != MessageEncoding::Identity {
        let name = HeaderValue::from_static(head.encoding.name());
        headers.insert("grpc-encoding", name);
    }
    if previous > 0 {
        headers.insert("grpc-previous-rpc-attempts", previous.into());
    }
    for (name, value) in head.metadata.iter().flat_map(|metadata| metadata.iter()) {
        headers.append(name.clone(), value.clone());
    }
    Ok(request)
}

/// What `grpc-timeout` says.
enum Time {
    Given(Duration),
    Left(Duration),
}

/// The time that a call has; `None`: it has no end.
///
/// A call that leaves at once says the time it was given: values that are alike from call to call
/// are a byte each in HPACK's table, and those that differ push everything else out of it.
fn time(head: &Head) -> Result<Option<Time>, Status> {
    let (Some(deadline), Some(given)) = (head.deadline, head.timeout) else {
        return Ok(None);
    };
    let left = deadline.saturating_duration_since(Instant::now());
    if left.is_zero() {
        return Err(deadline_exceeded());
    }
    let at_once = given.saturating_sub(left) < (given / 1000).min(AT_ONCE);
    Ok(Some(match at_once {
        true => Time::Given(given),
        false => Time::Left(left),
    }))
}

/// The headers of a call that has all of its time: most often those of the call before.
fn headers_given(channel: &Channel, given: Duration) -> Result<Arc<HeaderMap>, Status> {
    let inner = &channel.inner;
    let last = inner.last_headers.lock();
    let mut last = last.unwrap_or_else(PoisonError::into_inner);
    match &*last {
        Some((timeout, headers)) if *timeout == given => Ok(Arc::clone(headers)),
        _ => {
            let headers = Arc::new(with_timeout(&inner.options.headers, given)?);
            *last = Some((given, Arc::clone(&headers)));
            Ok(headers)
        }
    }
}

/// "Timeout" stands right behind the pseudo-headers.
fn with_timeout(headers: &HeaderMap, timeout: Duration) -> Result<HeaderMap, Status> {
    let value = HeaderValue::try_from(format_timeout(timeout))
        .map_err(|_| Status::internal("grpc-timeout cannot be sent"))?;
    let mut whole = HeaderMap::with_capacity(headers.len() + 1);
    whole.insert("grpc-timeout", value);
    whole.extend(headers.clone());
    Ok(whole)
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

/// So many connections may be lost under a call before they took any.
const UNUSED_LOST_MAX: u32 = 1;

/// Nobody waited for the call to leave.
const AT_ONCE: Duration = Duration::from_millis(1);
