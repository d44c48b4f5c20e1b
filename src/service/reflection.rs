//! `grpc.reflection.v1.ServerReflection`, and the same as v1alpha.

use crate::server::ServerBuilder;

pub(crate) fn add(builder: ServerBuilder) -> ServerBuilder {
    builder
}
