//! Reasons, in words.

use super::resource::Resource;
use crate::schema::{Field, Method};

/// A method's types, `User → UserId`, and what follows from them.
pub(super) struct Shapes<'a>(pub(super) &'a Method);

impl Shapes<'_> {
    /// `User → UserId: …`
    pub(super) fn because(&self, why: &str) -> String {
        let Self(method) = self;
        format!(
            "{} → {}: {why}",
            method.input().name(),
            method.output().name()
        )
    }

    /// `User → UserId: `UserId` is a key of `User` (Value ↔ id)`
    pub(super) fn is_key(&self, field: &Field, resource: &Resource) -> String {
        let (holder, of) = (field.parent(), resource.message_type().name());
        let (field, key) = (field.name(), resource.key().name());
        if holder == *resource.message_type() {
            return self.because(&format!("`{key}` is the key of `{of}`"));
        }
        let holder = holder.name();
        self.because(&format!("`{holder}` is a key of `{of}` ({field} ↔ {key})"))
    }
}
