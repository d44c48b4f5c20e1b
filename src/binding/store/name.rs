//! What a method's name says: its verb, and what it speaks of.

use super::Op;

/// A method's name, taken apart: `addUser`, `AddUser`, `add_user` and `UserAdd` say the same.
#[derive(Debug)]
pub(super) struct MethodName {
    pub(super) verb: Option<Verb>,
    /// A verb in the middle: `BatchCreateUsers`.
    pub(super) hidden_verb: Option<Verb>,
    /// The words beside the verb, up to `by`, without those that say nothing.
    noun: TypeName,
    /// `ListUsersByGroup`: something more is asked for.
    pub(super) has_by: bool,
}

/// What verbs promise. Which operation it is, the types say as well.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Verb {
    /// Something new.
    Create,
    /// New or in place of the old: the name does not tell.
    Save,
    /// New and in place of the old, whichever it is.
    Upsert,
    /// One, or all.
    Get,
    /// All, or some.
    List,
    /// Those that match.
    Search,
    /// In place of the old.
    Update,
    /// Some fields in place of the old ones.
    Patch,
    /// No more.
    Delete,
}

impl Verb {
    fn of(word: &str) -> Option<Self> {
        VERBS
            .iter()
            .find(|(_, words)| words.contains(&word))
            .map(|(verb, _)| *verb)
    }

    /// The operations it may stand for, the likeliest first.
    pub(super) fn ops(self) -> &'static [Op] {
        match self {
            Self::Create => &[Op::Create],
            Self::Save | Self::Upsert => &[Op::Create, Op::Update],
            Self::Get => &[Op::Get, Op::List],
            Self::List | Self::Search => &[Op::List],
            Self::Update | Self::Patch => &[Op::Update],
            Self::Delete => &[Op::Delete],
        }
    }
}

impl MethodName {
    pub(super) fn parse(name: &str) -> Self {
        let mut words = words(name);
        let compound = words.iter().any(|word| word == "or" || word == "and");
        let verb = if compound {
            None
        } else {
            take_verb(&mut words)
        };
        let by = words.iter().position(|word| word == "by");
        words.truncate(by.unwrap_or(words.len()));
        if verb.is_some() {
            words.retain(|word| !SAYING_NOTHING.contains(&word.as_str()));
        }
        Self {
            verb,
            hidden_verb: words
                .iter()
                .find_map(|word| Verb::of(word))
                .filter(|_| !compound),
            noun: TypeName::of(&words),
            has_by: by.is_some(),
        }
    }

    /// Whether only the service's name tells what it speaks of: `Get`.
    pub(super) fn is_bare(&self) -> bool {
        self.noun.stems.is_empty()
    }

    /// All words beside the verb, as one.
    pub(super) fn whole(&self) -> &str {
        &self.noun.joined
    }

    /// The words that tell what it speaks of from other types.
    pub(super) fn main_words(&self) -> &[String] {
        &self.noun.specific
    }

    /// Whether it speaks of this type, and how plainly.
    pub(super) fn speaks_of(&self, of_type: &TypeName) -> Option<Plainness> {
        if self.is_bare() || self.noun.joined == of_type.joined {
            return Some(Plainness::WholeName);
        }
        let (own, of_type) = (&self.noun.specific, &of_type.specific);
        match own.is_empty() {
            false if own == of_type => Some(Plainness::MainWords),
            false if of_type.ends_with(own) => Some(Plainness::LastWords),
            _ => None,
        }
    }

    /// Whether a word of it is a word of this type's name.
    pub(super) fn touches(&self, of_type: &TypeName) -> bool {
        let own = &self.noun.stems;
        own.iter().any(|word| of_type.stems.contains(word))
    }
}

/// How plainly a name speaks of a type; a plainer match leaves the others out.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(super) enum Plainness {
    /// `GetBucket` and `LogBucket`.
    LastWords,
    /// `GetUserInfo` and `User`, `ListTodos` and `TodoItem`.
    MainWords,
    /// `GetUsers` and `User`; `Get` and anything.
    WholeName,
}

/// The name of a type, or what a method's name says of one, taken apart.
#[derive(Clone, Debug)]
pub(super) struct TypeName {
    stems: Vec<String>,
    joined: String,
    /// The stems that tell it from other types.
    specific: Vec<String>,
}

impl TypeName {
    pub(super) fn parse(name: &str) -> Self {
        Self::of(&words(name))
    }

    fn of(words: &[String]) -> Self {
        let stems: Vec<String> = words.iter().map(|word| stem(word)).collect();
        let is_generic = |stem: &&String| GENERIC_STEMS.contains(&stem.as_str());
        Self {
            joined: stems.concat(),
            specific: stems
                .iter()
                .filter(|stem| !is_generic(stem))
                .cloned()
                .collect(),
            stems,
        }
    }

    /// The whole of it, as one word.
    pub(super) fn whole(&self) -> &str {
        &self.joined
    }

    /// The words that tell it from other types.
    pub(super) fn main_words(&self) -> &[String] {
        &self.specific
    }
}

/// Lower-case letters and digits only: how names are compared.
pub(super) fn normalized(name: &str) -> String {
    name.chars()
        .filter(char::is_ascii_alphanumeric)
        .map(|c| c.to_ascii_lowercase())
        .collect()
}

/// The words of a name in camelCase, PascalCase or snake_case: `GetHTTPRoute` is `get`, `http`,
/// `route`, and `ListVMs` is `list`, `vms`.
pub(super) fn words(name: &str) -> Vec<String> {
    let characters: Vec<char> = name.chars().collect();
    let mut words = vec![String::new()];
    for (at, &character) in characters.iter().enumerate() {
        let before = at.checked_sub(1).and_then(|before| characters.get(before));
        let is_lowercase = |at| characters.get(at).is_some_and(|c: &char| c.is_lowercase());
        let is_last_of_several = characters.get(at + 1) == Some(&'s') && !is_lowercase(at + 2);
        let begins = character.is_uppercase()
            && before.is_some_and(|before| {
                !before.is_uppercase() || is_lowercase(at + 1) && !is_last_of_several
            });
        if begins || character == '_' {
            words.push(String::new());
        }
        if let (true, Some(word)) = (character != '_', words.last_mut()) {
            word.extend(character.to_lowercase());
        }
    }
    words.retain(|word| !word.is_empty());
    words
}

/// Takes the verb from the front, or from the end as in `UserAdd`.
fn take_verb(words: &mut Vec<String>) -> Option<Verb> {
    if let [look, up, ..] = words.as_slice()
        && (look.as_str(), up.as_str()) == ("look", "up")
    {
        words.drain(..2);
        return Some(Verb::Get);
    }
    if let Some(verb) = words.first().and_then(|word| Verb::of(word)) {
        words.remove(0);
        return Some(verb);
    }
    let verb = words.last().and_then(|word| Verb::of(word))?;
    words.pop();
    Some(verb)
}

/// What singular and plural have in common: `categori`, `box`, `shelf`, `statu`. No word of any
/// language, but enough to compare two names that both go through it.
fn stem(word: &str) -> String {
    if let Some((_, singular)) = IRREGULAR.iter().find(|(plural, _)| *plural == word) {
        return stem(singular);
    }
    let without_s = |word: &'_ str| match word.strip_suffix('s') {
        Some(stem) if !stem.ends_with('s') => stem.len(),
        _ => word.len(),
    };
    let word = &word[..without_s(word)];
    let word = word.strip_suffix('e').unwrap_or(word);
    let word = &word[..without_s(word)];
    let changed = [('y', "i"), ('v', "f")]
        .iter()
        .find_map(|(last, other)| Some(format!("{}{other}", word.strip_suffix(*last)?)));
    changed.unwrap_or_else(|| word.to_owned())
}

const IRREGULAR: &[(&str, &str)] = &[
    ("analyses", "analysis"),
    ("children", "child"),
    ("criteria", "criterion"),
    ("feet", "foot"),
    ("geese", "goose"),
    ("indices", "index"),
    ("matrices", "matrix"),
    ("media", "medium"),
    ("men", "man"),
    ("mice", "mouse"),
    ("people", "person"),
    ("quizzes", "quiz"),
    ("teeth", "tooth"),
    ("vertices", "vertex"),
    ("women", "woman"),
];

const VERBS: &[(Verb, &[&str])] = &[
    (
        Verb::Create,
        &["add", "create", "insert", "new", "register"],
    ),
    (Verb::Save, &["put", "save", "set", "store", "write"]),
    (Verb::Upsert, &["upsert"]),
    (
        Verb::Get,
        &[
            "get", "find", "fetch", "read", "lookup", "describe", "retrieve", "load", "show",
        ],
    ),
    (Verb::List, &["list", "all"]),
    (Verb::Search, &["search", "query"]),
    (Verb::Update, &["update", "modify", "edit", "replace"]),
    (Verb::Patch, &["patch"]),
    (
        Verb::Delete,
        &["delete", "remove", "destroy", "drop", "erase"],
    ),
];

/// Words beside a verb that change nothing: `ListAllUsers`, `getUserList`.
const SAYING_NOTHING: &[&str] = &["a", "all", "an", "list", "new", "one", "single", "the"];

/// Words that types and methods carry without another meaning, as stems: `GetUserInfo`,
/// `UserRecord`.
const GENERIC_STEMS: &[&str] = &[
    "data", "detail", "dto", "entiti", "entri", "info", "item", "messag", "model", "object", "pb",
    "proto", "record",
];

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_way_of_writing_a_name_says_the_same() {
        for name in [
            "addUser", "AddUser", "add_user", "ADD_USER", "UserAdd", "user_add",
        ] {
            let name = MethodName::parse(name);
            assert_eq!(name.verb, Some(Verb::Create), "{name:?}");
            assert!(
                name.speaks_of(&TypeName::parse("User")).is_some(),
                "{name:?}"
            );
        }
        assert_eq!(words("GetHTTPRouteV2"), ["get", "http", "route", "v2"]);
    }

    #[test]
    fn a_name_speaks_of_its_noun_and_of_nothing_else() {
        for (method, of) in [
            ("ListAllUsers", "User"),
            ("GetUserInfo", "User"),
            ("CreateTodo", "TodoItem"),
            ("getCategories", "Category"),
            ("ListMovies", "Movie"),
            ("ListShelves", "Shelf"),
            ("ListCaches", "Cache"),
            ("ListBoxes", "Box"),
            ("ListKeys", "Key"),
            ("LookUpAddress", "Address"),
            ("GetAddresses", "Address"),
            ("ListPeople", "Person"),
            ("ListIndices", "Index"),
            ("ListIndexes", "Index"),
            ("ListMatrices", "Matrix"),
            ("ListAnalyses", "Analysis"),
            ("GetMice", "Mouse"),
            ("ListVMs", "VM"),
            ("ListURLs", "URL"),
            ("GetBuses", "Bus"),
            ("ListMenus", "Menu"),
            ("ListEntries", "Entry"),
            ("ListUserEntities", "User"),
            ("Get", "User"),
            ("GetUserById", "User"),
            ("GetBucket", "LogBucket"),
        ] {
            assert!(
                MethodName::parse(method)
                    .speaks_of(&TypeName::parse(of))
                    .is_some(),
                "{method} {of}"
            );
        }
        for (method, not_of) in [
            ("AddFriend", "User"),
            ("ListDeletedUsers", "User"),
            ("GetUser", "UserProfile"),
            ("GetItem", "Entry"),
            ("GetUserProfile", "User"),
            ("GetBus", "Bush"),
        ] {
            assert_eq!(
                MethodName::parse(method).speaks_of(&TypeName::parse(not_of)),
                None,
                "{method} {not_of}"
            );
        }
    }

    #[test]
    fn names_with_two_verbs_or_none_promise_nothing() {
        for name in [
            "GetOrCreateUser",
            "CreateAndStart",
            "cancelOrder",
            "Ping",
            "",
        ] {
            assert_eq!(MethodName::parse(name).verb, None, "{name}");
        }
    }
}
