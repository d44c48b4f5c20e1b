//! The messages of reflection.proto as a client needs them; v1 and v1alpha have the same.

use std::fmt;

use bytes::Bytes;
use serde::{
    Deserialize, Deserializer, Serialize,
    de::{Error, Visitor},
};

#[derive(Clone, Debug, Serialize)]
pub(super) struct Request {
    pub(super) message_request: Question,
}

/// The oneof `message_request`.
#[derive(Clone, Debug, Serialize)]
#[serde(rename_all = "snake_case")]
pub(super) enum Question {
    FileByFilename(String),
    FileContainingSymbol(String),
    FileContainingExtension(Extension),
    AllExtensionNumbersOfType(String),
    /// The text means nothing.
    ListServices(String),
}

#[derive(Clone, Debug, Serialize)]
pub(super) struct Extension {
    pub(super) containing_type: String,
    pub(super) extension_number: i32,
}

#[derive(Debug, Deserialize)]
pub(super) struct Response {
    pub(super) message_response: Option<Answer>,
}

/// The oneof `message_response`.
#[derive(Debug, Deserialize)]
#[serde(rename_all = "snake_case")]
#[expect(
    clippy::enum_variant_names,
    reason = "the variants have the names of the oneof's members"
)]
pub(super) enum Answer {
    FileDescriptorResponse(Files),
    AllExtensionNumbersResponse(ExtensionNumbers),
    ListServicesResponse(Services),
    ErrorResponse(Refusal),
}

#[derive(Debug, Deserialize)]
pub(super) struct Files {
    pub(super) file_descriptor_proto: Vec<FileBytes>,
}

/// A serialised `google.protobuf.FileDescriptorProto`.
#[derive(Debug)]
pub(super) struct FileBytes(pub(super) Bytes);

#[derive(Debug, Deserialize)]
pub(super) struct ExtensionNumbers {
    pub(super) extension_number: Vec<i32>,
}

#[derive(Debug, Deserialize)]
pub(super) struct Services {
    pub(super) service: Vec<Listed>,
}

#[derive(Debug, Deserialize)]
pub(super) struct Listed {
    pub(super) name: String,
}

#[derive(Debug, Deserialize)]
pub(super) struct Refusal {
    pub(super) error_code: i32,
    pub(super) error_message: String,
}

impl<'de> Deserialize<'de> for FileBytes {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        deserializer.deserialize_byte_buf(InOneGo)
    }
}

/// Bytes as bytes: serde would take a `Vec<u8>` one by one.
struct InOneGo;

impl Visitor<'_> for InOneGo {
    type Value = FileBytes;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("bytes")
    }

    fn visit_bytes<E: Error>(self, bytes: &[u8]) -> Result<FileBytes, E> {
        Ok(FileBytes(Bytes::copy_from_slice(bytes)))
    }

    fn visit_byte_buf<E: Error>(self, bytes: Vec<u8>) -> Result<FileBytes, E> {
        Ok(FileBytes(bytes.into()))
    }
}
