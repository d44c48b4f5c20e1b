//! Buffers that each thread keeps for its next messages, so that decoding one allocates nothing.

use std::{
    cell::RefCell,
    fmt,
    ops::{Deref, DerefMut},
    sync::Arc,
};

use super::{body::Body, lending::Context};
use crate::{
    limits::{MESSAGE_POOL_BUFFER_BYTES_MAX, MESSAGE_POOL_BUFFERS_MAX},
    schema::MessageType,
};

thread_local! {
    static POOL: RefCell<Pool> = const { RefCell::new(Pool::new()) };
}

/// What a thread keeps.
pub(super) struct Pool {
    #[expect(clippy::vec_box, reason = "a message is handed out in its allocation")]
    messages: Vec<Box<Inner>>,
    arenas: Vec<Vec<u32>>,
    /// What messages are encoded into, from its end.
    pub(super) encoded: Vec<u8>,
}

impl Pool {
    const fn new() -> Self {
        Self {
            messages: Vec::new(),
            arenas: Vec::new(),
            encoded: Vec::new(),
        }
    }

    /// Lends the thread's buffers. While the thread ends there are none, and they are made for once.
    pub(super) fn with<T>(run: impl FnOnce(&mut Self) -> T) -> T {
        let mut run = Some(run);
        let mut attempt = |pool: &mut Self| run.take().map(|run| run(pool));
        let lent = POOL.try_with(|pool| {
            pool.try_borrow_mut()
                .ok()
                .and_then(|mut pool| attempt(&mut pool))
        });
        match lent {
            Ok(Some(done)) => done,
            _ => {
                let done = attempt(&mut Self::new());
                done.expect("it has not run if there was no pool")
            }
        }
    }

    /// Keeps what a message was encoded into, unless it is large.
    pub(super) fn keep_encoded(&mut self, buffer: Vec<u8>) {
        if buffer.len() <= ENCODED_BYTES_KEPT_MAX {
            self.encoded = buffer;
        }
    }

    /// An empty message, if possible one that was of the type before: then the count of those who have
    /// the type's handle stays as it is. The messages of a thread are mostly of few types, a request's
    /// and a reply's in turn.
    #[inline]
    pub(super) fn message(&mut self, message_type: &MessageType) -> Pooled {
        let older = self.messages.len().saturating_sub(LOOKED_AT_MAX);
        let mut latest = self.messages.iter().skip(older);
        let found = latest.rposition(|inner| inner.context.message_type == *message_type);
        let inner = match (found, self.messages.pop()) {
            (Some(at), Some(last)) => match self.messages.get_mut(older + at) {
                Some(found) => std::mem::replace(found, last),
                None => last,
            },
            (None, Some(mut other)) => {
                other.context.message_type = message_type.clone();
                other
            }
            (_, None) => Box::new(Inner {
                body: Body::default(),
                context: Context::new(message_type),
            }),
        };
        Pooled(Some(inner))
    }

    /// Takes out the messages of another schema, which would keep it in memory: all are of the same.
    #[expect(clippy::vec_box, reason = "they are kept so")]
    fn take_others(&mut self, inner: &Inner) -> Option<Vec<Box<Inner>>> {
        let last = self.messages.last()?;
        let same = Arc::ptr_eq(last.context.tables(), inner.context.tables());
        (!same).then(|| std::mem::take(&mut self.messages))
    }

    pub(super) fn arena(&mut self) -> Arena {
        Arena(self.arenas.pop().unwrap_or_default())
    }
}

/// Among so many of the latest it looks for a message of a type.
const LOOKED_AT_MAX: usize = 4;

const ENCODED_BYTES_KEPT_MAX: usize = 64 * 1024;

/// What a [`Message`](super::Message) is: contents and type, in an allocation that the thread keeps.
pub(super) struct Pooled(Option<Box<Inner>>);

pub(super) struct Inner {
    pub(super) body: Body,
    pub(super) context: Context,
}

impl Pooled {
    pub(super) fn new(message_type: &MessageType) -> Self {
        Pool::with(|pool| pool.message(message_type))
    }
}

impl Deref for Pooled {
    type Target = Inner;

    #[inline]
    fn deref(&self) -> &Inner {
        self.0.as_deref().expect(ONLY_DROP_TAKES)
    }
}

impl DerefMut for Pooled {
    #[inline]
    fn deref_mut(&mut self) -> &mut Inner {
        self.0.as_deref_mut().expect(ONLY_DROP_TAKES)
    }
}

impl Clone for Pooled {
    fn clone(&self) -> Self {
        let mut copy = Self::new(&self.context.message_type);
        // Most that are cloned were built here.
        if !self.body.received.is_default() {
            copy.body.received = self.body.received.clone();
        }
        // Into the room that the pool's message has kept.
        let (slots, own) = (&mut copy.body.slots, &self.body.slots);
        slots.values.extend_from_slice(&own.values);
        slots.height = own.height;
        copy
    }
}

impl Drop for Pooled {
    fn drop(&mut self) {
        let Some(mut inner) = self.0.take() else {
            return;
        };
        // What it holds may be messages, which give themselves back.
        inner.body.clear();
        inner.context.clear();
        let _of_others = POOL.try_with(move |pool| {
            let mut pool = pool.try_borrow_mut().ok()?;
            let others = pool.take_others(&inner);
            if pool.messages.len() < MESSAGE_POOL_BUFFERS_MAX {
                pool.messages.push(inner);
            }
            others
        });
    }
}

const ONLY_DROP_TAKES: &str = "nobody takes it out but its drop";

/// The nodes of a message; see [`received`](super::received).
#[derive(Default)]
pub(super) struct Arena(pub(super) Vec<u32>);

impl Arena {
    /// Gives back room that growing took and nothing needs.
    pub(super) fn trim(&mut self) {
        let spare = self.0.capacity() - self.0.len();
        if spare * size_of::<u32>() > MESSAGE_POOL_BUFFER_BYTES_MAX {
            self.0.shrink_to_fit();
        }
    }

    /// Forgets the nodes, and keeps their room unless it is large.
    #[inline]
    pub(super) fn clear(&mut self) {
        match self.0.capacity() * size_of::<u32>() > MESSAGE_POOL_BUFFER_BYTES_MAX {
            true => self.0 = Vec::new(),
            false => self.0.clear(),
        }
    }

    /// With no more room than it needs, and not of the pool.
    pub(super) fn tight(&self) -> Self {
        Self(self.0.as_slice().into())
    }
}

impl Deref for Arena {
    type Target = [u32];

    #[inline]
    fn deref(&self) -> &[u32] {
        &self.0
    }
}

impl Clone for Arena {
    fn clone(&self) -> Self {
        if self.0.is_empty() {
            return Self::default();
        }
        let mut copy = Pool::with(Pool::arena);
        copy.0.extend_from_slice(&self.0);
        copy
    }
}

impl Drop for Arena {
    fn drop(&mut self) {
        let bytes = self.0.capacity() * size_of::<u32>();
        if bytes == 0 || bytes > MESSAGE_POOL_BUFFER_BYTES_MAX {
            return;
        }
        let mut nodes = std::mem::take(&mut self.0);
        nodes.clear();
        // At the end of a thread there may be no pool any more; then the room is freed.
        let _ = POOL.try_with(move |pool| {
            if let Ok(mut pool) = pool.try_borrow_mut()
                && pool.arenas.len() < MESSAGE_POOL_BUFFERS_MAX
            {
                pool.arenas.push(nodes);
            }
        });
    }
}

impl fmt::Debug for Arena {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} words", self.0.len())
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{Message, Schema};

    /// A schema that is reloaded again and again must not stay in memory for the messages it had.
    #[test]
    fn a_pool_keeps_no_schema_but_the_last() {
        let message = || {
            let schema = Schema::compile(["proto/greeter.proto"], ["proto"]).unwrap();
            let mut types = schema.messages();
            Message::new(&types.next().unwrap())
        };
        let many: Vec<Message> = std::iter::repeat_n(message(), 8).collect();
        let tables = Arc::downgrade(many[0].message_type().tables());
        drop(many);
        assert!(tables.upgrade().is_some(), "the pool has some");
        drop(message());
        assert!(tables.upgrade().is_none());
    }
}
