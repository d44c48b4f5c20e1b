//! Trees of .proto files that others wrote: they compile, and random messages of their types go
//! through `Message` as they go through prost-reflect.

#![allow(clippy::unwrap_used, reason = "a failure is the test's")]

// It is one of the crate's own files, and names `crate::message` and `crate::schema`.
#[path = "../src/fuzzing/differential.rs"]
#[expect(
    dead_code,
    reason = "merging and JSON from outside are tested elsewhere"
)]
mod differential;
#[path = "support/random_message.rs"]
mod random_message;
#[path = "support/tools.rs"]
mod tools;

use std::{
    fs,
    path::{Path, PathBuf},
};

use differential::check_wire;
use prost_reflect::prost::Message as _;
use random_message::{Random, random_message};
use reflectd::{Message, Schema, message, schema, schema::MessageType};

#[test]
fn pubsub() {
    googleapis("google/pubsub/v1", 60);
}

#[test]
fn spanner() {
    googleapis("google/spanner", 200);
}

#[test]
fn firestore() {
    googleapis("google/firestore", 100);
}

#[test]
fn aiplatform() {
    googleapis("google/cloud/aiplatform/v1", 1000);
}

/// Envoy's configuration: many oneofs, `Any`, wrappers, and options of their own on most fields.
#[test]
fn xds() {
    if let Some(root) = tools::xds() {
        let deps = root.join("npm/node_modules/@grpc/grpc-js-xds/deps");
        let envoy = deps.join("envoy-api");
        let validate = root.join("go/github.com/envoyproxy/protoc-gen-validate");
        let trees = [
            &envoy,
            &validate,
            &deps.join("xds"),
            &deps.join("googleapis"),
        ];
        // The package has not what Envoy's tracing and metrics import; these files are left out.
        let builder = Schema::builder().files(protos(&envoy, &["v3"]));
        let (schema, _) = builder.import_paths(trees).build_keep_going().unwrap();
        check(&schema, "envoy.", 400);
    }
}

/// Kubernetes' API: proto2, with unpacked lists and presence everywhere.
#[test]
fn kubernetes() {
    if let Some(root) = tools::kubernetes() {
        let schema = Schema::compile(protos(&root.join("k8s.io/api"), &[]), [root]).unwrap();
        check(&schema, "k8s.io.", 500);
    }
}

fn googleapis(folder: &str, types_min: usize) {
    if let Some(root) = tools::googleapis() {
        let schema = Schema::compile(protos(&root.join(folder), &[]), [root]).unwrap();
        check(&schema, "google.", types_min);
    }
}

/// Messages of the types of a package: of all of them if they are few, else of as many as take some
/// seconds, other ones each time.
fn check(schema: &Schema, package: &str, types_min: usize) {
    let types = schema.messages().filter(|ty| !ty.is_map_entry());
    let mut types: Vec<MessageType> = types
        .filter(|ty| ty.full_name().starts_with(package))
        .collect();
    assert!(types.len() >= types_min, "{} types", types.len());
    let seed = std::process::id().into();
    eprintln!("seed {seed}, {} types", types.len());
    let random = &mut Random(seed);
    while types.len() > TYPES_MAX {
        let at = random.below(types.len() as u64) as usize;
        types.swap_remove(at);
    }
    for ty in types {
        for depth in [1, 2] {
            let theirs = random_message(ty.descriptor(), random, depth);
            let ours = check_wire(&ty, &theirs.encode_to_vec());
            assert_eq!(ours, Some(Message::from(theirs)), "{}", ty.full_name());
        }
    }
}

/// The .proto files below a folder; of a part of its folders if these are named.
fn protos(folder: &Path, parts: &[&str]) -> Vec<PathBuf> {
    let mut found = Vec::new();
    let mut folders = vec![folder.to_owned()];
    while let Some(folder) = folders.pop() {
        let wanted = parts.is_empty() || parts.iter().any(|part| folder.ends_with(part));
        for entry in fs::read_dir(&folder).unwrap() {
            let path = entry.unwrap().path();
            if path.is_dir() {
                folders.push(path);
            } else if wanted
                && path
                    .extension()
                    .is_some_and(|extension| extension == "proto")
            {
                found.push(path);
            }
        }
    }
    found.sort();
    found
}

const TYPES_MAX: usize = 250;
