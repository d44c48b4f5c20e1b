//! list: all resources, in the order of their keys.

use std::hash::{DefaultHasher, Hasher};

use base64::{Engine as _, prelude::BASE64_URL_SAFE_NO_PAD};
use bytes::Bytes;

use super::{
    Rows,
    field_bytes::put_bytes,
    key::{encode_text, has_slash, internal},
    name::normalized,
    parent::Parent,
    request::{NotUnderstood, RequestFields, Told},
    resource::Resource,
    rows::page_overhead,
    told::Shapes,
};
use crate::{
    grpc::{RawMessage, Status},
    limits,
    message::Message,
    schema::{Field, Kind, Method},
};

/// A method that answers with all resources, or with a page of them.
#[derive(Debug)]
pub(super) struct List {
    /// The reply's repeated field.
    items: Field,
    parent: Option<Parent>,
    paging: Option<Paging>,
    not_understood: NotUnderstood,
}

/// The fields of google.aip.dev/158.
#[derive(Debug)]
struct Paging {
    page_size: Field,
    page_token: Field,
    next_page_token: Field,
}

/// What one call asks for.
struct Asked {
    /// What the keys' bytes begin with.
    prefix: Vec<u8>,
    after: Option<Bytes>,
    /// At most so many rows, and then a token; without paging, all or an error.
    rows_max: Option<usize>,
}

impl List {
    /// Reads the shape of a method's types.
    pub(super) fn fit(method: &Method, resource: &Resource, told: Told) -> Result<Self, String> {
        let items = items_of(method, resource)?;
        let mut request = RequestFields::of(method.input());
        let paging = Paging::of(method, &mut request);
        let parent = take_parent(&mut request, resource)?;
        if request.take_resource(resource).is_ok() {
            return Err(format!(
                "{} holds a `{}` itself",
                method.input().name(),
                resource.message_type().name()
            ));
        }
        check_reply(method, &items, told)?;
        Ok(Self {
            items,
            parent,
            paging,
            not_understood: request.finish(told)?,
        })
    }

    /// Whether a request can ask for nothing but all, in pages.
    pub(super) fn is_of_all(&self) -> bool {
        self.not_understood.is_empty() && self.parent.is_none()
    }

    pub(super) fn reason(&self, method: &Method, resource: &Resource) -> String {
        let (items, of) = (&self.items, resource.message_type().name());
        let mut why = format!(
            "`{}.{}` repeats `{of}`",
            items.parent().name(),
            items.name()
        );
        if let Some(parent) = &self.parent {
            why += &format!(", those named `{}…`", parent.told());
        }
        if self.paging.is_some() {
            why += ", in pages";
        }
        Shapes(method).because(&why)
    }

    pub(super) async fn answer(&self, rows: &Rows, request: Message) -> Result<RawMessage, Status> {
        self.not_understood.refuse_if_set(&request)?;
        let asked = self.asked(rows, &request)?;
        let room = rows.reply_bytes_max().saturating_sub(OVERHEAD_MAX);
        let mut reply = Vec::new();
        let mut left = asked.rows_max.unwrap_or(usize::MAX);
        let mut after = asked.after;
        loop {
            let page = rows.page(&asked.prefix, after.as_deref(), left).await?;
            for (key, row) in page.rows {
                if self.is_below_another(&asked.prefix, &key) {
                    after = Some(key);
                    continue;
                }
                if reply.len() + row.value.len() > room && !reply.is_empty() {
                    return self.cut_short(rows, &asked.prefix, after.as_deref(), reply);
                }
                put_bytes(&self.items, &row.value, &mut reply);
                left -= 1;
                after = Some(key);
            }
            match page.next {
                Some(_) if left == 0 => {
                    return self.cut_short(rows, &asked.prefix, after.as_deref(), reply);
                }
                Some(_) => {}
                None => return Ok(RawMessage::new(reply)),
            }
        }
    }

    /// Whether a row is not of the collection itself: `shelves/1/books/x/books/3`.
    fn is_below_another(&self, prefix: &[u8], key: &[u8]) -> bool {
        self.parent.is_some() && key.strip_prefix(prefix).is_some_and(has_slash)
    }

    fn asked(&self, rows: &Rows, request: &Message) -> Result<Asked, Status> {
        let mut prefix = rows.prefix().to_vec();
        if let Some(parent) = &self.parent {
            encode_text(&prefix_below(parent, request)?, &mut prefix);
        }
        let Some(paging) = &self.paging else {
            return Ok(Asked {
                prefix,
                after: None,
                rows_max: None,
            });
        };
        Ok(Asked {
            after: paging.after(request, &prefix)?,
            rows_max: Some(paging.size(request)?),
            prefix,
        })
    }

    /// There is more than this reply may hold: a token, or an error where there can be none.
    fn cut_short(
        &self,
        rows: &Rows,
        prefix: &[u8],
        last: Option<&[u8]>,
        mut reply: Vec<u8>,
    ) -> Result<RawMessage, Status> {
        let Some(paging) = &self.paging else {
            let (of, limit) = (rows.resource().message_type(), rows.reply_bytes_max());
            return Err(Status::resource_exhausted(format!(
                "all {} together are more than {limit} bytes, the longest message that is sent; \
                 give the request `page_size` and `page_token` and the reply `next_page_token`, \
                 and they come in pages",
                of.full_name()
            )));
        };
        let last = last.and_then(|last| last.strip_prefix(prefix));
        let token = page_token(prefix, last.unwrap_or_default());
        put_bytes(&paging.next_page_token, token.as_bytes(), &mut reply);
        Ok(RawMessage::new(reply))
    }
}

/// Takes the field that names what the listed resources are below.
fn take_parent(request: &mut RequestFields, resource: &Resource) -> Result<Option<Parent>, String> {
    let Some(field) = request.take_named("parent", |kind| *kind == Kind::String) else {
        return Ok(None);
    };
    match resource.collection() {
        Some(collection) if resource.has_resource_name() => {
            Ok(Some(Parent::new(field, collection)))
        }
        _ => Err(format!(
            "the request has a `parent`, but the key of `{}` is `{}`, not a `name`",
            resource.message_type().name(),
            resource.key().name()
        )),
    }
}

fn prefix_below(parent: &Parent, request: &Message) -> Result<String, Status> {
    if parent.read(request)?.split('/').any(|part| part == "-") {
        return Err(Status::unimplemented(
            "the store binding does not list across parents (`-`); name one",
        ));
    }
    parent.prefix(request)
}

impl Paging {
    fn of(method: &Method, request: &mut RequestFields) -> Option<Self> {
        let mut reply = RequestFields::of(method.output());
        let next_page_token = reply.take_named("next_page_token", |kind| *kind == Kind::String)?;
        let page_token = request.take_named("page_token", |kind| *kind == Kind::String)?;
        let page_size = request.take_named("page_size", |kind| {
            matches!(kind, Kind::Int32 | Kind::Int64 | Kind::Uint32)
        })?;
        Some(Self {
            page_size,
            page_token,
            next_page_token,
        })
    }

    fn size(&self, request: &Message) -> Result<usize, Status> {
        let asked = request.i64(&self.page_size).map_err(internal)?;
        match usize::try_from(asked) {
            Ok(0) => Ok(limits::LIST_PAGE_ROWS_MAX),
            Ok(asked) => Ok(asked.min(limits::LIST_PAGE_ROWS_MAX)),
            Err(_) => Err(Status::invalid_argument(format!(
                "`{}` is {asked}; it must not be negative",
                self.page_size.name()
            ))),
        }
    }

    /// The key after which the page begins: what the token of the page before says.
    fn after(&self, request: &Message, prefix: &[u8]) -> Result<Option<Bytes>, Status> {
        let token = request.str(&self.page_token).map_err(internal)?;
        if token.is_empty() {
            return Ok(None);
        }
        match read_page_token(prefix, token) {
            Some(last) => Ok(Some([prefix, &last].concat().into())),
            None => Err(Status::invalid_argument(format!(
                "`{}` is none that this list gave, or one of an earlier version",
                self.page_token.name()
            ))),
        }
    }
}

/// The last key of a page without what the keys of the list begin with, and behind it a mark of the
/// list: with the token of another list rows would be left out in silence.
fn page_token(prefix: &[u8], last: &[u8]) -> String {
    BASE64_URL_SAFE_NO_PAD.encode([last, &mark(prefix, last)].concat())
}

fn read_page_token(prefix: &[u8], token: &str) -> Option<Vec<u8>> {
    let mut last = BASE64_URL_SAFE_NO_PAD.decode(token).ok()?;
    let found = last.split_off(last.len().checked_sub(MARK_BYTES)?);
    (found == mark(prefix, &last)).then_some(last)
}

/// No secret: who makes one up gets what they could have asked for.
fn mark(prefix: &[u8], last: &[u8]) -> [u8; MARK_BYTES] {
    let mut hasher = DefaultHasher::new();
    hasher.write(prefix);
    hasher.write(last);
    (hasher.finish() as u32).to_be_bytes()
}

/// The reply's only repeated field, which must repeat the resource.
fn items_of(method: &Method, resource: &Resource) -> Result<Field, String> {
    let (reply, of) = (method.output(), resource.message_type());
    let mut lists = reply.fields().filter(Field::is_list);
    let is_items =
        |field: &Field| field.kind() == Kind::Message(of.clone()) && !field.features().delimited;
    match (lists.find(is_items), lists.find(is_items)) {
        (Some(items), None) => Ok(items),
        _ => Err(format!(
            "`{}` does not repeat `{}` in one field",
            reply.name(),
            of.name()
        )),
    }
}

/// Everything in the reply must be known, unless a person said what it does.
fn check_reply(method: &Method, items: &Field, told: Told) -> Result<(), String> {
    let is_known = |field: &Field| {
        field == items || KNOWN_IN_REPLY.contains(&normalized(field.name()).as_str())
    };
    let mut fields = method.output().fields();
    match fields.find(|field| told == Told::ByShape && !is_known(field)) {
        None => Ok(()),
        Some(unknown) => Err(format!(
            "nothing tells how to fill `{}` of `{}`",
            unknown.name(),
            method.output().name()
        )),
    }
}

/// What may stay empty in a reply that holds all there is (google.aip.dev/158 and 217).
const KNOWN_IN_REPLY: &[&str] = &["nextpagetoken", "unreachable"];

/// Of a page token, behind the key.
pub(super) const MARK_BYTES: usize = 4;

/// Room for a row's tag and length, and for the token at a reply's end. The worst key has a digit in
/// every other byte, so that its bytes are twice as many ([`encode_text`]).
const OVERHEAD_MAX: usize = page_overhead(limits::RESOURCE_KEY_BYTES * 2);
