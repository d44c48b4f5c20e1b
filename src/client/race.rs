//! Attempts that run beside each other, the next one begun when those before take long.

use std::{
    future::{Future, poll_fn},
    pin::Pin,
    task::Poll,
};

use tokio::time::{Instant, sleep_until};

/// An attempt under way.
pub(super) type Running<'a, T> = Pin<Box<dyn Future<Output = T> + Send + 'a>>;

/// The first of the attempts that ends; `None`: it is time for the next one.
pub(super) async fn first<T>(
    running: &mut Vec<Running<'_, T>>,
    next: Option<Instant>,
) -> Option<T> {
    let ended = poll_fn(|cx| {
        for index in 0..running.len() {
            if let Poll::Ready(ended) = running[index].as_mut().poll(cx) {
                drop(running.swap_remove(index));
                return Poll::Ready(ended);
            }
        }
        Poll::Pending
    });
    let Some(due) = next else {
        return Some(ended.await);
    };
    tokio::select! {
        biased;
        ended = ended => Some(ended),
        () = sleep_until(due) => None,
    }
}
