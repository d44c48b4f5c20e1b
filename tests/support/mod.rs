//! What the end-to-end tests share: a server on a free port, and a client that shows what the server
//! really sends.

#![allow(
    unreachable_pub,
    dead_code,
    reason = "shared by test programs that each use a part"
)]

pub mod client;
pub mod reply;
pub mod server;

use std::{fs, future::Future, time::Duration};

use reflectd::Schema;

#[allow(
    unused_imports,
    reason = "shared by test programs that each use a part"
)]
pub use self::{
    client::{CallBuilder, CallStream, Client},
    reply::{Reply, Status},
    server::TestServer,
};

/// Compiles files that are given by name and text; all of them are named.
pub fn schema(files: &[(&str, &str)]) -> Schema {
    let folder = tempfile::tempdir().unwrap();
    for (name, text) in files {
        let path = folder.path().join(name);
        fs::create_dir_all(path.parent().unwrap()).unwrap();
        fs::write(path, text).unwrap();
    }
    let paths = files.iter().map(|(name, _)| folder.path().join(name));
    Schema::compile(paths, [folder.path()]).unwrap()
}

/// Waits for something that must come soon; a test that hangs tells nothing.
pub async fn soon<T>(what: &str, future: impl Future<Output = T>) -> T {
    match tokio::time::timeout(PATIENCE, future).await {
        Ok(value) => value,
        Err(_) => panic!("{what}: nothing came for {PATIENCE:?}"),
    }
}

/// Far longer than anything takes, even on a busy machine.
const PATIENCE: Duration = Duration::from_secs(20);
