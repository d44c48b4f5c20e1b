//! Writing into a message.

use prost_reflect::Value as Reflected;

use crate::message::{
    FieldError, FieldKey, MapKey, Message, Value,
    fit::{Misfit, fit, fit_key, fit_one, map_entry},
};

/// Writing. A setter that fails leaves the message as it was.
impl Message {
    /// Sets a field, whatever it held; a member of a oneof unsets the other members.
    ///
    /// What fits:
    /// - an integer field takes every integer type, if the value is in its range;
    /// - `double` takes `f64`, `f32` and integers that it holds exactly, `float` takes these and
    ///   an `f64` as the nearest `f32`;
    /// - `string` takes strings, `bytes` takes byte strings, `bool` takes `bool`;
    /// - an enum takes the name of one of its values or a number (a closed one, of proto2, only
    ///   those that it names);
    /// - a message field takes a [`Message`] of its type, a repeated one a `Vec`, a map a
    ///   `HashMap` or `BTreeMap`.
    ///
    /// # Errors
    /// If there is no such field, or the value does not fit it.
    pub fn set(&mut self, field: impl FieldKey, value: impl Into<Value>) -> Result<(), FieldError> {
        let field = field.resolve(self.message_type.descriptor())?;
        let fitted =
            fit(&field, value.into()).map_err(|misfit| FieldError::misfit(&field, misfit))?;
        // `fit` made a value of exactly the field's type, so this cannot fail; if it ever does,
        // the error says as much as there is to say.
        self.inner
            .try_set_field(&field, fitted)
            .map_err(|error| FieldError::wrong_type(&field, format!("be set: {error}")))
    }

    /// Adds an element at the end of a repeated field.
    ///
    /// # Errors
    /// If there is no such field, it is not repeated, or the value does not fit its elements.
    pub fn push(
        &mut self,
        field: impl FieldKey,
        value: impl Into<Value>,
    ) -> Result<(), FieldError> {
        let field = field.resolve(self.message_type.descriptor())?;
        if !field.is_list() {
            return Err(FieldError::wrong_type(&field, "take an element"));
        }
        let item = fit_one(&field.kind(), value.into())
            .map_err(|misfit| FieldError::misfit(&field, misfit))?;
        if let Reflected::List(items) = self.inner.get_field_mut(&field) {
            items.push(item);
        }
        Ok(())
    }

    /// Puts an entry into a map field, in place of the one with the same key.
    ///
    /// # Errors
    /// If there is no such field, it is no map, or key or value do not fit.
    pub fn insert(
        &mut self,
        field: impl FieldKey,
        key: impl Into<MapKey>,
        value: impl Into<Value>,
    ) -> Result<(), FieldError> {
        let field = field.resolve(self.message_type.descriptor())?;
        let Some(entry) = map_entry(&field) else {
            return Err(FieldError::wrong_type(&field, "take an entry"));
        };
        let misfit = |misfit: Misfit| FieldError::misfit(&field, misfit);
        let key = fit_key(&entry, key.into()).map_err(misfit)?;
        let value = fit_one(&entry.map_entry_value_field().kind(), value.into()).map_err(misfit)?;
        if let Reflected::Map(entries) = self.inner.get_field_mut(&field) {
            entries.insert(key, value);
        }
        Ok(())
    }

    /// Unsets a field.
    ///
    /// # Errors
    /// If there is no such field.
    pub fn clear(&mut self, field: impl FieldKey) -> Result<(), FieldError> {
        let field = field.resolve(self.message_type.descriptor())?;
        self.inner.clear_field(&field);
        Ok(())
    }

    /// Unsets all fields, those included that the schema does not know.
    pub fn clear_all(&mut self) {
        prost::Message::clear(&mut self.inner);
    }
}
