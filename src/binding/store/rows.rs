//! The rows of one resource in the store.

use std::{cell::Cell, sync::Arc};

use bytes::Bytes;

use super::{
    etag,
    failure::from_store,
    field_bytes::{key_room, put_key},
    key::{Key, internal},
    list::MARK_BYTES,
    resource::Resource,
};
use crate::{
    grpc::Status,
    limits,
    message::{Message, MessageRef},
    schema::{Field, MessageType},
    store::{KeyRange, Page, Precondition, Revision, Row, Store, StoreError},
};

/// The rows of one resource.
///
/// # Layout
///
/// A row's key in the store:
///
/// | bytes | what |
/// |---|---|
/// | `01` | a row of a resource; other first bytes are kept for later kinds of data |
/// | the resource's full name in UTF-8 | `user.User` |
/// | `00` | ends the name, which has none itself |
/// | the key, to the end | see below |
///
/// The key of the resource:
///
/// - A string is its UTF-8, but every run of 1 to 255 ASCII digits is `30` (the digit 0), the
///   number of digits in one byte, and the digits. So `"9"` (`30 01 39`) stands before `"10"`
///   (`30 02 31 30`), and `"shelves/2/books/7"` before `"shelves/2/books/10"`.
/// - A signed integer of any width is 8 bytes, most significant first, with the first bit flipped.
/// - An unsigned integer is 8 bytes, most significant first.
///
/// A row's value is the protobuf encoding of the resource, its key field included.
///
/// The sequence that counts keys is named `resource/` and the resource's full name.
/// [`super::stored`] says what is recorded beside the rows.
#[derive(Debug)]
pub(super) struct Rows {
    store: Arc<dyn Store>,
    resource: Resource,
    prefix: Bytes,
    sequence: String,
    reply_bytes_max: usize,
}

/// What the keys of all rows of a resource begin with.
pub(super) fn prefix_of(full_name: &str) -> Bytes {
    [&[ROW], full_name.as_bytes(), &[0]].concat().into()
}

impl Rows {
    pub(super) fn new(store: Arc<dyn Store>, resource: Resource, reply_bytes_max: usize) -> Self {
        let full_name = resource.message_type().full_name();
        Self {
            store,
            prefix: prefix_of(full_name),
            sequence: format!("resource/{full_name}"),
            resource,
            reply_bytes_max,
        }
    }

    pub(super) fn resource(&self) -> &Resource {
        &self.resource
    }

    /// What the keys of all rows begin with.
    pub(super) fn prefix(&self) -> &[u8] {
        &self.prefix
    }

    /// The longest reply that is sent.
    pub(super) fn reply_bytes_max(&self) -> usize {
        self.reply_bytes_max
    }

    /// `user.User with id "7"`: how a status names a resource.
    pub(super) fn named(&self, key: &Key<'_>) -> String {
        let (of, field) = (self.message_type().full_name(), self.resource.key().name());
        format!("{of} with {field} {key}")
    }

    /// The key in a request's field.
    ///
    /// # Errors
    /// INVALID_ARGUMENT if it is not set.
    pub(super) fn key_in<'a>(
        &self,
        request: &'a Message,
        field: &Field,
    ) -> Result<Key<'a>, Status> {
        Key::read(request.as_ref(), field)?.ok_or_else(|| {
            Status::invalid_argument(format!(
                "`{}` of {} is not set; it is the key of the {} that is meant",
                field.name(),
                request.message_type().full_name(),
                self.message_type().full_name()
            ))
        })
    }

    /// The next key of the counter, written to `digits` if it is a string.
    pub(super) async fn next_key<'a>(
        &self,
        prefix: &str,
        digits: &'a mut itoa::Buffer,
    ) -> Result<Key<'a>, Status> {
        let count = self.store.next(&self.sequence).await.map_err(from_store)?;
        let key = self.resource.key();
        Key::counted(key, prefix, count, digits)?.ok_or_else(|| {
            Status::resource_exhausted(format!(
                "`{}` is {}, and there is no free one left to count to; set it yourself",
                key.full_name(),
                key.kind()
            ))
        })
    }

    /// What is stored and answered with instead of a resource that has an etag; `None` for others.
    pub(super) fn stamped(
        &self,
        row: MessageRef<'_>,
        key: &Key<'_>,
    ) -> Result<Option<Message>, Status> {
        let Some(field) = self.resource.etag() else {
            return Ok(None);
        };
        etag::stamped(field, row, (self.resource.key(), key)).map(Some)
    }

    /// The etag that a resource has, or came with; empty if there is none.
    pub(super) fn etag_of<'a>(&self, row: MessageRef<'a>) -> Result<&'a str, Status> {
        match self.resource.etag() {
            Some(field) => row.str(field).map_err(internal),
            None => Ok(""),
        }
    }

    /// # Errors
    /// ABORTED if the stored resource has another etag than was sent with the call.
    pub(super) fn check_etag(
        &self,
        key: &Key<'_>,
        sent: &str,
        stored: &Message,
    ) -> Result<(), Status> {
        etag::check(&self.named(key), sent, self.etag_of(stored.as_ref())?)
    }

    /// A resource as it is stored under a key: as it came, with its key field set, be it by the caller
    /// or behind what came. Of a field that comes twice the last one counts.
    pub(super) fn encode(&self, row: MessageRef<'_>, key: &Key<'_>) -> Result<Bytes, Status> {
        if self.is_keyed(row)? {
            return Ok(row.encode_to_bytes());
        }
        let room = row.encoded_len() + key_room(self.resource.key(), key);
        let mut encoded = Vec::with_capacity(room);
        self.append_keyed(row, key, &mut encoded);
        Ok(encoded.into())
    }

    fn is_keyed(&self, row: MessageRef<'_>) -> Result<bool, Status> {
        Ok(Key::read(row, self.resource.key())?.is_some())
    }

    fn append_keyed(&self, row: MessageRef<'_>, key: &Key<'_>, buffer: &mut Vec<u8>) {
        row.with_encoded(|encoded| buffer.extend_from_slice(encoded));
        put_key(self.resource.key(), key, buffer);
    }

    /// # Errors
    /// DATA_LOSS if the row is no encoding of the resource.
    pub(super) fn decode(&self, key: &Key<'_>, row: &Row) -> Result<Message, Status> {
        // What was taken once can be read: the limit was that of the call that brought it.
        Message::decode_within(self.message_type(), row.value.clone(), usize::MAX).map_err(
            |error| {
                let what = self.named(key);
                Status::data_loss(format!("{what} is stored, but cannot be read: {error}"))
            },
        )
    }

    /// # Errors
    /// NOT_FOUND if there is none.
    pub(super) async fn get(&self, key: &Key<'_>) -> Result<Row, Status> {
        let row = self.with_bytes(key, |bytes| self.store.get(bytes)).await;
        let row = row.map_err(|error| self.unreadable(key, error))?;
        let mut row = row.ok_or_else(|| self.not_found(key))?;
        etag::fill(&self.resource, &mut row);
        Ok(row)
    }

    /// At most `rows_max` rows after a key, of those whose keys begin with `prefix`.
    pub(super) async fn page(
        &self,
        prefix: &[u8],
        after: Option<&[u8]>,
        rows_max: usize,
    ) -> Result<Page, Status> {
        let range = KeyRange::prefix(prefix.to_vec());
        let page = self.store.scan(&range, after, rows_max);
        let mut page = page.await.map_err(from_store)?;
        for (_, row) in &mut page.rows {
            etag::fill(&self.resource, row);
        }
        Ok(page)
    }

    /// Stores a new row; `false` if the key is taken.
    pub(super) async fn insert(&self, key: &Key<'_>, row: MessageRef<'_>) -> Result<bool, Status> {
        self.put(key, row, Precondition::Absent).await
    }

    /// Puts a row in the place of another.
    ///
    /// # Errors
    /// NOT_FOUND if there is none.
    pub(super) async fn replace(&self, key: &Key<'_>, row: MessageRef<'_>) -> Result<(), Status> {
        match self.put(key, row, Precondition::Present).await? {
            true => Ok(()),
            false => Err(self.not_found(key)),
        }
    }

    /// Puts a row in the place of one that was read; `false` if that was changed since.
    pub(super) async fn replace_if(
        &self,
        key: &Key<'_>,
        row: MessageRef<'_>,
        read: Revision,
    ) -> Result<bool, Status> {
        self.put(key, row, Precondition::Revision(read)).await
    }

    /// Deletes a row whatever it is, be it damaged.
    ///
    /// # Errors
    /// NOT_FOUND if there is none.
    pub(super) async fn delete_unread(&self, key: &Key<'_>) -> Result<(), Status> {
        let is_there = Precondition::Present;
        let commit = self.with_bytes(key, |bytes| self.store.commit_one(bytes, None, is_there));
        match applied(commit.await)? {
            true => Ok(()),
            false => Err(self.not_found(key)),
        }
    }

    /// Deletes a row, and tells what it was.
    ///
    /// # Errors
    /// NOT_FOUND if there is none, ABORTED if it has not the etag, unless that is empty.
    pub(super) async fn delete(&self, key: &Key<'_>, etag: &str) -> Result<Row, Status> {
        for _ in 0..limits::UPDATE_ATTEMPTS_MAX {
            let row = self.get(key).await?;
            if !etag.is_empty() {
                self.check_etag(key, etag, &self.decode(key, &row)?)?;
            }
            // What is deleted must be what is answered with.
            let unchanged = Precondition::Revision(row.revision);
            let commit =
                self.with_bytes(key, |bytes| self.store.commit_one(bytes, None, unchanged));
            if applied(commit.await)? {
                return Ok(row);
            }
        }
        Err(self.contended(key))
    }

    /// ABORTED: others were always faster.
    pub(super) fn contended(&self, key: &Key<'_>) -> Status {
        let what = self.named(key);
        Status::aborted(format!(
            "{what} is being changed by many calls at once; try again"
        ))
    }

    /// Stores a resource; `false` if the precondition does not hold.
    ///
    /// # Errors
    /// INVALID_ARGUMENT if a field is missing that proto2 requires, RESOURCE_EXHAUSTED if no reply
    /// could hold the resource.
    async fn put(
        &self,
        key: &Key<'_>,
        row: MessageRef<'_>,
        precondition: Precondition,
    ) -> Result<bool, Status> {
        let is_keyed = self.is_keyed(row)?;
        self.check_required(row, is_keyed)?;
        let put = |key: &[u8], value: &[u8]| {
            self.check_fits(key, value)?;
            Ok::<_, Status>(self.store.commit_one(key, Some(value), precondition))
        };
        let commit = self.with_bytes(key, |bytes| {
            if is_keyed {
                return row.with_encoded(|value| put(bytes, value));
            }
            let key_bytes = bytes.len();
            self.append_keyed(row, key, bytes);
            let (key, value) = bytes.split_at(key_bytes);
            put(key, value)
        });
        applied(commit?.await)
    }

    /// What is stored must be found again: one page of a list must hold the resource and the token
    /// that names it, the longest of the replies that it stands in.
    fn check_fits(&self, key: &[u8], value: &[u8]) -> Result<(), Status> {
        let key_bytes = key.len().saturating_sub(self.prefix.len());
        let room = self
            .reply_bytes_max
            .saturating_sub(page_overhead(key_bytes));
        if value.len() <= room {
            return Ok(());
        }
        let (of, length) = (self.message_type().full_name(), value.len());
        Err(Status::resource_exhausted(format!(
            "the {of} has {length} bytes; one with this key has at most {room}, so that a reply can \
             hold it"
        )))
    }

    /// What is not there must not be required, save for the key that it is given.
    fn check_required(&self, row: MessageRef<'_>, is_keyed: bool) -> Result<(), Status> {
        let key = self.resource.key().name();
        let missing = row.missing_required();
        match missing.iter().find(|path| is_keyed || *path != key) {
            None => Ok(()),
            Some(missing) => Err(Status::invalid_argument(format!(
                "`{missing}` of {} is required and not set",
                self.message_type().full_name()
            ))),
        }
    }

    /// Has `then` see a key's bytes in the store, in a buffer of the thread.
    fn with_bytes<T>(&self, key: &Key<'_>, then: impl FnOnce(&mut Vec<u8>) -> T) -> T {
        let mut bytes = BYTES.take();
        bytes.clear();
        bytes.extend_from_slice(&self.prefix);
        key.encode(&mut bytes);
        let answer = then(&mut bytes);
        if bytes.capacity() <= limits::MESSAGE_POOL_BUFFER_BYTES_MAX {
            BYTES.set(bytes);
        }
        answer
    }

    /// Which resource is damaged, so that it can be deleted.
    fn unreadable(&self, key: &Key<'_>, error: StoreError) -> Status {
        match error.is_corrupt() {
            true => Status::data_loss(format!("{}: the store: {error}", self.named(key))),
            false => from_store(error),
        }
    }

    fn not_found(&self, key: &Key<'_>) -> Status {
        Status::not_found(format!("no {}", self.named(key)))
    }

    fn message_type(&self) -> &MessageType {
        self.resource.message_type()
    }
}

/// How many bytes a page of one row has at most beside the row's value: two fields' tags and lengths,
/// and the key with its mark in base64, which makes four of three.
pub(super) const fn page_overhead(key_bytes: usize) -> usize {
    2 * FIELD_BYTES_MAX + (key_bytes + MARK_BYTES).div_ceil(3) * 4
}

/// Whether a commit was made; `false` if its precondition did not hold.
fn applied(commit: Result<Revision, StoreError>) -> Result<bool, Status> {
    match commit {
        Ok(_) => Ok(true),
        Err(error) if error.is_precondition_failed().is_some() => Ok(false),
        Err(error) => Err(from_store(error)),
    }
}

thread_local! {
    static BYTES: Cell<Vec<u8>> = const { Cell::new(Vec::new()) };
}

/// The longest tag and the longest length of a message.
const FIELD_BYTES_MAX: usize = 5 + 5;

/// The first byte of a row's key.
const ROW: u8 = 1;
