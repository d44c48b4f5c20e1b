//! What getters lend for as long as the message lives: handles of types and fields.
//!
//! Handles own their tables, so that the tables cannot hold them. The first getter that needs one puts
//! it into its message's [`Lender`]; most messages never make one.

use std::sync::{Arc, OnceLock};

use crate::schema::{Field, MessageType, layout::Tables};

/// A message's type, and what its getters lend.
#[derive(Debug)]
pub(super) struct Context {
    pub(super) message_type: MessageType,
    lender: Lender,
}

/// An append-only list whose entries stay where they are.
#[derive(Debug, Default)]
struct Lender {
    first: OnceLock<Box<Link>>,
}

#[derive(Debug)]
struct Link {
    lent: TypeEntry,
    next: Lender,
}

/// A message type with its fields.
#[derive(Debug)]
pub(super) struct TypeEntry {
    pub(super) message_type: MessageType,
    /// By slot; made when fields are first lent. Extensions have no handle.
    fields: OnceLock<Box<[Option<Field>]>>,
}

impl Context {
    pub(super) fn new(message_type: &MessageType) -> Self {
        Self {
            message_type: message_type.clone(),
            lender: Lender::default(),
        }
    }

    /// Forgets what was lent.
    #[inline]
    pub(super) fn clear(&mut self) {
        self.lender.first.take();
    }

    #[inline]
    pub(super) fn tables(&self) -> &Arc<Tables> {
        self.message_type.tables()
    }

    /// The handle of a type of these tables.
    pub(super) fn message_type(&self, index: u32) -> &MessageType {
        match index == self.message_type.index() {
            true => &self.message_type,
            false => &self.entry(index).message_type,
        }
    }

    /// The handle of a field; `None` for an extension.
    pub(super) fn field(&self, type_index: u32, slot: u16) -> Option<&Field> {
        let entry = self.entry(type_index);
        let fields = entry.fields.get_or_init(|| {
            let layout = entry.message_type.layout();
            let handle = |slot| Field::new(&entry.message_type, slot);
            let slots = layout.slots().map(|(slot, _)| slot);
            slots
                .map(|slot| (!layout.info(slot).is_extension()).then(|| handle(slot)))
                .collect()
        });
        fields.get(usize::from(slot))?.as_ref()
    }

    fn entry(&self, index: u32) -> &TypeEntry {
        let mut place = &self.lender;
        loop {
            let link = place.first.get_or_init(|| {
                Box::new(Link {
                    lent: TypeEntry {
                        message_type: MessageType::with(self.tables(), index),
                        fields: OnceLock::new(),
                    },
                    next: Lender::default(),
                })
            });
            if link.lent.message_type.index() == index {
                return &link.lent;
            }
            place = &link.next;
        }
    }
}
