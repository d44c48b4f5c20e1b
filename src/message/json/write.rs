//! Writing: a walk over a message.

use std::iter::Peekable;

use bytes::Bytes;

use super::{JsonOptions, TooDeep, text::Text};
use crate::{
    limits::MESSAGE_NESTING_MAX,
    message::{
        ListRef, MapKeyRef, MapRef, Message, MessageRef, ValueRef,
        path::{Path, Segment},
        serde::text_of_well_known,
    },
    schema::{
        MessageType,
        layout::{Cardinality, FieldLayout, FieldType, JsonForm, Tables},
    },
};

/// A message, as what its type is in JSON.
///
/// # Errors
/// What JSON cannot say, and where it is.
pub(super) fn write(
    message: MessageRef<'_>,
    options: &JsonOptions,
) -> Result<String, (Path, String)> {
    let (start, end) = message.range();
    let mut writer = Writer {
        text: Text::with_capacity(64 + 2 * (end - start), options.pretty),
        options,
        levels: MESSAGE_NESTING_MAX,
        path: Path::default(),
    };
    let written = writer.message(message).and_then(|()| {
        let text = std::mem::replace(&mut writer.text, Text::with_capacity(0, false));
        String::from_utf8(text.into_bytes()).map_err(|error| error.to_string().into())
    });
    written.map_err(|why| (writer.path, why.into()))
}

struct Writer<'o> {
    text: Text,
    options: &'o JsonOptions,
    /// How many messages may still lie inside each other.
    levels: usize,
    /// To what cannot be written.
    path: Path,
}

/// Or why it cannot be written. Two words, which are returned in registers.
type Written = Result<(), Box<str>>;

impl Writer<'_> {
    fn message(&mut self, message: MessageRef<'_>) -> Written {
        match message.layout.json_form {
            JsonForm::Object | JsonForm::Empty => {
                self.text.open(b'{');
                self.fields(message)?;
                self.text.close(b'}');
            }
            JsonForm::Any => self.any(message)?,
            JsonForm::Text => match text_of_well_known(message).map_err(|why| why.to_string())? {
                Some(text) => self.text.string(&text),
                None => self.text.raw("null"),
            },
            JsonForm::Wrapper | JsonForm::Struct | JsonForm::ListValue => {
                match message.layout.by_number(1) {
                    Some((slot, field)) => self.value(message.value(slot), field, message)?,
                    None => self.text.raw("null"),
                }
            }
            JsonForm::Value => self.anything(message)?,
        }
        Ok(())
    }

    fn fields(&mut self, message: MessageRef<'_>) -> Written {
        match self.options.defaults {
            true => self.fields_and_defaults(message, message.set_values().peekable()),
            false => message.try_each_set(|slot, value| self.field(message, slot, value)),
        }
    }

    fn fields_and_defaults<'a>(
        &mut self,
        message: MessageRef<'a>,
        mut set: Peekable<impl Iterator<Item = (u16, ValueRef<'a>)>>,
    ) -> Written {
        let layout = message.layout;
        let unset = message.empty(layout.index);
        for (slot, field) in layout.slots() {
            if let Some((_, value)) = set.next_if(|(next, _)| *next == slot) {
                self.field(message, slot, value)?;
            } else if has_default_to_show(field) && !layout.info(slot).is_extension() {
                self.field(message, slot, unset.value(slot))?;
            }
        }
        Ok(())
    }

    #[inline]
    fn field(&mut self, message: MessageRef<'_>, slot: u16, value: ValueRef<'_>) -> Written {
        let info = message.layout.info(slot);
        match self.options.proto_names && !info.is_extension() {
            true => self.text.name(&info.name),
            false => self.text.written_name(&info.json_key),
        }
        let written = self.value(value, message.layout.field(slot), message);
        written.inspect_err(|_| self.path.push(Segment::field(&info.json_name)))
    }

    /// The message inside, with its type; as `value` if it has a JSON of its own.
    fn any(&mut self, message: MessageRef<'_>) -> Written {
        let slot = |number| message.layout.by_number(number).map(|(slot, _)| slot);
        let url = slot(1).map_or("", |slot| message.text(slot));
        let encoded = slot(2).map(|slot| message.shared_bytes(slot));
        let encoded = encoded.unwrap_or_default();
        self.text.open(b'{');
        if !url.is_empty() || !encoded.is_empty() {
            let payload = payload(message, url, encoded)?;
            self.text.name("@type");
            self.text.string(url);
            self.below(|writer| match payload.as_ref() {
                inner if inner.layout.json_form == JsonForm::Object => writer.fields(inner),
                inner => {
                    writer.text.name("value");
                    writer.message(inner)
                }
            })?;
        }
        self.text.close(b'}');
        Ok(())
    }

    /// A google.protobuf.Value: whichever member of its oneof is set.
    fn anything(&mut self, message: MessageRef<'_>) -> Written {
        let Some((slot, value)) = message.set_values().next() else {
            self.text.raw("null");
            return Ok(());
        };
        match value {
            ValueRef::F64(number) if !number.is_finite() => {
                let why =
                    format!("a google.protobuf.Value holds {number}, which is no number of JSON");
                Err(why.into())
            }
            value => self.value(value, message.layout.field(slot), message),
        }
    }

    /// What lies one message deeper.
    fn below(&mut self, write: impl FnOnce(&mut Self) -> Written) -> Written {
        let Some(levels) = self.levels.checked_sub(1) else {
            return Err(TooDeep.to_string().into());
        };
        self.levels = levels;
        write(self)?;
        self.levels = levels + 1;
        Ok(())
    }

    /// A value of a field, or an element of it. `of` is the message that it is in.
    fn value(&mut self, value: ValueRef<'_>, field: &FieldLayout, of: MessageRef<'_>) -> Written {
        match value {
            ValueRef::Str(value) => self.text.string(value),
            ValueRef::Bytes(value) => self.text.base64(value),
            ValueRef::Message(message) => return self.below(|writer| writer.message(message)),
            ValueRef::List(list) => return self.elements(list),
            ValueRef::Map(map) => return self.entries(map),
            ValueRef::Enum(number) => self.enum_value(number, field, of.tables()),
            number => self.number(number),
        }
        Ok(())
    }

    #[inline(always)]
    fn number(&mut self, value: ValueRef<'_>) {
        match value {
            ValueRef::I32(value) => self.text.raw(itoa::Buffer::new().format(value)),
            ValueRef::U32(value) => self.text.raw(itoa::Buffer::new().format(value)),
            // Numbers of JSON are doubles to many readers.
            ValueRef::I64(value) => self.text.quoted(itoa::Buffer::new().format(value)),
            ValueRef::U64(value) => self.text.quoted(itoa::Buffer::new().format(value)),
            ValueRef::F32(value) if value.is_finite() => {
                self.text.raw(zmij::Buffer::new().format_finite(value));
            }
            ValueRef::F64(value) if value.is_finite() => {
                self.text.raw(zmij::Buffer::new().format_finite(value));
            }
            ValueRef::F32(value) => self.text.quoted(not_finite(value.into())),
            ValueRef::F64(value) => self.text.quoted(not_finite(value)),
            ValueRef::Bool(value) => self.text.raw(if value { "true" } else { "false" }),
            _ => {}
        }
    }

    fn enum_value(&mut self, number: i32, field: &FieldLayout, tables: &Tables) {
        let values = tables.enum_layout(field.inner);
        match values.name(number) {
            _ if values.is_null => self.text.raw("null"),
            Some(name) if !self.options.enum_numbers => self.text.quoted(name),
            _ => self.number(ValueRef::I32(number)),
        }
    }

    #[inline(never)]
    fn elements(&mut self, list: ListRef<'_>) -> Written {
        let (field, message) = (list.field(), list.message());
        self.text.open(b'[');
        if field.field_type.is_number() && !is_enum(field) {
            self.numbers(list);
        } else {
            for (index, value) in list.iter().enumerate() {
                self.text.next();
                if let Err(why) = self.value(value, field, message) {
                    self.path.push(Segment::Index(index));
                    return Err(why);
                }
            }
        }
        self.text.close(b']');
        Ok(())
    }

    /// Folding a list of numbers is much faster than iterating, more so where it is known before what
    /// they all are.
    fn numbers(&mut self, list: ListRef<'_>) {
        use ValueRef::{F64, I32, I64, U32};
        match list.field().field_type {
            FieldType::Int32 | FieldType::Sint32 | FieldType::Sfixed32 => {
                self.numbers_that(list, |value| matches!(value, I32(_)));
            }
            FieldType::Uint32 | FieldType::Fixed32 => {
                self.numbers_that(list, |value| matches!(value, U32(_)));
            }
            FieldType::Int64 | FieldType::Sint64 | FieldType::Sfixed64 => {
                self.numbers_that(list, |value| matches!(value, I64(_)));
            }
            FieldType::Double => self.numbers_that(list, |value| matches!(value, F64(_))),
            _ => self.numbers_that(list, |_| true),
        }
    }

    /// The numbers of a list, all of which are of one kind.
    #[inline(always)]
    fn numbers_that(&mut self, list: ListRef<'_>, are: impl Fn(ValueRef<'_>) -> bool) {
        list.iter().filter(|value| are(*value)).for_each(|value| {
            self.text.next();
            self.number(value);
        });
    }

    #[inline(never)]
    fn entries(&mut self, map: MapRef<'_>) -> Written {
        let (field, message) = (map.value_field(), map.message());
        self.text.open(b'{');
        for (key, value) in map {
            match key {
                MapKeyRef::Str(key) => self.text.name(key),
                // Keys of objects are strings.
                key => self.text.name(&key.to_string()),
            }
            if let Err(why) = self.value(value, field, message) {
                self.path.push(Segment::key(key));
                return Err(why);
            }
        }
        self.text.close(b'}');
        Ok(())
    }
}

/// What an Any holds.
fn payload(message: MessageRef<'_>, url: &str, encoded: Bytes) -> Result<Message, String> {
    let name = url.rsplit_once('/').map(|(_, name)| name);
    let name = name.ok_or_else(|| format!("the type URL `{url}` of an Any has no `/`"))?;
    let tables = message.shared_tables();
    let index = tables.index_of(name);
    let index = index.ok_or_else(|| format!("the schema has no `{name}` that an Any holds"))?;
    Message::decode(&MessageType::with(tables, index), encoded)
        .map_err(|error| format!("what an Any holds: {error}"))
}

/// Fields without presence have a default to show, and so have lists and maps.
fn has_default_to_show(field: &FieldLayout) -> bool {
    field.cardinality != Cardinality::One || !field.presence
}

fn is_enum(field: &FieldLayout) -> bool {
    matches!(field.field_type, FieldType::Enum | FieldType::ClosedEnum)
}

fn not_finite(value: f64) -> &'static str {
    match value {
        f64::INFINITY => "Infinity",
        f64::NEG_INFINITY => "-Infinity",
        _ => "NaN",
    }
}
