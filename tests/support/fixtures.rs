//! The message types of tests/protos/message.

#![allow(
    unreachable_pub,
    dead_code,
    reason = "shared by test programs that each use a part"
)]

use std::{path::Path, sync::LazyLock};

use reflectd::{Schema, schema::MessageType};

static EVERYTHING: LazyLock<Schema> = LazyLock::new(|| compile("everything.proto"));
static LEGACY: LazyLock<Schema> = LazyLock::new(|| compile("legacy.proto"));

pub(crate) fn everything(name: &str) -> MessageType {
    let name = format!("everything.{name}");
    EVERYTHING.message(&name).expect("the fixture has it")
}

pub(crate) fn legacy(name: &str) -> MessageType {
    let name = format!("legacy.{name}");
    LEGACY.message(&name).expect("the fixture has it")
}

pub(crate) fn compile(file: &str) -> Schema {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/protos/message");
    Schema::compile([folder.join(file)], [folder]).expect("the fixture compiles")
}
