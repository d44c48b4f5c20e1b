//! What a client sends in a call, kept until the server answers: an attempt that fails before can be
//! made again.

use std::{
    sync::{Mutex, MutexGuard, PoisonError},
    task::{Context, Poll, Waker},
};

use super::sending::Sending;
use crate::{
    grpc::{PREFIX_BYTES, RawMessage, Status},
    limits,
};

/// What has been sent, shared by both halves of a call.
pub(super) struct Outgoing {
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

pub(super) fn ended() -> Status {
    Status::cancelled("the call has ended")
}

impl Outgoing {
    pub(super) fn new() -> Self {
        Self {
            state: Mutex::new(Sent {
                replay: Some(Replay::default()),
                ..Sent::default()
            }),
        }
    }

    fn lock(&self) -> MutexGuard<'_, Sent> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    pub(super) fn poll_send(
        &self,
        cx: &mut Context<'_>,
        message: &RawMessage,
    ) -> Poll<Result<(), Status>> {
        let mut sent = self.lock();
        if sent.ended {
            return Poll::Ready(Err(ended()));
        }
        sent.waiting = Some(cx.waker().clone());
        let Some(sending) = &mut sent.sending else {
            return Poll::Pending;
        };
        match sending.poll_room(cx) {
            Poll::Pending => return Poll::Pending,
            Poll::Ready(true) => sending.send(message),
            // This attempt has failed; whether there is another one, the other half will find out.
            // Who sends may not be asking it yet, so what can be kept is kept for the next attempt.
            Poll::Ready(false) if sent.replay.is_none() => {
                return Poll::Ready(Err(ended()));
            }
            Poll::Ready(false) => {}
        }
        sent.keep(message);
        Poll::Ready(Ok(()))
    }

    pub(super) fn close(&self) {
        let mut sent = self.lock();
        sent.closed = true;
        if let Some(sending) = &mut sent.sending {
            sending.close();
        }
    }

    /// The server has answered: what was sent is not sent again.
    pub(super) fn commit(&self) {
        self.lock().replay = None;
    }

    /// Sends an attempt all that was sent before.
    pub(super) fn attach(&self, mut sending: Sending) {
        let mut sent = self.lock();
        for message in sent.replay.iter().flat_map(|replay| &replay.messages) {
            sending.send(message);
        }
        if sent.closed {
            sending.close();
        }
        if sent.ended {
            sending.cancel();
        }
        sent.sending = Some(sending);
        sent.wake();
    }

    /// Whether there may be another attempt, now that one has failed: by the server's word, or not.
    pub(super) fn detach(&self, by_server: bool) -> bool {
        let mut sent = self.lock();
        if let Some(mut sending) = sent.sending.take()
            && by_server
        {
            sending.finish();
        }
        sent.replay.is_some() && !sent.ended
    }

    /// The server has ended the call.
    pub(super) fn end(&self) {
        let mut sent = self.lock();
        sent.ended = true;
        if let Some(mut sending) = sent.sending.take() {
            sending.finish();
        }
        sent.wake();
    }

    /// The call is given up, unless it has ended.
    pub(super) fn cancel(&self) {
        let mut sent = self.lock();
        sent.ended = true;
        if let Some(mut sending) = sent.sending.take() {
            sending.cancel();
        }
        sent.wake();
    }
}

impl Sent {
    fn keep(&mut self, message: &RawMessage) {
        let Some(replay) = &mut self.replay else {
            return;
        };
        // Short messages, too, end at some time.
        replay.bytes += PREFIX_BYTES + size_of::<RawMessage>() + message.bytes.len();
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
