//! From a path and a handler to a route, or to what is wrong with them.

use std::collections::btree_map::Entry;

use super::ServerBuilder;
use crate::{
    grpc::Status,
    rpc::{Handler, Route},
    schema::{Method, MethodKind, Schema},
};

impl ServerBuilder {
    pub(super) fn add(
        mut self,
        path: &str,
        kinds: &[MethodKind],
        into_handler: impl FnOnce(&Method) -> Result<Handler, String>,
    ) -> Self {
        if let Some(method) = self.method(path, kinds) {
            match into_handler(&method) {
                Ok(handler) => self.insert(Route {
                    method: Some(method),
                    handler,
                }),
                Err(error) => self
                    .errors
                    .push(format!("the handler of {path} does not fit: {error}")),
            }
        }
        self
    }

    pub(super) fn insert(&mut self, route: Route) {
        let Some(path) = route.method.as_ref().map(|method| method.path().to_owned()) else {
            return;
        };
        match self.routes.entry(path) {
            Entry::Vacant(entry) => {
                entry.insert(route);
            }
            Entry::Occupied(entry) => self.errors.push(format!(
                "{} has two handlers; leave one of them out",
                entry.key()
            )),
        }
    }

    /// The method of a path, which must be of one of the kinds.
    pub(super) fn method(&mut self, path: &str, kinds: &[MethodKind]) -> Option<Method> {
        let Some(method) = self
            .schemas
            .iter()
            .find_map(|schema| schema.method(path))
            .cloned()
        else {
            self.errors.push(self.no_such_method(path));
            return None;
        };
        if kinds.contains(&method.kind()) {
            return Some(method);
        }
        let kind = method.kind();
        self.errors.push(format!(
            "{path} is a {kind} method; register it with .{kind}(…)"
        ));
        None
    }

    fn no_such_method(&self, path: &str) -> String {
        let paths = self
            .schemas
            .iter()
            .flat_map(Schema::methods)
            .map(Method::path);
        match Schema::nearest(path, paths) {
            Some(nearest) => {
                format!("no method has the path {path:?}; did you mean {nearest:?}?")
            }
            None => format!("no method has the path {path:?}; paths are /package.Service/Method"),
        }
    }

    pub(super) fn refuse_the_rest(&mut self) {
        let methods: Vec<Method> = self
            .schemas
            .iter()
            .flat_map(Schema::methods)
            .cloned()
            .collect();
        for method in methods {
            if !self.routes.contains_key(method.path()) {
                let status = Status::unimplemented(format!(
                    "method {} of service {} has no handler",
                    method.name(),
                    method.service()
                ));
                self.insert(Route::refusing(method, status));
            }
        }
    }
}

pub(super) const ALL_KINDS: &[MethodKind] = &[
    MethodKind::Unary,
    MethodKind::ServerStreaming,
    MethodKind::ClientStreaming,
    MethodKind::Bidi,
];
