//! How the end of a call that failed is told: the form is grpcurl's, so that scripts which read it
//! read ours.

use std::fmt::Write as _;

use base64::{Engine, prelude::BASE64_STANDARD};
use reflectd::{Code, Message, Schema, Status};
use serde_json::json;

use super::report::Style;

/// The block that people read.
pub(super) fn block(status: &Status, schema: &Schema, style: Style) -> String {
    let mut text = format!(
        "ERROR:\n  Code: {}\n  Message: {}\n",
        name(status.code()),
        status.message()
    );
    if status.details().len() > 0 {
        text += "  Details:\n";
    }
    for (index, (url, value)) in status.details().enumerate() {
        let detail = detail(url, value, schema, style);
        let number = format!("  {})", index + 1);
        let blank = " ".repeat(number.len());
        for (line, text_of_line) in detail.split('\n').enumerate() {
            let before = match line {
                0 => &number,
                _ => &blank,
            };
            // Writing to a String does not fail.
            let _ = writeln!(text, "{before}\t{text_of_line}");
        }
    }
    text
}

/// The status as a message, `google.rpc.Status`.
pub(super) fn formatted(status: &Status, schema: &Schema, style: Style) -> String {
    let code = status.code().number();
    if !style.is_json() {
        let mut text = format!("code: {code}\nmessage: {:?}\n", status.message());
        for (url, value) in status.details() {
            let detail = detail(url, value, schema, style).replace('\n', "\n  ");
            let _ = writeln!(text, "details {{\n  {detail}\n}}");
        }
        return text;
    }
    let mut text = format!("{{\n  \"code\": {code}");
    if !status.message().is_empty() {
        let _ = write!(text, ",\n  \"message\": {}", json!(status.message()));
    }
    if status.details().len() > 0 {
        let details: Vec<String> = status
            .details()
            .map(|(url, value)| detail(url, value, schema, style).replace('\n', "\n    "))
            .collect();
        let _ = write!(
            text,
            ",\n  \"details\": [\n    {}\n  ]",
            details.join(",\n    ")
        );
    }
    text + "\n}\n"
}

/// A detail, as `google.protobuf.Any` is written; one whose type nobody knows with its bytes.
fn detail(url: &str, value: &[u8], schema: &Schema, style: Style) -> String {
    let name = url.rsplit('/').next().unwrap_or_default();
    let known = schema
        .message(name)
        .or_else(|| Schema::built_in().message(name));
    let Some(known) = known else {
        let why = format!("{name} is not recognized; see @value for raw binary message data");
        return unknown(url, value, &why);
    };
    let written = Message::decode(&known, value.to_vec())
        .map_err(|error| error.to_string())
        .and_then(|message| style.write(&message));
    match written {
        Ok(text) if style.is_json() => any(url, name, &text),
        Ok(text) => format!("[{url}] {{\n  {}\n}}", text.replace('\n', "\n  ")),
        Err(error) => unknown(url, value, &error),
    }
}

/// The JSON of an `Any`: `@type` is one more member, unless the message has a form of its own
/// (<https://protobuf.dev/programming-guides/json/>).
fn any(url: &str, name: &str, json: &str) -> String {
    let kind = format!("{{\n  \"@type\": {}", json!(url));
    let has_own_form = name.starts_with("google.protobuf.") && name != "google.protobuf.Empty";
    match json.strip_prefix('{').filter(|_| !has_own_form) {
        Some("}") => format!("{kind}\n}}"),
        Some(members) => format!("{kind},{members}"),
        None => format!("{kind},\n  \"value\": {}\n}}", json.replace('\n', "\n  ")),
    }
}

fn unknown(url: &str, value: &[u8], why: &str) -> String {
    let value = BASE64_STANDARD.encode(value);
    let (url, value, why) = (json!(url), json!(value), json!(why));
    format!("{{\n  \"@error\": {why},\n  \"@type\": {url},\n  \"@value\": {value}\n}}")
}

/// As grpc-go spells it, `NotFound`; its `Canceled` has one l.
fn name(code: Code) -> String {
    match code {
        Code::Cancelled => "Canceled".to_owned(),
        Code::Ok => "OK".to_owned(),
        other => format!("{other:?}"),
    }
}
