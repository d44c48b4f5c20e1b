//! A store's answer, which may be there already.

use std::{
    fmt,
    pin::Pin,
    task::{Context, Poll},
};

use tokio::sync::oneshot;

use super::StoreError;

/// The answer of a store: ready without an allocation where the store had it at hand.
///
/// The work was started when the method was called: dropping this drops the answer, not the work.
#[must_use = "the answer is lost unless it is awaited"]
pub struct StoreFuture<'a, T>(State<'a, T>);

enum State<'a, T> {
    Ready(Option<Result<T, StoreError>>),
    Waiting(oneshot::Receiver<Result<T, StoreError>>),
    Boxed(Pin<Box<dyn Future<Output = Result<T, StoreError>> + Send + 'a>>),
}

impl<'a, T> StoreFuture<'a, T> {
    /// An answer that is there already.
    pub fn ready(answer: Result<T, StoreError>) -> Self {
        Self(State::Ready(Some(answer)))
    }

    /// An answer that another thread will send. If that thread is gone, the store is unavailable
    /// and the outcome unknown.
    pub fn waiting(answer: oneshot::Receiver<Result<T, StoreError>>) -> Self {
        Self(State::Waiting(answer))
    }

    /// An answer that has to be worked for. What must happen even if nobody waits for it does not
    /// belong into `future`.
    pub fn boxed(future: impl Future<Output = Result<T, StoreError>> + Send + 'a) -> Self {
        Self(State::Boxed(Box::pin(future)))
    }

    /// The answer if it is there already, else the future back: the way for callers without a
    /// runtime, who answer at once or not at all.
    ///
    /// # Errors
    /// The future itself, when its answer is still to come.
    pub fn now(mut self) -> Result<Result<T, StoreError>, Self> {
        match &mut self.0 {
            State::Ready(answer) => answer.take().ok_or(self),
            _ => Err(self),
        }
    }
}

// Nothing in it is pinned in place: the boxed future has its own address.
impl<T> Unpin for StoreFuture<'_, T> {}

impl<T> Future for StoreFuture<'_, T> {
    type Output = Result<T, StoreError>;

    fn poll(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<Self::Output> {
        match &mut self.0 {
            State::Ready(answer) => Poll::Ready(
                answer
                    .take()
                    .expect("a future is not polled after it has answered"),
            ),
            State::Waiting(answer) => Pin::new(answer).poll(context).map(|answer| {
                answer.unwrap_or_else(|_| {
                    let gone = StoreError::unavailable("the store was closed before it answered");
                    Err(gone.with_unknown_outcome())
                })
            }),
            State::Boxed(future) => future.as_mut().poll(context),
        }
    }
}

impl<T> fmt::Debug for StoreFuture<'_, T> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let state = match &self.0 {
            State::Ready(_) => "Ready",
            State::Waiting(_) => "Waiting",
            State::Boxed(_) => "Boxed",
        };
        f.debug_tuple("StoreFuture").field(&state).finish()
    }
}
