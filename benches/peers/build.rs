//! Generates what tonic needs, without protoc.

use std::error::Error;

fn main() -> Result<(), Box<dyn Error>> {
    let roots = ["../../proto", "proto"];
    roots
        .iter()
        .for_each(|root| println!("cargo:rerun-if-changed={root}"));
    let files = protox::compile(["user.proto", "peers.proto"], roots)?;
    tonic_prost_build::configure().compile_fds(files)?;
    Ok(())
}
