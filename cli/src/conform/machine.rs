//! What a soak measures of its own process.

use sysinfo::{ProcessRefreshKind, ProcessesToUpdate, System};

/// Bytes of this process that are in memory.
pub(super) fn resident() -> Option<u64> {
    let own = sysinfo::get_current_pid().ok()?;
    let mut system = System::new();
    let kind = ProcessRefreshKind::nothing().with_memory();
    system.refresh_processes_specifics(ProcessesToUpdate::Some(&[own]), false, kind);
    system.process(own).map(sysinfo::Process::memory)
}
