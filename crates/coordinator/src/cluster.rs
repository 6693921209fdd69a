//! Living among other coordinators of one database: saying that this one lives, taking over from those that died,
//! hearing what the others did.
//!
//! With SQLite there are no others, and all that is left is a look around now and then.

use std::sync::Arc;
use std::time::Duration;

use tokio::time::{Instant, sleep};

use crate::service::Service;
use crate::store::{Event, Heard, Listener, StoreError};
use crate::time::Watch;

/// How often a coordinator says that it lives.
const BEAT: Duration = Duration::from_secs(2);
/// After how long without that the others take over what it had.
pub const DEAD: Duration = Duration::from_secs(10);
/// How often everybody who waits looks again, whatever was heard: messages are lost with the connection that brings them.
const LOOK: Duration = Duration::from_secs(15);
/// The pause after the server did not answer.
const PAUSE: Duration = Duration::from_secs(1);

/// Lives until shutdown.
pub async fn run(service: Arc<Service>) {
    let living = async { tokio::join!(beat(&service), look(&service), hear(&service)) };
    tokio::select! {
        () = service.shutdown.cancelled() => {}
        _ = living => {}
    }
}

async fn beat(service: &Arc<Service>) {
    if !service.store.is_shared() {
        return;
    }
    let (mut last, mut watch) = (None, Watch::default());
    loop {
        let begun = Instant::now();
        match service.store.beat().await {
            Ok((known, time)) => {
                service.time.hear(time);
                watch.look(&service.time);
                if !known && last.is_some() {
                    tracing::warn!("the other coordinators took this one for dead; its nodes connect again");
                    service.registry.end_all();
                    // They told it nothing any more.
                    after_silence(service).await;
                }
                // Whoever was cut off itself cannot tell who else lives.
                if last.is_some_and(|at: Instant| at.elapsed() < DEAD / 2) {
                    take_over(service).await;
                }
                last = Some(begun);
            }
            Err(error) => tracing::error!(%error, "cannot tell the other coordinators that this one lives"),
        }
        sleep(BEAT).await;
    }
}

async fn take_over(service: &Service) {
    match service.store.bury(DEAD).await {
        Ok(0) => {}
        Ok(dead) => {
            tracing::warn!(dead, "other coordinators died; what they had is taken over");
            service.look_again();
        }
        Err(error) => tracing::error!(%error, "cannot take over from coordinators that died"),
    }
}

async fn look(service: &Service) {
    loop {
        sleep(LOOK).await;
        service.look_again();
    }
}

async fn hear(service: &Arc<Service>) {
    loop {
        match service.store.listen().await {
            Ok(None) => return service.forget_removed_circuits().await,
            Ok(Some(listener)) => {
                // Whatever was told before this listened was not heard.
                after_silence(service).await;
                let error = listen(service, listener).await;
                tracing::warn!(%error, "the other coordinators are not heard");
            }
            Err(error) => tracing::warn!(%error, "cannot listen to the other coordinators"),
        }
        sleep(PAUSE).await;
    }
}

async fn listen(service: &Arc<Service>, mut listener: Listener) -> StoreError {
    loop {
        match listener.next().await {
            Ok(Heard::Event(Event::Job(deal))) => service.polls.wake(&deal),
            Ok(Heard::Event(Event::Answered(deal))) => service.polls.wake_for_answer(&deal),
            Ok(Heard::Event(Event::Work(node))) => service.registry.wake(&node),
            Ok(Heard::Event(Event::Connected(node, connection))) => {
                service.registry.supersede(&node, connection)
            }
            Ok(Heard::Event(Event::Assemble)) => service.assemble.notify_one(),
            Ok(Heard::Event(Event::Keys)) => service.reload_assembler_keys().await,
            Ok(Heard::Event(Event::Removed(circuit))) => service.forget_circuit(circuit),
            Ok(Heard::Gap) => after_silence(service).await,
            Err(error) => return error,
        }
    }
}

/// Makes up for what may not have been heard.
async fn after_silence(service: &Arc<Service>) {
    service.reload_assembler_keys().await;
    service.forget_removed_circuits().await;
    service.look_again();
}
