//! One stream of questions, in the first version of the service that the server has.

use std::time::Duration;

use bytes::Bytes;
use tokio::time::{Instant, timeout};

use super::messages::{Answer, Question, Request, Response};
use crate::{
    Error, Schema,
    client::{Channel, Client, Requests, Responses},
    grpc::{Code, Metadata, Status},
    limits,
};

pub(super) struct Conversation {
    client: Client,
    metadata: Metadata,
    answer_timeout: Duration,
    deadline: Option<Instant>,
    stream: Option<Stream>,
    questions: usize,
}

type Stream = (Requests<Request>, Responses<Response>);

impl Conversation {
    pub(super) fn new(
        channel: &Channel,
        metadata: Metadata,
        answer_timeout: Duration,
        deadline: Option<Instant>,
    ) -> Self {
        Self {
            client: Client::new(channel.clone(), Schema::bundled(&PROTOS)),
            metadata,
            answer_timeout,
            deadline,
            stream: None,
            questions: 0,
        }
    }

    /// The services that the server lists, sorted.
    pub(super) async fn services(&mut self) -> Result<Vec<String>, Error> {
        match self.ask(Question::ListServices("*".to_owned())).await? {
            Answer::ListServicesResponse(services) => {
                let mut names: Vec<String> = services
                    .service
                    .into_iter()
                    .map(|listed| listed.name)
                    .collect();
                names.sort();
                names.dedup();
                Ok(names)
            }
            other => {
                let what = "the server's reflection service does not list its services";
                Err(Error::reflection(what, refusal(other)))
            }
        }
    }

    /// Files, or why the server does not tell.
    pub(super) async fn files(
        &mut self,
        question: Question,
    ) -> Result<Result<Vec<Bytes>, Status>, Error> {
        Ok(match self.ask(question).await? {
            Answer::FileDescriptorResponse(files) => {
                let files = files.file_descriptor_proto.into_iter();
                Ok(files.map(|file| file.0).collect())
            }
            other => Err(refusal(other)),
        })
    }

    /// Asks one question.
    ///
    /// # Errors
    /// If the server does not answer at all, or not in time.
    pub(super) async fn ask(&mut self, question: Question) -> Result<Answer, Error> {
        self.questions += 1;
        if self.questions > limits::CLIENT_REFLECTION_QUESTIONS_MAX {
            let message = format!(
                "it takes more than {} questions to learn what the server has; name the services \
                 that are wanted",
                limits::CLIENT_REFLECTION_QUESTIONS_MAX
            );
            return Err(failed(Status::resource_exhausted(message)));
        }
        let request = Request {
            message_request: question,
        };
        let answer = timeout(self.answer_timeout, self.answer(request)).await;
        answer.unwrap_or_else(|_| {
            // Nor would it answer to the end of the call.
            self.stream = None;
            Err(unanswered(self.answer_timeout))
        })
    }

    async fn answer(&mut self, request: Request) -> Result<Answer, Error> {
        let Some(stream) = &mut self.stream else {
            return self.open(&request).await;
        };
        exchange(stream, request).await.map_err(failed)
    }

    /// Ends the call in order: one that is only left is logged by servers as given up.
    pub(super) async fn end(self) {
        if let Some((requests, mut responses)) = self.stream {
            requests.close();
            let ended = async { while let Ok(Some(_)) = responses.message().await {} };
            // Who does not end it in time is left.
            let _ = timeout(limits::CLIENT_REFLECTION_END_TIMEOUT, ended).await;
        }
    }

    /// Asks the first question: whether a version is there, its answer tells.
    async fn open(&mut self, request: &Request) -> Result<Answer, Error> {
        for path in PATHS {
            let mut stream = self.stream(path).await.map_err(failed)?;
            match exchange(&mut stream, request.clone()).await {
                Ok(answer) => {
                    self.stream = Some(stream);
                    return Ok(answer);
                }
                Err(status) if status.code() == Code::Unimplemented => {}
                Err(status) => return Err(failed(status)),
            }
        }
        Err(Error::reflection(
            "the server does not tell what its services look like; name their .proto files (--proto) \
             or a descriptor set (--protoset)",
            Status::unimplemented("it has neither grpc.reflection.v1 nor v1alpha"),
        ))
    }

    async fn stream(&self, path: &str) -> Result<Stream, Status> {
        let mut call = self.client.call(path).metadata(self.metadata.clone());
        if let Some(deadline) = self.deadline {
            call = call.timeout(deadline.saturating_duration_since(Instant::now()));
        }
        call.bidi().await
    }
}

async fn exchange(stream: &mut Stream, request: Request) -> Result<Answer, Status> {
    let (requests, responses) = stream;
    // That the call has ended already, its replies tell better.
    let _ = requests.send(request).await;
    match responses.message().await? {
        Some(response) => response
            .message_response
            .ok_or_else(|| Status::internal("the server's answer is empty")),
        None => Err(Status::internal(
            "the server ended the call instead of answering",
        )),
    }
}

fn failed(status: Status) -> Error {
    let what = "asking the server what its services look like failed";
    let hint = match status.code() {
        Code::Unauthenticated | Code::PermissionDenied => {
            "; reflection may want metadata (--reflect-header), or name the .proto files (--proto)"
        }
        _ => "",
    };
    Error::reflection(format!("{what}{hint}"), status)
}

fn unanswered(time: Duration) -> Error {
    Error::reflection(
        "the server does not tell what its services look like; wait longer (--reflect-timeout), or \
         name their .proto files (--proto)",
        Status::deadline_exceeded(format!("it has not answered in {time:?}")),
    )
}

/// The status of an answer that is none.
fn refusal(answer: Answer) -> Status {
    match answer {
        Answer::ErrorResponse(refusal) => {
            let code = u32::try_from(refusal.error_code).map_or(Code::Unknown, Code::from_number);
            Status::new(code, refusal.error_message)
        }
        _ => Status::internal("the server answered another question"),
    }
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
