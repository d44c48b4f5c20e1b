//! `grpc.reflection.v1.ServerReflection`, and the same as v1alpha, which older clients ask for
//! (proto/grpc/reflection/v1/reflection.proto; grpc/grpc, doc/server-reflection.md).

mod catalog;
mod messages;

use std::{collections::HashSet, sync::Arc};

use self::{
    catalog::Catalog,
    messages::{
        ErrorResponse, ExtensionNumberResponse, FileBytes, FileDescriptorResponse,
        ListServiceResponse, MessageRequest, MessageResponse, ServerReflectionRequest,
        ServerReflectionResponse, ServiceResponse,
    },
};
use super::is_vacant;
use crate::{
    grpc::{Code, Status},
    limits,
    rpc::{Replies, Streaming},
    schema::{File, Schema},
    server::ServerBuilder,
};

/// Adds both versions to a server, as far as its owner does not answer them. To be called when all
/// other schemas are there: what is added later is not seen.
pub(crate) fn add(builder: ServerBuilder) -> ServerBuilder {
    let schema = Schema::bundled(&PROTOS);
    let mut builder = builder.schema(schema.clone());
    let catalog = Arc::new(Catalog::new(builder.schemas().to_vec()));
    for path in PATHS {
        if is_vacant(&builder, &schema, path) {
            let catalog = Arc::clone(&catalog);
            builder = builder.bidi(path, move |requests, replies| {
                converse(Conversation::new(Arc::clone(&catalog)), requests, replies)
            });
        }
    }
    builder
}

async fn converse(
    mut conversation: Conversation,
    mut requests: Streaming<ServerReflectionRequest>,
    mut replies: Replies<ServerReflectionResponse>,
) -> Result<(), Status> {
    while let Some(request) = requests.message().await? {
        replies.send(conversation.answer(request)?).await?;
    }
    Ok(())
}

/// One stream of questions about the same server.
struct Conversation {
    catalog: Arc<Catalog>,
    /// Names of the files that the client has by now.
    sent: HashSet<String>,
}

impl Conversation {
    fn new(catalog: Arc<Catalog>) -> Self {
        Self {
            catalog,
            sent: HashSet::new(),
        }
    }

    /// The answer to one question; "not found" is one.
    ///
    /// # Errors
    /// INVALID_ARGUMENT for a request without a question, which ends the stream.
    fn answer(
        &mut self,
        request: ServerReflectionRequest,
    ) -> Result<ServerReflectionResponse, Status> {
        let Some(question) = &request.message_request else {
            return Err(Status::invalid_argument(
                "the request asks for nothing: set file_by_filename, file_containing_symbol, \
                 file_containing_extension, all_extension_numbers_of_type or list_services",
            ));
        };
        let message_response = self.look_up(question).unwrap_or_else(|what| {
            MessageResponse::ErrorResponse(ErrorResponse {
                error_code: Code::NotFound.number().into(),
                error_message: format!("the server has no {what}"),
            })
        });
        Ok(ServerReflectionResponse {
            valid_host: request.host.clone(),
            original_request: request,
            message_response,
        })
    }

    /// What was asked for; an error names what there is not.
    fn look_up(&mut self, question: &MessageRequest) -> Result<MessageResponse, String> {
        let catalog = Arc::clone(&self.catalog);
        match question {
            MessageRequest::FileByFilename(name) => catalog
                .file(name)
                .map(|file| self.files(&file))
                .ok_or_else(|| format!("file {name:?}")),
            MessageRequest::FileContainingSymbol(symbol) => catalog
                .file_containing_symbol(symbol)
                .map(|file| self.files(&file))
                .ok_or_else(|| format!("symbol {symbol:?}")),
            MessageRequest::FileContainingExtension(extension) => catalog
                .file_containing_extension(extension)
                .map(|file| self.files(&file))
                .ok_or_else(|| {
                    let number = extension.extension_number;
                    format!("extension {number} of {:?}", extension.containing_type)
                }),
            MessageRequest::AllExtensionNumbersOfType(name) => catalog
                .extension_numbers(name)
                .map(|numbers| extension_numbers(name, numbers))
                .ok_or_else(|| format!("message type {name:?}")),
            MessageRequest::ListServices(_) => Ok(services(&catalog)),
        }
    }

    /// A file, first, and what it imports, the nearest first.
    ///
    /// Imports that this stream has sent already are left out ("The reflection service is allowed to
    /// avoid sending FileDescriptorProtos that were previously sent", reflection.proto), and so are
    /// those that would make the message longer than clients take: they ask for what is missing.
    fn files(&mut self, asked: &File) -> MessageResponse {
        self.sent.insert(asked.name().to_owned());
        let mut files = vec![asked.descriptor_bytes()];
        let mut room = limits::REFLECTION_FILES_BYTES.saturating_sub(files[0].len());
        for import in self.catalog.imports(asked) {
            if self.sent.contains(import.name()) {
                continue;
            }
            let bytes = import.descriptor_bytes();
            if let Some(left) = room.checked_sub(bytes.len()) {
                room = left;
                self.sent.insert(import.name().to_owned());
                files.push(bytes);
            }
        }
        MessageResponse::FileDescriptorResponse(FileDescriptorResponse {
            file_descriptor_proto: files.into_iter().map(FileBytes).collect(),
        })
    }
}

fn extension_numbers(name: &str, numbers: Vec<i32>) -> MessageResponse {
    MessageResponse::AllExtensionNumbersResponse(ExtensionNumberResponse {
        base_type_name: name.to_owned(),
        extension_number: numbers,
    })
}

fn services(catalog: &Catalog) -> MessageResponse {
    let names = catalog.services().into_iter();
    MessageResponse::ListServicesResponse(ListServiceResponse {
        service: names.map(|name| ServiceResponse { name }).collect(),
    })
}

const PROTOS: [&str; 2] = [
    "grpc/reflection/v1/reflection.proto",
    "grpc/reflection/v1alpha/reflection.proto",
];
/// The two differ by their package only.
const PATHS: [&str; 2] = [
    "/grpc.reflection.v1.ServerReflection/ServerReflectionInfo",
    "/grpc.reflection.v1alpha.ServerReflection/ServerReflectionInfo",
];

#[cfg(test)]
mod tests {
    use super::{
        Catalog, Conversation, MessageRequest, MessageResponse, ServerReflectionRequest, limits,
    };
    use crate::{grpc::Code, schema::Schema};
    use prost::Message;

    #[test]
    fn imports_that_would_make_the_message_too_long_are_asked_for_apart() {
        let long = "x".repeat(limits::REFLECTION_FILES_BYTES / 2);
        let long = format!("option java_package = \"{long}\";");
        let schema = schema(&[
            (
                "a.proto",
                "import \"b.proto\"; import \"c.proto\"; import \"d.proto\";",
            ),
            ("b.proto", &format!("{long} message B {{}}")),
            ("c.proto", &format!("{long} message C {{}} message C2 {{}}")),
            ("d.proto", "import \"c.proto\";"),
        ]);
        let mut conversation = Conversation::new(Catalog::new(vec![schema]).into());
        let mut ask = |name: &str| {
            let answer = conversation.answer(request(MessageRequest::FileByFilename(name.into())));
            names(answer.unwrap().message_response)
        };
        assert_eq!(ask("a.proto"), ["a.proto", "b.proto", "d.proto"]);
        assert_eq!(ask("a.proto"), ["a.proto", "c.proto"]);
        assert_eq!(ask("d.proto"), ["d.proto"]);
    }

    #[test]
    fn no_question_is_an_error_of_the_stream() {
        let mut conversation = Conversation::new(Catalog::new(Vec::new()).into());
        let nothing = ServerReflectionRequest {
            host: "h".to_owned(),
            message_request: None,
        };
        let error = conversation.answer(nothing).unwrap_err();
        assert_eq!(error.code(), Code::InvalidArgument);
    }

    fn request(question: MessageRequest) -> ServerReflectionRequest {
        ServerReflectionRequest {
            host: String::new(),
            message_request: Some(question),
        }
    }

    fn names(response: MessageResponse) -> Vec<String> {
        let MessageResponse::FileDescriptorResponse(files) = response else {
            panic!("{response:?}");
        };
        let files = files.file_descriptor_proto.into_iter();
        files
            .map(|file| prost_types::FileDescriptorProto::decode(file.0).unwrap())
            .map(|file| file.name().to_owned())
            .collect()
    }

    fn schema(files: &[(&str, &str)]) -> Schema {
        let folder = tempfile::tempdir().unwrap();
        for (name, text) in files {
            let text = format!("syntax = \"proto3\";\n{text}");
            std::fs::write(folder.path().join(name), text).unwrap();
        }
        let paths = files.iter().map(|(name, _)| folder.path().join(name));
        Schema::compile(paths, [folder.path()]).unwrap()
    }
}
