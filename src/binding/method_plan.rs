//! How one method is answered, and why.

use std::fmt;

use super::{Bind, Op, store::StoreBinding};
use crate::schema::{Method, MethodKind};

/// How one method is answered, and why.
#[derive(Debug)]
pub struct MethodPlan {
    method: Method,
    answer: Answer,
}

/// What answers a method.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum AnsweredBy {
    /// The store: one of [`Op`] on one resource.
    Store,
    /// The server itself, which brings health and reflection along.
    BuiltIn,
    /// Nothing: calls end with UNIMPLEMENTED and the reason.
    Nothing,
}

#[derive(Debug)]
pub(super) enum Answer {
    Store { binding: StoreBinding, why: String },
    BuiltIn,
    Nothing(Unclear),
}

/// Why nothing answers a method, and what would.
#[derive(Debug)]
pub(super) struct Unclear {
    pub(super) why: String,
    /// The `--bind` that would mend it, and that line as text.
    pub(super) fix: Option<String>,
}

impl Unclear {
    pub(super) fn new(why: impl Into<String>) -> Self {
        Self {
            why: why.into(),
            fix: None,
        }
    }

    pub(super) fn with_fix(why: impl Into<String>, fix: Option<&Bind>) -> Self {
        Self {
            why: why.into(),
            fix: fix.map(|bind| format!("--bind {bind}")),
        }
    }
}

impl MethodPlan {
    pub(super) fn new(method: Method, answer: Answer) -> Self {
        Self { method, answer }
    }

    /// The gRPC path, `/user.UserInfo/addUser`.
    pub fn path(&self) -> &str {
        self.method.path()
    }

    /// The full name of the service, `user.UserInfo`.
    pub fn service(&self) -> &str {
        self.method.service()
    }

    /// The method's name, `addUser`.
    pub fn name(&self) -> &str {
        self.method.name()
    }

    /// Which sides of its calls are streams.
    pub fn kind(&self) -> MethodKind {
        self.method.kind()
    }

    /// What answers it.
    pub fn answered_by(&self) -> AnsweredBy {
        match self.answer {
            Answer::Store { .. } => AnsweredBy::Store,
            Answer::BuiltIn => AnsweredBy::BuiltIn,
            Answer::Nothing(_) => AnsweredBy::Nothing,
        }
    }

    /// What it does with its resource, where the store answers it.
    pub fn op(&self) -> Option<Op> {
        self.store_binding().map(StoreBinding::op)
    }

    /// The full name of the message type that is stored, `user.User`.
    pub fn resource(&self) -> Option<&str> {
        self.store_binding()
            .map(|binding| binding.resource().message_type().full_name())
    }

    /// The name of the resource's field that holds its key, `id`.
    pub fn key(&self) -> Option<&str> {
        self.store_binding()
            .map(|binding| binding.resource().key().name())
    }

    /// Why it is answered so, or why nothing answers it: one line, without a full stop.
    pub fn reason(&self) -> &str {
        match &self.answer {
            Answer::Store { why, .. } => why,
            Answer::BuiltIn => "part of every server",
            Answer::Nothing(unclear) => &unclear.why,
        }
    }

    /// The command-line option that would bind a method that nothing answers,
    /// `--bind user.UserInfo/enrol=create:user.User`; `None` if none can.
    pub fn fix(&self) -> Option<&str> {
        match &self.answer {
            Answer::Nothing(unclear) => unclear.fix.as_deref(),
            _ => None,
        }
    }

    pub(super) fn method(&self) -> &Method {
        &self.method
    }

    pub(super) fn add_to_reason(&mut self, more: &str) {
        if let Answer::Store { why, .. } = &mut self.answer {
            why.push_str(more);
        }
    }

    /// What a call to a method that nothing answers is told.
    pub(super) fn refusal(&self) -> String {
        let Self { method, .. } = self;
        let mend = match self.fix() {
            Some(fix) => format!("{fix} would bind it"),
            None if method.kind() != MethodKind::Unary => "it needs a handler".to_owned(),
            None => "it needs a handler, or plainer types and then --bind \
                     Service/method=op:Resource"
                .to_owned(),
        };
        let (service, name) = (method.service(), method.name());
        format!(
            "{service}/{name} is not answered: {}; {mend}",
            self.reason()
        )
    }

    pub(super) fn store_binding(&self) -> Option<&StoreBinding> {
        match &self.answer {
            Answer::Store { binding, .. } => Some(binding),
            _ => None,
        }
    }
}

impl AnsweredBy {
    /// `store`, `built-in` or `nothing`.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Store => "store",
            Self::BuiltIn => "built-in",
            Self::Nothing => "nothing",
        }
    }
}

impl fmt::Display for AnsweredBy {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.as_str())
    }
}
