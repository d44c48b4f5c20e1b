//! `reflectd describe`: one symbol, or all services, as they would stand in a `.proto` file.

use reflectd::{Schema, schema::Service};

use super::{
    arguments::DescribeArguments,
    console, dial,
    failure::Failure,
    named::{Named, full_name},
};

pub(super) fn run(arguments: &DescribeArguments) -> Result<(), Failure> {
    let named = Named::sort(
        &arguments.words,
        arguments.sources.name_files(),
        arguments.dialing.unix,
    )?;
    let symbol = named.symbol.as_deref().map(full_name);
    let schema = match &named.address {
        Some(address) => dial::run(ask(arguments, address, symbol.as_deref()))?,
        None => {
            let sources = &arguments.sources;
            sources.load(&named.files, &arguments.input_limits)?.schema
        }
    };
    let text = match symbol {
        Some(symbol) => one(&schema, &symbol)?,
        None => services(&schema),
    };
    console::print(&console::printable(&text))?;
    Ok(())
}

/// What a server says of itself.
async fn ask(
    arguments: &DescribeArguments,
    address: &str,
    symbol: Option<&str>,
) -> Result<Schema, Failure> {
    let server = arguments.dialing.connect(address).await?;
    match symbol {
        Some(symbol) => server.schema(&arguments.headers, symbol).await,
        None => server.whole_schema(&arguments.headers).await,
    }
}

fn one(schema: &Schema, symbol: &str) -> Result<String, Failure> {
    match schema.describe(symbol) {
        Some(source) => Ok(ending_in_newline(source)),
        None => Err(Failure::new(match schema.nearest_symbol(symbol) {
            Some(nearest) => format!("no symbol is named {symbol:?}; did you mean {nearest:?}?"),
            None => format!("no symbol is named {symbol:?}; `reflectd list` tells the services"),
        })),
    }
}

/// All services, an empty line between them.
fn services(schema: &Schema) -> String {
    let names = schema.services().map(Service::full_name);
    let sources = names.filter_map(|name| schema.describe(name));
    let sources: Vec<String> = sources.map(ending_in_newline).collect();
    sources.join("\n")
}

fn ending_in_newline(mut text: String) -> String {
    if !text.ends_with('\n') {
        text.push('\n');
    }
    text
}
