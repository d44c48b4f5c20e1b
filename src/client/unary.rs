//! Calls with one request and one reply: made, made again, hedged.

use http::HeaderMap;
use tokio::time::{Instant, sleep, timeout_at};

use super::{
    Channel,
    attempt::{Attempt, Head},
    failure::{Failure, at_deadline, deadline_exceeded},
    receiving::{Receiving, cardinality},
    retry::Attempts,
};
use crate::{
    grpc::{Metadata, RawMessage, Status},
    rpc::Response,
};

/// What a unary call was answered with. Its headers become metadata when somebody asks.
#[derive(Debug)]
pub(super) struct Reply {
    pub(super) message: RawMessage,
    /// Those before the message, and those after it.
    headers: [HeaderMap; 2],
}

impl Reply {
    pub(super) fn into_response(self) -> Response<RawMessage> {
        let [metadata, trailers] = self.headers.map(Metadata::from);
        Response::from_parts(self.message, metadata, trailers)
    }
}

/// Makes a call and waits for its reply; never beyond its deadline.
pub(super) async fn unary(
    channel: &Channel,
    head: &Head,
    message: RawMessage,
) -> Result<Reply, Status> {
    let call = attempts(channel, head, message);
    let Some(deadline) = head.deadline else {
        return call.await;
    };
    if deadline <= Instant::now() {
        return Err(deadline_exceeded());
    }
    timeout_at(deadline, call)
        .await
        .unwrap_or_else(|_| Err(deadline_exceeded()))
}

async fn attempts(channel: &Channel, head: &Head, message: RawMessage) -> Result<Reply, Status> {
    let inner = &channel.inner;
    let config = inner.options.service_config.method(head.path.as_str());
    if let Some(hedging) = config.and_then(|config| config.hedging.as_ref()) {
        return super::hedging::hedged(channel, head, message, hedging).await;
    }
    let mut attempts = Attempts::new(channel, head.path.as_str());
    loop {
        let failure = match attempt(channel, head, message.clone(), attempts.previous()).await {
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
    message: RawMessage,
    previous: u32,
) -> Result<Reply, Failure> {
    let mut attempt = Attempt::start(channel, head, previous).await?;
    let reply = exchange(&mut attempt, message).await;
    attempt.placed.judge(reply.as_ref().err());
    reply
}

async fn exchange(attempt: &mut Attempt, message: RawMessage) -> Result<Reply, Failure> {
    // A stream that the server has ended already: how, its other half tells.
    let _ = attempt.sending.send_only(message);
    let received = receive(&mut attempt.receiving).await;
    if attempt.receiving.has_ended() {
        attempt.sending.finish();
    }
    match received {
        Ok(reply) => Ok(reply),
        Err(mut failure) => {
            let metadata = attempt.receiving.take_metadata();
            failure.status = failure.status.with_initial_metadata(metadata);
            Err(failure)
        }
    }
}

async fn receive(receiving: &mut Receiving) -> Result<Reply, Failure> {
    let Some(reply) = receiving.message().await? else {
        return Err(cardinality("none").into());
    };
    if receiving.message().await?.is_some() {
        return Err(cardinality("more than one").into());
    }
    Ok(Reply {
        message: reply,
        headers: receiving.take_headers(),
    })
}
