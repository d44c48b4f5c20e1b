//! The method that was typed.

use reflectd::{
    Schema,
    schema::{Method, Service},
};

use super::failure::Failure;

/// The method that was typed.
#[derive(Debug)]
pub(super) struct Wanted {
    pub(super) service: String,
    method: String,
}

impl Wanted {
    /// `package.Service/Method`, as in gRPC's paths, or `package.Service.Method`, as in descriptors.
    ///
    /// # Errors
    /// What is neither.
    pub(super) fn parse(typed: &str) -> Result<Self, Failure> {
        let name = typed.trim_start_matches(['/', '.']);
        let parts = name.rsplit_once('/').or_else(|| name.rsplit_once('.'));
        match parts {
            Some((service, method)) if !service.is_empty() && !method.is_empty() => Ok(Self {
                service: service.to_owned(),
                method: method.to_owned(),
            }),
            _ => Err(Failure::usage(format!(
                "{typed:?} is no method: it wants package.Service/Method, as `reflectd list ADDRESS \
                 --methods` tells them"
            ))),
        }
    }

    /// What a schema says of it.
    ///
    /// # Errors
    /// If it has no such method; which it has.
    pub(super) fn find<'a>(&self, schema: &'a Schema) -> Result<&'a Method, Failure> {
        let Self { service, method } = self;
        if let Some(found) = schema.method(&format!("/{service}/{method}")) {
            return Ok(found);
        }
        let Some(known) = schema.services().find(|known| known.full_name() == service) else {
            return Err(Failure::new(format!(
                "there is no service named {service:?}; there is {}",
                services(schema)
            )));
        };
        let names: Vec<&str> = known.methods().map(Method::name).collect();
        Err(Failure::new(format!(
            "{service} has no method {method:?}; it has {}",
            listed(&names)
        )))
    }
}

/// The services that there are, a few of them by name.
pub(super) fn services(schema: &Schema) -> String {
    let names: Vec<&str> = schema.services().map(Service::full_name).collect();
    listed(&names)
}

/// A few names.
fn listed(names: &[&str]) -> String {
    match names.len() {
        0 => "none".to_owned(),
        1..=NAMES_MAX => names.join(", "),
        more => format!(
            "{} and {} more",
            names[..NAMES_MAX].join(", "),
            more - NAMES_MAX
        ),
    }
}

/// As many as fit on a line or two.
const NAMES_MAX: usize = 8;
