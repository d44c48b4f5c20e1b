//! What the pass over the bytes notes of them: entries, and the runs of lists and maps.

use super::layout::{Decoder, Open};
use crate::{
    message::received::{HEADER_WORDS, NEXT, Node, run},
    schema::layout::FieldLayout,
};

impl<'a> Decoder<'a> {
    /// Notes a value; gives the entry that was there before.
    #[inline(never)]
    pub(super) fn set(
        &mut self,
        open: &Open<'a>,
        slot: u16,
        field: &FieldLayout,
        entry: u32,
    ) -> u32 {
        if !open.lay {
            return self.see(open, slot, field);
        }
        let slots = open.node + HEADER_WORDS;
        if field.oneof != 0 {
            // Behind the entries stands one more than the slot of each oneof's member.
            let member = slots + open.layout.len() + usize::from(field.oneof) - 1;
            let before = std::mem::replace(&mut self.arena[member], u32::from(slot) + 1);
            if before != 0 && before != u32::from(slot) + 1 {
                self.arena[slots + before as usize - 1] = 0;
            }
        }
        let place = &mut self.arena[slots + usize::from(slot)];
        std::mem::replace(place, entry)
    }

    /// Notes a value of a message that is not laid out, as far as it tells whether another message is in
    /// pieces; says whether it was there before. A note is the slot of a message or of the member of a
    /// oneof, above it that of the oneof's first member; the notes are in the order of the latter.
    fn see(&mut self, open: &Open<'a>, slot: u16, field: &FieldLayout) -> u32 {
        let first = match field.oneof {
            0 if field.field_type.is_message() => slot,
            0 => return 0,
            oneof => open.layout.oneofs[usize::from(oneof) - 1][0],
        };
        let note = u32::from(first) << 16 | u32::from(slot);
        let notes = &self.arena[open.node..];
        let place = notes.partition_point(|note| note >> 16 < u32::from(first));
        match notes.get(place) {
            Some(before) if before >> 16 == u32::from(first) => {
                let before = std::mem::replace(&mut self.arena[open.node + place], note);
                u32::from(before == note)
            }
            _ => {
                self.arena.insert(open.node + place, note);
                0
            }
        }
    }

    /// Counts elements of a list or map; gives its run, if there is one: if the message is laid out.
    #[inline]
    pub(super) fn add_elements(
        &mut self,
        open: &Open<'a>,
        slot: u16,
        key_at: usize,
        count: u32,
        node: Node,
    ) -> Option<&mut [u32; run::WORDS]> {
        if !open.lay || count == 0 {
            return None;
        }
        let place = open.node + HEADER_WORDS + usize::from(slot);
        if self.arena[place] == 0 {
            self.arena[place] = self.arena.len() as u32;
            self.arena.extend([key_at as u32, 0, 0, 0, 0, 0]);
        }
        let at = self.arena[place] as usize;
        if node.exists() {
            let last = std::mem::replace(&mut self.arena[at + run::LAST], node.link());
            let link = match last {
                0 => at + run::NODE,
                last => last as usize - 1 + NEXT,
            };
            self.arena[link] = node.link();
        }
        let run = self.arena.get_mut(at..)?.first_chunk_mut()?;
        run[run::COUNT] += count;
        Some(run)
    }
}
