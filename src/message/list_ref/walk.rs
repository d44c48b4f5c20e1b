//! A walk over the elements of a list in the bytes of its message.

use crate::{
    message::{
        MessageRef, ValueRef,
        received::{Node, Run},
        scan::{self, is_len},
        utf8, wire,
    },
    schema::layout::{FieldLayout, FieldType, WireType},
};

/// Where a walk is.
#[derive(Clone, Copy)]
pub(in crate::message) struct Walk {
    /// The next element, or what stands before it.
    pub(super) at: u32,
    /// Where the packed list ends that the walk is in.
    pub(super) packed_end: u32,
    /// The next element's that has a node.
    node: Node,
}

impl Walk {
    #[inline]
    pub(super) fn new(run: Run) -> Self {
        Self {
            at: run.first,
            packed_end: 0,
            node: run.node,
        }
    }

    /// The next element, over other fields that stand between, and over values that are unknown.
    pub(super) fn next<'a>(
        &mut self,
        message: MessageRef<'a>,
        field: &'a FieldLayout,
    ) -> Option<ValueRef<'a>> {
        let bytes = message.view().bytes;
        loop {
            if self.at < self.packed_end {
                let bits = self.number(bytes, field.field_type)?;
                match is_named(message, field, bits) {
                    true => return Some(ValueRef::of_bits(field.field_type, bits)),
                    false => continue,
                }
            }
            if field.field_type.is_message() {
                return self.next_message(message, field);
            }
            let key = self.next_key(bytes, field)?;
            match field.field_type {
                FieldType::String => {
                    return Some(ValueRef::Str(utf8::text(self.delimited(bytes)?)));
                }
                FieldType::Bytes => return Some(ValueRef::Bytes(self.delimited(bytes)?)),
                _ if is_len(key) => {
                    let mut at = self.at as usize;
                    self.packed_end = wire::length(bytes, &mut at)? as u32;
                    self.at = at as u32;
                }
                number => {
                    let bits = self.number(bytes, number)?;
                    if is_named(message, field, bits) {
                        return Some(ValueRef::of_bits(number, bits));
                    }
                }
            }
        }
    }

    /// The next element of a list of messages. It is made as the value that it is given as: a reference
    /// that was just written would be copied only after a wait.
    #[inline]
    pub(super) fn next_message<'a>(
        &mut self,
        message: MessageRef<'a>,
        field: &'a FieldLayout,
    ) -> Option<ValueRef<'a>> {
        self.next_key(message.view().bytes, field)?;
        let (element, after) = message.message_at(field, self.at as usize, &mut self.node);
        self.at = after as u32;
        Some(ValueRef::Message(element))
    }

    /// The number that stands where the walk is.
    #[inline(always)]
    pub(super) fn number(&mut self, bytes: &[u8], field_type: FieldType) -> Option<u64> {
        let mut at = self.at as usize;
        let bits = wire::number(field_type, bytes, &mut at)?;
        self.at = at as u32;
        Some(bits)
    }

    #[inline]
    fn delimited<'a>(&mut self, bytes: &'a [u8]) -> Option<&'a [u8]> {
        let mut at = self.at as usize;
        let delimited = wire::delimited(bytes, &mut at)?;
        self.at = at as u32;
        Some(delimited)
    }

    /// What is left of the packed list that the walk is in or comes to, all of whose elements count.
    #[inline]
    pub(super) fn packed_rest<'a>(
        &mut self,
        bytes: &'a [u8],
        field: &FieldLayout,
    ) -> Option<&'a [u8]> {
        if !field.field_type.is_number() || field.field_type == FieldType::ClosedEnum {
            return None;
        }
        let (mut at, mut end) = (self.at as usize, self.packed_end as usize);
        if at >= end {
            let key = wire::key(bytes, &mut at)?;
            if key != field.number << 3 | WireType::Len as u32 {
                return None;
            }
            end = wire::length(bytes, &mut at)?;
        }
        (self.at, self.packed_end) = (end as u32, end as u32);
        bytes.get(at..end)
    }

    /// The key of the next element, over other fields that stand between.
    #[inline]
    fn next_key(&mut self, bytes: &[u8], field: &FieldLayout) -> Option<u32> {
        let mut at = self.at as usize;
        loop {
            let key = wire::key(bytes, &mut at)?;
            if key >> 3 == field.number {
                self.at = at as u32;
                return Some(key);
            }
            at = wire::skipped(bytes, at, key)?;
        }
    }
}

/// Moving on without a look at what is passed.
impl Walk {
    /// Over so many elements; `None` if there are fewer.
    pub(super) fn skip(
        &mut self,
        message: MessageRef<'_>,
        field: &FieldLayout,
        mut count: usize,
    ) -> Option<()> {
        let bytes = message.view().bytes;
        while count > 0 {
            if self.at < self.packed_end && field.field_type != FieldType::ClosedEnum {
                count = self.skip_packed(bytes, field.field_type, count)?;
                continue;
            }
            match field.field_type {
                FieldType::String | FieldType::Bytes => {
                    self.next_key(bytes, field)?;
                    self.delimited(bytes)?;
                }
                FieldType::Message => self.skip_message(message, field)?,
                _ => self.next(message, field).map(|_| ())?,
            }
            count -= 1;
        }
        Some(())
    }

    /// Over elements of the packed list that the walk is in; gives how many are left to be skipped.
    fn skip_packed(&mut self, bytes: &[u8], field_type: FieldType, count: usize) -> Option<usize> {
        let packed = bytes.get(..self.packed_end as usize)?;
        let at = self.at as usize;
        let (at, left) = match field_type.wire_type() {
            WireType::Varint => wire::skip_varints(packed, at, count),
            WireType::I32 => skip_fixed(packed, at, count, 4),
            _ => skip_fixed(packed, at, count, 8),
        };
        self.at = at as u32;
        Some(left)
    }

    fn skip_message(&mut self, message: MessageRef<'_>, field: &FieldLayout) -> Option<()> {
        let view = message.view();
        self.next_key(view.bytes, field)?;
        let mut at = self.at as usize;
        let end = wire::length(view.bytes, &mut at)?;
        if self.node.exists() && view.range(self.node).0 == at {
            self.node = view.next(self.node);
        }
        self.at = end as u32;
        Some(())
    }
}

fn skip_fixed(packed: &[u8], at: usize, count: usize, width: usize) -> (usize, usize) {
    let skipped = count.min((packed.len() - at) / width);
    (at + skipped * width, count - skipped)
}

fn is_named(message: MessageRef<'_>, field: &FieldLayout, bits: u64) -> bool {
    let values = scan::closed_enum(message.tables(), field);
    values.is_none_or(|values| values.name(bits as i32).is_some())
}
