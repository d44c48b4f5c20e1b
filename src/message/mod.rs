//! Dynamic messages.

/// A dynamic message.
#[derive(Clone, Debug)]
pub struct Message {
    inner: prost_reflect::DynamicMessage,
}
