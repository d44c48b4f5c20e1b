//! Handlers and interceptors at work: polled once where they stand, then as tasks; a panic ends its
//! own call alone.

use std::{
    any::Any,
    collections::BTreeSet,
    future::{Future, poll_fn},
    panic::{AssertUnwindSafe, catch_unwind},
    sync::Arc,
    task::{self, Context, Waker},
    time::Instant,
};

use tokio::{
    runtime::{Handle, RuntimeFlavor},
    task::{AbortHandle, coop::unconstrained},
};

use super::{
    blocking,
    call_span::CallSpan,
    handler::{Form, Handler, Outcome, Waiting},
    incoming::Requests,
    lazy_call::Calling,
    outbox::{Outbox, Post},
    replies::{Outbound, Room},
    streaming::Inbound,
};
use crate::{
    grpc::{CallHead, Status},
    http2::StreamId,
    limits,
};

/// What the first poll gave.
pub(super) enum Poll<T> {
    Ready(T),
    Pending(Waiting<T>),
}

/// Starts the handler of a call with what it takes, and polls it once.
pub(super) fn start(
    handler: &Handler,
    call: &dyn Calling,
    requests: &mut Requests,
    (stream, outbox): (StreamId, &Arc<Outbox>),
    outbound: impl FnOnce() -> Outbound,
) -> Result<Poll<Outcome>, Status> {
    let mut room = None;
    let outbound = || {
        let outbound = outbound();
        room = Some(Arc::clone(outbound.room()));
        outbound
    };
    let running = match (&handler.form, requests) {
        (Form::UnarySync(run), Requests::One(request)) => {
            let request = request.take();
            return catch(HANDLER, || run(call, request)).map(Poll::Ready);
        }
        (Form::Unary(run), Requests::One(request)) => {
            let request = request.take();
            catch(HANDLER, || run(call, request))?
        }
        (Form::ServerStreaming(run), Requests::One(request)) => {
            let request = request.take();
            let outbound = outbound();
            catch(HANDLER, || run(call, request, outbound))?
        }
        (Form::RequestStreaming(run), Requests::Many { inbox, .. }) => {
            let (inbox, outbox) = (Arc::clone(inbox), Arc::clone(outbox));
            let inbound = Inbound::new(inbox, outbox, stream, call.decode_bytes_max());
            let outbound = outbound();
            catch(HANDLER, || run(call, inbound, outbound))?
        }
        // A call's requests are chosen by its handler's form.
        _ => return Err(Status::internal("the route has changed")),
    };
    lending(room.as_deref(), || poll_once(HANDLER, running))
}

/// Polls a handler that has a room for its replies, or one that has none.
fn lending<T>(room: Option<&Room>, poll: impl FnOnce() -> T) -> T {
    match room {
        Some(room) => room.lend(poll),
        None => poll(),
    }
}

/// Runs part of a handler or an interceptor; a panic becomes the status UNKNOWN (statuscodes.md) of
/// its call.
pub(super) fn catch<T>(who: &'static str, run: impl FnOnce() -> T) -> Result<T, Status> {
    catch_unwind(AssertUnwindSafe(run)).map_err(|panic| panicked(who, &*panic))
}

/// Polls for the first time, in the connection's own task.
///
/// Without the task's cooperative budget: that is one budget for all calls of a read, and handlers
/// that find it used up would wait for nothing. Nobody is woken by this poll: what waits is polled
/// again by a task of its own.
pub(super) fn poll_once<T>(who: &'static str, mut running: Waiting<T>) -> Result<Poll<T>, Status> {
    let mut context = Context::from_waker(Waker::noop());
    let polled = catch(who, || {
        let first = std::pin::pin!(unconstrained(running.as_mut()));
        first.poll(&mut context)
    })?;
    Ok(match polled {
        task::Poll::Ready(outcome) => Poll::Ready(outcome),
        task::Poll::Pending => Poll::Pending(running),
    })
}

/// Lets what waits go on as a task, which answers through the outbox.
pub(super) fn spawn<T: 'static>(
    who: &'static str,
    (mut running, room): (Waiting<T>, Option<Arc<Room>>),
    (head, span): (Arc<CallHead>, &CallSpan),
    (stream, outbox): (StreamId, Arc<Outbox>),
    post: fn(Result<T, Status>) -> Post,
) -> AbortHandle {
    // On more threads than one the connection runs while the handler does, and would miss what is lent.
    let room = room.filter(|_| is_single_threaded());
    let task = async move {
        let caught = poll_fn(|cx| {
            let started = Instant::now();
            let polled = lending(room.as_deref(), || catch(who, || running.as_mut().poll(cx)));
            let blocked = started.elapsed();
            if blocked > limits::BLOCKED_WARNING {
                blocking::warn(&BTreeSet::from([head.path_text()]), blocked);
            }
            match polled {
                Ok(polled) => polled.map(Ok),
                Err(status) => task::Poll::Ready(Err(status)),
            }
        });
        let outcome = caught.await;
        outbox.post(stream, post(outcome));
    };
    tokio::spawn(span.instrument(task)).abort_handle()
}

fn is_single_threaded() -> bool {
    Handle::current().runtime_flavor() == RuntimeFlavor::CurrentThread
}

fn panicked(who: &'static str, panic: &(dyn Any + Send)) -> Status {
    let message = panic
        .downcast_ref::<&str>()
        .copied()
        .or_else(|| panic.downcast_ref::<String>().map(String::as_str))
        .unwrap_or("no message");
    tracing::error!(panic = message, "the {who} of a call panicked");
    // The panic's text is for the log: it may tell more than a client should know.
    Status::unknown(format!("the {who} panicked"))
}

pub(super) const HANDLER: &str = "handler";
pub(super) const INTERCEPTOR: &str = "interceptor";
