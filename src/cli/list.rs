//! `reflectd list`: the services, or their methods.

use reflectd::{Schema, schema::Service};

use super::{
    arguments::ListArguments,
    console, dial,
    failure::Failure,
    named::{Named, full_name},
    wanted,
};

pub(super) fn run(arguments: &ListArguments) -> Result<(), Failure> {
    let named = Named::sort(
        &arguments.words,
        arguments.sources.name_files(),
        arguments.dialing.unix,
    )?;
    let lines = match &named.address {
        Some(address) => dial::run(ask(arguments, address, named.symbol.as_deref()))?,
        None => read(arguments, &named)?,
    };
    console::print(&console::printable(&lines))?;
    Ok(())
}

/// What a server has.
async fn ask(
    arguments: &ListArguments,
    address: &str,
    service: Option<&str>,
) -> Result<String, Failure> {
    let server = arguments.dialing.connect(address).await?;
    let headers = &arguments.headers;
    match service {
        Some(service) => {
            let name = full_name(service);
            let schema = server.schema(headers, &name).await?;
            methods_of(&schema, &name, arguments.methods)
        }
        None if arguments.methods => Ok(methods(server.whole_schema(headers).await?.services())),
        None => {
            let services = server.reflect(headers)?.services().await?;
            Ok(services.iter().map(|name| line(name)).collect())
        }
    }
}

/// What files have.
fn read(arguments: &ListArguments, named: &Named) -> Result<String, Failure> {
    let sources = &arguments.sources;
    let schema = sources.load(&named.files, &arguments.input_limits)?.schema;
    if let Some(service) = &named.symbol {
        return methods_of(&schema, &full_name(service), arguments.methods);
    }
    if schema.services().len() == 0 {
        console::warn("no service is defined in these files (those of imports are not listed)");
    }
    Ok(match arguments.methods {
        true => methods(schema.services()),
        false => {
            let services = schema.services();
            services.map(|service| line(service.full_name())).collect()
        }
    })
}

/// The methods of one service, sorted, as grpcurl lists them: package.Service.Method.
fn methods_of(schema: &Schema, name: &str, with_slash: bool) -> Result<String, Failure> {
    let mut services = schema.services();
    let Some(service) = services.find(|service| service.full_name() == name) else {
        if schema.describe(name).is_some() {
            return Err(Failure::new(format!(
                "{name:?} is no service; `reflectd describe` shows what it is"
            )));
        }
        let instead = match schema.nearest_symbol(name) {
            Some(meant) => format!("did you mean {meant:?}?"),
            None => format!("there is {}", wanted::services(schema)),
        };
        return Err(Failure::new(format!(
            "there is no service named {name:?}; {instead}"
        )));
    };
    if with_slash {
        return Ok(methods([service].into_iter()));
    }
    let mut names: Vec<String> = service
        .methods()
        .map(|method| line(&format!("{name}.{}", method.name())))
        .collect();
    names.sort();
    Ok(names.concat())
}

fn methods<'a>(services: impl Iterator<Item = &'a Service>) -> String {
    services
        .flat_map(Service::methods)
        .map(|method| line(method.path().trim_start_matches('/')))
        .collect()
}

fn line(text: &str) -> String {
    format!("{text}\n")
}
