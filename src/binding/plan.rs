//! The plan for a whole schema.

use std::sync::Arc;

use super::{AnsweredBy, Bind, MethodPlan, store};
use crate::{Error, schema::Schema, server::ServerBuilder, store::Store};

/// How every method of a schema is answered.
#[derive(Debug)]
pub struct Plan {
    schema: Schema,
    methods: Vec<MethodPlan>,
}

impl Plan {
    /// Decides for every method of the schema's services, in the order of the files: by
    /// `overrides` where they name it, else by the shape of its types and by its name.
    ///
    /// # Errors
    /// If an override names what is not there, or what the method's types cannot do.
    pub fn infer(schema: &Schema, overrides: &[Bind]) -> Result<Self, Error> {
        Ok(Self {
            schema: schema.clone(),
            methods: store::infer(schema, overrides)?,
        })
    }

    /// The methods, in the order of the files.
    pub fn methods(&self) -> impl ExactSizeIterator<Item = &MethodPlan> {
        self.methods.iter()
    }

    /// Registers every method of the plan with a server: what the store answers, and UNIMPLEMENTED
    /// for what nothing does. Methods that have a handler already are left alone.
    ///
    /// Replies are kept within the builder's limit as it is now, so set
    /// [`send_bytes_max`](ServerBuilder::send_bytes_max) first.
    ///
    /// The store records the descriptor of each resource. Where a field was renamed since rows were
    /// written, or the store holds rows of a resource that is no longer in the schema, a warning is
    /// logged.
    ///
    /// # Errors
    /// If the store holds rows that were written with other field numbers, types or keys than
    /// today's: they would be misread. If the store cannot be read or written.
    pub async fn bind(
        &self,
        mut builder: ServerBuilder,
        store: Arc<dyn Store>,
    ) -> Result<ServerBuilder, Error> {
        let bindings: Vec<_> = self
            .methods
            .iter()
            .filter_map(MethodPlan::store_binding)
            .collect();
        for note in store::check_what_is_stored(&bindings, &self.schema, &*store).await? {
            tracing::warn!("{note}");
        }
        for method in &self.methods {
            if builder.has(method.path()) {
                continue;
            }
            builder = match (method.answered_by(), method.store_binding()) {
                (_, Some(binding)) => binding.register(builder, method.method(), &store),
                (AnsweredBy::BuiltIn, None) => builder,
                (_, None) => builder.unimplemented(method.path(), method.refusal()),
            };
        }
        Ok(builder)
    }
}
