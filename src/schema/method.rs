//! Services and methods, and the gRPC path of each.

use std::{fmt, sync::Arc};

use prost_reflect::{MethodDescriptor, ServiceDescriptor};

use super::MessageType;

/// A service and its methods. Cloning is cheap.
#[derive(Clone)]
pub struct Service {
    descriptor: ServiceDescriptor,
    methods: Arc<[Method]>,
}

impl Service {
    pub(super) fn new(descriptor: ServiceDescriptor) -> Self {
        let methods = descriptor
            .methods()
            .map(|method| Method::new(&method))
            .collect();
        Self {
            descriptor,
            methods,
        }
    }

    /// `addUser`'s service is `UserInfo`.
    pub fn name(&self) -> &str {
        self.descriptor.name()
    }

    /// The name with its package, `user.UserInfo`: the first part of the gRPC path.
    pub fn full_name(&self) -> &str {
        self.descriptor.full_name()
    }

    /// The methods in the order of the file.
    pub fn methods(&self) -> impl ExactSizeIterator<Item = &Method> {
        self.methods.iter()
    }
}

impl fmt::Debug for Service {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Service({})", self.full_name())
    }
}

/// One method of a service. Cloning is cheap.
#[derive(Clone)]
pub struct Method {
    inner: Arc<MethodInner>,
}

#[derive(Clone)]
struct MethodInner {
    path: String,
    #[cfg(feature = "client")]
    http_path: Option<http::uri::PathAndQuery>,
    service: String,
    name: String,
    kind: MethodKind,
    input: MessageType,
    output: MessageType,
    idempotency: Idempotency,
}

/// `MethodOptions.idempotency_level` of descriptor.proto.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Idempotency {
    Unknown,
    NoSideEffects,
    Idempotent,
}

/// Which sides of a call are streams (gRPC calls these the four kinds of methods).
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum MethodKind {
    /// One request, one reply.
    Unary,
    /// One request, many replies.
    ServerStreaming,
    /// Many requests, one reply.
    ClientStreaming,
    /// Many requests, many replies.
    Bidi,
}

impl MethodKind {
    /// Whether the client may send any number of messages.
    pub fn is_client_streaming(self) -> bool {
        matches!(self, Self::ClientStreaming | Self::Bidi)
    }

    /// Whether the server may send any number of messages.
    pub fn is_server_streaming(self) -> bool {
        matches!(self, Self::ServerStreaming | Self::Bidi)
    }

    /// `unary`, `server_streaming`, `client_streaming` or `bidi`.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Unary => "unary",
            Self::ServerStreaming => "server_streaming",
            Self::ClientStreaming => "client_streaming",
            Self::Bidi => "bidi",
        }
    }
}

impl fmt::Display for MethodKind {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.as_str())
    }
}

impl Method {
    fn new(descriptor: &MethodDescriptor) -> Self {
        use prost_types::method_options::IdempotencyLevel;

        let service = descriptor.parent_service().full_name().to_owned();
        let name = descriptor.name().to_owned();
        let kind = match (
            descriptor.is_client_streaming(),
            descriptor.is_server_streaming(),
        ) {
            (false, false) => MethodKind::Unary,
            (false, true) => MethodKind::ServerStreaming,
            (true, false) => MethodKind::ClientStreaming,
            (true, true) => MethodKind::Bidi,
        };
        let options = descriptor.method_descriptor_proto().options.as_ref();
        let idempotency = match options.map(prost_types::MethodOptions::idempotency_level) {
            Some(IdempotencyLevel::NoSideEffects) => Idempotency::NoSideEffects,
            Some(IdempotencyLevel::Idempotent) => Idempotency::Idempotent,
            Some(IdempotencyLevel::IdempotencyUnknown) | None => Idempotency::Unknown,
        };
        let path = format!("/{service}/{name}");
        let inner = MethodInner {
            #[cfg(feature = "client")]
            http_path: http::uri::PathAndQuery::try_from(&*path).ok(),
            path,
            service,
            name,
            kind,
            input: MessageType::new(&descriptor.input()),
            output: MessageType::new(&descriptor.output()),
            idempotency,
        };
        Self {
            inner: Arc::new(inner),
        }
    }

    /// The same method, with handles that nobody else counts references to.
    pub(crate) fn separate(&self) -> Self {
        let (input, output) = self.separate_types();
        let inner = MethodInner {
            input,
            output,
            ..MethodInner::clone(&self.inner)
        };
        Self {
            inner: Arc::new(inner),
        }
    }

    /// Input and output, with handles that nobody else counts references to.
    pub(crate) fn separate_types(&self) -> (MessageType, MessageType) {
        (self.input().separate(), self.output().separate())
    }

    /// The `:path` of its calls, `/user.UserInfo/addUser` (gRPC over HTTP/2, "Requests").
    pub fn path(&self) -> &str {
        &self.inner.path
    }

    /// The same as requests carry it; `None` for names that no path can have.
    #[cfg(feature = "client")]
    pub(crate) fn http_path(&self) -> Option<&http::uri::PathAndQuery> {
        self.inner.http_path.as_ref()
    }

    /// The full name of its service, `user.UserInfo`.
    pub fn service(&self) -> &str {
        &self.inner.service
    }

    /// `addUser`.
    pub fn name(&self) -> &str {
        &self.inner.name
    }

    /// Which sides are streams.
    pub fn kind(&self) -> MethodKind {
        self.inner.kind
    }

    /// The type of the request messages.
    pub fn input(&self) -> &MessageType {
        &self.inner.input
    }

    /// The type of the reply messages.
    pub fn output(&self) -> &MessageType {
        &self.inner.output
    }

    /// Whether the file says `idempotency_level = NO_SIDE_EFFECTS`.
    pub fn has_no_side_effects(&self) -> bool {
        self.inner.idempotency == Idempotency::NoSideEffects
    }

    /// Whether the file says that repeating a call is harmless (`NO_SIDE_EFFECTS` or `IDEMPOTENT`).
    pub fn is_idempotent(&self) -> bool {
        self.inner.idempotency != Idempotency::Unknown
    }
}

impl fmt::Debug for Method {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Method({})", self.path())
    }
}

/// The candidate that `wanted` was most likely meant to be, if any is near enough.
pub(super) fn nearest<'a>(
    wanted: &str,
    candidates: impl Iterator<Item = &'a str>,
) -> Option<&'a str> {
    let lower = wanted.to_lowercase();
    candidates
        .map(|candidate| (edit_distance(&lower, &candidate.to_lowercase()), candidate))
        .filter(|(distance, candidate)| {
            let longest = candidate.len().max(wanted.len());
            // Short names of which half is another are other names.
            *distance <= (longest / 3).max(2) && distance * 2 <= longest
        })
        .min_by_key(|(distance, _)| *distance)
        .map(|(_, candidate)| candidate)
}

/// Levenshtein distance in bytes.
fn edit_distance(a: &str, b: &str) -> usize {
    let mut row: Vec<usize> = (0..=b.len()).collect();
    for (i, x) in a.bytes().enumerate() {
        let mut diagonal = row[0];
        row[0] = i + 1;
        for (j, y) in b.bytes().enumerate() {
            let substituted = diagonal + usize::from(x != y);
            diagonal = row[j + 1];
            row[j + 1] = substituted.min(diagonal + 1).min(row[j] + 1);
        }
    }
    row[b.len()]
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_meant_has_more_in_common_than_not() {
        let names = ["dk", "name", "getUser"];
        for (wanted, meant) in [
            ("naem", Some("name")),
            ("NAME", Some("name")),
            ("getUsr", Some("getUser")),
            ("addUser", None),
            ("-", None),
            ("x", None),
        ] {
            assert_eq!(nearest(wanted, names.into_iter()), meant, "{wanted}");
        }
    }
}
