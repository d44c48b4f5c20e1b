//! Random messages of any type, made with prost-reflect alone.

#![allow(
    unreachable_pub,
    dead_code,
    reason = "shared by test programs that each use a part"
)]

use prost_reflect::{
    DynamicMessage, FieldDescriptor, Kind, MapKey, MessageDescriptor, Value, prost::bytes::Bytes,
};

/// SplitMix64: one number seeds it, so that a failing case is one number.
pub(crate) struct Random(pub(crate) u64);

impl Random {
    pub(crate) fn next(&mut self) -> u64 {
        self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mut z = self.0;
        z = (z ^ (z >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        z = (z ^ (z >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        z ^ (z >> 31)
    }

    pub(crate) fn below(&mut self, bound: u64) -> u64 {
        self.next() % bound
    }

    /// Small numbers, the ends of the range, and any other.
    pub(crate) fn bits(&mut self) -> u64 {
        match self.below(4) {
            0 => self.below(3),
            1 => u64::MAX - self.below(3),
            2 => i64::MIN as u64,
            _ => self.next(),
        }
    }
}

/// A message in which about half of the fields are set, down to `depth` levels.
pub(crate) fn random_message(
    descriptor: &MessageDescriptor,
    random: &mut Random,
    depth: u32,
) -> DynamicMessage {
    let mut message = DynamicMessage::new(descriptor.clone());
    match descriptor.full_name() {
        "google.protobuf.Timestamp" => {
            let seconds = random.below(250_000_000_000) as i64 - 60_000_000_000;
            set_time(&mut message, seconds, random.below(1_000_000_000) as i32);
        }
        "google.protobuf.Duration" => {
            let sign = [1, -1][random.below(2) as usize];
            let seconds = sign * random.below(300_000_000_000) as i64;
            let nanos = random.below(1_000_000_000) as i32;
            set_time(&mut message, seconds, sign as i32 * nanos);
        }
        "google.protobuf.FieldMask" => {
            let paths = ["name", "zip_code.first", "a_b"].map(|path| Value::String(path.into()));
            message.set_field_by_name("paths", Value::List(paths.to_vec()));
        }
        // What it holds must be of a known type for JSON.
        "google.protobuf.Any" => {
            let url = "type.googleapis.com/google.protobuf.Empty";
            message.set_field_by_name("type_url", Value::String(url.to_owned()));
        }
        // One kind must be set.
        "google.protobuf.Value" => {
            let field = ["null_value", "number_value", "string_value", "bool_value"];
            let field = field[random.below(4) as usize];
            let field = descriptor.get_field_by_name(field).expect("Value has it");
            let value = match field.name() {
                "null_value" => Value::EnumNumber(0),
                _ => random_value(&field.kind(), random, 0),
            };
            message.set_field(&field, value);
        }
        _ => {
            for field in descriptor.fields() {
                if random.below(2) == 0 && (depth > 0 || !is_message(&field)) {
                    message.set_field(&field, random_field(&field, random, depth));
                }
            }
        }
    }
    message
}

fn set_time(message: &mut DynamicMessage, seconds: i64, nanos: i32) {
    message.set_field_by_name("seconds", Value::I64(seconds));
    message.set_field_by_name("nanos", Value::I32(nanos));
}

fn is_message(field: &FieldDescriptor) -> bool {
    matches!(field.kind(), Kind::Message(_))
}

fn random_field(field: &FieldDescriptor, random: &mut Random, depth: u32) -> Value {
    if field.is_map() {
        let Kind::Message(entry) = field.kind() else {
            unreachable!("a map has an entry type")
        };
        let entries = (0..random.below(4)).map(|_| {
            let key = random_value(&entry.map_entry_key_field().kind(), random, 0);
            let value = random_value(&entry.map_entry_value_field().kind(), random, depth);
            (key.into_map_key().expect("a key kind"), value)
        });
        Value::Map(entries.collect::<std::collections::HashMap<MapKey, Value>>())
    } else if field.is_list() {
        let items = (0..random.below(4)).map(|_| random_value(&field.kind(), random, depth));
        Value::List(items.collect())
    } else {
        random_value(&field.kind(), random, depth)
    }
}

fn random_value(kind: &Kind, random: &mut Random, depth: u32) -> Value {
    match kind {
        Kind::Double => Value::F64(random_float(random)),
        Kind::Float => Value::F32(random_float(random) as f32),
        Kind::Int32 | Kind::Sint32 | Kind::Sfixed32 => Value::I32(random.bits() as i32),
        Kind::Int64 | Kind::Sint64 | Kind::Sfixed64 => Value::I64(random.bits() as i64),
        Kind::Uint32 | Kind::Fixed32 => Value::U32(random.bits() as u32),
        Kind::Uint64 | Kind::Fixed64 => Value::U64(random.bits()),
        Kind::Bool => Value::Bool(random.below(2) == 0),
        Kind::String => {
            let texts = [
                "",
                "a",
                "Ada \"the\" \\ first",
                "été 日本 \u{1f600}",
                "\u{0}\n",
            ];
            Value::String(texts[random.below(5) as usize].to_owned())
        }
        Kind::Bytes => {
            let len = random.below(20);
            Value::Bytes((0..len).map(|_| random.next() as u8).collect::<Bytes>())
        }
        Kind::Enum(kind) => {
            let values: Vec<_> = kind.values().collect();
            let value = &values[random.below(values.len() as u64) as usize];
            Value::EnumNumber(value.number())
        }
        Kind::Message(kind) => {
            Value::Message(random_message(kind, random, depth.saturating_sub(1)))
        }
    }
}

/// No NaN: it is not equal to itself.
fn random_float(random: &mut Random) -> f64 {
    match random.below(4) {
        0 => 0.0,
        1 => -1.5,
        2 => random.next() as u32 as f64,
        // Not the largest float: prost-reflect writes it to JSON and does not read it.
        _ => 1.5e38,
    }
}
