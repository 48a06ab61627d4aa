use super::exposition::Exposition;

/// What the kernel says of this process. Linux only; elsewhere nothing is written.
#[derive(Clone, Copy, Debug, Default, PartialEq)]
pub(crate) struct Process {
    cpu_seconds: f64,
    start_seconds: f64,
    threads: u64,
    resident_bytes: u64,
    open_fds: u64,
    max_fds: u64,
}

/// `/proc` counts in hundredths of a second on every Linux there is (`USER_HZ`).
const TICKS: f64 = 100.0;

// === impl Process ===

impl Process {
    pub(crate) fn read() -> Option<Self> {
        let text = |path| std::fs::read_to_string(path).ok();
        let mut process = parse_stat(&text("/proc/self/stat")?, boot_time(&text("/proc/stat")?)?)?;
        process.resident_bytes = kilobytes(&text("/proc/self/status")?, "VmRSS:")? * 1024;
        process.max_fds = text("/proc/self/limits").as_deref().and_then(soft_limit).unwrap_or_default();
        process.open_fds = std::fs::read_dir("/proc/self/fd").ok()?.count() as u64;
        Some(process)
    }

    pub(crate) fn write(&self, out: &mut Exposition) {
        let Self { cpu_seconds, start_seconds, threads, resident_bytes, open_fds, max_fds } = self;
        out.single(
            "process_cpu_seconds_total",
            "User and system time of the process.",
            "counter",
            *cpu_seconds,
        );
        out.single(
            "process_start_time_seconds",
            "When the process began, in unix seconds.",
            "gauge",
            *start_seconds,
        );
        out.single(
            "process_resident_memory_bytes",
            "Resident memory of the process.",
            "gauge",
            *resident_bytes,
        );
        out.single("process_open_fds", "Open file descriptors.", "gauge", *open_fds);
        out.single("process_max_fds", "File descriptors that may be open.", "gauge", *max_fds);
        out.single("process_threads", "Threads of the process.", "gauge", *threads);
    }
}

/// Fields of proc(5) `stat`, counted after the name in parentheses, which may itself hold anything.
fn parse_stat(stat: &str, boot: f64) -> Option<Process> {
    let fields: Vec<&str> = stat.rsplit_once(')')?.1.split_ascii_whitespace().collect();
    // `state` is field 3, so field n stands at n - 3.
    let field = |number: usize| fields.get(number - 3)?.parse::<f64>().ok();
    Some(Process {
        cpu_seconds: (field(14)? + field(15)?) / TICKS,
        start_seconds: boot + field(22)? / TICKS,
        threads: fields.get(20 - 3)?.parse().ok()?,
        ..Process::default()
    })
}

fn boot_time(stat: &str) -> Option<f64> {
    stat.lines().find_map(|line| line.strip_prefix("btime "))?.trim().parse().ok()
}

fn kilobytes(status: &str, key: &str) -> Option<u64> {
    status.lines().find_map(|line| line.strip_prefix(key))?.split_ascii_whitespace().next()?.parse().ok()
}

fn soft_limit(limits: &str) -> Option<u64> {
    let line = limits.lines().find_map(|line| line.strip_prefix("Max open files"))?;
    line.split_ascii_whitespace().next()?.parse().ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_process_name_with_parentheses_does_not_shift_the_fields() {
        let stat = "7 (a) b) S 1 2 3 4 5 6 7 8 9 10 250 50 0 0 20 0 9 0 1200 99 1";
        let process = parse_stat(stat, 1000.0).unwrap();
        assert_eq!((process.cpu_seconds, process.start_seconds, process.threads), (3.0, 1012.0, 9));
    }

    #[test]
    fn this_process_can_be_read() {
        let process = Process::read().unwrap();
        assert!(process.resident_bytes > 100_000 && process.open_fds >= 3, "{process:?}");
    }
}
