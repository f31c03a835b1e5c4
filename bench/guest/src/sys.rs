// SPDX-License-Identifier: MIT OR Apache-2.0
//! Thin wrappers of system calls and mapped memory. Each failure ends the program, since a
//! benchmark that measures something else than intended is worse than none.

use std::ffi::CString;
use std::fs::{File, OpenOptions};
use std::os::fd::{AsRawFd, RawFd};
use std::os::unix::fs::OpenOptionsExt;

/// Nanoseconds since boot, by a clock that is never adjusted.
pub fn now() -> u64 {
    let mut time = libc::timespec {
        tv_sec: 0,
        tv_nsec: 0,
    };
    // SAFETY: room for one structure.
    unsafe { libc::clock_gettime(libc::CLOCK_MONOTONIC_RAW, &mut time) };
    time.tv_sec as u64 * 1_000_000_000 + time.tv_nsec as u64
}

/// Sleeps until the given number of seconds since boot.
pub fn sleep_until(seconds: u64) {
    let until = libc::timespec {
        tv_sec: seconds as libc::time_t,
        tv_nsec: 0,
    };
    // SAFETY: the structure is initialised; what is left of the time is not asked for.
    unsafe {
        libc::clock_nanosleep(
            libc::CLOCK_MONOTONIC,
            libc::TIMER_ABSTIME,
            &until,
            std::ptr::null_mut(),
        )
    };
}

/// Nanoseconds that this process had a processor for, in the kernel and outside.
pub fn own_time() -> u64 {
    let mut time = libc::timespec {
        tv_sec: 0,
        tv_nsec: 0,
    };
    // SAFETY: room for one structure.
    unsafe { libc::clock_gettime(libc::CLOCK_PROCESS_CPUTIME_ID, &mut time) };
    time.tv_sec as u64 * 1_000_000_000 + time.tv_nsec as u64
}

pub fn open(path: &str) -> File {
    File::open(path).unwrap_or_else(|error| panic!("{path}: {error}"))
}

pub fn open_rw(path: &str) -> File {
    let opened = OpenOptions::new().read(true).write(true).open(path);
    opened.unwrap_or_else(|error| panic!("{path}: {error}"))
}

pub fn open_wo(path: &str) -> File {
    OpenOptions::new()
        .write(true)
        .open(path)
        .unwrap_or_else(|error| panic!("{path}: {error}"))
}

/// Opens /dev/mem so that accesses are not cached.
pub fn open_sync(path: &str) -> File {
    let opened = OpenOptions::new()
        .read(true)
        .write(true)
        .custom_flags(libc::O_SYNC)
        .open(path);
    opened.unwrap_or_else(|error| panic!("{path}: {error}"))
}

pub fn set_nonblocking(file: &File) {
    // SAFETY: no memory is involved.
    let result = unsafe { libc::fcntl(file.as_raw_fd(), libc::F_SETFL, libc::O_NONBLOCK) };
    assert_eq!(result, 0, "fcntl: {}", std::io::Error::last_os_error());
}

/// read(); `None` where it would block.
pub fn read(fd: RawFd, buffer: &mut [u8]) -> Option<usize> {
    loop {
        // SAFETY: the kernel writes within the buffer.
        let len = unsafe { libc::read(fd, buffer.as_mut_ptr().cast(), buffer.len()) };
        if let Ok(len) = usize::try_from(len) {
            return Some(len);
        }
        match std::io::Error::last_os_error().raw_os_error() {
            Some(libc::EAGAIN) => return None,
            // Some were overwritten: read() reports that once.
            Some(libc::EPIPE | libc::EINTR) => {}
            _ => panic!("read: {}", std::io::Error::last_os_error()),
        }
    }
}

pub fn write(fd: RawFd, bytes: &[u8]) {
    // SAFETY: the kernel only reads.
    let len = unsafe { libc::write(fd, bytes.as_ptr().cast(), bytes.len()) };
    assert_eq!(
        len,
        bytes.len() as isize,
        "write: {}",
        std::io::Error::last_os_error()
    );
}

pub fn ioctl<T>(fd: RawFd, request: u32, argument: &mut T) {
    // SAFETY: the request's size is the argument's.
    let result = unsafe { libc::ioctl(fd, request as _, std::ptr::from_mut(argument)) };
    assert!(
        result >= 0,
        "ioctl {request:x}: {}",
        std::io::Error::last_os_error()
    );
}

/// Waits until the descriptor can be read.
pub fn poll_in(fd: RawFd) {
    let mut pollfd = libc::pollfd {
        fd,
        events: libc::POLLIN,
        revents: 0,
    };
    // SAFETY: one structure, and a count of one.
    unsafe { libc::poll(&mut pollfd, 1, -1) };
}

/// Seeks to the end.
pub fn seek_end(fd: RawFd) {
    // SAFETY: no memory is involved.
    let result = unsafe { libc::lseek(fd, 0, libc::SEEK_END) };
    assert!(result >= 0, "lseek: {}", std::io::Error::last_os_error());
}

/// The minor faults of this process so far, and its voluntary context switches.
pub fn faults_and_waits() -> (libc::c_long, libc::c_long) {
    // SAFETY: all zero is a valid rusage, and the kernel fills it in.
    let mut usage: libc::rusage = unsafe { std::mem::zeroed() };
    // SAFETY: room for one structure.
    unsafe { libc::getrusage(libc::RUSAGE_SELF, &mut usage) };
    (usage.ru_minflt, usage.ru_nvcsw)
}

/// A mapping. Dropping it unmaps the memory.
pub struct Map {
    address: *mut u32,
    len: usize,
}

impl Map {
    pub fn new(file: &File, offset: usize, len: usize, writable: bool, flags: i32) -> Self {
        Self::try_new(file, offset, len, writable, flags).unwrap_or_else(|| {
            panic!(
                "mmap of {file:?} at {offset:x}: {}",
                std::io::Error::last_os_error()
            )
        })
    }

    pub fn try_new(
        file: &File,
        offset: usize,
        len: usize,
        writable: bool,
        flags: i32,
    ) -> Option<Self> {
        let prot = libc::PROT_READ | if writable { libc::PROT_WRITE } else { 0 };
        let flags = libc::MAP_SHARED | flags;
        let offset = offset as libc::off64_t;
        // SAFETY: the kernel chooses where.
        let address = unsafe {
            libc::mmap64(
                std::ptr::null_mut(),
                len,
                prot,
                flags,
                file.as_raw_fd(),
                offset,
            )
        };
        (address != libc::MAP_FAILED).then(|| Self {
            address: address.cast(),
            len,
        })
    }

    /// The first word of every page, read.
    pub fn touch(&self) {
        for page in 0..self.len / 4096 {
            self.load(page * 1024);
        }
    }

    /// The first word of every page, written.
    pub fn store_pages(&self, value: u32) {
        for page in 0..self.len / 4096 {
            self.store(page * 1024, value);
        }
    }

    /// The word at that index.
    #[inline(always)]
    pub fn load(&self, word: usize) -> u32 {
        debug_assert!(word * 4 < self.len);
        // SAFETY: inside: the callers' indexes come from the mapping's size.
        unsafe { self.address.add(word).read_volatile() }
    }

    #[inline(always)]
    pub fn store(&self, word: usize, value: u32) {
        debug_assert!(word * 4 < self.len);
        // SAFETY: inside: the callers' indexes come from the mapping's size. They store only to
        // mappings that they have made writable.
        unsafe { self.address.add(word).write_volatile(value) };
    }

    /// memcpy() out of the mapping.
    pub fn copy_out(&self, offset: usize, to: &mut [u8]) {
        assert!(offset + to.len() <= self.len);
        // SAFETY: inside, and `to` is elsewhere.
        unsafe {
            libc::memcpy(
                to.as_mut_ptr().cast(),
                self.address.cast::<u8>().add(offset).cast(),
                to.len(),
            )
        };
    }

    /// memcpy() into the mapping.
    pub fn copy_in(&self, offset: usize, from: &[u8]) {
        assert!(offset + from.len() <= self.len);
        // SAFETY: the assertion keeps the copy inside the mapping, which `self` keeps alive.
        unsafe {
            libc::memcpy(
                self.address.cast::<u8>().add(offset).cast(),
                from.as_ptr().cast(),
                from.len(),
            )
        };
    }

    /// The mapping as words that others may change.
    pub fn words(&self) -> &[fanlight_ring::Word] {
        // SAFETY: The mapping is aligned to a page and has `len` bytes. A `Word` is an atomic word,
        // of which any value is valid.
        unsafe { std::slice::from_raw_parts(self.address.cast(), self.len / 4) }
    }

    /// The log ring that is mapped.
    pub fn ring(&self) -> fanlight_ring::Ring<'_> {
        use fanlight_ring::{Header, Ring, Word, HEADER_SIZE};
        assert!(self.len > HEADER_SIZE);
        // SAFETY: inside and aligned to a page; header and words are atomics, for which any bits
        // are good.
        let (header, words) = unsafe {
            let words = self.address.cast::<u8>().add(HEADER_SIZE).cast::<Word>();
            (
                &*self.address.cast::<Header>(),
                std::slice::from_raw_parts(words, (self.len - HEADER_SIZE) / 4),
            )
        };
        Ring::attach(header, words).expect("a log ring")
    }
}

impl Drop for Map {
    fn drop(&mut self) {
        // SAFETY: mmap returned the range, and `self` owns it.
        unsafe { libc::munmap(self.address.cast(), self.len) };
    }
}

/// A pipe: the end to read from, and the one to write to.
pub fn pipe() -> (File, File) {
    use std::os::fd::FromRawFd;
    let mut fds = [0; 2];
    // SAFETY: room for two descriptors.
    let result = unsafe { libc::pipe2(fds.as_mut_ptr(), libc::O_CLOEXEC) };
    assert_eq!(result, 0, "pipe: {}", std::io::Error::last_os_error());
    // SAFETY: the kernel has just made both for us.
    unsafe { (File::from_raw_fd(fds[0]), File::from_raw_fd(fds[1])) }
}

/// Runs `work` in a child; its process id.
pub fn child(work: impl FnOnce()) -> libc::pid_t {
    // SAFETY: this program has one thread.
    let pid = unsafe { libc::fork() };
    assert!(pid >= 0, "fork: {}", std::io::Error::last_os_error());
    if pid == 0 {
        work();
        exit(0);
    }
    pid
}

/// How a child ended.
#[derive(Debug, PartialEq, Eq)]
pub enum Ended {
    Exit(i32),
    Signal(i32),
}

pub fn wait(pid: libc::pid_t) -> Ended {
    let mut status = 0;
    // SAFETY: room for a status.
    unsafe { libc::waitpid(pid, &mut status, 0) };
    if libc::WIFSIGNALED(status) {
        Ended::Signal(libc::WTERMSIG(status))
    } else {
        Ended::Exit(libc::WEXITSTATUS(status))
    }
}

/// Ends the process without running the exit handlers that the parent has registered.
pub fn exit(status: i32) -> ! {
    // SAFETY: never returns.
    unsafe { libc::_exit(status) }
}

pub fn kill(pid: libc::pid_t) {
    // SAFETY: the callers' own children.
    unsafe { libc::kill(pid, libc::SIGKILL) };
}

pub fn mount(kind: &str, at: &str) {
    let _ = std::fs::create_dir_all(at);
    let [kind_c, at_c] = [kind, at].map(|text| CString::new(text).expect("no NUL"));
    // SAFETY: all strings end.
    let result = unsafe {
        libc::mount(
            kind_c.as_ptr(),
            at_c.as_ptr(),
            kind_c.as_ptr(),
            0,
            std::ptr::null(),
        )
    };
    let error = std::io::Error::last_os_error();
    if result != 0 && error.raw_os_error() != Some(libc::EBUSY) {
        // The benchmark that needs it reports the failure.
        eprintln!("fanlight-bench: mount {kind}: {error}");
    }
}

/// finit_module(), 0 where it succeeded.
pub fn insmod(path: &str) -> std::io::Result<()> {
    let file = File::open(path)?;
    let none = CString::default();
    // SAFETY: the parameters are an empty C string.
    match unsafe { libc::syscall(libc::SYS_finit_module, file.as_raw_fd(), none.as_ptr(), 0) } {
        0 => Ok(()),
        _ => Err(std::io::Error::last_os_error()),
    }
}

pub fn rmmod(name: &str) {
    let name = CString::new(name).expect("no NUL");
    // SAFETY: the name is a C string.
    let result = unsafe { libc::syscall(libc::SYS_delete_module, name.as_ptr(), libc::O_NONBLOCK) };
    assert_eq!(result, 0, "rmmod: {}", std::io::Error::last_os_error());
}

/// bpf(BPF_MAP_CREATE) of a ring buffer.
pub fn bpf_ringbuf(size: u32) -> Option<File> {
    use std::os::fd::FromRawFd;
    const MAP_CREATE: i32 = 0;
    const TYPE_RINGBUF: u32 = 27;
    // union bpf_attr: map_type, key_size, value_size, max_entries, and flags that are all zero.
    let mut attr = [0u32; 32];
    (attr[0], attr[3]) = (TYPE_RINGBUF, size);
    // SAFETY: the attributes have the length that is passed.
    let fd = unsafe {
        libc::syscall(
            libc::SYS_bpf,
            MAP_CREATE,
            attr.as_mut_ptr(),
            size_of_val(&attr),
        )
    };
    // SAFETY: the kernel has just made it for us.
    (fd >= 0).then(|| unsafe { File::from_raw_fd(fd as RawFd) })
}
