//! Calls with streams of messages: what a client sends, what it receives, and what is sent again when
//! an attempt fails before the server has answered.

use std::{
    fmt,
    future::{Future, poll_fn},
    sync::{Arc, Mutex, MutexGuard, PoisonError},
    task::{Context, Poll, Waker},
};

use tokio::time::{Instant, sleep, timeout_at};

use super::{
    Channel,
    attempt::{Attempt, Head},
    channel::Placed,
    failure::{Failure, deadline_exceeded},
    receiving::Receiving,
    retry::Attempts,
    sending::Sending,
};
use crate::{
    grpc::{Metadata, RawMessage, Status},
    limits,
};

/// The requests of a client-streaming or bidirectional call. Dropping it ends them, as
/// [`close`](Self::close) does.
pub struct Requests<T> {
    outgoing: Arc<Outgoing>,
    encode: Encode<T>,
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

/// What has been sent, shared by both halves of a call.
struct Outgoing {
    state: Mutex<Sent>,
}

#[derive(Default)]
struct Sent {
    /// `None` while an attempt is being made, and after the call has ended.
    sending: Option<Sending>,
    /// What the next attempt would have to send; `None` when there can be none.
    replay: Option<Replay>,
    closed: bool,
    ended: bool,
    waiting: Option<Waker>,
}

#[derive(Default)]
struct Replay {
    messages: Vec<RawMessage>,
    bytes: usize,
}

impl<T> Requests<T> {
    /// Sends a request when the server has room for it.
    ///
    /// # Errors
    /// INTERNAL if the value does not fit the method's type. CANCELLED if the call has ended: why,
    /// the replies tell.
    pub async fn send(&mut self, request: T) -> Result<(), Status> {
        let message = (self.encode)(request)?;
        poll_fn(|cx| self.outgoing.poll_send(cx, &message)).await
    }

    /// Tells the server that this was the last.
    pub fn close(self) {}
}

impl<T> Drop for Requests<T> {
    fn drop(&mut self) {
        self.outgoing.close();
    }
}

impl Outgoing {
    fn lock(&self) -> MutexGuard<'_, Sent> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn poll_send(&self, cx: &mut Context<'_>, message: &RawMessage) -> Poll<Result<(), Status>> {
        let mut sent = self.lock();
        if sent.ended {
            return Poll::Ready(Err(Status::cancelled("the call has ended")));
        }
        sent.waiting = Some(cx.waker().clone());
        let Some(sending) = &mut sent.sending else {
            return Poll::Pending;
        };
        match sending.poll_room(cx) {
            Poll::Pending => return Poll::Pending,
            Poll::Ready(true) => sending.send(message.clone()),
            // This attempt has failed; whether there is another one, the other half will find out.
            Poll::Ready(false) if sent.replay.is_none() => {
                return Poll::Ready(Err(Status::cancelled("the call has ended")));
            }
            Poll::Ready(false) => {}
        }
        sent.keep(message);
        Poll::Ready(Ok(()))
    }

    fn close(&self) {
        let mut sent = self.lock();
        sent.closed = true;
        if let Some(sending) = &mut sent.sending {
            sending.close();
        }
    }

    /// The server has answered: what was sent is not sent again.
    fn commit(&self) {
        self.lock().replay = None;
    }

    /// Sends an attempt all that was sent before.
    fn attach(&self, mut sending: Sending) {
        let mut sent = self.lock();
        for message in sent.replay.iter().flat_map(|replay| &replay.messages) {
            sending.send(message.clone());
        }
        if sent.closed {
            sending.close();
        }
        sent.sending = Some(sending);
        sent.wake();
    }

    /// Whether there may be another attempt, now that one has failed.
    fn detach(&self) -> bool {
        let mut sent = self.lock();
        sent.sending = None;
        sent.replay.is_some()
    }

    fn end(&self) {
        let mut sent = self.lock();
        sent.ended = true;
        if let Some(mut sending) = sent.sending.take() {
            sending.finish();
        }
        sent.wake();
    }

    /// The call is given up.
    fn cancel(&self) {
        let mut sent = self.lock();
        (sent.ended, sent.sending) = (true, None);
        sent.wake();
    }
}

impl Sent {
    fn keep(&mut self, message: &RawMessage) {
        let Some(replay) = &mut self.replay else {
            return;
        };
        replay.bytes += message.bytes.len();
        if replay.bytes > limits::CLIENT_REPLAY_BYTES {
            self.replay = None;
        } else {
            replay.messages.push(message.clone());
        }
    }

    fn wake(&mut self) {
        if let Some(waiting) = self.waiting.take() {
            waiting.wake();
        }
    }
}

/// The server's half of a call, through all its attempts.
struct Incoming {
    channel: Channel,
    head: Head,
    outgoing: Arc<Outgoing>,
    attempts: Attempts,
    current: Option<(Receiving, Placed)>,
    end: Option<Result<(), Status>>,
    metadata: Metadata,
    trailers: Metadata,
}

/// Opens a call: it waits for a connection and sends the request's head.
pub(super) async fn open<I, O>(
    channel: Channel,
    head: Head,
    encode: Encode<I>,
    decode: Decode<O>,
) -> Result<(Requests<I>, Responses<O>), Status> {
    let outgoing = Arc::new(Outgoing {
        state: Mutex::new(Sent {
            replay: Some(Replay::default()),
            ..Sent::default()
        }),
    });
    let mut incoming = Incoming {
        attempts: Attempts::new(&channel, head.path.as_str()),
        channel,
        head,
        outgoing: Arc::clone(&outgoing),
        current: None,
        end: None,
        metadata: Metadata::default(),
        trailers: Metadata::default(),
    };
    incoming.open().await?;
    let requests = Requests { outgoing, encode };
    Ok((requests, Responses { incoming, decode }))
}

impl Incoming {
    async fn open(&mut self) -> Result<(), Status> {
        let deadline = self.head.deadline;
        within(deadline, async {
            while let Err(failure) = self.attempt().await {
                self.again(failure).await?;
            }
            Ok(())
        })
        .await
    }

    /// The next message; `None`: the call has ended with OK.
    async fn message(&mut self) -> Result<Option<RawMessage>, Status> {
        if let Some(end) = &self.end {
            return end.clone().map(|()| None);
        }
        let received = within(self.head.deadline, self.receive()).await;
        match &received {
            Ok(Some(_)) => {}
            Ok(None) => self.finish(Ok(())),
            Err(status) => self.finish(Err(status.clone())),
        }
        received
    }

    /// Waits for the initial metadata.
    async fn metadata(&mut self) -> Result<&Metadata, Status> {
        if self.end.is_none() {
            let received = within(self.head.deadline, self.receive_head()).await;
            if let Err(status) = received {
                self.finish(Err(status.clone()));
                return Err(status);
            }
        }
        Ok(&self.metadata)
    }

    async fn receive(&mut self) -> Result<Option<RawMessage>, Status> {
        loop {
            self.receive_head().await?;
            let Some((receiving, placed)) = &mut self.current else {
                continue;
            };
            match receiving.message().await {
                Ok(Some(message)) => return Ok(Some(message)),
                Ok(None) => {
                    self.trailers = receiving.take_trailers();
                    placed.judge(None);
                    self.attempts.succeeded();
                    return Ok(None);
                }
                Err(failure) => self.again(failure).await?,
            }
        }
    }

    /// Waits until a server has answered, or has ended the call.
    async fn receive_head(&mut self) -> Result<(), Status> {
        loop {
            let failure = match &mut self.current {
                None => match self.attempt().await {
                    Ok(()) => continue,
                    Err(failure) => failure,
                },
                Some((receiving, _)) => match receiving.head().await {
                    Ok(()) if receiving.has_ended() => return Ok(()),
                    Ok(()) => {
                        // "Response-Headers … commits the RPC" (gRFC A6).
                        self.outgoing.commit();
                        if !receiving.is_metadata_taken() {
                            self.metadata = receiving.take_metadata();
                        }
                        return Ok(());
                    }
                    Err(failure) => failure,
                },
            };
            self.again(failure).await?;
        }
    }

    async fn attempt(&mut self) -> Result<(), Failure> {
        let previous = self.attempts.previous();
        let attempt = Attempt::start(&self.channel, &self.head, previous).await?;
        self.outgoing.attach(attempt.sending);
        self.current = Some((attempt.receiving, attempt.placed));
        Ok(())
    }

    /// Waits until the call may be made again.
    async fn again(&mut self, failure: Failure) -> Result<(), Status> {
        if let Some((_, placed)) = self.current.take() {
            placed.judge(Some(&failure));
        }
        let possible = self.outgoing.detach();
        match self.attempts.again(&failure).filter(|_| possible) {
            Some(delay) if delay.is_zero() => Ok(()),
            Some(delay) => {
                sleep(delay).await;
                Ok(())
            }
            None => Err(failure.status),
        }
    }

    fn finish(&mut self, end: Result<(), Status>) {
        self.end = Some(end);
        self.outgoing.end();
        self.current = None;
    }
}

impl Drop for Incoming {
    fn drop(&mut self) {
        if self.end.is_none() {
            self.outgoing.cancel();
        }
    }
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

    /// The trailing metadata, once [`message`](Self::message) has given `None`. That of a failure is
    /// with its [`Status`].
    pub fn trailers(&self) -> &Metadata {
        &self.incoming.trailers
    }
}

/// Runs something until the deadline.
async fn within<T>(
    deadline: Option<Instant>,
    run: impl Future<Output = Result<T, Status>>,
) -> Result<T, Status> {
    match deadline {
        None => run.await,
        Some(deadline) => timeout_at(deadline, run)
            .await
            .unwrap_or_else(|_| Err(deadline_exceeded())),
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
            .field("ended", &self.incoming.end)
            .finish_non_exhaustive()
    }
}
