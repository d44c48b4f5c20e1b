//! google.protobuf.Any: an object whose `@type` says what its other fields are, wherever it stands.

use serde::de::{DeserializeSeed, Error, IntoDeserializer as _, MapAccess};
use serde_json::value::RawValue;

use super::{Context, MessageSeed, deserializer, fields::read_fields};
use crate::{
    message::{
        Message,
        body::{Body, Slot},
    },
    schema::{
        MessageType,
        layout::{JsonForm, Layout},
    },
};

pub(super) fn read<'de, A: MapAccess<'de>>(
    layout: &Layout,
    context: Context<'_>,
    mut map: A,
) -> Result<Body, A::Error> {
    let mut parts: Vec<(String, &'de RawValue)> = Vec::new();
    let mut url: Option<String> = None;
    while let Some(name) = map.next_key::<String>()? {
        match name.as_str() {
            "@type" if url.is_some() => return Err(A::Error::custom("`@type` is there twice")),
            "@type" => url = Some(map.next_value()?),
            _ => parts.push((name, map.next_value()?)),
        }
    }
    let Some(url) = url else {
        return match parts.is_empty() {
            true => Ok(Body::default()),
            false => Err(A::Error::custom(
                "an Any has no `@type` that says what it is",
            )),
        };
    };
    let payload =
        payload(&url, &parts, context).map_err(|error| A::Error::custom(without_place(&error)))?;
    drop(parts);
    let mut body = Body::default();
    let slot = |number| layout.by_number(number).map(|(slot, _)| slot);
    if let (Some(type_url), Some(value)) = (slot(1), slot(2)) {
        body.put(layout, type_url, Slot::Text(url));
        body.put(layout, value, Slot::Bytes(payload.encode_to_bytes()));
    }
    Ok(body)
}

fn payload(
    url: &str,
    parts: &[(String, &RawValue)],
    context: Context<'_>,
) -> Result<Message, serde_json::Error> {
    let name = url.rsplit_once('/').map_or("", |(_, name)| name);
    let Some(index) = context.tables.index_of(name) else {
        return Err(Error::custom(format!(
            "`@type` is `{url}`, and the schema has no such type"
        )));
    };
    let context = context.below()?;
    let layout = context.layout(index);
    let message = |body| Message::of_body(&MessageType::with(context.tables, index), body);
    let is_empty = layout.json_form == JsonForm::Empty && parts.is_empty();
    if layout.json_form == JsonForm::Object || is_empty {
        let body = read_fields(
            layout,
            context,
            Parts {
                parts: parts.iter(),
                value: None,
            },
        )?;
        return Ok(message(body));
    }
    match parts {
        [(name, value)] if name == "value" => {
            let seed = MessageSeed { index, context };
            seed.deserialize(&mut deserializer(value.get()))
                .map(message)
        }
        _ => Err(Error::custom(format!(
            "an Any of `{name}` has `@type` and `value`, and nothing else"
        ))),
    }
}

/// What is wrong, without its place in a part of the text: the place in the whole is added.
fn without_place(error: &serde_json::Error) -> String {
    let text = error.to_string();
    let place = format!(" at line {} column {}", error.line(), error.column());
    text.strip_suffix(&place).unwrap_or(&text).to_owned()
}

/// The fields that were put by until the type was known.
struct Parts<'p> {
    parts: std::slice::Iter<'p, (String, &'p RawValue)>,
    value: Option<&'p RawValue>,
}

impl<'p> MapAccess<'p> for Parts<'p> {
    type Error = serde_json::Error;

    fn next_key_seed<K: DeserializeSeed<'p>>(
        &mut self,
        seed: K,
    ) -> Result<Option<K::Value>, Self::Error> {
        let Some((name, value)) = self.parts.next() else {
            return Ok(None);
        };
        self.value = Some(value);
        seed.deserialize(name.as_str().into_deserializer())
            .map(Some)
    }

    fn next_value_seed<V: DeserializeSeed<'p>>(
        &mut self,
        seed: V,
    ) -> Result<V::Value, Self::Error> {
        let value = self.value.take();
        let value = value.ok_or_else(|| Self::Error::custom("a value before its name"))?;
        seed.deserialize(&mut deserializer(value.get()))
    }
}
