//! A reply with metadata around it.

use crate::grpc::Metadata;

/// What a unary or client-streaming handler may answer with in place of a bare message.
#[derive(Clone, Debug, Default)]
pub struct Response<T> {
    message: T,
    metadata: Metadata,
    trailers: Metadata,
}

impl<T> Response<T> {
    /// A reply without metadata.
    pub fn new(message: T) -> Self {
        Self {
            message,
            metadata: Metadata::new(),
            trailers: Metadata::new(),
        }
    }

    #[cfg(feature = "client")]
    pub(crate) fn from_parts(message: T, metadata: Metadata, trailers: Metadata) -> Self {
        Self {
            message,
            metadata,
            trailers,
        }
    }

    /// The message alone.
    pub fn into_message(self) -> T {
        self.message
    }

    /// Adds initial metadata: sent before the message.
    #[must_use]
    pub fn with_metadata(mut self, metadata: Metadata) -> Self {
        self.metadata.extend(metadata);
        self
    }

    /// Adds trailing metadata: sent with the status.
    #[must_use]
    pub fn with_trailers(mut self, trailers: Metadata) -> Self {
        self.trailers.extend(trailers);
        self
    }

    /// The message.
    pub fn message(&self) -> &T {
        &self.message
    }

    /// The initial metadata.
    pub fn metadata(&self) -> &Metadata {
        &self.metadata
    }

    /// The trailing metadata.
    pub fn trailers(&self) -> &Metadata {
        &self.trailers
    }

    /// Message, initial and trailing metadata.
    pub fn into_parts(self) -> (T, Metadata, Metadata) {
        (self.message, self.metadata, self.trailers)
    }

    pub(crate) fn try_map<U, E>(
        self,
        map: impl FnOnce(T) -> Result<U, E>,
    ) -> Result<Response<U>, E> {
        let message = map(self.message)?;
        Ok(Response {
            message,
            metadata: self.metadata,
            trailers: self.trailers,
        })
    }
}
