//! What a piece of work costs: CPU time, wall time, peak memory.

use std::time::{Duration, Instant};

use nix::sys::resource::{UsageWho, getrusage};
use nix::sys::time::TimeVal;
use serde::{Deserialize, Serialize};

use crate::Outcome;

/// What one piece of work cost.
#[derive(Debug, Clone, Copy, Serialize, Deserialize)]
pub struct Cost {
    /// CPU time of all threads, user and system, milliseconds.
    pub cpu_ms: f64,
    /// Wall time, milliseconds.
    pub wall_ms: f64,
    /// Peak resident memory during the work above what was resident before, bytes; where the system tells it.
    pub peak_bytes: Option<f64>,
}

/// What of a cost is compared.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
#[serde(rename_all = "lowercase")]
pub enum Measure {
    /// CPU time.
    Cpu,
    /// Wall time.
    Wall,
    /// Peak memory above what was resident before.
    Memory,
}

impl Measure {
    /// As the table and the rows' names have it.
    pub const fn name(self) -> &'static str {
        match self {
            Self::Cpu => "cpu",
            Self::Wall => "wall",
            Self::Memory => "memory",
        }
    }

    /// The unit of [`Measure::of`].
    pub const fn unit(self) -> &'static str {
        match self {
            Self::Cpu | Self::Wall => "ms",
            Self::Memory => "bytes",
        }
    }

    /// This part of a cost.
    pub const fn of(self, cost: &Cost) -> Option<f64> {
        match self {
            Self::Cpu => Some(cost.cpu_ms),
            Self::Wall => Some(cost.wall_ms),
            Self::Memory => cost.peak_bytes,
        }
    }

    /// The median of this part; `None` without costs, or where one lacks it.
    pub fn median(self, costs: &[Cost]) -> Option<f64> {
        let mut values: Vec<f64> = costs.iter().map(|c| self.of(c)).collect::<Option<_>>()?;
        values.sort_by(f64::total_cmp);
        let upper = values.get(values.len() / 2)?;
        let lower = values.get(values.len().checked_sub(1)? / 2)?;
        Some((upper + lower) / 2.0)
    }
}

/// Measures work in this process.
pub fn measure<T>(work: impl FnOnce() -> T) -> Outcome<(T, Cost)> {
    // Linux: start the high-water mark afresh.
    let _ = std::fs::write("/proc/self/clear_refs", "5");
    let resident = status("VmRSS:");
    let (result, mut cost) = timed(UsageWho::RUSAGE_SELF, work)?;
    cost.peak_bytes = status("VmHWM:").zip(resident).map(|(peak, before)| (peak - before).max(0.0));
    Ok((result, cost))
}

/// Measures work in child processes that are awaited meanwhile.
pub fn measure_children<T>(work: impl FnOnce() -> T) -> Outcome<(T, Cost)> {
    timed(UsageWho::RUSAGE_CHILDREN, work)
}

fn timed<T>(who: UsageWho, work: impl FnOnce() -> T) -> Outcome<(T, Cost)> {
    let cpu = cpu_time(who)?;
    let wall = Instant::now();
    let result = work();
    let wall = wall.elapsed();
    let cpu = cpu_time(who)?.saturating_sub(cpu);
    let ms = |d: Duration| d.as_secs_f64() * 1e3;
    Ok((result, Cost { cpu_ms: ms(cpu), wall_ms: ms(wall), peak_bytes: None }))
}

fn cpu_time(who: UsageWho) -> Outcome<Duration> {
    let usage = getrusage(who)?;
    let duration = |t: TimeVal| -> Outcome<Duration> {
        Ok(Duration::from_secs(t.tv_sec().try_into()?) + Duration::from_micros(t.tv_usec().try_into()?))
    };
    Ok(duration(usage.user_time())? + duration(usage.system_time())?)
}

/// A line of `/proc/self/status`, in bytes.
fn status(key: &str) -> Option<f64> {
    let text = std::fs::read_to_string("/proc/self/status").ok()?;
    let line = text.lines().find(|l| l.starts_with(key))?;
    let kib: f64 = line.split_whitespace().nth(1)?.parse().ok()?;
    Some(kib * 1024.0)
}
