//! Messages decoded, read, encoded, and as JSON: by generated code (prost), by prost-reflect, and by
//! `Message`.
//!
//! `cargo bench --bench codec` prints a table; `-- --json` one line of JSON for each row, `-- --markdown`
//! what the README shows; and a word after that only the cases or operations of that name. All use mimalloc, through a counter that
//! costs each allocation about a nanosecond. A time is the median of nine batches of 30 ms, taken in
//! turns, on one processor if that can be had.
//!
//! What is measured:
//! - `read`: decode, and read every field of every sub-message once; the sums that come out are equal
//! - `decode`: decode alone, and drop what came out
//! - `encode`: a message that was built, into a buffer that is used again
//! - `fresh`: the same into a buffer of its own
//! - `again`: a message that was received and left as it is, into a buffer that is used again
//! - `get`: every number of the lists of a message that was decoded, by its index
//! - `json_write`, `json_read`: prost has none
#![allow(
    clippy::unwrap_used,
    clippy::print_stdout,
    reason = "it prints, and may panic"
)]

#[path = "codec/generated.rs"]
mod generated;
#[path = "codec/measure.rs"]
mod measure;
#[path = "codec/read.rs"]
mod read;

use std::{cell::RefCell, env};

use alloc_counter::AllocCounter;
use bytes::Bytes;
use measure::{Cost, Way, measure};
use mimalloc::MiMalloc;
use prost_reflect::{DynamicMessage, prost::Message as _};
use read::{Read as _, Sum, sum_reflected};
use reflectd::{
    Message, Schema,
    message::{MessageRef, Value, ValueRef},
    schema::MessageType,
};

#[global_allocator]
static ALLOCATOR: AllocCounter<MiMalloc> = AllocCounter(MiMalloc);

fn main() {
    pin();
    let typed: Vec<String> = env::args()
        .skip(1)
        .filter(|word| word != "--bench")
        .collect();
    let form = match typed.iter().find(|word| word.starts_with("--")) {
        Some(word) if word == "--json" => Form::Json,
        Some(word) if word == "--markdown" => Form::Markdown,
        _ => Form::Table,
    };
    let words = typed.iter().map(String::as_str);
    let only: Vec<&str> = words.filter(|word| !word.starts_with("--")).collect();
    let schema = Schema::compile(["benches/codec/codec.proto"], ["benches/codec"]).unwrap();
    let rows = Rows { form, only };
    rows.heading();
    rows.case(
        "user",
        &schema.message("codec.User").unwrap(),
        &generated::user(),
    );
    rows.case(
        "batch",
        &schema.message("codec.Batch").unwrap(),
        &generated::batch(),
    );
    rows.case(
        "numbers",
        &schema.message("codec.Numbers").unwrap(),
        &generated::numbers(),
    );
}

struct Rows<'a> {
    form: Form,
    only: Vec<&'a str>,
}

/// How rows are printed.
#[derive(Clone, Copy, PartialEq)]
enum Form {
    Table,
    /// One line of JSON a row.
    Json,
    /// What the README shows.
    Markdown,
}

impl Rows<'_> {
    fn heading(&self) {
        match self.form {
            Form::Json => {}
            Form::Table => println!(
                "{:8} {:>9} {:10} {:>20} {:>20} {:>20}  ours/prost  ours/prost-reflect",
                "case", "bytes", "op", "prost", "prost-reflect", "ours"
            ),
            Form::Markdown => println!(
                "{}\n\n| case | bytes | op | prost, generated | prost-reflect | reflectd | to prost | to \
                 prost-reflect |\n|---|---:|---|---:|---:|---:|---:|---:|",
                machine()
            ),
        }
    }

    fn case<M: prost::Message + Default + Sum>(&self, name: &str, ty: &MessageType, generated: &M) {
        let case = Case::new(ty, generated);
        for (op, mut ways) in case.operations() {
            if self.only.is_empty() || self.only.contains(&name) || self.only.contains(&op) {
                self.row(name, case.wire.len(), op, &measure(&mut ways));
            }
        }
    }

    fn row(&self, case: &str, bytes: usize, op: &str, costs: &[Cost]) {
        if self.form == Form::Json {
            for Cost {
                who,
                ns,
                allocations,
            } in costs
            {
                println!(
                    r#"{{"case":"{case}","bytes":{bytes},"op":"{op}","who":"{who}","ns":{ns:.1},"allocations":{allocations}}}"#
                );
            }
            return;
        }
        let of = |who| costs.iter().find(|cost| cost.who == who);
        let cell = |who| {
            of(who).map_or_else(String::new, |cost| {
                format!("{:.1} ns, {}", cost.ns, cost.allocations)
            })
        };
        let ratio = |who| {
            let (other, ours) = (of(who)?, of(OURS)?);
            Some(format!("{:.2}", ours.ns / other.ns))
        };
        let cells = [PROST, PROST_REFLECT, OURS].map(cell);
        let ratios = [PROST, PROST_REFLECT].map(|who| ratio(who).unwrap_or_default());
        let ([prost, reflected, ours], [to_prost, to_reflected]) = (cells, ratios);
        match self.form {
            Form::Markdown => println!(
                "| {case} | {bytes} | {op} | {prost} | {reflected} | {ours} | {to_prost} | {to_reflected} |"
            ),
            _ => println!(
                "{case:8} {bytes:>9} {op:10} {prost:>20} {reflected:>20} {ours:>20}  {to_prost:>10}  \
                 {to_reflected:>18}"
            ),
        }
    }
}

/// The processor and the day.
fn machine() -> String {
    let information = std::fs::read_to_string("/proc/cpuinfo").unwrap_or_default();
    let model = information
        .lines()
        .find(|line| line.starts_with("model name"));
    let model = model.and_then(|line| line.split_once(": "));
    let model = model.map_or("an unknown processor", |(_, model)| model);
    let day = std::process::Command::new("date").arg("+%Y-%m-%d").output();
    let day = day.map(|day| String::from_utf8_lossy(&day.stdout).trim().to_owned());
    format!("{model}, {}.", day.unwrap_or_default())
}

/// One message in all its forms.
struct Case<'a, M: Sum> {
    ty: &'a MessageType,
    wire: Bytes,
    generated: &'a M,
    reflected: DynamicMessage,
    received: Message,
    built: Message,
    reader: M::Read,
    json: String,
    buffer: RefCell<Vec<u8>>,
}

impl<'a, M: prost::Message + Default + Sum> Case<'a, M> {
    fn new(ty: &'a MessageType, generated: &'a M) -> Self {
        let wire = Bytes::from(generated.encode_to_vec());
        let received = Message::decode(ty, wire.clone()).unwrap();
        let case = Self {
            ty,
            generated,
            reflected: DynamicMessage::decode(ty.descriptor().clone(), wire.clone()).unwrap(),
            built: built(received.as_ref()),
            reader: M::Read::new(ty),
            json: received.to_json().unwrap(),
            buffer: RefCell::new(Vec::with_capacity(2 * wire.len())),
            received,
            wire,
        };
        case.check();
        case
    }

    /// All are the same message, and all of it is read.
    fn check(&self) {
        let sum = self.generated.sum();
        assert_eq!(self.sum(&self.received), sum);
        assert_eq!(self.sum(&self.built), sum);
        assert_eq!(sum_reflected(&self.reflected), sum);
        if let Some(by_index) = self.reader.sum_by_index(self.received.as_ref()) {
            assert_eq!(by_index, sum);
        }
        for encoded in [self.built.encode_to_vec(), self.received.encode_to_vec()] {
            assert_eq!(M::decode(&encoded[..]).unwrap().sum(), sum);
            assert_eq!(encoded.len(), self.wire.len());
        }
        let read = Message::from_json(self.ty, &self.json).unwrap();
        assert_eq!(self.sum(&read), sum);
    }

    fn operations(&self) -> Vec<(&'static str, Vec<Way<'_>>)> {
        let mut operations = vec![
            ("read", self.read()),
            ("decode", self.decode()),
            ("encode", self.encode(&self.built)),
            ("fresh", self.fresh()),
            ("again", self.encode(&self.received)),
            ("json_write", self.json_write()),
            ("json_read", self.json_read()),
        ];
        let by_index = self.reader.sum_by_index(self.received.as_ref());
        if by_index.is_some() {
            operations.push(("get", self.get()));
        }
        operations
    }

    fn sum(&self, message: &Message) -> u64 {
        self.reader.sum(message.as_ref()).unwrap()
    }

    fn read(&self) -> Vec<Way<'_>> {
        vec![
            way(PROST, || M::decode(&self.wire[..]).unwrap().sum()),
            way(PROST_REFLECT, || sum_reflected(&self.decode_reflected())),
            way(OURS, || self.sum(&self.decode_ours())),
        ]
    }

    fn get(&self) -> Vec<Way<'_>> {
        vec![
            way(PROST, || self.generated.sum()),
            way(OURS, || {
                self.reader.sum_by_index(self.received.as_ref()).unwrap()
            }),
        ]
    }

    fn decode(&self) -> Vec<Way<'_>> {
        vec![
            way(PROST, || kept(&M::decode(&self.wire[..]).unwrap())),
            way(PROST_REFLECT, || kept(&self.decode_reflected())),
            way(OURS, || kept(&self.decode_ours())),
        ]
    }

    fn encode<'b>(&'b self, ours: &'b Message) -> Vec<Way<'b>> {
        vec![
            way(PROST, || {
                self.reused(|buffer| self.generated.encode(buffer).unwrap())
            }),
            way(PROST_REFLECT, || {
                self.reused(|buffer| self.reflected.encode(buffer).unwrap())
            }),
            way(OURS, move || {
                self.reused(|buffer| ours.encode(buffer).unwrap())
            }),
        ]
    }

    fn fresh(&self) -> Vec<Way<'_>> {
        vec![
            way(PROST, || kept(&self.generated.encode_to_vec())),
            way(PROST_REFLECT, || kept(&self.reflected.encode_to_vec())),
            way(OURS, || kept(&self.built.encode_to_vec())),
        ]
    }

    fn json_write(&self) -> Vec<Way<'_>> {
        vec![
            way(PROST_REFLECT, || {
                kept(&serde_json::to_string(&self.reflected).unwrap())
            }),
            way(OURS, || kept(&self.received.to_json().unwrap())),
        ]
    }

    fn json_read(&self) -> Vec<Way<'_>> {
        let reflected = || {
            let mut json = serde_json::Deserializer::from_str(&self.json);
            DynamicMessage::deserialize(self.ty.descriptor().clone(), &mut json).unwrap()
        };
        vec![
            way(PROST_REFLECT, move || kept(&reflected())),
            way(OURS, || {
                kept(&Message::from_json(self.ty, &self.json).unwrap())
            }),
        ]
    }

    fn decode_reflected(&self) -> DynamicMessage {
        DynamicMessage::decode(self.ty.descriptor().clone(), self.wire.clone()).unwrap()
    }

    fn decode_ours(&self) -> Message {
        Message::decode(self.ty, self.wire.clone()).unwrap()
    }

    fn reused(&self, encode: impl FnOnce(&mut Vec<u8>)) -> u64 {
        let mut buffer = self.buffer.borrow_mut();
        buffer.clear();
        encode(&mut buffer);
        kept(&*buffer)
    }
}

fn way<'a>(who: &'static str, way: impl FnMut() -> u64 + 'a) -> Way<'a> {
    (who, Box::new(way))
}

/// Something that could not be there without the work.
fn kept<T>(made: &T) -> u64 {
    std::hint::black_box(made);
    0
}

/// The same message, made with setters: none of it is bytes that came from outside.
fn built(received: MessageRef<'_>) -> Message {
    let mut message = Message::new(received.message_type());
    for (field, value) in received.fields() {
        message.set(field, built_value(value)).unwrap();
    }
    message
}

fn built_value(value: ValueRef<'_>) -> Value {
    match value {
        ValueRef::Message(message) => built(message).into(),
        ValueRef::List(items) => items.iter().map(built_value).collect::<Vec<_>>().into(),
        value => value.to_owned(),
    }
}

/// To the last processor that it may use: the first has the interrupts.
fn pin() {
    #[cfg(target_os = "linux")]
    {
        use rustix::thread::{CpuSet, sched_getaffinity, sched_setaffinity};
        let Ok(all) = sched_getaffinity(None) else {
            return;
        };
        let Some(last) = (0..CpuSet::MAX_CPU).rfind(|cpu| all.is_set(*cpu)) else {
            return;
        };
        let mut one = CpuSet::new();
        one.set(last);
        // Where it may not, the times are only less steady.
        let _ = sched_setaffinity(None, &one);
    }
}

const PROST: &str = "prost";
const PROST_REFLECT: &str = "prost-reflect";
const OURS: &str = "ours";
