//! Putting together what was sent in pieces: a sub-message whose field comes more than once is the
//! merger of all its pieces (protobuf's encoding, "Last One Wins"), and that is their concatenation.
//!
//! It is rare, and so the bytes are written anew, and read like any others.

use super::{Fault, Why};
use crate::{
    message::wire,
    schema::layout::{Cardinality, FieldLayout, FieldType, Layout, Tables, WireType},
};

/// Bytes that say the same, each sub-message in one piece. They have been checked.
pub(super) fn in_one_piece(
    tables: &Tables,
    layout: &Layout,
    bytes: &[u8],
) -> Result<Vec<u8>, Box<Fault>> {
    let mut writer = Writer {
        tables,
        out: Vec::with_capacity(bytes.len()),
        room: 2 * bytes.len(),
    };
    match writer.message(layout, bytes) {
        Some(()) => Ok(writer.out),
        None => Err(Fault::new(Why::Pieces, 0)),
    }
}

struct Writer<'a> {
    tables: &'a Tables,
    out: Vec<u8>,
    /// How many bytes may still be copied to be put together: pieces lie within pieces.
    room: usize,
}

/// The pieces of one field.
#[derive(Default)]
struct Pieces {
    /// Behind each other, if there is more than one.
    contents: Vec<u8>,
    count: usize,
    /// The key of the last one.
    last: usize,
}

/// A field's value in the bytes.
#[derive(Clone, Copy)]
struct Part<'a> {
    key: u32,
    key_at: usize,
    /// What stands behind the length, or between the keys of a group.
    contents: &'a [u8],
    /// From key to end.
    whole: &'a [u8],
}

impl Writer<'_> {
    fn message(&mut self, layout: &Layout, bytes: &[u8]) -> Option<()> {
        let mut pieces = self.collect(layout, bytes)?;
        let mut at = 0;
        while at < bytes.len() {
            let part = Part::read(bytes, &mut at)?;
            let known = layout.by_number(part.key >> 3);
            let Some((slot, field)) = known.filter(|(_, field)| field.value_key() == part.key)
            else {
                self.out.extend_from_slice(part.whole);
                continue;
            };
            match pieces.iter_mut().find(|(of, _)| *of == slot) {
                Some((_, pieces)) if pieces.count > 1 => {
                    if pieces.last == part.key_at {
                        let contents = std::mem::take(&mut pieces.contents);
                        self.inner(field, part.key, &contents)?;
                        self.room += contents.len();
                    }
                }
                _ if field.field_type.is_message() => {
                    self.inner(field, part.key, part.contents)?;
                }
                _ => self.out.extend_from_slice(part.whole),
            }
        }
        Some(())
    }

    /// The pieces of each singular sub-message. Another member of its oneof drops those before it.
    fn collect(&mut self, layout: &Layout, bytes: &[u8]) -> Option<Vec<(u16, Pieces)>> {
        let mut all: Vec<(u16, Pieces)> = Vec::new();
        // The first piece of each is copied only when there is a second one.
        let mut firsts: Vec<&[u8]> = Vec::new();
        let mut at = 0;
        while at < bytes.len() {
            let part = Part::read(bytes, &mut at)?;
            let Some((slot, field)) = layout.by_number(part.key >> 3) else {
                continue;
            };
            if field.oneof != 0 && self.is_known(field, part) {
                let members = &layout.oneofs[usize::from(field.oneof) - 1];
                let mut kept = all
                    .iter()
                    .map(|(of, _)| *of == slot || !members.contains(of));
                firsts.retain(|_| kept.next().unwrap_or(true));
                all.retain(|(of, _)| *of == slot || !members.contains(of));
            }
            if field.cardinality != Cardinality::One || !field.field_type.is_message() {
                continue;
            }
            let place = all.iter().position(|(of, _)| *of == slot);
            let place = place.unwrap_or_else(|| {
                all.push((slot, Pieces::default()));
                firsts.push(part.contents);
                all.len() - 1
            });
            let (_, pieces) = &mut all[place];
            pieces.count += 1;
            pieces.last = part.key_at;
            if pieces.count == 2 {
                self.room = self.room.checked_sub(firsts[place].len())?;
                pieces.contents.extend_from_slice(firsts[place]);
            }
            if pieces.count > 1 {
                self.room = self.room.checked_sub(part.contents.len())?;
                pieces.contents.extend_from_slice(part.contents);
            }
        }
        Some(all)
    }

    /// A number that a closed enum does not name is an unknown field, and unsets nothing.
    fn is_known(&self, field: &FieldLayout, part: Part<'_>) -> bool {
        let number = || wire::number(field.field_type, part.contents, &mut 0);
        match field.field_type {
            FieldType::ClosedEnum => number().is_some_and(|number| {
                let values = self.tables.enum_layout(field.inner);
                values.name(number as i32).is_some()
            }),
            _ => true,
        }
    }

    /// Writes a sub-message with its key, its own sub-messages in one piece.
    fn inner(&mut self, field: &FieldLayout, key: u32, contents: &[u8]) -> Option<()> {
        let layout = self.tables.layout(field.inner);
        wire::push_varint(&mut self.out, key.into());
        if field.field_type == FieldType::Group {
            self.message(layout, contents)?;
            let end = (key & !7) | WireType::EndGroup as u32;
            wire::push_varint(&mut self.out, end.into());
            return Some(());
        }
        // The length is known afterwards; it can only be less.
        let length_at = self.out.len();
        self.message(layout, contents)?;
        let mut length = Vec::new();
        wire::push_varint(&mut length, (self.out.len() - length_at) as u64);
        self.out.splice(length_at..length_at, length);
        Some(())
    }
}

impl<'a> Part<'a> {
    fn read(bytes: &'a [u8], at: &mut usize) -> Option<Self> {
        let key_at = *at;
        let key = wire::key(bytes, at)?;
        let mut contents_at = *at;
        let mut end = None;
        match WireType::of_key(key)? {
            WireType::Len => {
                wire::varint(bytes, &mut contents_at)?;
                wire::delimited(bytes, at)?;
            }
            WireType::StartGroup => {
                end = Some(wire::skip_group(bytes, at, key, usize::MAX).ok()?);
            }
            _ => wire::skip(bytes, at, key, usize::MAX).ok()?,
        }
        Some(Self {
            key,
            key_at,
            contents: &bytes[contents_at..end.unwrap_or(*at)],
            whole: &bytes[key_at..*at],
        })
    }
}
