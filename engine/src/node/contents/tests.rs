//! What disks do for contents, and what the library hears of it. Nothing is asked of a network.

use fairhaul_core::id::ChunkIndex;
use fairhaul_core::library::{Disk, FolderId, LibraryInput, ManifestFault, OfferId};
use fairhaul_core::node::Input;
use fairhaul_core::units::ByteCount;

use super::*;
use crate::content::tree::hash_chunk;
use crate::control::api::{
    ControlRequest, Get, Nothing, ShareRequest, Shared, Status, Transfer, TransferState,
};
use crate::node::control::others::Others;
use crate::node::inputs::PendingInputs;
use crate::node::tests::rig::{CONTENT, Place, Rig};
use crate::session::Arrival;
use crate::store::ChunkReadError;

/// Bytes of a chunk.
const CHUNK: u64 = 64 * 1024;
const ANN: PeerId = PeerId(0);

fn share(rig: &Rig) -> ControlRequest {
    ControlRequest::Share(ShareRequest {
        path: rig.file("content"),
        ignore: Vec::new(),
        chunk_bytes: Some(CHUNK),
    })
}

/// A node that fetches the content of another, which is not there: the ticket has its manifest.
async fn fetching() -> Rig {
    let other = Place::new();
    let mut rig = Place::new().node("node", &other.listed("ann", ""));
    let mut other = other.node("ann", "");
    let shared: Shared = other.ask_and_wait(share(&other)).await.unwrap();
    let waits = rig.begin(ControlRequest::Get(Get {
        ticket: shared.ticket,
        dir: rig.file("in"),
        overwrite: false,
        force: false,
    }));
    rig.settle(|status| {
        let moving = |state| state == TransferState::Fetching;
        status
            .transfers
            .first()
            .is_some_and(|one| moving(one.state))
    })
    .await;
    drop(waits);
    rig
}

/// The bytes of the file `content`.
fn bytes_of(chunk: u64) -> Vec<u8> {
    let end = ((chunk + 1) * CHUNK).min(CONTENT);
    (chunk * CHUNK..end).map(|at| (at % 251) as u8).collect()
}

/// A chunk as a session hands it over.
fn arrival(bytes: Vec<u8>) -> Option<Arrival> {
    let budget: Arc<Budget> = Arc::default();
    Some(Arrival {
        hash: hash_chunk(&bytes),
        held: budget.hold(ANN, HeldKind::Passing, bytes.len() as u64),
        bytes,
    })
}

fn chunk(others: &Others<'_>, position: u32) -> ChunkIndex {
    let chunk_store = others.contents.chunk_store(TransferId(2)).unwrap();
    chunk_store.geometry().index(position).unwrap()
}

/// What the core is told at once of a chunk of content 1 that came.
fn store(rig: &mut Rig, position: u32, arrival: Option<Arrival>) -> Option<Input> {
    rig.host.control(|_, others| {
        let chunk = chunk(others, position);
        let parts = vec![(ANN, ByteCount::new(CHUNK))];
        others
            .contents
            .store((TransferId(2), chunk), (ANN, parts), arrival, others.inputs)
    })
}

async fn disk_event(rig: &mut Rig) -> DiskEvent {
    loop {
        if let Some(NodeEvent::Disk(event)) = rig.events.recv().await {
            return event;
        }
    }
}

// ---- chunks

/// The wrong one is not written; one without its bytes comes again and nobody is to blame.
#[tokio::test]
async fn a_chunk_is_written_if_its_hash_is_right_and_only_then() {
    let mut rig = fetching().await;
    let wrong = store(&mut rig, 0, arrival(bytes_of(1)));
    assert!(
        matches!(wrong, Some(Input::Rejected { from: ANN, .. })),
        "{wrong:?}"
    );
    assert!(matches!(store(&mut rig, 0, None), Some(Input::Lost { .. })));
    assert_eq!(store(&mut rig, 0, arrival(bytes_of(0))), None);
    let event = disk_event(&mut rig).await;
    assert!(matches!(
        &event,
        DiskEvent::Wrote {
            result: Ok(()),
            from: ANN,
            ..
        }
    ));
    rig.host.handle(NodeEvent::Disk(event));
    let status: Status = rig.ask(ControlRequest::Status(Nothing {})).unwrap();
    assert_eq!(status.transfers[0].done_bytes, CHUNK);
    let mut read = vec![0; 10];
    rig.host.control(|_, others| {
        let chunk_store = others.contents.chunk_store(TransferId(2)).unwrap();
        let first = chunk(others, 0);
        chunk_store
            .read(first, ByteCount::new(5), &mut read)
            .unwrap();
    });
    assert_eq!(read, bytes_of(0)[5..15]);
}

/// What arrived stays, and is given to others meanwhile.
#[tokio::test]
async fn a_pause_keeps_what_arrived_until_the_transfer_goes_on() {
    let mut rig = fetching().await;
    assert_eq!(store(&mut rig, 2, arrival(bytes_of(2))), None);
    rig.settle(|status| status.transfers[0].done_bytes == CHUNK)
        .await;
    let _: Nothing = rig.ask(ControlRequest::Pause(Transfer { id: 1 })).unwrap();
    rig.settle(|status| status.transfers[0].paused).await;
    let chunk_store = rig
        .host
        .control(|_, others| others.contents.chunk_store(TransferId(2)));
    assert!(chunk_store.is_some());
    let _: Nothing = rig.ask(ControlRequest::Resume(Transfer { id: 1 })).unwrap();
    rig.settle(|status| status.transfers[0].state == TransferState::Fetching)
        .await;
    let status: Status = rig.ask(ControlRequest::Status(Nothing {})).unwrap();
    assert_eq!(
        (status.transfers[0].done_bytes, status.transfers[0].paused),
        (CHUNK, false)
    );
}

// ---- files that change

/// A line for each file, however many chunks of it cannot be read; and nothing of a content that is
/// gone.
#[tokio::test]
async fn a_file_that_changed_is_told_once() {
    let mut rig = Place::new().node("node", "");
    let _: Shared = rig.ask_and_wait(share(&rig)).await.unwrap();
    rig.settle(|status| status.transfers[0].state == TransferState::Serving)
        .await;
    std::fs::write(rig.file("content"), vec![9; 200_000]).unwrap();
    rig.host.control(|_, others| {
        let chunk_store = others.contents.chunk_store(TransferId(2)).unwrap();
        let mut out = vec![0; 10];
        let read = chunk_store.read(chunk(others, 0), ByteCount::ZERO, &mut out);
        let why = read.unwrap_err();
        let contents = &mut *others.contents;
        let told = contents.changed(TransferId(2), &why);
        assert!(told.is_some_and(|told| told.contains("content")));
        assert_eq!(contents.changed(TransferId(2), &why), None);
        assert_eq!(contents.changed(TransferId(8), &why), None, "nobody has it");
        assert_eq!(
            contents.changed(TransferId(2), &ChunkReadError::Absent(0)),
            None
        );
        // What lies in a folder that nothing fills belongs to who put it there.
        assert!(!contents.fetches_again(TransferId(2)));
        assert!(
            contents.fetches_again(TransferId(3)),
            "a manifest is in memory"
        );
        assert!(contents.fetches_again(TransferId(8)));
    });
}

// ---- manifests and inboxes

/// The library asks for a manifest to be read once it is whole; it is held against the identity
/// that was asked for.
#[tokio::test]
async fn a_manifest_that_is_another_one_or_none_is_told_apart() {
    let mut rig = Place::new().node("node", "");
    let own = Place::new();
    let mut other = own.node("other", "");
    let shared: Shared = other.ask_and_wait(share(&other)).await.unwrap();
    let ticket: crate::content::ticket::ContentTicket = shared.ticket.parse().unwrap();
    let manifest = ticket.manifest().unwrap().to_vec();
    let odd = b"no manifest".to_vec();
    let cases = [
        (ticket.content(), manifest.clone(), "right"),
        (ContentId([1; 32]), manifest, "wrong"),
        (content_id(&odd), odd, "unusable"),
    ];
    for (number, (content, bytes, expected)) in (11..).zip(cases) {
        rig.host.control(|_, others| {
            let contents = &mut *others.contents;
            contents.carry(LibraryAction::New {
                number,
                content,
                manifest_bytes: bytes.len() as u64,
                name: None,
            });
            let chunk_store = contents.chunk_store(TransferId(2 * number + 1)).unwrap();
            let first = chunk_store.geometry().index(0).unwrap();
            chunk_store.write(first, &bytes).unwrap();
            contents.carry(LibraryAction::Describe { number, attempt: 0 });
        });
        let DiskEvent::Described(described, 0, result) = disk_event(&mut rig).await else {
            panic!("it was read");
        };
        let got = match result {
            Ok(_) => "right",
            Err(ManifestFault::Wrong) => "wrong",
            Err(ManifestFault::Unusable(_)) => "unusable",
        };
        assert_eq!((described, got), (number, expected));
        rig.host.control(|_, others| {
            let contents = &mut *others.contents;
            contents.carry(LibraryAction::ForgetManifest { number, bytes: 7 });
            let chunk_store = contents.chunk_store(TransferId(2 * number + 1)).unwrap();
            assert_eq!(chunk_store.geometry().bytes().get(), 7);
            contents.carry(LibraryAction::Forget { number });
            assert!(contents.chunk_store(TransferId(2 * number + 1)).is_none());
        });
    }
}

/// Two offers into one inbox wait for one look at its disk; a third one comes later and has its
/// own.
#[tokio::test]
async fn offers_into_the_same_inbox_wait_for_one_look_at_its_disk() {
    let mut rig = Place::new().node("node", "");
    let offer = |bytes| Offer {
        content: ContentId([1; 32]),
        manifest_bytes: 100,
        bytes,
        name: "name".into(),
    };
    let inbox = rig.file("data/inbox");
    let look = |rig: &mut Rig, number: u64| {
        rig.host.control(|_, others| {
            let folder = others.contents.folder(&inbox);
            others.contents.carry(LibraryAction::Look {
                offer: OfferId(number),
                peer: ANN,
                folder,
                of: Box::new(offer(number)),
            });
        });
    };
    look(&mut rig, 1);
    look(&mut rig, 2);
    let event = disk_event(&mut rig).await;
    assert!(inbox.is_dir());
    let mut inputs = PendingInputs::default();
    rig.host
        .control(|_, others| others.contents.disk(event, &mut inputs));
    let told: Vec<_> = std::iter::from_fn(|| inputs.next_of_library()).collect();
    for (input, number) in told.iter().zip(1..) {
        let LibraryInput::Looked {
            offer,
            disk,
            has_memory,
        } = input
        else {
            panic!("{input:?}");
        };
        assert_eq!((*offer, *has_memory), (OfferId(number), true));
        assert!(disk.is_some_and(|disk: Disk| disk.free > 0));
    }
    assert_eq!(told.len(), 2);
    look(&mut rig, 3);
    let event = disk_event(&mut rig).await;
    assert!(matches!(event, DiskEvent::Looked(looked) if looked.disk.is_ok()));
}

#[tokio::test]
async fn a_folder_has_one_number_for_all_contents() {
    let mut rig = Place::new().node("node", "");
    let (one, two) = (rig.file("one"), rig.file("two"));
    let numbers: [FolderId; 3] = rig
        .host
        .control(|_, others| [&one, &two, &one].map(|path| others.contents.folder(path)));
    assert!(numbers[0] == numbers[2] && numbers[0] != numbers[1]);
}
