//! Etags: who sends one back changes only what they have seen.

use std::{collections::BTreeSet, sync::Arc};

use reflectd::{
    Server,
    binding::Plan,
    store::{MemoryStore, Store},
};
use serde_json::{Value, json};
use tokio::task::JoinSet;

use crate::{ABORTED, Api, NOT_FOUND, UNIMPLEMENTED, support, support::TestServer};

const PROTO: &str = "syntax = \"proto3\"; package e;
    import \"google/protobuf/empty.proto\"; import \"google/protobuf/field_mask.proto\";
    service Notes {
      rpc CreateNote(Note) returns (Note);
      rpc GetNote(GetNoteRequest) returns (Note);
      rpc ListNotes(ListNotesRequest) returns (ListNotesResponse);
      rpc UpdateNote(UpdateNoteRequest) returns (Note);
      rpc ReplaceNote(Note) returns (Note);
      rpc DeleteNote(DeleteNoteRequest) returns (google.protobuf.Empty);
      rpc CreateTag(Tag) returns (Tag);
      rpc DeleteTag(DeleteTagRequest) returns (Tag);
    }
    message Note { string id = 1; string text = 2; int32 count = 3; string etag = 4; }
    message GetNoteRequest { string id = 1; }
    message ListNotesRequest { int32 page_size = 1; string page_token = 2; }
    message ListNotesResponse { repeated Note notes = 1; string next_page_token = 2; }
    message UpdateNoteRequest { Note note = 1; google.protobuf.FieldMask update_mask = 2; }
    message DeleteNoteRequest { string id = 1; string etag = 2; }
    message Tag { string id = 1; }
    message DeleteTagRequest { string id = 1; string etag = 2; }";

#[tokio::test]
async fn every_change_of_a_resource_has_an_etag_of_its_own() {
    let api = notes().await;
    let created = api.call("e.Notes/CreateNote", json!({"text": "a", "etag": "mine"}));
    let first = created.await.unwrap();
    assert_ne!(etag(&first), "mine");
    assert_eq!(
        api.call("e.Notes/GetNote", json!({"id": "0"})).await,
        Ok(first.clone())
    );

    let update = |note: Value, mask: &str| {
        api.call(
            "e.Notes/UpdateNote",
            json!({"note": note, "updateMask": mask}),
        )
    };
    let counted = update(json!({"id": "0", "count": 1}), "count")
        .await
        .unwrap();
    let all = update(json!({"id": "0", "text": "a"}), "").await.unwrap();
    assert_eq!(all, first, "the same content has the same etag");
    let masked = update(
        json!({"id": "0", "etag": etag(&first), "text": "b"}),
        "text,etag",
    );
    let masked = masked.await.unwrap();
    let etags = [&first, &counted, &masked].map(etag);
    assert_eq!(BTreeSet::from(etags).len(), 3, "{etags:?}");
    assert_eq!(
        api.call("e.Notes/GetNote", json!({"id": "0"})).await,
        Ok(masked)
    );
}

#[tokio::test]
async fn what_was_changed_meanwhile_is_neither_replaced_nor_deleted() {
    let api = notes().await;
    let created = api.call("e.Notes/CreateNote", json!({"text": "a"}));
    let first = created.await.unwrap();
    let second = api.call("e.Notes/ReplaceNote", json!({"id": "0", "text": "b"}));
    let second = second.await.unwrap();
    let stale = json!({"id": "0", "text": "c", "etag": etag(&first)});
    for (method, request) in [
        ("e.Notes/ReplaceNote", stale.clone()),
        ("e.Notes/UpdateNote", json!({"note": stale})),
        (
            "e.Notes/UpdateNote",
            json!({"note": stale, "updateMask": "text"}),
        ),
        (
            "e.Notes/DeleteNote",
            json!({"id": "0", "etag": etag(&first)}),
        ),
    ] {
        let message = format!(
            "e.Note with id \"0\" has changed: its `etag` is {:?} by now, and {:?} was sent; read it \
             again",
            etag(&second),
            etag(&first)
        );
        assert_eq!(api.call(method, request).await, Err((ABORTED, message)));
    }
    let gone = json!({"id": "7", "etag": etag(&first)});
    assert_eq!(
        api.call("e.Notes/DeleteNote", gone).await.unwrap_err().0,
        NOT_FOUND
    );
    let now = json!({"id": "0", "etag": etag(&second)});
    assert_eq!(api.call("e.Notes/DeleteNote", now).await, Ok(json!({})));

    // A resource without one has nothing to compare with.
    api.call("e.Notes/CreateTag", json!({})).await.unwrap();
    let (code, told) = api
        .call("e.Notes/DeleteTag", json!({"id": "0", "etag": "x"}))
        .await
        .unwrap_err();
    assert_eq!(code, UNIMPLEMENTED, "{told}");
}

#[tokio::test]
async fn of_many_who_saw_the_same_one_is_answered() {
    let api = Arc::new(notes().await);
    let mut seen = api.call("e.Notes/CreateNote", json!({})).await.unwrap();
    for round in 0..20 {
        let mut calls = JoinSet::new();
        for caller in 0..8 {
            let (api, etag) = (Arc::clone(&api), etag(&seen).to_owned());
            calls.spawn(async move {
                let text = format!("{round} {caller}");
                let note = json!({"id": "0", "text": text, "etag": etag});
                api.call("e.Notes/ReplaceNote", note).await
            });
        }
        let (done, refused): (Vec<_>, Vec<_>) =
            calls.join_all().await.into_iter().partition(Result::is_ok);
        assert_eq!(done.len(), 1);
        assert!(
            refused
                .iter()
                .all(|call| call.as_ref().unwrap_err().0 == ABORTED)
        );
        seen = done.into_iter().next().unwrap().unwrap();
        assert_eq!(
            api.call("e.Notes/GetNote", json!({"id": "0"})).await,
            Ok(seen.clone())
        );
    }
}

#[tokio::test]
async fn rows_that_were_written_without_an_etag_have_one_when_they_are_read() {
    let store: Arc<dyn Store> = Arc::new(MemoryStore::new());
    let before = PROTO.replace("string etag = 4;", "");
    let api = notes_of(&before, &store).await;
    for text in ["a", "b"] {
        let note = json!({"text": text, "count": 7});
        api.call("e.Notes/CreateNote", note).await.unwrap();
    }
    let api = notes_of(PROTO, &store).await;
    let listed = api.call("e.Notes/ListNotes", json!({})).await.unwrap();
    for note in listed["notes"].as_array().unwrap() {
        let get = api.call("e.Notes/GetNote", json!({"id": note["id"]}));
        assert_eq!(get.await.as_ref(), Ok(note));
        // Two who have read the same: one is answered.
        let mut changed = note.clone();
        changed["text"] = json!("c");
        let update = api.call("e.Notes/ReplaceNote", changed.clone());
        assert_ne!(etag(&update.await.unwrap()), etag(note));
        let lost = api.call("e.Notes/ReplaceNote", changed).await;
        assert_eq!(lost.unwrap_err().0, ABORTED);
    }
    // The same as if it had been written with one.
    let note = json!({"id": "0", "text": "a", "count": 7});
    let written = api.call("e.Notes/ReplaceNote", note).await.unwrap();
    assert_eq!(written, listed["notes"][0]);
}

fn etag(note: &Value) -> &str {
    note["etag"].as_str().unwrap()
}

async fn notes() -> Api {
    let store: Arc<dyn Store> = Arc::new(MemoryStore::new());
    notes_of(PROTO, &store).await
}

async fn notes_of(proto: &str, store: &Arc<dyn Store>) -> Api {
    let schema = support::schema(&[("e.proto", proto)]);
    let plan = Plan::infer(&schema, &[]).unwrap();
    let builder = plan.bind(Server::builder(schema.clone()), Arc::clone(store));
    let builder = builder.await;
    Api::serve(schema, TestServer::start(builder.unwrap()).await).await
}
