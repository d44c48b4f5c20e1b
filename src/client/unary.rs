//! Calls with one request and one reply: made, made again, hedged.

use http::HeaderMap;
use tokio::time::{sleep, timeout_at};

use super::{
    Channel,
    attempt::{Attempt, Head},
    failure::{Failure, at_deadline, deadline_exceeded},
    receiving::{Receiving, cardinality},
    retry::Attempts,
    sending::Sending,
};
use crate::{
    grpc::{Metadata, RawMessage, Status},
    rpc::Response,
};

/// What a unary call was answered with. Its headers become metadata when somebody asks.
#[derive(Debug)]
pub(super) struct Reply {
    pub(super) message: RawMessage,
    /// Those before the message, and those after it; `None` if nobody asks.
    headers: Option<Box<[HeaderMap; 2]>>,
}

impl Reply {
    pub(super) fn into_response(self) -> Response<RawMessage> {
        let headers = self.headers.unwrap_or_default();
        let [metadata, trailers] = headers.map(Metadata::from);
        Response::from_parts(self.message, metadata, trailers)
    }
}

/// Makes a call and waits for its reply; never beyond its deadline.
pub(super) async fn unary(
    channel: &Channel,
    head: &Head,
    message: &RawMessage,
) -> Result<Reply, Status> {
    let call = attempts(channel, head, message);
    let Some(deadline) = head.deadline else {
        return call.await;
    };
    timeout_at(deadline, call)
        .await
        .unwrap_or_else(|_| Err(deadline_exceeded()))
}

async fn attempts(channel: &Channel, head: &Head, message: &RawMessage) -> Result<Reply, Status> {
    let inner = &channel.inner;
    let config = inner.options.service_config.method(head.path.as_str());
    if let Some(hedging) = config.and_then(|config| config.hedging.as_ref()) {
        return Box::pin(super::hedging::hedged(channel, head, message, hedging)).await;
    }
    let mut attempts = Attempts::new(channel, head.path.as_str());
    loop {
        let failure = match attempt(channel, head, message, attempts.previous()).await {
            Ok(reply) => {
                attempts.succeeded();
                return Ok(reply);
            }
            Err(failure) => failure,
        };
        let failure = at_deadline(failure, head.deadline);
        match attempts.again(&failure) {
            Some(delay) if delay.is_zero() => {}
            Some(delay) => sleep(delay).await,
            None => return Err(failure.status),
        }
    }
}

/// One attempt.
pub(super) async fn attempt(
    channel: &Channel,
    head: &Head,
    message: &RawMessage,
    previous: u32,
) -> Result<Reply, Box<Failure>> {
    let attempt = Attempt::start(channel, head, previous).await?;
    let mut placed = attempt.placed;
    let mut receiving = Receiving::new(attempt.response, head.receive_bytes_max);
    let mut sending = Sending::new(attempt.sending);
    // A stream that the server has ended already: how, its other half tells.
    let _ = sending.send_only(message);
    let received = receive(&mut receiving).await;
    if receiving.has_ended() {
        sending.finish();
    }
    placed.judge(received.as_ref().err().map(Box::as_ref));
    match received {
        Ok(message) => Ok(Reply {
            message,
            headers: head
                .keeps_metadata
                .then(|| Box::new(receiving.take_headers())),
        }),
        Err(mut failure) => {
            let metadata = receiving.take_metadata();
            failure.status = failure.status.with_initial_metadata(metadata);
            Err(failure)
        }
    }
}

async fn receive(receiving: &mut Receiving) -> Result<RawMessage, Box<Failure>> {
    let Some(reply) = receiving.message().await? else {
        return Err(cardinality("none").into());
    };
    match receiving.message().await? {
        None => Ok(reply),
        Some(_) => Err(cardinality("more than one").into()),
    }
}
