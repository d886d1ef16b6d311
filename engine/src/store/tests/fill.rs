//! A place that is filled from others: what is copied is verified, whatever became of its source.

use super::*;

fn some_tree() -> Origin {
    let files = [
        ("t/a", 10),
        ("t/b*", 5_000),
        ("t/c", 0),
        ("t/d/", 0),
        ("t/e", 2_500),
        ("t/f", 300),
    ];
    Origin::new(&files, 1_024)
}

fn filled(store: &Store, sources: &[Arc<Store>]) -> u32 {
    let have = store.fill(sources, &|_| {}).unwrap();
    assert_eq!(have, store.have());
    have.count()
}

#[test]
fn a_second_place_is_whole_without_a_byte_from_elsewhere() {
    let (one, two) = (tempfile::tempdir().unwrap(), tempfile::tempdir().unwrap());
    let origin = some_tree();
    let source = Arc::new(origin.share(one.path()));
    let store = origin.receive(two.path()).unwrap();
    assert_eq!(filled(&store, &[source]), store.tree().geometry().chunks());
    assert!(!store.stands(), "it has no name yet");
    store.finish().unwrap();
    assert!(origin.is_at(two.path()) && store.stands());
    // The same names, other files: what happens to the copy does not happen to its source.
    std::fs::write(two.path().join("t/e"), b"other").unwrap();
    assert!(origin.is_at(one.path()) && !store.stands());
}

/// One byte of a source was changed without a trace, a file of it is gone, another is cut. What is
/// right of it is taken, the rest from the next source, and from nowhere what is nowhere.
///
/// Register: D1, D3.
#[test]
fn what_is_wrong_in_a_source_is_taken_from_another_or_not_at_all() {
    let dir = || tempfile::tempdir().unwrap();
    let (bad, good, target, alone) = (dir(), dir(), dir(), dir());
    let origin = some_tree();
    let sources = [bad.path(), good.path()].map(|path| Arc::new(origin.share(path)));
    let mut bytes = origin.file(1).to_vec();
    bytes[2_000] ^= 1;
    std::fs::write(bad.path().join("t/b"), &bytes).unwrap();
    std::fs::remove_file(bad.path().join("t/a")).unwrap();
    std::fs::write(bad.path().join("t/e"), &origin.file(4)[..1_000]).unwrap();
    let store = origin.receive(alone.path()).unwrap();
    let some = filled(&store, &sources[..1]);
    let all = store.tree().geometry().chunks();
    assert!((1..all).contains(&some), "{some} of {all}");
    for chunk in origin
        .chunks()
        .into_iter()
        .filter(|chunk| store.have().has(*chunk))
    {
        assert_eq!(read(&store, chunk).unwrap(), origin.chunk(chunk));
    }
    assert!(matches!(store.finish(), Err(StoreError::Unfinished { .. })));
    let store = origin.receive(target.path()).unwrap();
    assert_eq!(filled(&store, &sources), all);
    store.finish().unwrap();
    assert!(origin.is_at(target.path()));
}

/// A file that shares a chunk with one that is gone is not taken for somebody else's; one whose
/// bytes are others is.
///
/// Register: M13.
#[test]
fn a_file_beside_one_that_is_gone_stays_where_it_is() {
    let (one, two) = (tempfile::tempdir().unwrap(), tempfile::tempdir().unwrap());
    let origin = some_tree();
    let source = Arc::new(origin.share(one.path()));
    drop(origin.share(two.path()));
    std::fs::remove_file(two.path().join("t/f")).unwrap();
    let store = origin.receive(two.path()).unwrap();
    filled(&store, &[Arc::clone(&source)]);
    store.finish().unwrap();
    assert!(origin.is_at(two.path()));
    std::fs::remove_file(two.path().join("t/f")).unwrap();
    let mine = vec![7; 2_500];
    std::fs::write(two.path().join("t/e"), &mine).unwrap();
    let refused = origin.receive(two.path());
    let refused = refused.and_then(|store| {
        store.fill(&[source], &|_| {})?;
        store.finish()
    });
    assert!(
        matches!(refused, Err(StoreError::Exists { .. })),
        "{refused:?}"
    );
    assert_eq!(std::fs::read(two.path().join("t/e")).unwrap(), mine);
}
