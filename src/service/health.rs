//! `grpc.health.v1.Health` (grpc/grpc, doc/health-checking.md).

use crate::server::ServerBuilder;

/// What a server says of its health, by service name; `""` is the server as a whole.
///
/// Cloning is cheap; all clones are the same health.
#[derive(Clone, Debug, Default)]
pub struct Health {}

/// `grpc.health.v1.HealthCheckResponse.ServingStatus`.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum ServingStatus {
    /// Calls are answered.
    Serving,
    /// Calls should go elsewhere.
    NotServing,
}

impl Health {
    /// Everything is NOT_SERVING from now on, whatever is set.
    pub(crate) fn shut_down(&self) {}
}

pub(crate) fn add(builder: ServerBuilder, _health: &Health) -> ServerBuilder {
    builder
}
