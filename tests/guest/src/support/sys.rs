// SPDX-License-Identifier: MIT OR Apache-2.0
//! Thin wrappers of system calls: errors are errno values, sizes are those of the kernel.

use std::ffi::CString;
use std::fmt;
use std::fs::File;
use std::os::fd::{AsRawFd, FromRawFd, OwnedFd, RawFd};
use std::time::Duration;

/// An errno that prints as its name.
#[derive(Clone, Copy, PartialEq, Eq)]
pub struct Errno(pub i32);

macro_rules! errnos {
    ($($name:ident),+ $(,)?) => {
        impl Errno {
            $(#[allow(
                dead_code,
                reason = "the set of names is complete for what the driver may return"
            )]
            pub const $name: Self = Self(libc::$name);)+
        }
        impl fmt::Debug for Errno {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                match self.0 {
                    $(libc::$name => f.write_str(stringify!($name)),)+
                    other => write!(f, "errno {other}"),
                }
            }
        }
    };
}

errnos! {
    EPERM, ENOENT, EINTR, EIO, ENXIO, E2BIG, EBADF, EAGAIN, ENOMEM, EACCES, EFAULT, EBUSY, EEXIST,
    ENODEV, EINVAL, ENOTTY, EFBIG, ENOSPC, ESPIPE, EROFS, EPIPE, ERANGE, EOVERFLOW, EOPNOTSUPP,
    EMSGSIZE, ENOSYS,
}

pub type Result<T> = std::result::Result<T, Errno>;

fn last() -> Errno {
    Errno(std::io::Error::last_os_error().raw_os_error().unwrap_or(0))
}

fn check(value: isize) -> Result<usize> {
    usize::try_from(value).map_err(|_| last())
}

fn c_path(path: &str) -> CString {
    CString::new(path).expect("a path without NUL")
}

/// Owns a descriptor that a system call has just returned.
fn owned(fd: RawFd) -> OwnedFd {
    // SAFETY: the callers pass a descriptor that is open and that has no other owner.
    unsafe { OwnedFd::from_raw_fd(fd) }
}

pub fn open(path: &str, flags: i32) -> Result<OwnedFd> {
    // SAFETY: the path is a C string that outlives the call.
    let fd = unsafe { libc::open(c_path(path).as_ptr(), flags | libc::O_CLOEXEC, 0o600) };
    check(fd as isize)?;
    Ok(owned(fd))
}

pub fn read(fd: RawFd, buffer: &mut [u8]) -> Result<usize> {
    // SAFETY: the kernel writes within the buffer.
    check(unsafe { libc::read(fd, buffer.as_mut_ptr().cast(), buffer.len()) })
}

/// read() into an address that may be invalid: the kernel checks it.
pub fn read_at(fd: RawFd, address: usize, len: usize) -> Result<usize> {
    // SAFETY: the callers pass addresses that are unmapped or that nothing of Rust's lives at.
    check(unsafe { libc::read(fd, address as *mut libc::c_void, len) })
}

pub fn write(fd: RawFd, buffer: &[u8]) -> Result<usize> {
    write_from(fd, buffer.as_ptr() as usize, buffer.len())
}

/// write() from an address that may be invalid.
pub fn write_from(fd: RawFd, address: usize, len: usize) -> Result<usize> {
    // SAFETY: the kernel only reads, and checks the address.
    check(unsafe { libc::write(fd, address as *const libc::c_void, len) })
}

pub fn pread(fd: RawFd, buffer: &mut [u8], offset: i64) -> Result<usize> {
    // SAFETY: the kernel writes within the buffer.
    check(unsafe { libc::pread64(fd, buffer.as_mut_ptr().cast(), buffer.len(), offset) })
}

pub fn pwrite(fd: RawFd, buffer: &[u8], offset: i64) -> Result<usize> {
    // SAFETY: the kernel only reads from the buffer.
    check(unsafe { libc::pwrite64(fd, buffer.as_ptr().cast(), buffer.len(), offset) })
}

pub fn lseek(fd: RawFd, offset: i64, whence: i32) -> Result<i64> {
    // SAFETY: no memory is involved.
    let position = unsafe { libc::lseek64(fd, offset, whence) };
    if position < 0 {
        Err(last())
    } else {
        Ok(position)
    }
}

/// ioctl() with a structure that the kernel reads or writes; 0 or a positive result.
pub fn ioctl<T>(fd: RawFd, request: u32, argument: &mut T) -> Result<usize> {
    ioctl_at(fd, request, std::ptr::from_mut(argument) as usize)
}

/// ioctl() with an argument that is a number, or an address that may be invalid.
pub fn ioctl_at(fd: RawFd, request: u32, argument: usize) -> Result<usize> {
    // SAFETY: the kernel checks the address; the request's size is the argument's, as uapi.rs
    // defines it.
    check(unsafe { libc::ioctl(fd, request as _, argument) } as isize)
}

/// The highest number of a page that [`mmap`] can pass to the kernel.
#[cfg(target_arch = "arm")]
pub const LAST_PAGE: usize = usize::MAX;
#[cfg(not(target_arch = "arm"))]
pub const LAST_PAGE: usize = usize::MAX / 4096;

/// mmap() with an offset in pages of 4096 bytes, so that tests can pass every offset that a program
/// can.
pub fn mmap(
    address: usize,
    len: usize,
    prot: i32,
    flags: i32,
    fd: RawFd,
    page: usize,
) -> Result<usize> {
    #[cfg(target_arch = "arm")]
    let (call, offset) = (libc::SYS_mmap2, page);
    #[cfg(not(target_arch = "arm"))]
    let (call, offset) = (libc::SYS_mmap, page * 4096);
    // SAFETY: the callers never map over memory that is in use.
    let result = unsafe { libc::syscall(call, address, len, prot, flags, fd, offset) };
    // Addresses at 2 GiB and above are negative numbers: only the last page is errors.
    if (-4095..0).contains(&result) {
        Err(last())
    } else {
        Ok(result as usize)
    }
}

pub fn munmap(address: usize, len: usize) -> Result<usize> {
    // SAFETY: the callers unmap only what they have mapped.
    check(unsafe { libc::munmap(address as *mut _, len) } as isize)
}

pub fn mprotect(address: usize, len: usize, prot: i32) -> Result<usize> {
    // SAFETY: the callers change only what they have mapped.
    check(unsafe { libc::mprotect(address as *mut _, len, prot) } as isize)
}

pub fn madvise(address: usize, len: usize, advice: i32) -> Result<usize> {
    // SAFETY: the callers advise only on what they have mapped.
    check(unsafe { libc::madvise(address as *mut _, len, advice) } as isize)
}

pub fn mlock(address: usize, len: usize) -> Result<usize> {
    // SAFETY: mlock changes no contents.
    check(unsafe { libc::mlock(address as *const _, len) } as isize)
}

pub fn mremap(address: usize, old: usize, new: usize, flags: i32, to: usize) -> Result<usize> {
    // SAFETY: the callers move only what they have mapped, to where nothing is.
    let result = unsafe { libc::syscall(libc::SYS_mremap, address, old, new, flags, to) };
    if (-4095..0).contains(&result) {
        Err(last())
    } else {
        Ok(result as usize)
    }
}

/// The events that poll() reports for a descriptor within the time.
pub fn poll(fd: RawFd, events: i16, time: Duration) -> i16 {
    let mut pollfd = libc::pollfd {
        fd,
        events,
        revents: 0,
    };
    // SAFETY: one structure, and a count of one.
    unsafe { libc::poll(&mut pollfd, 1, millis(time)) };
    pollfd.revents
}

/// Which of the descriptors became readable, or were hung up, within the time.
pub fn poll_in(fds: &[RawFd], time: Duration) -> Vec<bool> {
    let mut pollfds: Vec<libc::pollfd> = fds
        .iter()
        .map(|&fd| libc::pollfd {
            fd,
            events: libc::POLLIN,
            revents: 0,
        })
        .collect();
    // SAFETY: the count is the number of structures.
    unsafe {
        libc::poll(
            pollfds.as_mut_ptr(),
            pollfds.len() as libc::nfds_t,
            millis(time),
        )
    };
    pollfds.iter().map(|pollfd| pollfd.revents != 0).collect()
}

fn millis(time: Duration) -> i32 {
    // At least one, so that a short wait doesn't turn into a busy loop.
    i32::try_from(time.as_millis())
        .unwrap_or(i32::MAX)
        .max(i32::from(!time.is_zero()))
}

pub fn pipe() -> (File, File) {
    let mut fds = [0; 2];
    // SAFETY: room for two descriptors.
    let result = unsafe { libc::pipe2(fds.as_mut_ptr(), libc::O_CLOEXEC) };
    assert_eq!(result, 0, "pipe: {:?}", last());
    // SAFETY: the kernel has just made both for us.
    unsafe { (File::from_raw_fd(fds[0]), File::from_raw_fd(fds[1])) }
}

/// How a child ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Ended {
    Exit(i32),
    Signal(i32),
}

pub fn fork() -> libc::pid_t {
    // SAFETY: tests start no threads before they fork, except where the child only makes
    // system calls.
    let pid = unsafe { libc::fork() };
    assert!(pid >= 0, "fork: {:?}", last());
    pid
}

pub fn wait(pid: libc::pid_t) -> Ended {
    let mut status = 0;
    // SAFETY: room for a status.
    while unsafe { libc::waitpid(pid, &mut status, 0) } < 0 {
        assert_eq!(last(), Errno::EINTR, "waitpid");
    }
    if libc::WIFSIGNALED(status) {
        Ended::Signal(libc::WTERMSIG(status))
    } else {
        Ended::Exit(libc::WEXITSTATUS(status))
    }
}

pub fn kill(pid: libc::pid_t, signal: i32) {
    // SAFETY: the callers signal only their own children.
    unsafe { libc::kill(pid, signal) };
}

pub fn kill_group(leader: libc::pid_t) {
    // SAFETY: the group was made by the test's own child.
    unsafe { libc::kill(-leader, libc::SIGKILL) };
}

pub fn new_group() {
    // SAFETY: no memory is involved.
    unsafe { libc::setpgid(0, 0) };
}

pub fn die_with_parent() {
    // SAFETY: no memory is involved.
    unsafe { libc::prctl(libc::PR_SET_PDEATHSIG, libc::SIGKILL) };
}

pub fn redirect_output(fd: RawFd) {
    // SAFETY: the standard descriptors are replaced as a whole; nothing is lost, for the parent
    // keeps its own.
    unsafe {
        libc::dup2(fd, 1);
        libc::dup2(fd, 2);
    }
}

pub fn pidfd_open(pid: libc::pid_t) -> OwnedFd {
    // SAFETY: no memory is involved.
    let fd = unsafe { libc::syscall(libc::SYS_pidfd_open, pid, 0) };
    assert!(fd >= 0, "pidfd_open: {:?}", last());
    owned(fd as RawFd)
}

/// Closes a descriptor whose owner is not used any more, since this process ends.
pub fn close(fd: RawFd) {
    // SAFETY: close() reads no memory.
    unsafe { libc::close(fd) };
}

/// A descriptor of another process.
pub fn pidfd_getfd(pid: libc::pid_t, fd: RawFd) -> OwnedFd {
    let process = pidfd_open(pid);
    // SAFETY: no memory is involved.
    let got = unsafe { libc::syscall(libc::SYS_pidfd_getfd, process.as_raw_fd(), fd, 0) };
    assert!(got >= 0, "pidfd_getfd: {:?}", last());
    owned(got as i32)
}

/// Ends the process without running the exit handlers that the parent has registered.
pub fn exit_now(status: i32) -> ! {
    // SAFETY: never returns.
    unsafe { libc::_exit(status) }
}

/// Becomes another user with no capabilities.
pub fn become_user(uid: u32, groups: &[u32]) {
    // SAFETY: the count is the length of the group list; only this process, a child of the test,
    // changes.
    unsafe {
        assert_eq!(
            libc::setgroups(groups.len(), groups.as_ptr()),
            0,
            "setgroups: {:?}",
            last()
        );
        assert_eq!(libc::setgid(uid), 0, "setgid: {:?}", last());
        assert_eq!(libc::setuid(uid), 0, "setuid: {:?}", last());
    }
}

pub fn mknod(path: &str, mode: u32, device: u64) -> Result<usize> {
    // SAFETY: the path is a C string that outlives the call.
    check(unsafe { libc::mknod(c_path(path).as_ptr(), mode, device as libc::dev_t) } as isize)
}

/// delete_module(), which fails if the module is in use.
pub fn delete_module(name: &str) -> Result<usize> {
    // SAFETY: the name is a C string that outlives the call.
    check(unsafe {
        libc::syscall(
            libc::SYS_delete_module,
            c_path(name).as_ptr(),
            libc::O_NONBLOCK,
        )
    } as isize)
}

pub fn init_module(file: RawFd) -> Result<usize> {
    let none = c_path("");
    // SAFETY: the parameters are an empty C string.
    check(unsafe { libc::syscall(libc::SYS_finit_module, file, none.as_ptr(), 0) } as isize)
}

/// Minor faults of this thread so far.
pub fn minor_faults() -> i64 {
    // SAFETY: all zero is a valid rusage, and the kernel fills it in.
    let mut usage: libc::rusage = unsafe { std::mem::zeroed() };
    // SAFETY: room for one structure.
    unsafe { libc::getrusage(libc::RUSAGE_THREAD, &mut usage) };
    // A long is 32 bits on ARM.
    #[allow(
        clippy::useless_conversion,
        reason = "it is one on 64-bit machines only"
    )]
    usage.ru_minflt.into()
}

pub fn vmsplice(pipe: RawFd, address: usize, len: usize) -> Result<usize> {
    let piece = libc::iovec {
        iov_base: address as *mut _,
        iov_len: len,
    };
    // SAFETY: one piece; the kernel checks its address.
    check(unsafe { libc::vmsplice(pipe, &piece, 1, 0) })
}

/// The parameters are at `params`. Returns the descriptor.
pub fn io_uring_setup(entries: u32, params: usize) -> Result<usize> {
    // SAFETY: the callers pass the kernel's structure.
    check(unsafe { libc::syscall(libc::SYS_io_uring_setup, entries, params) } as isize)
}

pub fn io_uring_register(ring: RawFd, what: usize, argument: usize, count: usize) -> Result<usize> {
    // SAFETY: the kernel checks the address, and what is there lives for the call.
    check(
        unsafe { libc::syscall(libc::SYS_io_uring_register, ring, what, argument, count) } as isize,
    )
}

pub fn io_uring_enter(ring: RawFd, submit: u32, wait: u32, flags: usize) -> Result<usize> {
    // SAFETY: no signal mask is passed; the kernel checks the addresses in the entries.
    check(
        unsafe { libc::syscall(libc::SYS_io_uring_enter, ring, submit, wait, flags, 0, 0) }
            as isize,
    )
}

/// A system call whose arguments are numbers, or addresses that may be invalid.
pub fn call(number: libc::c_long, [a, b, c]: [usize; 3]) -> Result<usize> {
    // SAFETY: the callers pass what changes no memory of this process.
    check(unsafe { libc::syscall(number, a, b, c, 0, 0, 0) } as isize)
}

pub fn fsync(fd: RawFd) -> Result<usize> {
    // SAFETY: no memory is involved.
    check(unsafe { libc::fsync(fd) } as isize)
}

pub fn fdatasync(fd: RawFd) -> Result<usize> {
    // SAFETY: no memory is involved.
    check(unsafe { libc::fdatasync(fd) } as isize)
}

pub fn msync(address: usize, len: usize, flags: i32) -> Result<usize> {
    // SAFETY: the kernel checks the address, and changes nothing there.
    check(unsafe { libc::msync(address as *mut libc::c_void, len, flags) } as isize)
}

pub fn flock(fd: RawFd, how: i32) -> Result<usize> {
    // SAFETY: no memory is involved.
    check(unsafe { libc::flock(fd, how) } as isize)
}

/// sendfile() from the file's own position.
pub fn sendfile(to: RawFd, from: RawFd, len: usize) -> Result<usize> {
    // SAFETY: there is no offset to be read or written.
    check(unsafe { libc::sendfile64(to, from, std::ptr::null_mut(), len) })
}

/// splice() from and to the files' own positions.
pub fn splice(from: RawFd, to: RawFd, len: usize) -> Result<usize> {
    let none = std::ptr::null_mut();
    // SAFETY: there are no offsets to be read or written.
    check(unsafe { libc::splice(from, none, to, none, len, 0) })
}

/// An epoll instance that watches one descriptor for these events.
pub fn epoll_of(fd: RawFd, events: i32) -> OwnedFd {
    // SAFETY: no memory is involved.
    let epoll = unsafe { libc::epoll_create1(libc::EPOLL_CLOEXEC) };
    assert!(epoll >= 0, "epoll_create1: {:?}", last());
    let mut event = libc::epoll_event {
        events: events as u32,
        u64: 0,
    };
    // SAFETY: the kernel reads one structure.
    let added = unsafe { libc::epoll_ctl(epoll, libc::EPOLL_CTL_ADD, fd, &mut event) };
    assert_eq!(added, 0, "epoll_ctl: {:?}", last());
    owned(epoll)
}

/// The events that an epoll instance reports within this time, or none.
pub fn epoll_wait(epoll: RawFd, time: Duration) -> Option<i32> {
    let mut event = libc::epoll_event { events: 0, u64: 0 };
    let ms = i32::try_from(time.as_millis()).expect("a short time");
    // SAFETY: the kernel writes one structure.
    let count = unsafe { libc::epoll_wait(epoll, &mut event, 1, ms) };
    assert!(count >= 0, "epoll_wait: {:?}", last());
    (count == 1).then_some(event.events as i32)
}

/// Reading implies execution, for this process, from now on.
pub fn read_implies_exec() {
    const READ_IMPLIES_EXEC: libc::c_ulong = 0x40_0000;
    // SAFETY: no memory is involved.
    let before = unsafe { libc::personality(0xffff_ffff) };
    let wanted = before as libc::c_ulong | READ_IMPLIES_EXEC;
    // SAFETY: no memory is involved.
    assert!(unsafe { libc::personality(wanted) } >= 0, "personality");
}

/// The architecture of the kernel, as uname() reports it.
pub fn machine() -> String {
    // SAFETY: all zero is a valid utsname.
    let mut names: libc::utsname = unsafe { std::mem::zeroed() };
    // SAFETY: room for one structure.
    assert_eq!(unsafe { libc::uname(&mut names) }, 0, "uname: {:?}", last());
    let name = names.machine.iter().take_while(|&&c| c != 0);
    name.map(|&c| char::from(c as u8)).collect()
}

pub fn signal_name(signal: i32) -> String {
    match signal {
        libc::SIGBUS => "SIGBUS".to_owned(),
        libc::SIGSEGV => "SIGSEGV".to_owned(),
        libc::SIGABRT => "SIGABRT".to_owned(),
        libc::SIGKILL => "SIGKILL".to_owned(),
        libc::SIGILL => "SIGILL".to_owned(),
        libc::SIGALRM => "SIGALRM".to_owned(),
        other => format!("signal {other}"),
    }
}
