//! Interceptors: what a server does before the handler of every call, and after the call's end.

use std::{fmt, future::Future, sync::Arc};

use super::{
    AccessLog, Call, CallEnd, access_log,
    handler::Waiting,
    running::{self, INTERCEPTOR, Poll},
};
use crate::grpc::Status;

/// A closure that is asked before the handler: `Fn(&Call)` to `Result<(), Status>`, or an async one,
/// `Fn(Call)` to `Future<Output = Result<(), Status>>`.
///
/// See [`ServerBuilder::before`](crate::ServerBuilder::before). `Shape` is for inference alone.
pub trait Before<Shape>: Send + Sync + 'static {
    /// Erases the type.
    #[doc(hidden)]
    fn into_interceptor(self) -> Interceptor;
}

/// The closure returns its answer.
#[derive(Debug)]
pub enum AtOnce {}
/// The closure returns a future of its answer.
#[derive(Debug)]
pub enum Awaited {}

/// What [`Before`] becomes.
#[derive(Clone)]
pub struct Interceptor {
    form: Form,
}

#[derive(Clone)]
enum Form {
    /// No future, no box.
    AtOnce(Arc<dyn Ask>),
    Awaited(Arc<dyn Fn(Call) -> Asking + Send + Sync>),
}

trait Ask: Fn(&Call) -> Result<(), Status> + Send + Sync {}

impl<F: Fn(&Call) -> Result<(), Status> + Send + Sync> Ask for F {}

/// An answer that is waited for.
type Asking = Waiting<Result<(), Status>>;

impl<F> Before<AtOnce> for F
where
    F: Fn(&Call) -> Result<(), Status> + Send + Sync + 'static,
{
    fn into_interceptor(self) -> Interceptor {
        let form = Form::AtOnce(Arc::new(self));
        Interceptor { form }
    }
}

impl<F, Fut> Before<Awaited> for F
where
    F: Fn(Call) -> Fut + Send + Sync + 'static,
    Fut: Future<Output = Result<(), Status>> + Send + 'static,
{
    fn into_interceptor(self) -> Interceptor {
        let form = Form::Awaited(Arc::new(move |call| Box::pin(self(call))));
        Interceptor { form }
    }
}

impl fmt::Debug for Interceptor {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self.form {
            Form::AtOnce(_) => "Interceptor(at once)",
            Form::Awaited(_) => "Interceptor(awaited)",
        })
    }
}

/// All interceptors of a server.
#[derive(Clone, Default)]
pub(crate) struct Interceptors {
    before: Vec<Interceptor>,
    after: Vec<After>,
    access_log: AccessLog,
}

type After = Arc<dyn Fn(&CallEnd<'_>) + Send + Sync>;

/// What the interceptors say of a call.
pub(super) enum Permission {
    Granted,
    Refused(Status),
    /// One of them waits; the future asks the rest, too.
    Asking(Asking),
}

impl Interceptors {
    pub(crate) fn add_before(&mut self, interceptor: Interceptor) {
        self.before.push(interceptor);
    }

    pub(crate) fn add_after(&mut self, after: impl Fn(&CallEnd<'_>) + Send + Sync + 'static) {
        self.after.push(Arc::new(after));
    }

    pub(crate) fn set_access_log(&mut self, access_log: AccessLog) {
        self.access_log = access_log;
    }

    /// Whether nobody needs to be asked.
    pub(super) fn grant_all(&self) -> bool {
        self.before.is_empty()
    }

    /// Asks them in the order in which they were registered, up to the first refusal. One that has
    /// its answer ready is polled where it stands.
    pub(super) fn before(self: &Arc<Self>, call: &Call) -> Permission {
        for (index, interceptor) in self.before.iter().enumerate() {
            let answered = match &interceptor.form {
                Form::AtOnce(ask) => catch(|| ask(call)).map(Poll::Ready),
                Form::Awaited(ask) => catch(|| ask(call.clone())).and_then(poll_once),
            };
            match answered {
                Ok(Poll::Ready(Ok(()))) => {}
                Ok(Poll::Ready(Err(status))) | Err(status) => return Permission::Refused(status),
                Ok(Poll::Pending(asking)) => {
                    let rest = Arc::clone(self).ask_from(index + 1, call.clone());
                    return Permission::Asking(Box::pin(async move {
                        asking.await?;
                        rest.await
                    }));
                }
            }
        }
        Permission::Granted
    }

    async fn ask_from(self: Arc<Self>, first: usize, call: Call) -> Result<(), Status> {
        for interceptor in self.before.iter().skip(first) {
            match &interceptor.form {
                Form::AtOnce(ask) => ask(&call)?,
                Form::Awaited(ask) => ask(call.clone()).await?,
            }
        }
        Ok(())
    }

    /// Whether anybody wants to know of a call that has ended so.
    pub(super) fn listen_for(&self, status: Option<&Status>) -> bool {
        !self.after.is_empty() || access_log::logs(self.access_log, status)
    }

    /// Tells of a call's end, in the reverse order; the access log is the last to hear.
    pub(super) fn after(&self, end: &CallEnd<'_>) {
        for after in self.after.iter().rev() {
            // The call has ended, so nobody is left to be told but the log, which has been.
            let _ = catch(|| after(end));
        }
        access_log::log(self.access_log, end);
    }
}

fn catch<T>(run: impl FnOnce() -> T) -> Result<T, Status> {
    running::catch(INTERCEPTOR, run)
}

fn poll_once(asking: Asking) -> Result<Poll<Result<(), Status>>, Status> {
    running::poll_once(INTERCEPTOR, asking)
}

impl fmt::Debug for Interceptors {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Interceptors")
            .field("before", &self.before)
            .field("after", &self.after.len())
            .field("access_log", &self.access_log)
            .finish()
    }
}
