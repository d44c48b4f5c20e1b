//! This library's server, which tells on each line of standard input how many bytes of heap it holds.

use std::{io::stdin, thread};

use peak_alloc::PeakAlloc;
use peer_reflectd::server;
use peers::service::{Arguments, run};

fn main() {
    thread::spawn(|| {
        for line in stdin().lines() {
            line.expect("a line");
            println!("{}", ALLOCATOR.current_usage());
        }
    });
    let arguments = Arguments::of_the_program();
    run(server(&arguments).serve(arguments.address.as_str())).expect("a server");
}

#[global_allocator]
static ALLOCATOR: PeakAlloc = PeakAlloc;
