//! This library's server, which tells on each line of standard input how many bytes of heap it holds;
//! on the first, how many of a stream's are its handler's future.

use std::{io::stdin, thread};

use peak_alloc::PeakAlloc;
use peer_reflectd::{held_future_bytes, server};
use peers::service::{Arguments, run};

fn main() {
    thread::spawn(|| {
        let mut lines = stdin().lines();
        lines.next().expect("a line").expect("a line");
        println!("{}", held_future_bytes());
        for line in lines {
            line.expect("a line");
            println!("{}", ALLOCATOR.current_usage());
        }
    });
    let arguments = Arguments::of_the_program();
    run(server(&arguments).serve(arguments.address.as_str())).expect("a server");
}

#[global_allocator]
static ALLOCATOR: PeakAlloc = PeakAlloc;
