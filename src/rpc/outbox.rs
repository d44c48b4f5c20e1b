//! How a handler that runs in a task of its own reaches its connection.

use std::{
    sync::{Mutex, PoisonError},
    task::Waker,
};

use super::handler::Outcome;
use crate::{
    grpc::{Metadata, Status},
    http2::StreamId,
};

/// What a handler, or an interceptor before it, has to say to its call's connection.
#[derive(Debug)]
pub(crate) enum Post {
    /// The interceptors have let the call through, or refused it.
    Permission(Result<(), Status>),
    /// The initial metadata is to be sent now.
    Headers(Metadata),
    /// Replies wait in the call's [`Room`](super::replies::Room).
    Replies,
    /// Metadata to be sent with the status.
    Trailers(Metadata),
    /// A request was taken; there is room for the next.
    Taken,
    /// The handler has ended.
    Finished(Outcome),
}

/// The posts of all handlers of one connection, in order: one lock, one wake, one write for all
/// that is ready.
#[derive(Debug, Default)]
pub(crate) struct Outbox {
    inner: Mutex<Inner>,
}

#[derive(Debug, Default)]
struct Inner {
    posts: Vec<(StreamId, Post)>,
    connection: Option<Waker>,
}

impl Outbox {
    /// Adds a post and wakes the connection.
    pub(crate) fn post(&self, stream: StreamId, post: Post) {
        let connection = {
            let mut inner = self.inner.lock().unwrap_or_else(PoisonError::into_inner);
            inner.posts.push((stream, post));
            inner.connection.take()
        };
        if let Some(connection) = connection {
            connection.wake();
        }
    }

    /// Moves all posts to the end of `posts`.
    pub(crate) fn take(&self, posts: &mut Vec<(StreamId, Post)>) {
        posts.append(
            &mut self
                .inner
                .lock()
                .unwrap_or_else(PoisonError::into_inner)
                .posts,
        );
    }

    /// Gives back the memory that is not needed.
    pub(crate) fn shrink(&self) {
        let mut inner = self.inner.lock().unwrap_or_else(PoisonError::into_inner);
        inner.posts.shrink_to_fit();
    }

    /// Says whom to wake on the next post; `false` if posts are waiting already.
    pub(crate) fn wait(&self, connection: &Waker) -> bool {
        let mut inner = self.inner.lock().unwrap_or_else(PoisonError::into_inner);
        if !inner
            .connection
            .as_ref()
            .is_some_and(|known| known.will_wake(connection))
        {
            inner.connection = Some(connection.clone());
        }
        inner.posts.is_empty()
    }
}
