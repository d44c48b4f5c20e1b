//! The types that methods mention, found by what a method's name says.

use std::collections::{HashMap, HashSet, hash_map::Entry};

use super::{
    name::{MethodName, Plainness, TypeName, Verb},
    resource::Resource,
};
use crate::{
    limits,
    schema::{Field, Kind, MessageType, Method},
};

/// The types that methods mention and that may be resources. In a package of thousands no method
/// looks at all of them: they are found by the words of their names.
#[derive(Debug, Default)]
pub(super) struct Mentions {
    mentions: Vec<Mention>,
    by_package: HashMap<String, Package>,
    by_service: HashMap<String, Service>,
}

#[derive(Clone, Debug)]
struct Mention {
    message_type: MessageType,
    name: TypeName,
}

/// What the methods of a package mention, by place in the list of all.
#[derive(Debug, Default)]
struct Package {
    by_full_name: HashMap<String, usize>,
    names: Names,
}

/// The same by what names say of it.
#[derive(Debug, Default)]
struct Names {
    by_whole_name: HashMap<String, Vec<usize>>,
    by_main_words: HashMap<Vec<String>, Vec<usize>>,
    /// By fewer of the last main words: `LogBucket` by `bucket`.
    by_last_words: HashMap<Vec<String>, Vec<usize>>,
}

/// What the methods of a service mention: these come first.
#[derive(Debug, Default)]
struct Service {
    in_order: Vec<usize>,
    positions: HashMap<usize, usize>,
    names: Names,
}

/// The types that a method's name speaks of.
#[derive(Debug, Default)]
pub(super) struct SpokenOf {
    pub(super) types: Vec<MessageType>,
    /// There are more, so many that the name tells nothing.
    pub(super) too_many: bool,
}

impl Mentions {
    pub(super) fn add(&mut self, method: &Method, message_type: &MessageType) {
        let package = self.by_package.entry(package(method).to_owned());
        let package = package.or_default();
        let at = match package.by_full_name.get(message_type.full_name()) {
            Some(at) => *at,
            None => {
                let mention = Mention {
                    message_type: message_type.clone(),
                    name: TypeName::parse(message_type.name()),
                };
                let at = self.mentions.len();
                let full_name = message_type.full_name().to_owned();
                package.by_full_name.insert(full_name, at);
                package.names.add(at, &mention.name);
                self.mentions.push(mention);
                at
            }
        };
        let service = self.by_service.entry(method.service().to_owned());
        if let Some(mention) = self.mentions.get(at) {
            service.or_default().add(at, &mention.name);
        }
    }

    /// All types that are mentioned, those of several packages once for each.
    pub(super) fn types(&self) -> impl Iterator<Item = &MessageType> {
        self.mentions.iter().map(|mention| &mention.message_type)
    }

    /// The types that a method's name speaks of: of those in its own types; for a delete, whose
    /// types often hold no more than a key, also of those that its service mentions, or else its
    /// package.
    pub(super) fn spoken_of(&self, method: &Method, name: &MethodName) -> SpokenOf {
        let (no_service, no_package) = Default::default();
        let near = self.by_service.get(method.service()).unwrap_or(&no_service);
        let far = self.by_package.get(package(method)).unwrap_or(&no_package);
        let own = mentioned(method);
        let own = own
            .iter()
            .filter_map(|of| far.by_full_name.get(of.full_name()));
        let own: HashSet<usize> = own.copied().collect();
        let from_far = name.verb == Some(Verb::Delete);
        let mut spoken_of: Vec<usize> = match (name.is_bare(), from_far) {
            // `Delete` alone speaks of what its service is about.
            (true, true) => first(&near.in_order),
            (true, false) => own.into_iter().collect(),
            (false, _) => {
                let plainness = far.names.plainness(name);
                let speaks_of = |at: &usize| name.speaks_of(&self.mentions.get(*at)?.name);
                let is_it = |at: &usize| speaks_of(at) == Some(plainness);
                let own: Vec<usize> = own.into_iter().filter(is_it).collect();
                let places = [&near.names, &far.names].map(|names| names.found(plainness, name));
                let mut places = places.into_iter().filter(|found| !found.is_empty());
                match from_far && own.is_empty() {
                    true => places.next().map(first).unwrap_or_default(),
                    false => own,
                }
            }
        };
        let too_many = from_far && spoken_of.len() > limits::INFERENCE_RESOURCES_MAX;
        let place = |at: &usize| near.positions.get(at).copied().unwrap_or(usize::MAX);
        spoken_of.sort_by_key(|at| (place(at), *at));
        let types = spoken_of.iter().filter_map(|at| self.mentions.get(*at));
        SpokenOf {
            types: types.map(|mention| mention.message_type.clone()).collect(),
            too_many,
        }
    }
}

/// Those that are looked at, and one more if there is one.
fn first(found: &[usize]) -> Vec<usize> {
    let looked_at = found.iter().take(limits::INFERENCE_RESOURCES_MAX + 1);
    looked_at.copied().collect()
}

impl Names {
    fn add(&mut self, at: usize, name: &TypeName) {
        let whole = self.by_whole_name.entry(name.whole().to_owned());
        whole.or_default().push(at);
        let mut main = name.main_words();
        let mut by_words = &mut self.by_main_words;
        while let [_, rest @ ..] = main {
            by_words.entry(main.to_vec()).or_default().push(at);
            (main, by_words) = (rest, &mut self.by_last_words);
        }
    }

    /// How plainly a name speaks of what it speaks of most plainly: `GetBucket` is of no `LogBucket` if
    /// there is a `Bucket`.
    fn plainness(&self, name: &MethodName) -> Plainness {
        let mut plainest = [Plainness::WholeName, Plainness::MainWords].into_iter();
        let plainest = plainest.find(|plainness| !self.found(*plainness, name).is_empty());
        plainest.unwrap_or(Plainness::LastWords)
    }

    fn found(&self, plainness: Plainness, name: &MethodName) -> &[usize] {
        let main = name.main_words();
        let found = match plainness {
            Plainness::WholeName => self.by_whole_name.get(name.whole()),
            Plainness::MainWords => self.by_main_words.get(main),
            Plainness::LastWords => self.by_last_words.get(main),
        };
        found.map_or(&[], Vec::as_slice)
    }
}

impl Service {
    fn add(&mut self, at: usize, name: &TypeName) {
        let next = self.in_order.len();
        if let Entry::Vacant(new) = self.positions.entry(at) {
            new.insert(next);
            self.in_order.push(at);
            self.names.add(at, name);
        }
    }
}

/// The types that may be resources in a method's types: these themselves, and those of their fields.
pub(super) fn mentioned(method: &Method) -> Vec<MessageType> {
    let mut types: Vec<MessageType> = Vec::new();
    for outer in [method.input(), method.output()] {
        let inner = outer.fields().filter_map(|field| message_of(&field));
        for message_type in std::iter::once(outer.clone()).chain(inner) {
            if Resource::may_be(&message_type) && !types.contains(&message_type) {
                types.push(message_type);
            }
        }
    }
    types
}

pub(super) fn message_of(field: &Field) -> Option<MessageType> {
    match field.kind() {
        Kind::Message(message_type) if !field.is_map() => Some(message_type),
        _ => None,
    }
}

fn package(method: &Method) -> &str {
    method
        .service()
        .rsplit_once('.')
        .map_or("", |(package, _)| package)
}
