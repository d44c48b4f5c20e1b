//! The same call made several times at once, the first good answer taken (gRFC A6, "Hedging").

use tokio::time::Instant;

use super::{
    Channel,
    attempt::Head,
    failure::{Failure, Reach, at_deadline},
    race::{Running, first},
    retry::{Pushback, pushback},
    service_config::HedgingPolicy,
    unary::{Reply, attempt},
};
use crate::grpc::{RawMessage, Status};

/// Makes attempts until one is answered, or fails in a way that the others would, too.
pub(super) async fn hedged(
    channel: &Channel,
    head: &Head,
    message: &RawMessage,
    policy: &HedgingPolicy,
) -> Result<Reply, Status> {
    let throttle = channel.inner.throttle.as_ref();
    let mut running: Vec<Running<'_, Result<Reply, Box<Failure>>>> = Vec::new();
    let mut made = 0;
    // `None`: no more attempts are made.
    let mut next = Some(Instant::now());
    let mut failed: Option<Box<Failure>> = None;
    loop {
        if next.is_some_and(|next| next <= Instant::now()) {
            next = None;
            if made == 0 || throttle.is_none_or(|throttle| throttle.allows()) {
                running.push(Box::pin(replayed(channel, head, message, made)));
                made += 1;
                next = (made < policy.attempts_max).then(|| Instant::now() + policy.delay);
            }
        }
        if running.is_empty()
            && next.is_none()
            && let Some(failure) = failed
        {
            return Err(failure.status);
        }
        let failure = match first(&mut running, next).await {
            None => continue,
            Some(Ok(reply)) => {
                if let Some(throttle) = throttle {
                    throttle.succeeded();
                }
                return Ok(reply);
            }
            Some(Err(failure)) => failure,
        };
        if !policy.non_fatal.contains(&failure.status.code()) {
            return Err(failure.status);
        }
        let allowed = throttle.is_none_or(|throttle| throttle.failed());
        next = next
            .filter(|_| allowed)
            .and_then(|_| match pushback(&failure) {
                Some(Pushback::Never) => None,
                Some(Pushback::After(delay)) => Some(Instant::now() + delay),
                // "… the next hedged request will be sent immediately".
                None => Some(Instant::now()),
            });
        failed = Some(failure);
    }
}

/// One attempt, and another in its place if no handler has seen it ("Transparent Retries").
async fn replayed(
    channel: &Channel,
    head: &Head,
    message: &RawMessage,
    previous: u32,
) -> Result<Reply, Box<Failure>> {
    match attempt(channel, head, message, previous).await {
        Err(failure) if failure.reach == Reach::Unprocessed => {
            attempt(channel, head, message, previous).await
        }
        ended => ended,
    }
    .map_err(|failure| at_deadline(failure, head.deadline))
}
