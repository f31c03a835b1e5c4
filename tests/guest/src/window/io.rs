// SPDX-License-Identifier: MIT OR Apache-2.0
//! read, write, llseek, pread and pwrite on windows, as shell tools use them (docs/test-plan.md,
//! rows 20 and 21).

use std::os::fd::AsRawFd;
use std::process::Command;

use libc::{O_APPEND, O_RDONLY, O_WRONLY, SEEK_CUR, SEEK_END, SEEK_SET};

use crate::support::dev::{copyable, CARVE_NC, EACH_BACKING, LOG, READ_ONLY, SRAM};
use crate::support::io_uring::{Op, Ring};
use crate::support::mem::{Map, PAGE, RW};
use crate::support::sys::{self, Errno};
use crate::tests;

tests! {
    quick:
        window_read_returns_what_the_map_shows,
        window_write_changes_what_the_map_shows,
        window_read_and_write_of_every_small_size_and_alignment,
        window_read_at_the_end_is_zero,
        window_read_over_the_end_is_partial,
        window_write_at_the_end_is_enospc,
        window_write_over_the_end_is_partial,
        window_pread_at_4_gib_never_aliases_the_beginning,
        window_pread_at_negative_offset_is_einval,
        window_pread_of_log_is_as_that_of_dev_kmsg,
        window_io_uring_reads_and_writes_at_any_offset,
        window_lseek_stays_within_the_window,
        window_read_into_a_bad_pointer_is_efault,
        window_read_into_a_half_bad_buffer_is_partial,
        window_read_obeys_the_open_mode,
        window_write_of_read_only_window_is_refused,
        window_append_mode_is_no_way_past_the_end,
        window_read_of_zero_bytes_is_zero,
        window_shell_dd_copies_a_window,
        window_shell_dd_writes_a_word;
}

fn window_read_returns_what_the_map_shows() {
    for spec in copyable() {
        let window = spec.open();
        let map = window.map();
        map.fill(81);
        let mut bytes = vec![0; spec.size];
        let mut got = 0;
        while got < spec.size {
            let n = sys::read(window.raw(), &mut bytes[got..]).expect(spec.name);
            assert!(n > 0, "{}: the end after {got} bytes", spec.name);
            got += n;
        }
        assert_eq!(bytes, map.copy(0, spec.size), "{}", spec.name);
        assert_eq!(sys::read(window.raw(), &mut bytes), Ok(0), "{}", spec.name);
    }
}

fn window_write_changes_what_the_map_shows() {
    for spec in copyable() {
        let window = spec.open();
        let map = window.map();
        map.fill(0);
        let bytes: Vec<u8> = (0..PAGE + 100).map(|i| (i * 7) as u8).collect();
        assert_eq!(
            sys::pwrite(window.raw(), &bytes, 60),
            Ok(bytes.len()),
            "{}",
            spec.name
        );
        assert_eq!(map.copy(60, bytes.len()), bytes, "{}", spec.name);
        assert_eq!(
            map.load32(56),
            Ok(crate::support::mem::pattern(0, 56)),
            "{}",
            spec.name
        );
    }
}

fn window_read_and_write_of_every_small_size_and_alignment() {
    // On hardware, an unaligned access to a noncached window would fault in the kernel.
    for spec in [CARVE_NC, SRAM].iter().chain(EACH_BACKING) {
        let window = spec.open();
        let map = window.map();
        for offset in 0..9_usize {
            for len in 0..18_usize {
                for at in (0..48).step_by(4) {
                    map.store32(at, 0xeeee_eeee).unwrap();
                }
                let bytes: Vec<u8> = (1..=len as u8).collect();
                assert_eq!(
                    sys::pwrite(window.raw(), &bytes, offset as i64),
                    Ok(len),
                    "{}",
                    spec.name
                );
                let mut expected = vec![0xee; 48];
                expected[offset..offset + len].copy_from_slice(&bytes);
                assert_eq!(
                    map.copy(0, 48),
                    expected,
                    "{} offset {offset} len {len}",
                    spec.name
                );
                let mut back = vec![0; len];
                assert_eq!(
                    sys::pread(window.raw(), &mut back, offset as i64),
                    Ok(len),
                    "{}",
                    spec.name
                );
                assert_eq!(back, bytes, "{} offset {offset} len {len}", spec.name);
            }
        }
    }
}

fn window_read_at_the_end_is_zero() {
    for spec in copyable() {
        let window = spec.open();
        for offset in [spec.size, spec.size + 1, spec.size * 2, 0x7fff_ffff] {
            assert_eq!(
                sys::pread(window.raw(), &mut [0; 16], offset as i64),
                Ok(0),
                "{} {offset:#x}",
                spec.name
            );
        }
    }
}

fn window_read_over_the_end_is_partial() {
    for spec in copyable() {
        let window = spec.open();
        assert_eq!(
            sys::pread(window.raw(), &mut [0; 16], spec.size as i64 - 5),
            Ok(5),
            "{}",
            spec.name
        );
    }
}

fn window_write_at_the_end_is_enospc() {
    for spec in copyable() {
        let window = spec.open();
        for offset in [spec.size as i64, spec.size as i64 + 100, 1 << 32] {
            let refused = sys::pwrite(window.raw(), b"x", offset).expect_err(spec.name);
            assert!(
                [Errno::ENOSPC, Errno::EFBIG, Errno::EINVAL].contains(&refused),
                "{}: {refused:?}",
                spec.name
            );
        }
    }
}

fn window_write_over_the_end_is_partial() {
    for spec in copyable() {
        let window = spec.open();
        assert_eq!(
            sys::pwrite(window.raw(), &[3; 16], spec.size as i64 - 5),
            Ok(5),
            "{}",
            spec.name
        );
    }
}

fn window_pread_at_4_gib_never_aliases_the_beginning() {
    for spec in copyable().chain(READ_ONLY) {
        let window = spec.open();
        for offset in [1 << 32, (1 << 32) + 4, 1 << 33, i64::MAX - 4096] {
            let result = sys::pread(window.raw(), &mut [0; 16], offset);
            let refused = [Err(Errno::EINVAL), Err(Errno::EOVERFLOW)].contains(&result);
            assert!(
                result == Ok(0) || refused,
                "{} at {offset:#x}: {result:?}",
                spec.name
            );
        }
    }
}

fn window_pread_at_negative_offset_is_einval() {
    for spec in copyable().take(1) {
        let window = spec.open();
        assert_eq!(
            sys::pread(window.raw(), &mut [0; 16], -1),
            Err(Errno::EINVAL)
        );
        assert_eq!(sys::pwrite(window.raw(), &[0; 16], -1), Err(Errno::EINVAL));
    }
}

fn window_pread_of_log_is_as_that_of_dev_kmsg() {
    let log = LOG.open_with(O_RDONLY);
    let by_read = LOG.open_with(O_RDONLY);
    for offset in [0, 1, 1 << 32] {
        let (mut ours, mut theirs) = ([0; 4096], [0; 4096]);
        let len = sys::pread(log.raw(), &mut ours, offset).expect("a record");
        assert_eq!(sys::read(by_read.raw(), &mut theirs), Ok(len));
        assert_eq!(ours, theirs, "at {offset:#x}");
    }
}

fn window_io_uring_reads_and_writes_at_any_offset() {
    let ring = Ring::new();
    for spec in copyable() {
        let window = spec.open();
        let map = window.map();
        map.fill(82);
        let memory = Map::new(-1, PAGE, RW, libc::MAP_PRIVATE | libc::MAP_ANONYMOUS, 0);
        let memory = memory.expect("memory");
        let transfer =
            |op, offset: usize, len| ring.transfer(op, window.raw(), offset as u64, memory.at, len);
        let last = spec.size - 128;
        assert_eq!(transfer(Op::Read, last, 256), Ok(128), "{}", spec.name);
        assert!(memory.copy(0, 128) == map.copy(last, 128), "{}", spec.name);
        assert_eq!(transfer(Op::Write, 0, 128), Ok(128), "{}", spec.name);
        assert!(map.copy(0, 128) == memory.copy(0, 128), "{}", spec.name);
        assert_eq!(transfer(Op::Read, spec.size, 4), Ok(0), "{}", spec.name);
        let beyond = transfer(Op::Write, spec.size, 4);
        assert_eq!(beyond, Err(Errno::ENOSPC), "{}", spec.name);
    }
}

fn window_lseek_stays_within_the_window() {
    for spec in EACH_BACKING {
        let window = spec.open();
        let (fd, size) = (window.raw(), spec.size as i64);
        assert_eq!(sys::lseek(fd, 0, SEEK_END), Ok(size), "{}", spec.name);
        assert_eq!(
            sys::lseek(fd, -16, SEEK_END),
            Ok(size - 16),
            "{}",
            spec.name
        );
        assert_eq!(sys::lseek(fd, 8, SEEK_CUR), Ok(size - 8), "{}", spec.name);
        assert_eq!(sys::read(fd, &mut [0; 16]), Ok(8), "{}", spec.name);
        assert_eq!(sys::lseek(fd, 0, SEEK_CUR), Ok(size), "{}", spec.name);
        assert_eq!(sys::lseek(fd, 4, SEEK_SET), Ok(4), "{}", spec.name);
        for (offset, whence) in [
            (-1, SEEK_SET),
            (-8, SEEK_CUR),
            (-size - 1, SEEK_END),
            (0, 99),
        ] {
            assert_eq!(
                sys::lseek(fd, offset, whence),
                Err(Errno::EINVAL),
                "{} {offset} {whence}",
                spec.name
            );
        }
        // A refused seek does not move the position.
        assert_eq!(sys::lseek(fd, 0, SEEK_CUR), Ok(4), "{}", spec.name);
    }
}

fn window_read_into_a_bad_pointer_is_efault() {
    let hole = Map::nothing(PAGE);
    for spec in EACH_BACKING {
        let window = spec.open();
        assert_eq!(
            sys::read_at(window.raw(), hole.at, 64),
            Err(Errno::EFAULT),
            "{}",
            spec.name
        );
        assert_eq!(
            sys::write_from(window.raw(), hole.at, 64),
            Err(Errno::EFAULT),
            "{}",
            spec.name
        );
        assert_eq!(
            sys::lseek(window.raw(), 0, SEEK_CUR),
            Ok(0),
            "{}: the position moved",
            spec.name
        );
    }
}

fn window_read_into_a_half_bad_buffer_is_partial() {
    let place = Map::nothing(2 * PAGE);
    sys::mprotect(place.at, PAGE, RW).unwrap();
    for spec in EACH_BACKING {
        let window = spec.open();
        window.map().fill(82);
        let edge = place.at + PAGE - 64;
        let n = sys::read_at(window.raw(), edge, 128).expect(spec.name);
        assert!((1..=64).contains(&n), "{}: {n} bytes", spec.name);
        assert_eq!(
            sys::lseek(window.raw(), 0, SEEK_CUR),
            Ok(n as i64),
            "{}",
            spec.name
        );
        assert_eq!(
            place.copy(PAGE - 64, n & !3),
            window.map().copy(0, n & !3),
            "{}",
            spec.name
        );
    }
}

fn window_read_obeys_the_open_mode() {
    for spec in EACH_BACKING {
        assert_eq!(
            sys::write(spec.open_with(O_RDONLY).raw(), b"1234"),
            Err(Errno::EBADF),
            "{}",
            spec.name
        );
        assert_eq!(
            sys::read(spec.open_with(O_WRONLY).raw(), &mut [0; 4]),
            Err(Errno::EBADF),
            "{}",
            spec.name
        );
    }
}

fn window_write_of_read_only_window_is_refused() {
    for spec in READ_ONLY {
        for flags in [libc::O_RDWR, O_WRONLY] {
            let refused = match sys::open(&spec.path(), flags) {
                Err(refused) => refused,
                Ok(fd) => sys::write(fd.as_raw_fd(), b"1234").expect_err(spec.name),
            };
            let fitting = [Errno::EPERM, Errno::EACCES, Errno::EROFS, Errno::EBADF];
            assert!(fitting.contains(&refused), "{}: {refused:?}", spec.name);
        }
    }
}

fn window_append_mode_is_no_way_past_the_end() {
    for spec in EACH_BACKING {
        let window = spec.open_with(O_WRONLY | O_APPEND);
        // O_APPEND has no effect on a device: write() uses the position, which begins at 0.
        if let Ok(n) = sys::write(window.raw(), &[7; 8]) {
            assert_eq!(n, 8, "{}", spec.name);
            assert_eq!(
                spec.open().map().load32(0),
                Ok(0x0707_0707),
                "{}",
                spec.name
            );
        }
    }
}

fn window_read_of_zero_bytes_is_zero() {
    for spec in EACH_BACKING {
        let window = spec.open();
        assert_eq!(sys::read(window.raw(), &mut []), Ok(0), "{}", spec.name);
        assert_eq!(sys::write(window.raw(), &[]), Ok(0), "{}", spec.name);
    }
}

fn shell(command: &str) -> Vec<u8> {
    let output = Command::new("sh")
        .arg("-c")
        .arg(command)
        .output()
        .unwrap_or_else(|_| crate::skip!("no shell"));
    assert!(
        output.status.success(),
        "{command}: {}",
        String::from_utf8_lossy(&output.stderr)
    );
    output.stdout
}

fn window_shell_dd_copies_a_window() {
    for spec in EACH_BACKING {
        let map = spec.open().map();
        map.fill(83);
        assert_eq!(
            shell(&format!("dd if={} bs=64k 2>/dev/null", spec.path())),
            map.copy(0, spec.size),
            "{}",
            spec.name
        );
        assert_eq!(
            shell(&format!("cat {}", spec.path())),
            map.copy(0, spec.size),
            "{}",
            spec.name
        );
    }
}

fn window_shell_dd_writes_a_word() {
    let map = SRAM.open().map();
    for at in [0, 4, 8] {
        map.store32(at, 0).unwrap();
    }
    shell(&format!(
        "printf ABCD | dd of={} bs=4 seek=1 conv=notrunc 2>/dev/null",
        SRAM.path()
    ));
    assert_eq!(map.copy(0, 12), b"\0\0\0\0ABCD\0\0\0\0");
}
