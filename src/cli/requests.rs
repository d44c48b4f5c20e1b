//! Where requests come from: an argument, fields, a file, standard input.

use std::{
    cell::Cell,
    fs::File,
    io::{self, BufRead, BufReader, Cursor, Read},
    path::Path,
    rc::Rc,
    thread,
};

use reflectd::{
    Message, limits,
    message::JsonOptions,
    schema::{MessageType, Method},
};
use serde_json::value::RawValue;
use tokio::sync::mpsc::{self, Receiver, Sender};

use super::{arguments::Format, failure::Failure, shorthand};

/// Requests as they come. They are read on a thread of their own: standard input cannot be waited for
/// in any other way.
pub(super) struct Requests {
    incoming: Receiver<Result<Message, String>>,
}

/// What requests are made of.
#[derive(Clone, Copy, Debug)]
pub(super) struct Data<'a> {
    /// In place of `data`.
    pub(super) fields: &'a [String],
    /// JSON or text, `@` for standard input, `@FILE`.
    pub(super) data: Option<&'a str>,
    pub(super) format: Format,
    pub(super) ignore_unknown: bool,
    /// Whether the elements of a JSON array are requests.
    pub(super) splits_arrays: bool,
}

type Input = Box<dyn Read + Send>;

impl Requests {
    /// Those that were typed.
    ///
    /// # Errors
    /// Fields that make no sense, a file that cannot be read.
    pub(super) fn of(data: &Data<'_>, method: &Method) -> Result<Self, Failure> {
        let options = JsonOptions::new().ignore_unknown(data.ignore_unknown);
        let (outgoing, incoming) = mpsc::channel(1);
        if !data.fields.is_empty() {
            let request = shorthand::message(method.input(), data.fields, &options);
            // There is room for one.
            let _ = outgoing.try_send(Ok(request.map_err(Failure::usage)?));
            return Ok(Self { incoming });
        }
        let input = open(data.data.unwrap_or_default())?;
        let format = data.format;
        let reader = Reader {
            of: method.input().clone(),
            options,
            splits_arrays: data.splits_arrays && !is_array(method.input()),
            text_bytes_max: limits::REQUEST_TEXT_BYTES,
            outgoing,
        };
        thread::Builder::new()
            .name("requests".to_owned())
            .stack_size(THREAD_STACK_BYTES)
            .spawn(move || match format {
                Format::Json => reader.json(input),
                Format::Text => reader.text(BufReader::new(input)),
            })
            .map_err(|error| Failure::new(format!("cannot start a thread: {error}")))?;
        Ok(Self { incoming })
    }

    /// Waits for the next one.
    ///
    /// # Errors
    /// If it is none of the method's type.
    pub(super) async fn next(&mut self) -> Result<Option<Message>, Failure> {
        match self.incoming.recv().await {
            Some(request) => request.map(Some).map_err(Failure::new),
            None => Ok(None),
        }
    }

    /// The one there is, or an empty one.
    ///
    /// # Errors
    /// As for [`next`](Self::next), and if there are more.
    pub(super) async fn only(&mut self, of: &MessageType) -> Result<Message, Failure> {
        let Some(only) = self.next().await? else {
            return Ok(Message::new(of));
        };
        match self.next().await? {
            None => Ok(only),
            Some(_) => Err(Failure::new(
                "the method takes one request, and there is more than one in the data",
            )),
        }
    }
}

struct Reader {
    of: MessageType,
    options: JsonOptions,
    splits_arrays: bool,
    text_bytes_max: usize,
    outgoing: Sender<Result<Message, String>>,
}

impl Reader {
    /// JSON values, one after another, white space between them or not.
    fn json(&self, input: Input) {
        let left = Rc::new(Cell::new(self.text_bytes_max));
        let input = Metered {
            input: BufReader::new(input),
            left: Rc::clone(&left),
            max: self.text_bytes_max,
        };
        let values = serde_json::Deserializer::from_reader(input);
        let values = values.into_iter::<Box<RawValue>>();
        // Each value has all of it.
        let values = values.inspect(|_| left.set(self.text_bytes_max));
        let values = values.flat_map(|value| self.elements(value));
        for (index, value) in values.enumerate() {
            let request = match value {
                Ok(value) => Message::from_json_with(&self.of, value.get(), &self.options)
                    .map_err(|error| numbered(index, &error.to_string())),
                Err(error) if error.is_io() => Err(numbered(index, &error.to_string())),
                Err(error) => Err(numbered(index, &no_json(&error))),
            };
            if !self.pass(request) {
                return;
            }
        }
    }

    /// What one value of the data is: a request, or an array of them.
    fn elements(
        &self,
        value: serde_json::Result<Box<RawValue>>,
    ) -> Vec<serde_json::Result<Box<RawValue>>> {
        match value {
            Ok(value) if self.splits_arrays && value.get().starts_with('[') => {
                match serde_json::from_str::<Vec<Box<RawValue>>>(value.get()) {
                    Ok(elements) => elements.into_iter().map(Ok).collect(),
                    Err(error) => vec![Err(error)],
                }
            }
            value => vec![value],
        }
    }

    /// Messages in the text format, the separator between them.
    fn text(&self, mut input: impl BufRead) {
        for index in 0.. {
            let mut text = Vec::new();
            // A byte more tells what is too long.
            let mut some = (&mut input).take(self.text_bytes_max as u64 + 1);
            let request = match some.read_until(SEPARATOR, &mut text) {
                Ok(0) => return,
                Ok(bytes) if bytes > self.text_bytes_max => {
                    Err(numbered(index, &too_long(self.text_bytes_max)))
                }
                Ok(_) => self
                    .text_message(text)
                    .map_err(|error| numbered(index, &error)),
                Err(error) => Err(numbered(index, &error.to_string())),
            };
            if !self.pass(request) {
                return;
            }
        }
    }

    fn text_message(&self, mut text: Vec<u8>) -> Result<Message, String> {
        if text.last() == Some(&SEPARATOR) {
            text.pop();
        }
        let text = String::from_utf8(text).map_err(|error| error.to_string())?;
        Message::from_text(&self.of, &text).map_err(|error| error.to_string())
    }

    /// Whether to go on.
    fn pass(&self, request: Result<Message, String>) -> bool {
        let is_good = request.is_ok();
        self.outgoing.blocking_send(request).is_ok() && is_good
    }
}

/// Input of which one value may take so much: it is held in memory.
struct Metered<Input> {
    input: Input,
    left: Rc<Cell<usize>>,
    max: usize,
}

impl<Input: Read> Read for Metered<Input> {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        let left = self.left.get();
        if left == 0 {
            return Err(io::Error::other(too_long(self.max)));
        }
        let room = buffer.len().min(left);
        let read = self.input.read(&mut buffer[..room])?;
        self.left.set(left - read);
        Ok(read)
    }
}

fn too_long(bytes_max: usize) -> String {
    format!("its text is longer than {bytes_max} bytes, which is the most that is read")
}

/// Whether a message itself is an array in JSON.
fn is_array(of: &MessageType) -> bool {
    ["google.protobuf.ListValue", "google.protobuf.Value"].contains(&of.full_name())
}

fn numbered(index: usize, error: &str) -> String {
    format!("request {}: {error}", index + 1)
}

/// What JavaScript and YAML allow and JSON does not is told in words.
fn no_json(error: &serde_json::Error) -> String {
    let what = error.to_string();
    let hint = match what.starts_with("key must be a string") || what.starts_with("trailing comma")
    {
        true => "; names stand in double quotes, and no comma before } or ]",
        false => "",
    };
    format!("the data is no JSON: {what}{hint}")
}

fn open(data: &str) -> Result<Input, Failure> {
    match data.strip_prefix('@') {
        None if data.contains(['.', '/']) && Path::new(data).is_file() => Err(Failure::usage(
            format!("{data:?} is a file here, and no JSON: say @{data} to have it read"),
        )),
        None => Ok(literal(data)),
        // `@-` is how curl's users write it.
        Some("" | "-") => Ok(Box::new(io::stdin())),
        Some(path) => match File::open(path) {
            Ok(file) => Ok(Box::new(file)),
            Err(error) => Err(Failure::new(format!(
                "cannot open the data {path}: {error}"
            ))),
        },
    }
}

fn literal(data: &str) -> Input {
    Box::new(Cursor::new(data.to_owned().into_bytes()))
}

/// Between messages in the text format: ASCII's record separator, as grpcurl has it.
pub(super) const SEPARATOR: u8 = 0x1e;

/// Messages may nest 100 deep, and reading one in a debug build takes more than the usual 2 MiB.
const THREAD_STACK_BYTES: usize = 8 * 1024 * 1024;

#[cfg(test)]
mod tests {
    use reflectd::Schema;

    use super::*;

    /// What becomes of some data where a request may have eight bytes of text.
    fn read(data: &'static str, format: Format) -> Vec<Result<Message, String>> {
        let schema = Schema::built_in();
        let (outgoing, mut incoming) = mpsc::channel(10);
        let reader = Reader {
            of: schema.message("google.protobuf.Empty").unwrap(),
            options: JsonOptions::new(),
            splits_arrays: true,
            text_bytes_max: 8,
            outgoing,
        };
        match format {
            Format::Json => reader.json(literal(data)),
            Format::Text => reader.text(BufReader::new(literal(data))),
        }
        drop(reader);
        std::iter::from_fn(|| incoming.blocking_recv()).collect()
    }

    #[test]
    fn the_text_of_one_request_has_an_end() {
        for (data, format) in [
            ("{} {}    {}\n {} {\"aaaaaaaaaa", Format::Json),
            ("\x1e \x1e   \x1e       \x1e          ", Format::Text),
        ] {
            let requests = read(data, format);
            let (last, good) = requests.split_last().unwrap();
            assert_eq!(good.len(), 4);
            assert!(good.iter().all(Result::is_ok), "{good:?}");
            let error = last.as_ref().unwrap_err();
            assert!(
                error.starts_with("request 5: its text is longer"),
                "{error}"
            );
        }
    }
}
