//! Who has a place or a job in hand, when it is given back, and that those who take many at once do not stand in each other's way.

use std::collections::HashSet;
use std::time::Duration;

use tacit_coordinator::store::{
    Claimed, Database, Holder, Insertion, JobState, NewJob, NewSeat, Reassigned, Recorded, Reply, Store,
};
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
    match store.claim(node, connection, now(), 10, &resting.iter().copied().collect()).await.unwrap() {
        Claimed::Places { places, .. } => Some(places.into_iter().map(|p| (p.deal, p.index)).collect()),
        Claimed::Superseded => None,
    }
}

/// A test over both databases.
fn on_both(test: impl AsyncFn(Database)) {
    let runtime = || tokio::runtime::Builder::new_multi_thread().enable_all().build().unwrap();
    let root = tempfile::tempdir().unwrap();
    runtime().block_on(test(Database::Sqlite(root.path().join("x.sqlite"))));
    with_postgres(|| runtime().block_on(test(Database::Postgres(crate::postgres::current().unwrap()))));
}

#[test]
fn a_job_that_was_just_accepted_is_as_it_will_be_read() {
    on_both(async |database| {
        let nodes = nodes();
        let store = filled(&database, 0, &nodes).await;
        let job = job(7, &dealt(), &nodes);
        store.insert_job(&job, 1234, 1000).await.unwrap();
        let read = store.job_with_seats(&job.deal).await.unwrap().unwrap();
        assert_eq!(format!("{:?}", job.accepted(1234)), format!("{read:?}"));
        store.close().await;
    });
}

/// Clients go away in the middle of what is done for them: what is broken off happens whole or not at all, and a connection that was in use goes on
/// to the next one as if nothing had been.
#[test]
fn what_is_broken_off_leaves_nothing_behind() {
    on_both(async |database| {
        let nodes = nodes();
        let store = filled(&database, 0, &nodes).await;
        let model = dealt();
        for number in 1..=100u8 {
            let job = job(number, &model, &nodes);
            let soon = Duration::from_micros(u64::from(number) * 40);
            let _ = tokio::time::timeout(soon, store.insert_job(&job, now(), 1000)).await;
            let _ = tokio::time::timeout(soon / 8, store.job_with_seats(&job.deal)).await;
            let inserted = store.insert_job(&job, now(), 1000).await.unwrap();
            assert!(matches!(inserted, Insertion::New | Insertion::Same), "{inserted:?}");
            let (row, seats) = store.job_with_seats(&job.deal).await.unwrap().unwrap();
            assert_eq!((row.deal, seats.len()), (job.deal, 4));
        }
        assert_eq!((store.count_open().await.unwrap(), store.count_envelopes().await.unwrap()), (100, 400));
        // More than there are connections, each given up before its end.
        let other = NewJob { submission: Digest32([255; 32]), ..job(1, &model, &nodes) };
        for _ in 0..40 {
            assert_eq!(store.insert_job(&other, now(), 1000).await.unwrap(), Insertion::Conflict);
        }
        tokio::time::timeout(Duration::from_secs(20), store.close()).await.unwrap();
    });
}

#[test]
fn a_place_that_could_not_be_given_back_is_offered_again() {
    on_both(given_back_late);
}

async fn given_back_late(database: Database) {
    let nodes = nodes();
    let store = filled(&database, 2, &nodes).await;
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

/// Every way in which a node stops having a package in hand, and that it may have seen it all the same.
async fn who_was_offered_a_package_counts_as_having_seen_it(database: &Database) {
    let nodes: Vec<_> = (1..=5).map(|n| Identity::from_seed(&[n; 32]).key()).collect();
    let store = filled(database, 3, &nodes[..4]).await;
    let model = dealt();
    let seen = async |job: u8| -> Vec<u8> {
        let holders = store.holders(&Digest32([job; 32])).await.unwrap();
        let place = |h: &Holder| nodes.iter().position(|n| *n == h.node).unwrap() as u8;
        let mut seen: Vec<_> = holders.iter().filter(|h| h.offered).map(place).collect();
        seen.sort_unstable();
        seen
    };
    let [given_back, replaced, ended] = [Digest32([0; 32]), Digest32([1; 32]), Digest32([2; 32])];
    let mut connections = Vec::new();
    for node in &nodes {
        connections.push(store.arrive(node, b"hello").await.unwrap());
    }
    let claim = async |node: usize, resting: &[Digest32]| {
        places(&store, &nodes[node], connections[node], resting).await.unwrap().len()
    };
    assert_eq!(seen(0).await, [] as [u8; 0]);
    // While it is out; when the node declines; when it comes back.
    assert_eq!(claim(0, &[replaced, ended]).await, 1);
    assert_eq!(seen(0).await, [0]);
    store.release(&given_back, &nodes[0], connections[0], false).await.unwrap();
    assert_eq!(claim(1, &[replaced, ended]).await, 1);
    store.depart(&nodes[1], connections[1]).await.unwrap();
    assert_eq!(seen(0).await, [0, 1]);
    store.arrive(&nodes[1], b"hello").await.unwrap();
    assert_eq!(seen(0).await, [0, 1]);
    // When its place is another's, and that one takes it.
    assert_eq!(claim(2, &[given_back, ended]).await, 1);
    let model = job(1, &model, &nodes[..4]);
    let seat = NewSeat {
        index: 3,
        node: nodes[4],
        assignment: vec![9; 10],
        envelope: model.seats[2].envelope.clone(),
    };
    let done = store.reassign(&replaced, &seat, now(), 1000).await.unwrap();
    assert_eq!(done, Reassigned::Done(nodes[2]));
    assert_eq!(seen(1).await, [2]);
    assert_eq!(claim(4, &[]).await, 1);
    assert_eq!(seen(1).await, [2, 4]);
    // When the job ends; whoever it was not offered to has not seen it.
    assert_eq!(claim(3, &[given_back, replaced]).await, 1);
    store.cancel(&ended, FAILURE, now()).await.unwrap();
    assert_eq!(seen(2).await, [3]);
    assert_eq!(seen(0).await, [0, 1]);
    store.close().await;
}

#[tokio::test]
async fn who_was_offered_a_package_is_known_in_a_file() {
    let root = tempfile::tempdir().unwrap();
    let database = Database::Sqlite(root.path().join("x.sqlite"));
    who_was_offered_a_package_counts_as_having_seen_it(&database).await;
}

#[test]
fn who_was_offered_a_package_is_known_on_a_server() {
    with_postgres(|| {
        tokio::runtime::Builder::new_multi_thread().enable_all().build().unwrap().block_on(async {
            let database = Database::Postgres(crate::postgres::current().unwrap());
            who_was_offered_a_package_counts_as_having_seen_it(&database).await;
        });
    });
}

#[tokio::test]
async fn a_place_that_an_earlier_connection_took_too_late_is_the_later_ones() {
    let root = tempfile::tempdir().unwrap();
    let path = root.path().join("x.sqlite");
    let nodes = nodes();
    let store = filled(&Database::Sqlite(path.clone()), 1, &nodes).await;
    let earlier = store.arrive(&nodes[0], b"hello").await.unwrap();
    assert_eq!(places(&store, &nodes[0], earlier, &[]).await.unwrap().len(), 1);
    let later = store.arrive(&nodes[0], b"hello").await.unwrap();
    // As when the earlier one's claim had looked before the later one came, and wrote after.
    let raw = sqlx::SqlitePool::connect(&format!("sqlite://{}", path.display())).await.unwrap();
    sqlx::query(
        "INSERT INTO in_hand (deal, idx, node, coordinator, connection, lost) VALUES ($1, 1, $2, 'x', $3, 0)",
    )
    .bind(vec![0u8; 32])
    .bind(nodes[0].0.to_vec())
    .bind(earlier)
    .execute(&raw)
    .await
    .unwrap();
    assert_eq!(places(&store, &nodes[0], later, &[]).await.unwrap().len(), 1);
    // And what the later one has, the earlier one does not take.
    assert_eq!(places(&store, &nodes[0], earlier, &[]).await, None);
    store.close().await;
}

/// A place goes to another node in the moment in which its node claims it: whoever was given the package to offer is known to have been.
#[test]
fn what_comes_along_with_a_claim_is_noted_whatever_happens_in_between() {
    with_postgres(|| {
        let runtime = tokio::runtime::Builder::new_multi_thread().enable_all().build().unwrap();
        runtime.block_on(async {
            let database = Database::Postgres(crate::postgres::current().unwrap());
            let nodes = nodes();
            let other = Identity::from_seed(&[5; 32]).key();
            let store = filled(&database, 0, &nodes).await;
            let connections = [
                store.arrive(&nodes[0], b"hello").await.unwrap(),
                store.arrive(&other, b"hello").await.unwrap(),
            ];
            let (model, mut brought, mut replaced) = (dealt(), 0, 0);
            for number in 1..=200 {
                let job = job(number, &model, &nodes);
                store.insert_job(&job, now(), 1000).await.unwrap();
                let envelope = job.seats[0].envelope.clone();
                let seat = NewSeat { index: 1, node: other, assignment: vec![9; 10], envelope };
                let late = Duration::from_micros(u64::from(number % 20) * 100);
                let claim = async {
                    tokio::time::sleep(late).await;
                    store.claim(&nodes[0], connections[0], now(), 1, &HashSet::new()).await.unwrap()
                };
                let give = async {
                    let done = store.reassign(&job.deal, &seat, now(), 1000).await.unwrap();
                    assert_eq!(done, Reassigned::Done(nodes[0]));
                    store.claim(&other, connections[1], now(), 1, &HashSet::new()).await.unwrap()
                };
                let (claimed, given) = tokio::join!(claim, give);
                replaced +=
                    usize::from(matches!(&given, Claimed::Places { places, .. } if places.len() == 1));
                let Claimed::Places { places, .. } = claimed else { panic!("superseded") };
                if places.iter().any(|place| place.offer.is_some()) {
                    brought += 1;
                    let holders = store.holders(&job.deal).await.unwrap();
                    let holder = holders.iter().find(|h| h.node == nodes[0]).unwrap();
                    assert!(holder.offered, "job {number}: {holders:?}");
                }
                store.release(&job.deal, &nodes[0], connections[0], false).await.unwrap();
                store.cancel(&job.deal, FAILURE, now()).await.unwrap();
            }
            assert!(brought > 0 && replaced > 0, "{brought} {replaced}");
            store.close().await;
        });
    });
}

#[tokio::test]
async fn whoever_waits_holds_no_large_header_and_an_offer_takes_room_for_it() {
    let root = tempfile::tempdir().unwrap();
    let nodes = nodes();
    let store = filled(&Database::Sqlite(root.path().join("x.sqlite")), 0, &nodes).await;
    let model = dealt();
    let mut large = job(7, &model, &nodes);
    // What comes after the dials is nobody's here who does not decode it.
    large.header.resize(1 << 20, 7);
    assert_eq!(store.insert_job(&large, now(), 1000).await.unwrap(), Insertion::New);
    assert_eq!(store.job(&large.deal).await.unwrap().unwrap().header.len(), 1 << 20);
    assert_eq!(store.job_head(&large.deal).await.unwrap().unwrap().header.len(), 512);
    assert_eq!(store.job_with_seats(&large.deal).await.unwrap().unwrap().0.header.len(), 512);
    assert_eq!(store.job_with_answers(&large.deal, u64::MAX).await.unwrap().unwrap().job.header.len(), 512);
    assert_eq!(store.jobs(1, None).await.unwrap()[0].0.header.len(), 512);
    let connection = store.arrive(&nodes[0], b"hello").await.unwrap();
    let claimed = store.claim(&nodes[0], connection, now(), 1, &HashSet::new()).await.unwrap();
    let Claimed::Places { places, .. } = claimed else { panic!("superseded") };
    assert_eq!(places[0].offer_bytes, (1 << 20) + large.seats[0].envelope.len() as u64);
    // And its dials are still read when a node replies, and when it ends.
    let refusal = "{\"code\":\"busy\",\"text\":\"\",\"blame\":\"nobody\"}";
    let recorded =
        store.record(&large.deal, &nodes[0], Reply::Refusal(refusal), now(), FAILURE).await.unwrap();
    assert!(matches!(recorded, Recorded::New { waiting: 3, .. }), "{recorded:?}");
    assert_eq!(store.cancel(&large.deal, FAILURE, now()).await.unwrap(), Some(JobState::Failed));
    store.close().await;
}

#[tokio::test]
async fn what_has_waited_longest_is_assembled_first() {
    let root = tempfile::tempdir().unwrap();
    let path = root.path().join("x.sqlite");
    let nodes = nodes();
    let store = filled(&Database::Sqlite(path.clone()), 0, &nodes).await;
    let model = dealt();
    for (number, age) in [(1, 0), (9, 20), (5, 10)] {
        let job = job(number, &model, &nodes);
        assert_eq!(store.insert_job(&job, now() - age, 1000).await.unwrap(), Insertion::New);
    }
    let raw = sqlx::SqlitePool::connect(&format!("sqlite://{}", path.display())).await.unwrap();
    sqlx::query("UPDATE jobs SET state = 1").execute(&raw).await.unwrap();
    let lease = Duration::from_secs(60);
    let take = async |n| store.take_to_assemble(n, lease).await.unwrap();
    assert_eq!(take(1).await, [Digest32([9; 32])]);
    // Of several the rows are taken in the order of their names.
    assert_eq!(take(2).await, [Digest32([1; 32]), Digest32([5; 32])]);
    assert!(take(2).await.is_empty());
    store.close().await;
}

#[tokio::test]
async fn a_window_that_is_full_says_that_more_waits() {
    let root = tempfile::tempdir().unwrap();
    let nodes = nodes();
    let store = filled(&Database::Sqlite(root.path().join("x.sqlite")), 3, &nodes).await;
    let connection = store.arrive(&nodes[0], b"hello").await.unwrap();
    let mut held = Vec::new();
    for (limit, n, rest) in [(0, 0, false), (2, 2, false), (1, 1, true), (1, 0, true)] {
        let claimed =
            store.claim(&nodes[0], connection, now(), limit, &held.iter().copied().collect()).await.unwrap();
        let Claimed::Places { places, all } = claimed else { panic!("superseded") };
        assert_eq!((places.len(), all), (n, rest), "{limit}");
        held.extend(places.iter().map(|p| p.deal));
    }
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
