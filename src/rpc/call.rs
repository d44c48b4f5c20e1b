//! One call, as its handler sees it.

use std::{
    fmt,
    sync::{
        Arc, Mutex, OnceLock, PoisonError,
        atomic::{AtomicBool, AtomicU8, Ordering},
    },
    time::{Duration, Instant},
};

use tokio::sync::Notify;

use super::{Peer, router::Limits};
use crate::{
    grpc::{CallHead, MessageEncoding, Metadata, RawMessage, Status},
    schema::Method,
};

/// A call: its method, metadata, peer and deadline. Cloning is cheap, and every clone is the same
/// call.
#[derive(Clone)]
pub struct Call {
    inner: Arc<Inner>,
}

struct Inner {
    /// `None` for a path that no method has, which only a fallback handler sees.
    method: Option<Method>,
    head: Arc<CallHead>,
    peer: Peer,
    deadline: Option<Instant>,
    /// What one of its requests may take in memory.
    decode_bytes_max: usize,
    /// Of the requests.
    encoding: MessageEncoding,
    /// Whether the handler takes and gives messages as they travel.
    raw: bool,
    /// Made from the head when it is first asked for.
    metadata: OnceLock<Metadata>,
    extensions: Mutex<http::Extensions>,
    /// What interceptors and the handler have added; made when it is first needed.
    added: OnceLock<Mutex<Added>>,
    cancelled: AtomicBool,
    cancelled_notify: Notify,
    /// What the client can read, of what this server can write.
    reply_encoding: MessageEncoding,
    compress_replies: AtomicBool,
    /// Whether `grpc-encoding` is told: if anybody compresses, or says which replies are not, before the
    /// headers are sent.
    tells_encoding: AtomicU8,
    request_compressed: AtomicBool,
}

/// Metadata for the reply that was added by the way.
#[derive(Default)]
struct Added {
    initial: Metadata,
    trailing: Metadata,
}

impl Call {
    pub(crate) fn new(
        method: Option<Method>,
        head: Arc<CallHead>,
        peer: Peer,
        deadline: Option<Instant>,
        limits: &Limits,
        (encoding, raw): (MessageEncoding, bool),
    ) -> Self {
        let accept = head.accept_encoding;
        let configured = MessageEncoding::choose(&limits.compression, accept);
        let compress = configured != MessageEncoding::Identity;
        let reply_encoding = if compress {
            configured
        } else {
            MessageEncoding::choose(MessageEncoding::ALL.get(1..).unwrap_or_default(), accept)
        };
        let inner = Inner {
            reply_encoding,
            compress_replies: AtomicBool::new(compress),
            tells_encoding: AtomicU8::new(if compress { TOLD } else { UNSETTLED }),
            request_compressed: AtomicBool::new(false),
            method,
            head,
            peer,
            deadline,
            decode_bytes_max: limits.decode_bytes_max(),
            encoding,
            raw,
            metadata: OnceLock::new(),
            extensions: Mutex::default(),
            added: OnceLock::new(),
            cancelled: AtomicBool::new(false),
            cancelled_notify: Notify::new(),
        };
        Self {
            inner: Arc::new(inner),
        }
    }

    /// The method that is called; `None` only in a fallback handler.
    pub fn method(&self) -> Option<&Method> {
        self.inner.method.as_ref()
    }

    /// The path that was called, `/package.Service/Method`.
    pub fn path(&self) -> &str {
        self.inner.head.path_text()
    }

    /// The name under which the client knows the server (`:authority`).
    pub fn authority(&self) -> Option<&str> {
        self.inner
            .head
            .authority
            .as_deref()
            .and_then(|value| std::str::from_utf8(value).ok())
    }

    /// The client's `user-agent`.
    pub fn user_agent(&self) -> Option<&str> {
        self.inner
            .head
            .user_agent
            .as_deref()
            .and_then(|value| std::str::from_utf8(value).ok())
    }

    /// The metadata that came with the call.
    pub fn metadata(&self) -> &Metadata {
        self.inner
            .metadata
            .get_or_init(|| self.inner.head.metadata.to_metadata())
    }

    /// Who called.
    pub fn peer(&self) -> &Peer {
        &self.inner.peer
    }

    /// When the call must have ended; `None` if neither the client nor the server set a deadline.
    pub fn deadline(&self) -> Option<Instant> {
        self.inner.deadline
    }

    /// How long the call may still take; zero if its deadline is past.
    pub fn time_left(&self) -> Option<Duration> {
        self.inner
            .deadline
            .map(|deadline| deadline.saturating_duration_since(Instant::now()))
    }

    /// Whether the call is over: the client gave up, its connection broke, the deadline passed, or
    /// the handler has answered.
    pub fn is_cancelled(&self) -> bool {
        self.inner.cancelled.load(Ordering::Acquire)
    }

    /// Waits until the call [is over](Self::is_cancelled).
    ///
    /// A handler's own future is dropped by then; this is for work it handed to others.
    pub async fn cancelled(&self) {
        let mut notified = std::pin::pin!(self.inner.cancelled_notify.notified());
        // Enabled before the flag is read, so that no cancellation falls between the two.
        notified.as_mut().enable();
        if !self.is_cancelled() {
            notified.await;
        }
    }

    /// A value that was [put](Self::set_extension) with the call, by its type.
    pub fn extension<T: Clone + Send + Sync + 'static>(&self) -> Option<T> {
        self.inner
            .extensions
            .lock()
            .unwrap_or_else(PoisonError::into_inner)
            .get::<T>()
            .cloned()
    }

    /// Puts a value with the call; one of each type.
    pub fn set_extension<T: Clone + Send + Sync + 'static>(&self, value: T) {
        self.inner
            .extensions
            .lock()
            .unwrap_or_else(PoisonError::into_inner)
            .insert(value);
    }

    /// Adds initial metadata to the reply, beside the handler's; in vain once it has been sent. A call
    /// that fails before its first reply has it, too.
    pub fn add_metadata(&self, metadata: Metadata) {
        self.add(|added| added.initial.extend(metadata));
    }

    /// Adds trailing metadata to the reply, however the call ends.
    pub fn add_trailers(&self, metadata: Metadata) {
        self.add(|added| added.trailing.extend(metadata));
    }

    fn add(&self, add: impl FnOnce(&mut Added)) {
        let added = self.inner.added.get_or_init(Mutex::default);
        add(&mut added.lock().unwrap_or_else(PoisonError::into_inner));
    }

    /// Takes the initial metadata that was added.
    pub(super) fn take_metadata(&self) -> Option<Metadata> {
        let mut added = self
            .inner
            .added
            .get()?
            .lock()
            .unwrap_or_else(PoisonError::into_inner);
        Some(std::mem::take(&mut added.initial))
    }

    /// Whether there is initial metadata that was added and not sent.
    pub(super) fn has_metadata(&self) -> bool {
        let Some(added) = self.inner.added.get() else {
            return false;
        };
        let added = added.lock().unwrap_or_else(PoisonError::into_inner);
        !added.initial.is_empty()
    }

    /// Takes the trailing metadata that was added.
    pub(super) fn take_trailers(&self) -> Option<Metadata> {
        let mut added = self
            .inner
            .added
            .get()?
            .lock()
            .unwrap_or_else(PoisonError::into_inner);
        Some(std::mem::take(&mut added.trailing))
    }

    /// Compresses the replies that are sent from now on, or stops to, whatever the server's default.
    ///
    /// Without effect where the client reads no encoding that this server writes, on a stream whose
    /// headers have gone out without an encoding, and for a handler that is
    /// [raw](crate::ServerBuilder::raw).
    pub fn compress_replies(&self, compress: bool) {
        self.inner
            .compress_replies
            .store(compress, Ordering::Relaxed);
        self.settle_encoding(TOLD);
    }

    /// Whether the request of a unary or server-streaming call came compressed. For the others
    /// see [`Streaming::was_compressed`](super::Streaming::was_compressed).
    pub fn request_was_compressed(&self) -> bool {
        self.inner.request_compressed.load(Ordering::Relaxed)
    }

    /// The Message-Encoding of the requests. A handler that is [raw](crate::ServerBuilder::raw) gets
    /// those that are marked as compressed in it, and gives replies that are marked so in it.
    pub fn request_encoding(&self) -> MessageEncoding {
        self.inner.encoding
    }

    /// Whether the handler takes and gives messages as they travel.
    pub(crate) fn is_raw(&self) -> bool {
        self.inner.raw
    }

    pub(crate) fn set_request_compressed(&self) {
        self.inner.request_compressed.store(true, Ordering::Relaxed);
    }

    /// What one of its requests may take in memory.
    pub(crate) fn decode_bytes_max(&self) -> usize {
        self.inner.decode_bytes_max
    }

    /// Whether the next reply is to be compressed.
    pub(crate) fn compresses_replies(&self) -> bool {
        self.inner.compress_replies.load(Ordering::Relaxed) && !self.inner.raw
    }

    /// The headers are sent before the last reply: what they do not tell cannot be told later.
    pub(super) fn headers_are_sent(&self) {
        self.settle_encoding(UNTOLD);
    }

    fn settle_encoding(&self, how: u8) {
        let settled = &self.inner.tells_encoding;
        if settled.load(Ordering::Relaxed) == UNSETTLED {
            // Whoever is first; the other finds it settled.
            let _ = settled.compare_exchange(UNSETTLED, how, Ordering::Relaxed, Ordering::Relaxed);
        }
    }

    /// What `grpc-encoding` has to say when the headers are sent.
    pub(crate) fn reply_encoding(&self) -> MessageEncoding {
        if self.inner.raw {
            self.inner.encoding
        } else if self.inner.tells_encoding.load(Ordering::Relaxed) == TOLD {
            self.inner.reply_encoding
        } else {
            MessageEncoding::Identity
        }
    }

    /// Compresses a reply that is marked so; a raw handler has done that itself.
    pub(super) fn compress(&self, message: RawMessage) -> Result<RawMessage, Status> {
        let encoding = self.reply_encoding();
        if !self.is_raw() {
            return encoding.compress(message.bytes);
        }
        match encoding == MessageEncoding::Identity {
            true => Err(Status::internal(UNTOLD_ENCODING)),
            false => Ok(message),
        }
    }

    pub(crate) fn cancel(&self) {
        self.inner.cancelled.store(true, Ordering::Release);
        // Without another clone of the call nobody can wait for it.
        if Arc::strong_count(&self.inner) > 1 {
            self.inner.cancelled_notify.notify_waiters();
        }
    }
}

impl fmt::Debug for Call {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Call")
            .field("path", &self.path())
            .field("peer", &self.inner.peer)
            .finish()
    }
}

/// Of [`Inner::tells_encoding`].
const UNSETTLED: u8 = 0;
const TOLD: u8 = 1;
const UNTOLD: u8 = 2;

const UNTOLD_ENCODING: &str = "a reply is marked as compressed, but the call has no grpc-encoding";
