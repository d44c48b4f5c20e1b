//! The messages of reflection.proto; v1 and v1alpha have the same.

use bytes::Bytes;
use serde::{Deserialize, Serialize, Serializer};

#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub(super) struct ServerReflectionRequest {
    pub(super) host: String,
    pub(super) message_request: Option<MessageRequest>,
}

#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub(super) enum MessageRequest {
    FileByFilename(String),
    FileContainingSymbol(String),
    FileContainingExtension(ExtensionRequest),
    AllExtensionNumbersOfType(String),
    /// The text means nothing.
    ListServices(String),
}

#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub(super) struct ExtensionRequest {
    pub(super) containing_type: String,
    pub(super) extension_number: i32,
}

#[derive(Debug, PartialEq, Serialize)]
pub(super) struct ServerReflectionResponse {
    pub(super) valid_host: String,
    pub(super) original_request: ServerReflectionRequest,
    pub(super) message_response: MessageResponse,
}

#[derive(Debug, PartialEq, Serialize)]
#[expect(
    clippy::enum_variant_names,
    reason = "the variants have the names of the oneof's members"
)]
pub(super) enum MessageResponse {
    FileDescriptorResponse(FileDescriptorResponse),
    AllExtensionNumbersResponse(ExtensionNumberResponse),
    ListServicesResponse(ListServiceResponse),
    ErrorResponse(ErrorResponse),
}

#[derive(Debug, PartialEq, Serialize)]
pub(super) struct FileDescriptorResponse {
    pub(super) file_descriptor_proto: Vec<FileBytes>,
}

/// A serialised `google.protobuf.FileDescriptorProto`.
#[derive(Debug, PartialEq)]
pub(super) struct FileBytes(pub(super) Bytes);

impl Serialize for FileBytes {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.serialize_bytes(&self.0)
    }
}

#[derive(Debug, PartialEq, Serialize)]
pub(super) struct ExtensionNumberResponse {
    pub(super) base_type_name: String,
    pub(super) extension_number: Vec<i32>,
}

#[derive(Debug, PartialEq, Serialize)]
pub(super) struct ListServiceResponse {
    pub(super) service: Vec<ServiceResponse>,
}

#[derive(Debug, PartialEq, Serialize)]
pub(super) struct ServiceResponse {
    pub(super) name: String,
}

#[derive(Debug, PartialEq, Serialize)]
pub(super) struct ErrorResponse {
    pub(super) error_code: i32,
    pub(super) error_message: String,
}
