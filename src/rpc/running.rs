//! Handlers at work: polled once where they stand, then as tasks; a panic ends its own call alone.

use std::{
    any::Any,
    future::{Future, poll_fn},
    panic::{AssertUnwindSafe, catch_unwind},
    sync::Arc,
    task::{self, Context, Waker},
    time::Instant,
};

use tokio::task::{AbortHandle, coop::unconstrained};

use super::{
    Call,
    handler::{Outcome, Running},
    outbox::{Outbox, Post},
};
use crate::{grpc::Status, http2::StreamId, limits};

/// What the first poll of a handler gave.
#[expect(
    clippy::large_enum_variant,
    reason = "a box would be one more allocation a call"
)]
pub(super) enum Poll {
    Ready(Outcome),
    Pending(Running),
}

/// Runs part of a handler; a panic becomes the status UNKNOWN (statuscodes.md) of its call.
pub(super) fn catch<T>(run: impl FnOnce() -> T) -> Result<T, Status> {
    catch_unwind(AssertUnwindSafe(run)).map_err(|panic| panicked(&*panic))
}

/// Polls a handler for the first time, in the connection's own task.
///
/// Without the task's cooperative budget: that is one budget for all calls of a read, and handlers
/// that find it used up would wait for nothing. Nobody is woken by this poll: a handler that waits
/// is polled again by its own task.
pub(super) fn poll_once(mut running: Running) -> Result<Poll, Status> {
    let mut context = Context::from_waker(Waker::noop());
    let polled = catch(|| {
        let first = std::pin::pin!(unconstrained(running.as_mut()));
        first.poll(&mut context)
    })?;
    Ok(match polled {
        task::Poll::Ready(outcome) => Poll::Ready(outcome),
        task::Poll::Pending => Poll::Pending(running),
    })
}

/// Lets a handler that waits go on as a task, which answers through the outbox.
pub(super) fn spawn(
    mut running: Running,
    call: Call,
    stream: StreamId,
    outbox: Arc<Outbox>,
) -> AbortHandle {
    let task = async move {
        let caught = poll_fn(|cx| {
            let started = Instant::now();
            let polled = catch(|| running.as_mut().poll(cx));
            warn_if_blocked(&call, started);
            polled.unwrap_or_else(|status| task::Poll::Ready(Outcome::Status(status)))
        });
        let outcome = caught.await;
        outbox.post(stream, Post::Finished(outcome));
    };
    tokio::spawn(task).abort_handle()
}

/// Tells of a handler that kept its thread, and all other calls of that thread, waiting.
pub(super) fn warn_if_blocked(call: &Call, started: Instant) {
    let blocked = started.elapsed();
    if blocked > limits::BLOCKED_WARNING {
        tracing::warn!(
            path = call.path(),
            ?blocked,
            "a handler blocked its thread; register it with .blocking(…)"
        );
    }
}

fn panicked(panic: &(dyn Any + Send)) -> Status {
    let message = panic
        .downcast_ref::<&str>()
        .copied()
        .or_else(|| panic.downcast_ref::<String>().map(String::as_str))
        .unwrap_or("no message");
    tracing::error!(panic = message, "a handler panicked");
    // The panic's text is for the log: it may tell more than a client should know.
    Status::unknown("the handler panicked")
}
