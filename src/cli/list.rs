//! `reflectd list`: the services, or their methods.

use reflectd::schema::Service;

use super::{arguments::ListArguments, console, failure::Failure};

pub(super) fn run(arguments: &ListArguments) -> Result<(), Failure> {
    let schema = arguments.input.load(&arguments.input_limits)?.schema;
    let lines: String = match arguments.methods {
        false => schema
            .services()
            .map(|service| line(service.full_name()))
            .collect(),
        true => schema
            .services()
            .flat_map(Service::methods)
            .map(|method| line(method.path().trim_start_matches('/')))
            .collect(),
    };
    if schema.services().len() == 0 {
        console::warn("no service is defined in these files (those of imports are not listed)");
    }
    console::print(&lines)?;
    Ok(())
}

fn line(text: &str) -> String {
    format!("{text}\n")
}
