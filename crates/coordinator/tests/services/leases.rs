//! Who has a place or a job in hand, when it is given back, and that those who take many at once do not stand in each other's way.

use std::time::Duration;

use tacit_coordinator::store::{Claimed, Database, Insertion, JobState, NewJob, Store};
use tacit_wire::{Digest32, Identity, IdentityKey};

use crate::fixture::{By, Dealt, FakeKeys, deal, now, stored_job};
use crate::postgres::with_postgres;

const FAILURE: &str = "{\"code\":\"invalid_proof\",\"message\":\"\",\"blame\":\"nobody\"}";

fn dealt() -> Dealt {
    let fakes: Vec<_> = (0..4).map(|_| FakeKeys::new()).collect();
    let certificates: Vec<_> = fakes.iter().map(|f| f.certificate.clone()).collect();
    deal(&certificates, By::Client, now() + 600, 3)
}

fn job(number: u8, model: &Dealt, nodes: &[IdentityKey]) -> NewJob {
    let job = stored_job(Digest32([number; 32]), model, nodes.iter().copied());
    NewJob { coordinator_assembles: true, ..job }
}

/// A database with jobs for these nodes.
async fn filled(database: &Database, jobs: u8, nodes: &[IdentityKey]) -> Store {
    let keeper = Identity::from_seed(&[1; 32]);
    let store = Store::open(database).await.unwrap().signing_as(&keeper);
    store.adopt(&keeper.key()).await.unwrap();
    crate::log::add_circuit(&store).await;
    let model = dealt();
    for number in 0..jobs {
        assert_eq!(store.insert_job(&job(number, &model, nodes), now(), 1000).await.unwrap(), Insertion::New);
    }
    store
}

fn nodes() -> Vec<IdentityKey> {
    (1..=4).map(|n| Identity::from_seed(&[n; 32]).key()).collect()
}

/// What a session gets; `None` if it is not the node's any more.
async fn places(
    store: &Store,
    node: &IdentityKey,
    connection: i64,
    resting: &[Digest32],
) -> Option<Vec<(Digest32, u8)>> {
    match store.claim(node, connection, now(), 10, |d| resting.contains(d), resting.len()).await.unwrap() {
        Claimed::Places(places) => Some(places.into_iter().map(|p| (p.deal, p.index)).collect()),
        Claimed::Superseded => None,
    }
}

#[tokio::test]
async fn a_place_that_could_not_be_given_back_is_offered_again() {
    let root = tempfile::tempdir().unwrap();
    let nodes = nodes();
    let store = filled(&Database::Sqlite(root.path().join("x.sqlite")), 2, &nodes).await;
    let connection = store.arrive(&nodes[0], b"hello").await.unwrap();
    let [first, second] = [Digest32([0; 32]), Digest32([1; 32])];
    let both = Some(vec![(first, 1), (second, 1)]);
    assert_eq!(places(&store, &nodes[0], connection, &[]).await, both);
    // In hand: a session names what it has.
    assert_eq!(places(&store, &nodes[0], connection, &[first, second]).await, Some(vec![]));
    // It is done with the second, and could not say so: the database failed at that moment.
    assert_eq!(places(&store, &nodes[0], connection, &[first]).await, Some(vec![(second, 1)]));
    // What a session gave back rests; another connection's place is nobody else's.
    store.release(&second, &nodes[0], connection, false).await.unwrap();
    assert_eq!(places(&store, &nodes[0], connection, &[first, second]).await, Some(vec![]));
    let newer = store.arrive(&nodes[0], b"hello").await.unwrap();
    assert_eq!(places(&store, &nodes[0], connection, &[]).await, None);
    assert_eq!(places(&store, &nodes[0], newer, &[]).await, both);
    store.close().await;
}

#[tokio::test]
async fn a_failure_of_what_was_not_tried_ends_nothing() {
    let root = tempfile::tempdir().unwrap();
    let store = filled(&Database::Sqlite(root.path().join("x.sqlite")), 2, &nodes()).await;
    let [failing, proved] = [Digest32([0; 32]), Digest32([1; 32])];
    let state = async |id: &Digest32| store.job(id).await.unwrap().unwrap().state;
    let version = store.job(&failing).await.unwrap().unwrap().version;
    assert!(!store.finish(&failing, version - 1, Err(FAILURE), now()).await.unwrap());
    assert_eq!(state(&failing).await, JobState::Open);
    assert!(store.finish(&failing, version, Err(FAILURE), now()).await.unwrap());
    assert_eq!(state(&failing).await, JobState::Failed);
    // A proof is one, whatever came since.
    assert!(store.finish(&proved, 0, Ok("{}"), now()).await.unwrap());
    assert_eq!(state(&proved).await, JobState::Done);
    assert!(!store.finish(&proved, 0, Ok("{}"), now()).await.unwrap());
    store.close().await;
}

/// A coordinator is taken over from while its nodes come and go and jobs end: everybody takes locks, and nobody waits in a circle.
#[test]
fn whoever_buries_stands_in_nobodys_way() {
    with_postgres(|| {
        tokio::runtime::Builder::new_multi_thread().enable_all().build().unwrap().block_on(async {
            let database = Database::Postgres(crate::postgres::current().unwrap());
            let nodes = nodes();
            let dying = filled(&database, 20, &nodes).await;
            let heir = Store::open(&database).await.unwrap();
            let mut tasks = tokio::task::JoinSet::new();
            for node in nodes.clone() {
                let store = dying.clone();
                tasks.spawn(async move {
                    for _ in 0..150 {
                        let connection = store.arrive(&node, b"hello").await.unwrap();
                        places(&store, &node, connection, &[]).await;
                        store.depart(&node, connection).await.unwrap();
                    }
                });
            }
            for _ in 0..2 {
                let (heir, dead) = (heir.clone(), dying.instance().to_owned());
                tasks.spawn(async move {
                    for _ in 0..300 {
                        heir.retire(&dead).await.unwrap();
                    }
                });
            }
            let store = heir.clone().signing_as(&Identity::from_seed(&[1; 32]));
            tasks.spawn(async move {
                for number in 0..20 {
                    store.cancel(&Digest32([number; 32]), FAILURE, now()).await.unwrap();
                    tokio::time::sleep(Duration::from_millis(20)).await;
                }
            });
            tasks.join_all().await;
            dying.close().await;
            heir.close().await;
        });
    });
}
