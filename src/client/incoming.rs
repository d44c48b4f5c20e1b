//! What comes back in a call, through all its attempts.

use std::{future::Future, sync::Arc};

use http::HeaderMap;
use tokio::{
    task::AbortHandle,
    time::{Instant, sleep_until, timeout_at},
};

use super::{
    Channel,
    attempt::{Attempt, Head},
    channel::Placed,
    failure::{Failure, at_deadline, deadline_exceeded},
    outgoing::Outgoing,
    receiving::{Receiving, cardinality},
    retry::Attempts,
    sending::Sending,
};
use crate::grpc::{Metadata, RawMessage, Status};

/// The server's half of a call, through all its attempts.
pub(super) struct Incoming {
    channel: Channel,
    head: Head,
    outgoing: Arc<Outgoing>,
    attempts: Attempts,
    current: Option<(Receiving, Placed)>,
    /// When the next attempt is due.
    due: Option<Instant>,
    cancelled: bool,
    replied: bool,
    end: Option<Result<(), Status>>,
    /// Ends the call at its deadline, whether somebody asks for replies or not.
    at_deadline: Option<AbortHandle>,
    headers: HeaderMap,
    metadata: Metadata,
    trailers: Metadata,
}

impl Incoming {
    pub(super) fn new(channel: Channel, head: Head, outgoing: Arc<Outgoing>) -> Self {
        Self {
            attempts: Attempts::new(&channel, head.path.as_str()),
            channel,
            head,
            outgoing,
            current: None,
            due: None,
            cancelled: false,
            replied: false,
            end: None,
            at_deadline: None,
            headers: HeaderMap::new(),
            metadata: Metadata::default(),
            trailers: Metadata::default(),
        }
    }

    /// Opens the call: waits for a connection and sends the request's head.
    pub(super) async fn open(&mut self) -> Result<(), Status> {
        let deadline = self.head.deadline;
        within(deadline, async {
            while let Err(failure) = self.attempt().await {
                self.again(failure)?;
            }
            Ok(())
        })
        .await?;
        self.at_deadline = deadline.map(|deadline| cancel_at(deadline, &self.outgoing));
        Ok(())
    }

    /// The next message; `None`: the call has ended with OK.
    pub(super) async fn message(&mut self) -> Result<Option<RawMessage>, Status> {
        if let Some(end) = &self.end {
            return end.clone().map(|()| None);
        }
        if !self.cancelled && self.is_late() {
            // What has come is still taken, but nothing new: replies that never pause do not keep a
            // call from its deadline.
            self.cancel();
        }
        let received = within(self.head.deadline, self.receive()).await;
        let received = received.and_then(|message| self.counted(message));
        match &received {
            Ok(Some(_)) => {}
            Ok(None) => self.finish(Ok(())),
            Err(status) => self.finish(Err(status.clone())),
        }
        received
    }

    /// A message that may be there, where there is one only.
    fn counted(&mut self, message: Option<RawMessage>) -> Result<Option<RawMessage>, Status> {
        let replied = std::mem::replace(&mut self.replied, true);
        match (self.head.single_reply, &message) {
            (true, Some(_)) if replied => Err(cardinality("more than one")),
            (true, None) if !replied => Err(cardinality("none")),
            _ => Ok(message),
        }
    }

    /// Waits for the initial metadata.
    pub(super) async fn metadata(&mut self) -> Result<&Metadata, Status> {
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
                Err(failure) => self.again(failure)?,
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
                            self.headers = receiving.take_head();
                            self.metadata = Metadata::from(self.headers.clone());
                        }
                        return Ok(());
                    }
                    Err(failure) => failure,
                },
            };
            self.again(failure)?;
        }
    }

    async fn attempt(&mut self) -> Result<(), Box<Failure>> {
        if let Some(due) = self.due {
            sleep_until(due).await;
            self.due = None;
        }
        let previous = self.attempts.previous();
        let attempt = Attempt::start(&self.channel, &self.head, previous).await?;
        self.outgoing.attach(Sending::new(attempt.sending));
        let receiving = Receiving::new(attempt.response, self.head.receive_bytes_max);
        self.current = Some((receiving, attempt.placed));
        Ok(())
    }

    /// Whether, and when, the call may be made again.
    fn again(&mut self, failure: Box<Failure>) -> Result<(), Status> {
        let failure = at_deadline(failure, self.head.deadline);
        let mut by_server = false;
        if let Some((receiving, mut placed)) = self.current.take() {
            placed.judge(Some(&failure));
            by_server = receiving.has_ended();
        }
        let possible = self.outgoing.detach(by_server);
        if !possible {
            return Err(failure.status);
        }
        let delay = self.attempts.again(&failure).ok_or(failure.status)?;
        self.due = (!delay.is_zero()).then(|| Instant::now() + delay);
        Ok(())
    }

    /// The head of the response as it came; empty before.
    pub(super) fn headers(&self) -> &HeaderMap {
        &self.headers
    }

    /// How it ended, if it has.
    pub(super) fn end(&self) -> Option<&Result<(), Status>> {
        self.end.as_ref()
    }

    /// Trailing metadata; empty before the end.
    pub(super) fn trailers(&self) -> &Metadata {
        &self.trailers
    }

    /// Initial and trailing metadata, as far as they have come.
    pub(super) fn take_metadata(&mut self) -> (Metadata, Metadata) {
        let metadata = std::mem::take(&mut self.metadata);
        (metadata, std::mem::take(&mut self.trailers))
    }

    fn is_late(&self) -> bool {
        let deadline = self.head.deadline;
        deadline.is_some_and(|deadline| deadline <= Instant::now())
    }

    /// Gives the call up; what has come can still be taken.
    pub(super) fn cancel(&mut self) {
        if self.end.is_none() {
            self.cancelled = true;
            self.outgoing.cancel();
        }
    }

    fn forget_deadline(&mut self) {
        if let Some(task) = self.at_deadline.take() {
            task.abort();
        }
    }

    fn finish(&mut self, end: Result<(), Status>) {
        match &end {
            Ok(()) => self.outgoing.end(),
            // The server's own word was taken care of before; this is the client's.
            Err(_) => self.outgoing.cancel(),
        }
        self.end = Some(end);
        self.current = None;
        self.forget_deadline();
    }
}

impl Drop for Incoming {
    fn drop(&mut self) {
        self.forget_deadline();
        if self.end.is_none() {
            self.outgoing.cancel();
        }
    }
}

/// Gives a call up at its deadline: a server is not to go on for a caller who looks elsewhere.
fn cancel_at(deadline: Instant, outgoing: &Arc<Outgoing>) -> AbortHandle {
    let outgoing = Arc::downgrade(outgoing);
    let task = tokio::spawn(async move {
        sleep_until(deadline).await;
        if let Some(outgoing) = outgoing.upgrade() {
            outgoing.cancel();
        }
    });
    task.abort_handle()
}

/// Runs something until the deadline; what is there already is taken after it, too.
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
