//! This library's server, with closures on dynamic messages.

use peer_reflectd::server;
use peers::service::{Arguments, run};

fn main() {
    let arguments = Arguments::of_the_program();
    run(server(&arguments).serve(arguments.address.as_str())).expect("a server");
}

#[global_allocator]
static ALLOCATOR: peers::MiMalloc = peers::MiMalloc;
