//! The few questions to the operating system that the standard library does not ask. All `unsafe` of the benches is here.

use std::io;
use std::net::TcpStream;
use std::os::fd::AsRawFd;
use std::time::Duration;

/// The core of the generators, the sinks and the bench itself.
pub const CORE_OF_ENDS: usize = 0;
/// The core of the bridge that is measured.
pub const CORE_OF_BRIDGE: usize = 1;

/// What can be sent to a process.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Signal {
    /// Ask it to end.
    Terminate,
    /// Freeze it.
    Stop,
    /// Thaw it.
    Continue,
}

/// Which sides of a socket would not block.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Ready {
    /// There is something to read, or the peer is gone.
    pub read: bool,
    /// There is room to write.
    pub write: bool,
}

/// Binds the calling thread, and every thread and process that it starts from now on, to one core.
///
/// # Errors
/// What the kernel answers, as when there is no such core.
#[expect(unsafe_code, reason = "the standard library has no processor affinity")]
pub fn pin_current_thread(core: usize) -> io::Result<()> {
    // SAFETY: a zeroed `cpu_set_t` is a valid empty set, and the pointer lives through the call.
    let answer = unsafe {
        let mut set: libc::cpu_set_t = std::mem::zeroed();
        libc::CPU_SET(core, &mut set);
        libc::sched_setaffinity(0, size_of::<libc::cpu_set_t>(), &raw const set)
    };
    if answer == 0 { Ok(()) } else { Err(io::Error::last_os_error()) }
}

/// User and system time that a process, all its threads together, has used so far.
///
/// # Errors
/// When there is no such process.
#[expect(unsafe_code, reason = "the standard library cannot read the CPU clock of another process")]
pub fn cpu_time(pid: u32) -> io::Result<Duration> {
    let mut clock: libc::clockid_t = 0;
    // SAFETY: the kernel writes one clock id to a local that outlives the call.
    let answer = unsafe { libc::clock_getcpuclockid(pid.cast_signed(), &raw mut clock) };
    if answer != 0 {
        return Err(io::Error::from_raw_os_error(answer));
    }
    let mut time = libc::timespec { tv_sec: 0, tv_nsec: 0 };
    // SAFETY: the kernel writes one `timespec` to a local that outlives the call.
    if unsafe { libc::clock_gettime(clock, &raw mut time) } != 0 {
        return Err(io::Error::last_os_error());
    }
    Ok(Duration::new(time.tv_sec.unsigned_abs(), u32::try_from(time.tv_nsec).unwrap_or(0)))
}

/// Sends a signal to a process that this bench started.
///
/// # Errors
/// When there is no such process.
#[expect(unsafe_code, reason = "the standard library can only kill")]
pub fn send_signal(pid: u32, signal: Signal) -> io::Result<()> {
    let number = match signal {
        Signal::Terminate => libc::SIGTERM,
        Signal::Stop => libc::SIGSTOP,
        Signal::Continue => libc::SIGCONT,
    };
    // SAFETY: no memory is shared with this call.
    let answer = unsafe { libc::kill(pid.cast_signed(), number) };
    if answer == 0 { Ok(()) } else { Err(io::Error::last_os_error()) }
}

/// Waits until the socket can be read (or written, if asked), at most for `patience`.
///
/// # Errors
/// What the kernel answers; an interrupted wait is no error, it is nothing ready.
#[expect(unsafe_code, reason = "the standard library waits for one side of a socket only, and blocks there")]
pub fn wait_for(socket: &TcpStream, for_write: bool, patience: Duration) -> io::Result<Ready> {
    let events = if for_write { libc::POLLIN | libc::POLLOUT } else { libc::POLLIN };
    let mut entry = libc::pollfd { fd: socket.as_raw_fd(), events, revents: 0 };
    let time = libc::timespec {
        tv_sec: i64::try_from(patience.as_secs()).unwrap_or(i64::MAX),
        tv_nsec: i64::from(patience.subsec_nanos()),
    };
    // SAFETY: one entry is passed and counted as one; both pointers live through the call; no signal mask is given.
    let answer = unsafe { libc::ppoll(&raw mut entry, 1, &raw const time, std::ptr::null()) };
    if answer < 0 {
        let error = io::Error::last_os_error();
        return if error.kind() == io::ErrorKind::Interrupted { Ok(Ready::default()) } else { Err(error) };
    }
    let gone = libc::POLLERR | libc::POLLHUP;
    Ok(Ready { read: entry.revents & (libc::POLLIN | gone) != 0, write: entry.revents & libc::POLLOUT != 0 })
}

/// How many cores this machine offers.
#[must_use]
pub fn cores() -> usize {
    std::thread::available_parallelism().map_or(1, std::num::NonZero::get)
}

/// One figure of `/proc/PID/status` in KiB, such as `VmHWM` (peak resident memory) or `VmRSS` (resident now).
///
/// # Errors
/// When there is no such process or no such figure.
pub fn memory_kib(pid: u32, field: &str) -> io::Result<u64> {
    let status = std::fs::read_to_string(format!("/proc/{pid}/status"))?;
    let line = status.lines().find_map(|line| line.strip_prefix(field)?.strip_prefix(':'));
    line.and_then(|rest| rest.trim().trim_end_matches(" kB").parse().ok())
        .ok_or_else(|| io::Error::new(io::ErrorKind::NotFound, format!("no {field} of process {pid}")))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn cpu_time_of_this_process_grows() {
        let pid = std::process::id();
        let before = cpu_time(pid).unwrap();
        let mut sum = 0_u64;
        while cpu_time(pid).unwrap() == before {
            sum = std::hint::black_box(sum.wrapping_add(1));
        }
        assert!(cpu_time(pid).unwrap() > before);
    }

    #[test]
    fn memory_of_this_process_is_known() {
        let pid = std::process::id();
        assert!(memory_kib(pid, "VmHWM").unwrap() >= memory_kib(pid, "VmRSS").unwrap());
        assert!(memory_kib(pid, "VmNothing").is_err());
    }
}
