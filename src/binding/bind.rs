//! What a person decides about a method: `--bind Service/method=op:Resource`.

use std::{fmt, str::FromStr};

use super::Op;
use crate::{
    Error,
    schema::{MessageType, Method, Schema, Service},
};

/// A method's binding, decided by hand: `Service/method=op:Resource`.
///
/// `Service` and `Resource` may be full names (`user.UserInfo`, `user.User`) or, where only one has
/// it, the name without package; `op` is that of [`Op`].
///
/// ```
/// use reflectd::binding::{Bind, Op};
///
/// let bind: Bind = "UserInfo/enrol=create:User".parse()?;
/// assert_eq!(bind.op(), Op::Create);
/// # Ok::<(), reflectd::Error>(())
/// ```
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Bind {
    service: String,
    method: String,
    op: Op,
    resource: String,
}

/// A [`Bind`] whose names were found in a schema.
#[derive(Debug)]
pub(super) struct Decided {
    pub(super) method: Method,
    pub(super) op: Op,
    pub(super) resource: MessageType,
}

impl Bind {
    /// The binding of a method, by full names.
    pub(super) fn of(method: &Method, op: Op, resource: &MessageType) -> Self {
        Self {
            service: method.service().to_owned(),
            method: method.name().to_owned(),
            op,
            resource: resource.full_name().to_owned(),
        }
    }

    /// The service, as it was written.
    pub fn service(&self) -> &str {
        &self.service
    }

    /// The method's name without its service.
    pub fn method(&self) -> &str {
        &self.method
    }

    /// What the method does.
    pub fn op(&self) -> Op {
        self.op
    }

    /// The message type that is stored, as it was written.
    pub fn resource(&self) -> &str {
        &self.resource
    }

    /// Finds the names in a schema.
    pub(super) fn decide(&self, schema: &Schema) -> Result<Decided, Error> {
        let service = self.find_service(schema)?;
        let method = service
            .methods()
            .find(|method| method.name() == self.method)
            .ok_or_else(|| {
                let names = service.methods().map(Method::name);
                let what = format!("{} has no method `{}`", service.full_name(), self.method);
                self.not_found(&what, Schema::nearest(&self.method, names))
            })?;
        Ok(Decided {
            method: method.clone(),
            op: self.op,
            resource: self.find_resource(schema)?,
        })
    }

    fn find_service<'a>(&self, schema: &'a Schema) -> Result<&'a Service, Error> {
        let by_full_name = schema
            .services()
            .find(|service| service.full_name() == self.service);
        let by_name: Vec<_> = schema
            .services()
            .filter(|service| service.name() == self.service)
            .collect();
        match (by_full_name, by_name.as_slice()) {
            (Some(service), _) => Ok(service),
            (None, [service]) => Ok(*service),
            (None, []) => {
                let names = schema
                    .services()
                    .flat_map(|service| [service.full_name(), service.name()]);
                let what = format!("there is no service `{}`", self.service);
                Err(self.not_found(&what, Schema::nearest(&self.service, names)))
            }
            (None, several) => {
                let names = several.iter().map(|service| service.full_name());
                Err(self.ambiguous(&self.service, names))
            }
        }
    }

    fn find_resource(&self, schema: &Schema) -> Result<MessageType, Error> {
        if let Some(message) = schema.message(&self.resource) {
            return Ok(message);
        }
        let messages: Vec<MessageType> = schema.messages().collect();
        let by_name: Vec<_> = messages
            .iter()
            .filter(|message| message.name() == self.resource)
            .collect();
        match by_name.as_slice() {
            [message] => Ok((*message).clone()),
            [] => {
                let names = messages
                    .iter()
                    .flat_map(|message| [message.full_name(), message.name()]);
                let what = format!("there is no message type `{}`", self.resource);
                Err(self.not_found(&what, Schema::nearest(&self.resource, names)))
            }
            several => {
                let names = several.iter().map(|message| message.full_name());
                Err(self.ambiguous(&self.resource, names))
            }
        }
    }

    fn not_found(&self, what: &str, nearest: Option<&str>) -> Error {
        let hint = nearest.map(|nearest| format!("; did you mean `{nearest}`?"));
        self.error(&format!("{what}{}", hint.unwrap_or_default()))
    }

    fn ambiguous<'a>(&self, name: &str, found: impl Iterator<Item = &'a str>) -> Error {
        let found: Vec<&str> = found.collect();
        self.error(&format!(
            "`{name}` may be any of {}; write the full name",
            found.join(", ")
        ))
    }

    pub(super) fn error(&self, what: &str) -> Error {
        Error::configuration(format!("--bind {self}: {what}"))
    }
}

impl FromStr for Bind {
    type Err = Error;

    fn from_str(text: &str) -> Result<Self, Error> {
        let wrong = |what: &str| Error::configuration(format!("--bind {text}: {what}; {FORM}"));
        let (path, decision) = text
            .split_once('=')
            .ok_or_else(|| wrong("there is no `=`"))?;
        let (service, method) = path
            .strip_prefix('/')
            .unwrap_or(path)
            .split_once('/')
            .ok_or_else(|| wrong("there is no `/` between service and method"))?;
        let (op, resource) = decision
            .split_once(':')
            .ok_or_else(|| wrong("there is no `:` between operation and resource"))?;
        if [service, method, resource]
            .iter()
            .any(|part| !is_name(part))
        {
            return Err(wrong("service, method and resource must be names"));
        }
        Ok(Self {
            service: service.to_owned(),
            method: method.to_owned(),
            op: op.parse().map_err(|error: String| wrong(&error))?,
            resource: resource.to_owned(),
        })
    }
}

/// Whether it may be a protobuf name, with or without its package.
fn is_name(part: &str) -> bool {
    let valid = |name: &str| {
        !name.is_empty() && name.chars().all(|c| c.is_ascii_alphanumeric() || c == '_')
    };
    part.split('.').all(valid)
}

impl fmt::Display for Bind {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self {
            service,
            method,
            op,
            resource,
        } = self;
        write!(f, "{service}/{method}={op}:{resource}")
    }
}

const FORM: &str = "the form is Service/method=op:Resource, for example \
                    user.UserInfo/addUser=create:user.User, with one of create, get, list, \
                    update, delete as op";
