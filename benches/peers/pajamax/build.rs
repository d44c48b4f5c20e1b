//! Generates what pajamax needs, without protoc.

use std::error::Error;

use prost::Message;

fn main() -> Result<(), Box<dyn Error>> {
    let roots = ["../../../proto", "../proto"];
    roots
        .iter()
        .for_each(|root| println!("cargo:rerun-if-changed={root}"));
    let files = protox::compile(["user.proto", "peers.proto"], roots)?;
    let files = prost_0_14::Message::encode_to_vec(&files);
    let files = prost_types::FileDescriptorSet::decode(&*files)?;
    prost_build::Config::new()
        .service_generator(Box::new(pajamax_build::PajamaxGen::Local))
        .compile_fds(files)?;
    Ok(())
}
