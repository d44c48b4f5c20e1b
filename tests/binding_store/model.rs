//! Any sequence of calls, held against a map.

use std::collections::BTreeMap;

use proptest::{prelude::*, test_runner::TestRunner};
use serde_json::{Value, json};

use crate::{ALREADY_EXISTS, Api, NOT_FOUND, WRAPPED, user};

/// What a model of the users says that a call is answered with.
#[derive(Default)]
struct Model {
    users: BTreeMap<String, String>,
    counted: u64,
}

#[derive(Clone, Debug)]
enum Step {
    Create(Option<String>, String),
    Get(String),
    Update(String, String),
    Delete(String),
    List,
}

impl Model {
    /// The calls of a step, and what they must be answered with.
    fn step(&mut self, step: Step) -> (&'static str, Value, Result<Value, u32>) {
        match step {
            Step::Create(id, name) => {
                let request = json!({"user": {"id": id.clone().unwrap_or_default(), "name": name}});
                let id = id.unwrap_or_else(|| self.count());
                let taken = self.users.contains_key(&id);
                let user = user(&id, &name);
                self.users.entry(id).or_insert(name);
                let expected = if taken {
                    Err(ALREADY_EXISTS)
                } else {
                    Ok(json!({"user": user}))
                };
                ("wrapped.Users/CreateUser", request, expected)
            }
            Step::Get(id) => {
                let found = self
                    .users
                    .get(&id)
                    .map(|name| json!({"user": user(&id, name)}));
                (
                    "wrapped.Users/GetUser",
                    json!({"userId": id}),
                    found.ok_or(NOT_FOUND),
                )
            }
            Step::Update(id, name) => {
                let expected = match self.users.get_mut(&id) {
                    Some(old) => {
                        old.clone_from(&name);
                        Ok(user(&id, &name))
                    }
                    None => Err(NOT_FOUND),
                };
                let request = json!({"user": {"id": id, "name": name}, "fields": "name"});
                ("wrapped.Users/PatchUser", request, expected)
            }
            Step::Delete(id) => {
                let deleted = self.users.remove(&id).map(|_| json!({"success": true}));
                (
                    "wrapped.Users/DeleteUser",
                    json!({"id": id}),
                    deleted.ok_or(NOT_FOUND),
                )
            }
            Step::List => {
                let mut users: Vec<_> = self.users.iter().collect();
                // Numbers by value, and before all letters.
                users.sort_by_key(|(id, _)| (id.parse().unwrap_or(u64::MAX), id.as_str()));
                let users: Vec<_> = users.iter().map(|(id, name)| user(id, name)).collect();
                let all = if users.is_empty() {
                    json!({})
                } else {
                    json!({"users": users})
                };
                ("wrapped.Users/ListUsers", json!({}), Ok(all))
            }
        }
    }

    fn count(&mut self) -> String {
        loop {
            let id = self.counted.to_string();
            self.counted += 1;
            if !self.users.contains_key(&id) {
                return id;
            }
        }
    }
}

#[test]
fn any_sequence_of_calls_is_answered_as_a_map_would() {
    let id = || "[0-3a]|1[01]";
    let step = prop_oneof![
        3 => (prop::option::of(id()), "[a-z]{1,3}").prop_map(|(id, name)| Step::Create(id, name)),
        2 => id().prop_map(Step::Get),
        2 => (id(), "[a-z]{1,3}").prop_map(|(id, name)| Step::Update(id, name)),
        2 => id().prop_map(Step::Delete),
        1 => Just(Step::List),
    ];
    let runtime = tokio::runtime::Runtime::new().unwrap();
    let mut runner = TestRunner::new(ProptestConfig::with_cases(48));
    let steps = prop::collection::vec(step, 1..60);
    let outcome = runner.run(&steps, |steps| {
        runtime.block_on(async {
            let api = Api::start(WRAPPED, &[]).await;
            let mut model = Model::default();
            for step in steps {
                let (method, request, expected) = model.step(step.clone());
                let found = api.call(method, request).await.map_err(|(code, _)| code);
                prop_assert_eq!(found, expected, "{:?}", step);
            }
            Ok(())
        })
    });
    outcome.unwrap();
}
