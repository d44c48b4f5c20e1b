//! `reflectd call`: a method of any server, of any of the four kinds.

mod exchange;
mod report;
mod request;
mod shorthand;
mod status;

use std::time::Instant;

use reflectd::{
    Schema,
    client::Client,
    schema::{Method, Service},
};

use self::{
    exchange::Exchange,
    report::{Report, Timing},
    request::Requests,
};
use super::{arguments::CallArguments, dial, failure::Failure};

pub(super) fn run(arguments: &CallArguments) -> Result<(), Failure> {
    let wanted = Wanted::parse(&arguments.method)?;
    dial::run(call(arguments, &wanted))
}

async fn call(arguments: &CallArguments, wanted: &Wanted) -> Result<(), Failure> {
    let metadata = arguments.headers.of_call()?;
    let started = Instant::now();
    // What is wrong with the files is told whether the server is there or not.
    let sources = &arguments.sources;
    let from_files = match sources.name_files() {
        true => Some(sources.load(&[], &arguments.input_limits)?.schema),
        false => None,
    };
    let read = started.elapsed();
    let server = arguments.dialing.connect(&arguments.address).await?;
    let dialed = started.elapsed();
    let schema = match from_files {
        Some(schema) => schema,
        None => server.schema(&arguments.headers, &wanted.service).await?,
    };
    let described = started.elapsed();

    let method = wanted.find(&schema)?;
    let requests = Requests::of(arguments, method)?;
    let mut report = Report::new(arguments, &schema);
    report.method(method, &metadata)?;
    let exchange = Exchange {
        client: Client::new(server.channel.clone(), schema.clone()),
        method: method.clone(),
        metadata,
        timeout: server.time_left(),
    };
    let end = exchange.run(requests, &mut report).await?;
    report.end(
        &end,
        Timing {
            dial: dialed - read,
            describe: read + (described - dialed),
            call: started.elapsed() - described,
        },
    )
}

/// The method that was typed.
#[derive(Debug)]
struct Wanted {
    service: String,
    method: String,
}

impl Wanted {
    /// `package.Service/Method`, as in gRPC's paths, or `package.Service.Method`, as in descriptors.
    fn parse(typed: &str) -> Result<Self, Failure> {
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

    fn find<'a>(&self, schema: &'a Schema) -> Result<&'a Method, Failure> {
        let Self { service, method } = self;
        if let Some(found) = schema.method(&format!("/{service}/{method}")) {
            return Ok(found);
        }
        let mut services = schema.services();
        let Some(known) = services.find(|known| known.full_name() == service) else {
            let names: Vec<&str> = schema.services().map(Service::full_name).collect();
            return Err(Failure::new(format!(
                "there is no service named {service:?}; there is {}",
                listed(&names)
            )));
        };
        let names: Vec<&str> = known.methods().map(Method::name).collect();
        Err(Failure::new(format!(
            "{service} has no method {method:?}; it has {}",
            listed(&names)
        )))
    }
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
