// SPDX-License-Identifier: MIT OR Apache-2.0
//! Calls that programs make on any descriptor: to flush it, to lock it, and to have the kernel copy
//! between it and another one.

use std::fs::File;
use std::io::{Read, Seek, SeekFrom, Write};
use std::os::fd::AsRawFd;

use crate::support::dev::{copyable, Spec, FB, LOG, LOG2, READ_ONLY, REGS, WRITABLE};
use crate::support::log::{kmsg, unique, Messages};
use crate::support::mem::PAGE;
use crate::support::sys::{self, Errno};
use crate::{skip, tests};

tests! {
    quick:
        window_fsync_and_msync_succeed,
        window_flock_works,
        window_sendfile_copies_from_and_to_a_window,
        window_splice_copies_from_and_to_a_window,
        window_sendfile_of_registers_is_eopnotsupp,
        window_sendfile_of_log_sends_records;
}

fn window_fsync_and_msync_succeed() {
    for spec in WRITABLE.iter().chain(READ_ONLY).chain([&LOG, &LOG2, &FB]) {
        let window = spec.open();
        assert_eq!(sys::fsync(window.raw()), Ok(0), "fsync {}", spec.name);
        assert_eq!(sys::fdatasync(window.raw()), Ok(0), "{}", spec.name);
        let map = window.map();
        for flags in [libc::MS_SYNC, libc::MS_ASYNC] {
            let flushed = sys::msync(map.at, map.len, flags);
            assert_eq!(flushed, Ok(0), "msync {}", spec.name);
        }
    }
}

fn window_flock_works() {
    for spec in WRITABLE.iter().chain([&LOG, &FB]) {
        let (one, other) = (spec.open(), spec.open());
        match sys::flock(one.raw(), libc::LOCK_EX) {
            Err(Errno::ENOSYS) => skip!("the kernel has no CONFIG_FILE_LOCKING"),
            locked => assert_eq!(locked, Ok(0), "{}", spec.name),
        }
        let refused = sys::flock(other.raw(), libc::LOCK_EX | libc::LOCK_NB);
        assert_eq!(refused, Err(Errno::EAGAIN), "{}", spec.name);
        drop(one);
        assert_eq!(
            sys::flock(other.raw(), libc::LOCK_EX),
            Ok(0),
            "{}",
            spec.name
        );
    }
}

/// A new file of these bytes, at its beginning.
fn file_of(bytes: &[u8]) -> File {
    let path = "/tmp/fanlight-stream";
    let _ = std::fs::remove_file(path);
    let mut file = File::options()
        .read(true)
        .write(true)
        .create_new(true)
        .open(path)
        .expect(path);
    let _ = std::fs::remove_file(path);
    file.write_all(bytes).expect(path);
    file.seek(SeekFrom::Start(0)).expect(path);
    file
}

fn pattern(spec: &Spec, len: usize) -> Vec<u8> {
    let salt = spec.name.len();
    (0..len).map(|i| (i * 7 + i / 251 + salt) as u8).collect()
}

/// Calls `copy` until `len` bytes are copied.
fn whole(len: usize, name: &str, mut copy: impl FnMut(usize) -> Result<usize, Errno>) {
    let mut done = 0;
    while done < len {
        match copy(len - done) {
            Ok(0) => panic!("{name}: the end after {done} of {len} bytes"),
            Ok(n) => done += n,
            Err(refused) => panic!("{name}: {refused:?} after {done} of {len} bytes"),
        }
    }
}

fn window_sendfile_copies_from_and_to_a_window() {
    for spec in copyable() {
        let bytes = pattern(spec, spec.size);
        let source = file_of(&bytes);
        let window = spec.open();
        let (raw, from) = (window.raw(), source.as_raw_fd());
        whole(spec.size, spec.name, |n| sys::sendfile(raw, from, n));
        assert_eq!(sys::lseek(raw, 0, libc::SEEK_CUR), Ok(spec.size as i64));
        assert_eq!(sys::lseek(raw, 0, libc::SEEK_SET), Ok(0));
        let mut target = file_of(b"");
        let to = target.as_raw_fd();
        whole(spec.size, spec.name, |n| sys::sendfile(to, raw, n));
        // The end of the window is the end of the file.
        assert_eq!(sys::sendfile(to, raw, PAGE), Ok(0), "{}", spec.name);
        let mut arrived = Vec::new();
        target.seek(SeekFrom::Start(0)).unwrap();
        target.read_to_end(&mut arrived).unwrap();
        assert!(arrived == bytes, "{}: the copy differs", spec.name);
    }
}

fn window_splice_copies_from_and_to_a_window() {
    for spec in copyable() {
        let bytes = pattern(spec, 2 * PAGE + 100);
        let (mut out, mut into) = sys::pipe();
        into.write_all(&bytes).unwrap();
        let window = spec.open();
        let raw = window.raw();
        whole(bytes.len(), spec.name, |n| {
            sys::splice(out.as_raw_fd(), raw, n)
        });
        sys::lseek(raw, 0, libc::SEEK_SET).unwrap();
        whole(bytes.len(), spec.name, |n| {
            sys::splice(raw, into.as_raw_fd(), n)
        });
        let mut arrived = vec![0; bytes.len()];
        out.read_exact(&mut arrived).unwrap();
        assert!(arrived == bytes, "{}: the copy differs", spec.name);
        // There is no room after the end.
        into.write_all(b"more").unwrap();
        sys::lseek(raw, 0, libc::SEEK_END).unwrap();
        let refused = sys::splice(out.as_raw_fd(), raw, 4);
        assert_eq!(refused, Err(Errno::ENOSPC), "{}", spec.name);
    }
}

fn window_sendfile_of_registers_is_eopnotsupp() {
    let window = REGS.open();
    let file = file_of(b"four");
    let sent = sys::sendfile(file.as_raw_fd(), window.raw(), 4);
    assert_eq!(sent, Err(Errno::EOPNOTSUPP));
    let sent = sys::sendfile(window.raw(), file.as_raw_fd(), 4);
    assert_eq!(sent, Err(Errno::EOPNOTSUPP));
}

fn window_sendfile_of_log_sends_records() {
    let log = LOG.open_with(libc::O_RDONLY | libc::O_NONBLOCK);
    let mark = unique("sent");
    kmsg(&format!("<6>{mark}"));
    let mut target = file_of(b"");
    loop {
        match sys::sendfile(target.as_raw_fd(), log.raw(), 1 << 20) {
            Ok(n) if n > 0 => {}
            // As read() reports them: records were lost; the end for now.
            Err(Errno::EPIPE) => {}
            Ok(_) | Err(Errno::EAGAIN) => break,
            Err(refused) => panic!("sendfile of the log: {refused:?}"),
        }
    }
    let mut text = String::new();
    target.seek(SeekFrom::Start(0)).unwrap();
    target.read_to_string(&mut text).unwrap();
    assert!(text.contains(&mark), "{} bytes without {mark}", text.len());
    // A record in the other direction.
    let log = LOG.open();
    let mark = unique("spliced");
    let source = file_of(mark.as_bytes());
    let sent = sys::sendfile(log.raw(), source.as_raw_fd(), mark.len());
    assert_eq!(sent, Ok(mark.len()));
    Messages::of_log(&LOG).find(&mark);
}
