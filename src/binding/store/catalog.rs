//! The resources of a schema: what its methods speak of, and by which keys.

use std::collections::{BTreeMap, HashMap, HashSet};

use super::{
    Op,
    mentions::{Mentions, mentioned, message_of},
    name::{MethodName, Verb},
    request::RequestFields,
    resource::{Resource, Vote, choose_key},
};
use crate::{
    binding::bind::Decided,
    schema::{Field, MessageType, Method, MethodKind, Schema},
};

/// The resources of a schema.
#[derive(Debug)]
pub(super) struct Catalog {
    resources: BTreeMap<String, Resource>,
    mentions: Mentions,
    /// Resources, by full name, and what a method with an unmistakable verb does with them.
    done_to: HashSet<(String, Op)>,
}

impl Catalog {
    /// Reads all methods; what was decided by hand comes first.
    pub(super) fn of(schema: &Schema, decided: &[&Decided]) -> Self {
        let mut mentions = Mentions::default();
        for method in schema.methods() {
            for message_type in mentioned(method) {
                mentions.add(method, &message_type);
            }
        }
        for Decided {
            method, resource, ..
        } in decided
        {
            mentions.add(method, resource);
        }
        let mut found = Findings::default();
        for method in schema.methods().filter(|m| m.kind() == MethodKind::Unary) {
            found.read(method, &mentions);
        }
        for decided in decided {
            found.by_hand(decided);
        }
        Self {
            resources: found.resources(&mentions),
            mentions,
            done_to: found.done_to,
        }
    }

    pub(super) fn resource(&self, message_type: &MessageType) -> Option<&Resource> {
        self.resources.get(message_type.full_name())
    }

    /// The resources that a method may be about; those that its name speaks of come first.
    pub(super) fn candidates(&self, method: &Method, name: &MethodName) -> Candidates<'_> {
        let known = |types: Vec<MessageType>| -> Vec<&Resource> {
            types.iter().filter_map(|of| self.resource(of)).collect()
        };
        let spoken_of = self.mentions.spoken_of(method, name);
        Candidates {
            spoken_of: known(spoken_of.types),
            too_many: spoken_of.too_many,
            mentioned: known(mentioned(method)),
        }
    }

    /// Whether a method with an unmistakable verb does this with a resource.
    pub(super) fn has(&self, resource: &Resource, op: Op) -> bool {
        let full_name = resource.message_type().full_name().to_owned();
        self.done_to.contains(&(full_name, op))
    }
}

/// The resources that a method may be about.
#[derive(Debug)]
pub(super) struct Candidates<'a> {
    /// Those that its name speaks of.
    pub(super) spoken_of: Vec<&'a Resource>,
    /// There are more of these.
    pub(super) too_many: bool,
    /// Those in its types.
    pub(super) mentioned: Vec<&'a Resource>,
}

/// What the methods say, collected by the full name of the resource.
#[derive(Debug, Default)]
struct Findings {
    votes: HashMap<String, Vec<Vote>>,
    keys_by_hand: HashMap<String, Field>,
    collections: HashMap<String, String>,
    done_to: HashSet<(String, Op)>,
}

impl Findings {
    fn read(&mut self, method: &Method, mentions: &Mentions) {
        let name = MethodName::parse(method.name());
        let spoken_of = mentions.spoken_of(method, &name);
        if spoken_of.too_many {
            return;
        }
        for candidate in spoken_of.types {
            let full_name = candidate.full_name().to_owned();
            let votes = self.votes.entry(full_name.clone()).or_default();
            votes.extend(votes_of(method, &name, &candidate));
            if let Some(items) = items_of(method, &candidate) {
                let collection = items.json_name().to_owned();
                self.collections
                    .entry(full_name.clone())
                    .or_insert(collection);
            }
            if let Some([only]) = name.verb.map(Verb::ops) {
                self.done_to.insert((full_name, *only));
            }
        }
    }

    /// Who binds `GetUserByEmail` as a get says that users are looked up by their address.
    fn by_hand(&mut self, decided: &Decided) {
        let Decided {
            method,
            op,
            resource,
        } = decided;
        if matches!(op, Op::Get | Op::Delete)
            && method.input() != resource
            && let Some(Vote::Field(key)) = vote_of_request(method, resource)
        {
            let full_name = resource.full_name().to_owned();
            self.keys_by_hand.entry(full_name).or_insert(key);
        }
    }

    fn resources(&self, mentions: &Mentions) -> BTreeMap<String, Resource> {
        let types = mentions.types();
        types
            .filter_map(|message_type| {
                let full_name = message_type.full_name();
                let votes = self.votes.get(full_name).map_or(&[][..], Vec::as_slice);
                let by_hand = self.keys_by_hand.get(full_name).cloned();
                let key = by_hand.or_else(|| choose_key(message_type, votes))?;
                let collection = self.collections.get(full_name).cloned();
                let resource = Resource::new(message_type.clone(), key, collection);
                Some((full_name.to_owned(), resource))
            })
            .collect()
    }
}

/// What a method says about the key of a resource that it speaks of.
fn votes_of(method: &Method, name: &MethodName, resource: &MessageType) -> Vec<Vote> {
    let looks_up = !matches!(name.verb, Some(Verb::Create | Verb::List | Verb::Search));
    let asked = (looks_up && method.input() != resource)
        .then(|| vote_of_request(method, resource))
        .flatten();
    let answered = (method.output() != resource && method.output().fields().len() == 1)
        .then(|| RequestFields::of(method.output()).sole_key())
        .flatten()
        .and_then(|key| Vote::of_reply(resource, &key));
    asked.into_iter().chain(answered).collect()
}

fn vote_of_request(method: &Method, resource: &MessageType) -> Option<Vote> {
    let request = RequestFields::of(method.input());
    let keys: Vec<&Field> = request.keys().collect();
    Vote::of_request(resource, &keys)
}

/// The reply's field that repeats a resource, if it is the only list.
fn items_of(method: &Method, resource: &MessageType) -> Option<Field> {
    let items = |field: &Field| field.is_list() && message_of(field).as_ref() == Some(resource);
    let mut lists = method.output().fields().filter(items);
    match (lists.next(), lists.next()) {
        (Some(items), None) => Some(items),
        _ => None,
    }
}
