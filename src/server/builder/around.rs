//! What a server does around every call: interceptors, the access log, bounds on the time.

use std::time::Duration;

use super::ServerBuilder;
#[cfg(doc)]
use crate::rpc::Call;
use crate::rpc::{AccessLog, Before, CallEnd};

impl ServerBuilder {
    /// Asks a closure before the handler of every call, as soon as the call's headers are there and
    /// before its messages are: `Fn(&Call)` to `Result<(), Status>`, or an async one, `Fn(Call)` to
    /// `Future<Output = Result<(), Status>>`. An error is the call's end, and its handler never runs.
    ///
    /// Interceptors are asked in the order of these calls. They may put values into the call
    /// ([`Call::set_extension`]) and metadata into its reply ([`Call::add_metadata`],
    /// [`Call::add_trailers`]). A plain closure costs no allocation, and must not block; a future
    /// that is ready at once costs no task. The call's deadline holds while they wait.
    ///
    /// The built-in services and [`fallback`](Self::fallback) are called in this way, too: look at
    /// [`Call::path`] where, say, `/grpc.health.v1.Health/` must be open to all. A call that is refused
    /// by its headers (a path that nothing answers, say) is refused before anyone is asked.
    ///
    /// ```
    /// # let schema = reflectd::Schema::compile(["proto/user.proto"], ["proto"])?;
    /// use reflectd::{Call, Server, Status};
    ///
    /// Server::builder(schema).before(|call: &Call| match call.metadata().text("x-api-key") {
    ///     Some("a secret") => Ok(()),
    ///     _ => Err(Status::unauthenticated("x-api-key is missing or wrong")),
    /// });
    /// # Ok::<_, reflectd::Error>(())
    /// ```
    pub fn before<Shape>(mut self, interceptor: impl Before<Shape>) -> Self {
        self.interceptors.add_before(interceptor.into_interceptor());
        self
    }

    /// Tells a closure of the end of every gRPC call, once, however it came: the handler's, a
    /// deadline's, the client's, that of the connection or the server.
    ///
    /// These closures are told in the reverse order of these calls; they must not block. They hear of
    /// every call, those that an interceptor or their own headers refused among them. One that wants
    /// to know what [`before`](Self::before) saw looks for an extension that was put there. They do not
    /// hear of requests that HTTP refuses (`400` where there is no path, `415` for what is not gRPC).
    ///
    /// The end is when the status is decided. Replies may then still be on their way: a client that
    /// does not read them does not make another end of it.
    pub fn after(mut self, interceptor: impl Fn(&CallEnd<'_>) + Send + Sync + 'static) -> Self {
        self.interceptors.add_after(interceptor);
        self
    }

    /// Which calls are logged; [`AccessLog::Off`] unless set: a library does not write what nobody has
    /// asked for.
    pub fn access_log(mut self, access_log: AccessLog) -> Self {
        self.interceptors.set_access_log(access_log);
        self
    }

    /// How long a unary call may take at most, whatever deadline its client sets, if any; without bound
    /// unless set. Streams are not bound: some, like Watch of the health service, are meant to last.
    /// Nor is what [`fallback`](Self::fallback) answers, which may be a stream.
    pub fn max_timeout(mut self, timeout: Duration) -> Self {
        self.limits.call_timeout_max = Some(timeout);
        self
    }

    /// The deadline of unary calls whose client sets none; none unless set.
    pub fn default_timeout(mut self, timeout: Duration) -> Self {
        self.limits.call_timeout_default = Some(timeout);
        self
    }
}
