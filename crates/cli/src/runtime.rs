//! The asynchronous runtime for verbs that talk to a network.

use crate::failure::{Failure, Outcome};

/// A runtime with every driver on.
pub fn new() -> Outcome<tokio::runtime::Runtime> {
    tokio::runtime::Builder::new_multi_thread()
        .enable_all()
        .build()
        .map_err(|e| Failure::new(format!("the runtime cannot start: {e}")))
}

/// A runtime for a service that mostly passes things on. Half of the cores serve connections: handing each small thing from one thread to another costs more than the thing
/// itself, and what computes for long has threads of its own.
pub fn serving() -> Outcome<tokio::runtime::Runtime> {
    let cores = std::thread::available_parallelism().map_or(1, std::num::NonZero::get);
    tokio::runtime::Builder::new_multi_thread()
        .worker_threads(cores.div_ceil(2))
        .enable_all()
        .build()
        .map_err(|e| Failure::new(format!("the runtime cannot start: {e}")))
}

/// Resolves when the process is asked to stop (SIGINT or SIGTERM).
pub fn stop_signal(runtime: &tokio::runtime::Runtime) -> Outcome<impl Future<Output = ()> + Send + use<>> {
    let _inside = runtime.enter();
    let mut signals = StopSignals::new()?;
    Ok(async move { signals.next().await })
}

/// Each time that the process is asked to stop.
pub struct StopSignals {
    interrupt: tokio::signal::unix::Signal,
    terminate: tokio::signal::unix::Signal,
}

impl StopSignals {
    /// Listens from now on, inside of a runtime.
    pub fn new() -> Outcome<Self> {
        use tokio::signal::unix::{SignalKind, signal};
        let listen = |kind| signal(kind).map_err(|e| Failure::new(format!("signals cannot be awaited: {e}")));
        Ok(Self { interrupt: listen(SignalKind::interrupt())?, terminate: listen(SignalKind::terminate())? })
    }

    /// The next time.
    pub async fn next(&mut self) {
        tokio::select! {
            _ = self.interrupt.recv() => (),
            _ = self.terminate.recv() => (),
        }
    }
}

/// Resolves when standard input closes: for a service bound to the process that started it.
pub fn stdin_closed() -> impl Future<Output = ()> {
    let (closed, wait) = tokio::sync::oneshot::channel();
    // A thread, not a task: a blocked read of standard input would hold up the runtime's end.
    std::thread::spawn(move || {
        let _ = std::io::copy(&mut std::io::stdin().lock(), &mut std::io::sink());
        let _ = closed.send(());
    });
    async move {
        let _ = wait.await;
    }
}
