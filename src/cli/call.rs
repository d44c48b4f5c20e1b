//! `reflectd call`: a method of any server, of any of the four kinds.

mod exchange;
mod report;
mod status;

use std::time::Instant;

use reflectd::client::Client;

use self::{
    exchange::Exchange,
    report::{Report, Timing},
};
use super::{
    arguments::CallArguments,
    dial,
    failure::Failure,
    requests::{Data, Requests},
    wanted::Wanted,
};

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
    let data = Data {
        fields: &arguments.fields,
        data: arguments.data.as_deref(),
        format: arguments.format,
        ignore_unknown: arguments.allow_unknown_fields,
        splits_arrays: false,
    };
    let requests = Requests::of(&data, method)?;
    let mut report = Report::new(arguments, &schema);
    report.method(method, &metadata)?;
    let exchange = Exchange {
        client: Client::new(server.channel.clone(), schema.clone()),
        method: method.clone(),
        metadata,
        deadline: server.deadline(),
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
