//! CPU time, wall time and peak memory of a piece of work in this process.

use std::sync::LazyLock;
use std::time::{Duration, Instant};

use serde::{Deserialize, Serialize};
use tacit_client::plan::Reading;

/// What a piece of work cost.
#[derive(Debug, Clone, Copy, Serialize, Deserialize)]
pub struct Cost {
    /// CPU time of all threads, milliseconds.
    pub cpu_ms: f64,
    /// Wall time, milliseconds.
    pub wall_ms: f64,
    /// Peak resident memory during the work above what was resident before it, bytes; `None` where the system does
    /// not tell.
    pub peak_bytes: Option<u64>,
    /// Resident memory before the work, bytes.
    pub resident_bytes: Option<u64>,
}

/// Runs the work and measures it.
pub fn measure<T>(work: impl FnOnce() -> T) -> (T, Cost) {
    // Linux: start the high-water mark afresh.
    let _ = std::fs::write("/proc/self/clear_refs", "5");
    let resident = status("VmRSS:");
    let cpu = cpu_time();
    let wall = Instant::now();
    let result = work();
    let wall = wall.elapsed();
    let cpu = cpu_time().saturating_sub(cpu);
    let peak = status("VmHWM:").zip(resident).map(|(peak, before)| peak.saturating_sub(before));
    let ms = |d: Duration| d.as_secs_f64() * 1e3;
    (result, Cost { cpu_ms: ms(cpu), wall_ms: ms(wall), peak_bytes: peak, resident_bytes: resident })
}

/// What the clocks show: CPU time of this process, and the time since the first reading.
pub fn reading() -> Reading {
    static BEGAN: LazyLock<Instant> = LazyLock::new(Instant::now);
    Reading { cpu: cpu_time(), wall: BEGAN.elapsed() }
}

fn cpu_time() -> Duration {
    let t = rustix::time::clock_gettime(rustix::time::ClockId::ProcessCPUTime);
    Duration::new(u64::try_from(t.tv_sec).unwrap_or(0), u32::try_from(t.tv_nsec).unwrap_or(0))
}

/// A line of `/proc/self/status`, in bytes.
fn status(key: &str) -> Option<u64> {
    let text = std::fs::read_to_string("/proc/self/status").ok()?;
    let line = text.lines().find(|l| l.starts_with(key))?;
    let kib: u64 = line.split_whitespace().nth(1)?.parse().ok()?;
    Some(kib * 1024)
}
