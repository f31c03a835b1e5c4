// SPDX-License-Identifier: MIT OR Apache-2.0
//! Reads a log ring by its mapping as the header describes, and the text form of /dev/kmsg.

use std::fs;
use std::mem::offset_of;
use std::os::fd::{AsRawFd, OwnedFd};
use std::path::PathBuf;
use std::sync::atomic::{fence, AtomicU32, Ordering};

use crate::support::dev::{Spec, Window};
use crate::support::mem::{Map, R};
use crate::support::sys::{self, Errno};
use crate::support::uapi::{self, LogClocks, LogHeader, LogLane, LogStats};
use crate::support::wait;

/// A record, copied out of the ring.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Record {
    pub position: u64,
    pub seq: u64,
    pub ns: u64,
    pub level: u8,
    pub flags: u8,
    pub facility: u8,
    pub caller: u32,
    pub text: Vec<u8>,
    pub dict: Vec<u8>,
}

impl Record {
    /// Takes a `struct fanlight_log_record` with its text apart.
    pub fn parse(bytes: &[u8], position: u64) -> Self {
        let half = |at: usize| u16::from_ne_bytes(bytes[at..at + 2].try_into().unwrap());
        let word = |at: usize| u32::from_ne_bytes(bytes[at..at + 4].try_into().unwrap());
        let long = |at: usize| u64::from_ne_bytes(bytes[at..at + 8].try_into().unwrap());
        let len = (word(0) & 0xff_fff8) as usize;
        let padding = (word(0) & 7) as usize;
        let text_end = uapi::RECORD_HEADER + usize::from(half(28));
        Self {
            position,
            seq: long(8),
            ns: long(16),
            caller: word(24),
            level: bytes[30] >> 5,
            flags: bytes[30] & 0x1f,
            facility: bytes[31],
            text: bytes[uapi::RECORD_HEADER..text_end].to_vec(),
            dict: bytes[text_end..len - padding].to_vec(),
        }
    }

    pub fn text(&self) -> String {
        String::from_utf8_lossy(&self.text).into_owned()
    }

    pub fn is_user(&self) -> bool {
        self.flags & uapi::RECORD_USER != 0
    }

    /// As /dev/kmsg would print it.
    pub fn as_kmsg(&self) -> String {
        let priority = (u32::from(self.facility) << 3) | u32::from(self.level);
        let cont = if self.flags & uapi::RECORD_CONT != 0 {
            'c'
        } else {
            '-'
        };
        let (kind, caller) = if self.caller >> 31 == 1 {
            ('C', self.caller & 0x7fff_ffff)
        } else {
            ('T', self.caller)
        };
        let caller = if crate::support::kernel::has_callers() {
            format!(",caller={kind}{caller}")
        } else {
            String::new()
        };
        let mut text = format!("{priority},{},{},{cont}{caller};", self.seq, self.ns / 1000);
        escape(&self.text, &mut text);
        text.push('\n');
        for pair in self
            .dict
            .split(|&byte| byte == b'\n')
            .filter(|pair| !pair.is_empty())
        {
            text.push(' ');
            escape(pair, &mut text);
            text.push('\n');
        }
        text
    }
}

fn escape(bytes: &[u8], text: &mut String) {
    for &byte in bytes {
        if (b' '..127).contains(&byte) && byte != b'\\' {
            text.push(byte.into());
        } else {
            text.push_str(&format!("\\x{byte:02x}"));
        }
    }
}

/// A message of /dev/kmsg without its number, which our ring counts for itself.
pub fn without_number(message: &str) -> String {
    let mut fields = message.splitn(3, ',');
    match (fields.next(), fields.next(), fields.next()) {
        (Some(priority), Some(_), Some(rest)) => format!("{priority},{rest}"),
        _ => panic!("no message of /dev/kmsg: {message:?}"),
    }
}

pub fn number(message: &str) -> u64 {
    message
        .split(',')
        .nth(1)
        .and_then(|n| n.parse().ok())
        .unwrap_or_else(|| panic!("no number: {message:?}"))
}

/// The text of a message, escapes and all.
pub fn text(message: &str) -> &str {
    message
        .split_once(';')
        .map_or("", |(_, text)| text.lines().next().unwrap_or(""))
}

/// Reads a ring through a map, both lanes in the order of their numbers.
pub struct Reader {
    map: Map,
    /// Where it is in each lane.
    positions: [u64; uapi::LANES],
    /// Records lost: overwritten before they were read, or never completed.
    pub lost: u64,
    next_seq: Option<u64>,
}

impl Reader {
    /// From the oldest record. What was printed before this is in the ring.
    pub fn new(spec: &Spec) -> Self {
        let log = spec.open_with(libc::O_RDONLY);
        // Waits for the console, which open() and mmap() do not.
        sys::lseek(log.raw(), 0, libc::SEEK_SET).expect("lseek to the beginning");
        Self::of(&Messages { fd: log.fd }, spec.size)
    }

    /// From the oldest record of a log that is open.
    pub fn of(log: &Messages, size: usize) -> Self {
        let map = Map::shared(log.raw(), size, R).expect("a map of the log");
        let mut reader = Self {
            map,
            positions: [0; uapi::LANES],
            lost: 0,
            next_seq: None,
        };
        reader.positions = std::array::from_fn(|lane| reader.tail(lane));
        reader
    }

    /// From the end: only what comes after this.
    pub fn at_the_end(spec: &Spec) -> Self {
        let mut reader = Self::new(spec);
        while reader.next().is_some() {}
        reader.lost = 0;
        reader
    }

    pub fn header(&self) -> LogHeader {
        let words = self.map.copy(0, size_of::<LogHeader>());
        // SAFETY: the header is made of integers; the bytes are as many.
        unsafe { std::ptr::read_unaligned(words.as_ptr().cast()) }
    }

    /// The list of offsets to the wall clock, as the header has it.
    pub fn clocks(&self) -> LogClocks {
        let words = self.map.copy(uapi::CLOCKS_AT, size_of::<LogClocks>());
        // SAFETY: the list is made of integers; the bytes are as many.
        unsafe { std::ptr::read_unaligned(words.as_ptr().cast()) }
    }

    /// The header's name for the boot, as the kernel writes it.
    pub fn boot_id(&self) -> String {
        let hex = self.header().boot_id.map(|byte| format!("{byte:02x}"));
        let hex = hex.concat();
        let parts = [0..8, 8..12, 12..16, 16..20, 20..32].map(|part| &hex[part]);
        parts.join("-")
    }

    fn word(&self, offset: usize) -> u32 {
        // SAFETY: the mapping lives as long as the map, and all words of it are 4-byte aligned.
        unsafe { AtomicU32::from_ptr((self.map.at + offset) as *mut u32) }.load(Ordering::Acquire)
    }

    fn lane_word(&self, lane: usize, field: usize) -> u32 {
        self.word(uapi::LANES_AT + lane * size_of::<LogLane>() + field)
    }

    /// The full position of which `low` is the low half, by the epoch that was loaded after it.
    fn position(low: u32, epoch: u32) -> u64 {
        let behind = (epoch ^ (low >> 31)) & 1;
        (u64::from(epoch.wrapping_sub(behind)) << 31) | u64::from(low & 0x7fff_ffff)
    }

    pub fn head(&self, lane: usize) -> u64 {
        loop {
            let epoch = self.lane_word(lane, offset_of!(LogLane, epoch));
            let low = self.lane_word(lane, offset_of!(LogLane, head));
            if epoch == self.lane_word(lane, offset_of!(LogLane, epoch)) {
                return Self::position(low, epoch);
            }
        }
    }

    pub fn tail(&self, lane: usize) -> u64 {
        let low = self.lane_word(lane, offset_of!(LogLane, tail));
        Self::position(low, self.lane_word(lane, offset_of!(LogLane, epoch)))
    }

    /// Bytes of a lane's data.
    pub fn size(&self, lane: usize) -> usize {
        self.lane_word(lane, offset_of!(LogLane, size)) as usize
    }

    /// The next whole record of a lane, and the position after it.
    fn peek(&mut self, lane: usize) -> Option<(Record, u64)> {
        let size = self.size(lane);
        let data = self.lane_word(lane, offset_of!(LogLane, offset)) as usize;
        loop {
            let position = self.positions[lane];
            if size == 0 || position == self.head(lane) {
                return None;
            }
            let place = position as usize & (size - 1);
            let len_state = self.word(data + place);
            let len = (len_state & 0xff_fff8) as usize;
            let state = len_state >> 24;
            let sane = (8..=uapi::RECORD_MAX).contains(&len) && place + len <= size;
            let bytes = if sane && state == uapi::RECORD_WHOLE {
                self.map.copy(data + place, len)
            } else {
                Vec::new()
            };
            fence(Ordering::Acquire);
            let tail = self.tail(lane);
            if tail > position {
                // Overtaken: what was copied is void.
                self.positions[lane] = tail;
                continue;
            }
            let end = position + len as u64;
            match state {
                // A filler may be longer than a record.
                uapi::RECORD_FILLER | uapi::RECORD_OPEN => self.positions[lane] = end,
                uapi::RECORD_WHOLE if sane => {
                    return Some((Record::parse(&bytes, position), end));
                }
                _ => panic!(
                    "a record of {len} bytes at {position:#x} of lane {lane}, state {state:#x}"
                ),
            }
        }
    }

    /// The next record; None at the end.
    pub fn next(&mut self) -> Option<Record> {
        let mut first = self.peek(0);
        let second = self.peek(1);
        if first.is_none() && second.is_some() {
            // It may have been empty before the second lane's record was written.
            first = self.peek(0);
        }
        let lane = match (&first, &second) {
            (Some(first), Some(second)) => usize::from(second.0.seq < first.0.seq),
            (None, _) => 1,
            (_, None) => 0,
        };
        let (record, end) = [first, second].into_iter().nth(lane).flatten()?;
        self.positions[lane] = end;
        self.lost += record.seq - self.next_seq.unwrap_or(record.seq);
        self.next_seq = Some(record.seq + 1);
        Some(record)
    }

    pub fn next_seq(&self) -> Option<u64> {
        self.next_seq
    }

    pub fn all(&mut self) -> Vec<Record> {
        std::iter::from_fn(|| self.next()).collect()
    }

    /// Waits for a record that has this in its text.
    pub fn find(&mut self, part: &str) -> Record {
        wait::for_some(|| {
            std::iter::from_fn(|| self.next()).find(|record| record.text().contains(part))
        })
        .unwrap_or_else(|| panic!("no record with {part:?} within {:?}", wait::LIMIT))
    }
}

/// A descriptor that messages are read from: the log, or /dev/kmsg, which the log must match.
pub struct Messages {
    pub fd: OwnedFd,
}

impl Messages {
    pub fn of_log(spec: &Spec) -> Self {
        Self {
            fd: spec.open_with(libc::O_RDONLY | libc::O_NONBLOCK).fd,
        }
    }

    pub fn of_kernel() -> Self {
        let fd = sys::open("/dev/kmsg", libc::O_RDONLY | libc::O_NONBLOCK).expect("/dev/kmsg");
        Self { fd }
    }

    pub fn raw(&self) -> i32 {
        self.fd.as_raw_fd()
    }

    pub fn next(&self) -> Result<String, Errno> {
        let mut buffer = [0; 8192];
        let n = sys::read(self.raw(), &mut buffer)?;
        Ok(String::from_utf8(buffer[..n].to_vec()).expect("messages are ASCII"))
    }

    /// All there are, passing over what was lost.
    pub fn all(&self) -> Vec<String> {
        let mut messages = Vec::new();
        loop {
            match self.next() {
                // The end of an earlier boot's log.
                Ok(message) if message.is_empty() => return messages,
                Ok(message) => messages.push(message),
                Err(Errno::EPIPE) => {}
                Err(Errno::EAGAIN) => return messages,
                Err(other) => panic!("read: {other:?}"),
            }
        }
    }

    /// Goes to the end.
    pub fn skip_all(&self) {
        sys::lseek(self.raw(), 0, libc::SEEK_END).expect("lseek to the end");
    }

    /// Waits for a message that has this in its text.
    pub fn find(&self, part: &str) -> String {
        // One by one: the messages after it are left for the next call.
        wait::for_some(|| loop {
            match self.next() {
                Ok(message) if message.is_empty() => return None,
                Ok(message) if text(&message).contains(part) => return Some(message),
                Ok(_) | Err(Errno::EPIPE) => {}
                Err(Errno::EAGAIN) => return None,
                Err(other) => panic!("read: {other:?}"),
            }
        })
        .unwrap_or_else(|| panic!("no message with {part:?} within {:?}", wait::LIMIT))
    }
}

/// Writes a line to /dev/kmsg, opened anew: its rate limit is per descriptor.
///
/// Without the newline, printk would not publish it, since the next message might continue it.
pub fn kmsg(message: &str) {
    let message = if message.ends_with('\n') {
        message.to_owned()
    } else {
        format!("{message}\n")
    };
    // Messages written by user space are limited to ten in five seconds otherwise.
    let _ = std::fs::write("/proc/sys/kernel/printk_devkmsg", "on\n");
    let fd = sys::open("/dev/kmsg", libc::O_WRONLY).expect("/dev/kmsg");
    assert_eq!(
        sys::write(fd.as_raw_fd(), message.as_bytes()),
        Ok(message.len())
    );
}

/// Reads a log, ignoring losses, until read() fails, and returns that error.
pub fn read_until_it_fails(log: &Window) -> Errno {
    let mut buffer = [0; 8192];
    loop {
        match sys::read(log.raw(), &mut buffer) {
            Ok(_) | Err(Errno::EPIPE) => {}
            Err(other) => return other,
        }
    }
}

/// Appends a record to a log.
pub fn append(log: &Window, message: &str) {
    assert_eq!(
        sys::write(log.raw(), message.as_bytes()),
        Ok(message.len()),
        "{message}"
    );
}

/// The console shows messages of lower levels than this one.
pub fn console_loglevel() -> u32 {
    let text = fs::read_to_string(LOGLEVEL).expect(LOGLEVEL);
    let first = text.split_whitespace().next().expect("four numbers");
    first.parse().expect("a number")
}

const LOGLEVEL: &str = "/proc/sys/kernel/printk";

/// Sets console_loglevel until this is dropped.
pub struct Loglevel(u32);

impl Loglevel {
    pub fn set(level: u32) -> Self {
        let before = console_loglevel();
        fs::write(LOGLEVEL, format!("{level}\n")).expect(LOGLEVEL);
        Self(before)
    }
}

impl Drop for Loglevel {
    fn drop(&mut self) {
        let _ = fs::write(LOGLEVEL, format!("{}\n", self.0));
    }
}

/// A message of /dev/kmsg without its number, and without what printk gives to no console: the
/// dictionary of a message that the console's loglevel suppresses.
pub fn comparable(message: &str) -> String {
    let message = without_number(message);
    let priority: u32 = message
        .split(',')
        .next()
        .unwrap()
        .parse()
        .expect("a priority");
    if priority & 7 < console_loglevel() {
        return message;
    }
    let first = message.lines().next().unwrap_or("");
    format!("{first}\n")
}

/// The value of a log's attribute, without its newline; `None` if there is no such attribute.
pub fn attribute(misc: &str, name: &str) -> Option<String> {
    let text = fs::read_to_string(format!("/sys/class/misc/{misc}/{name}")).ok()?;
    Some(text.trim_end_matches('\n').to_owned())
}

/// Disables a log's limit of write() until this is dropped.
pub struct Unlimited {
    path: PathBuf,
    before: Option<String>,
}

/// Disables the limit of write(). Every test that appends more than ten records through one
/// descriptor needs it.
pub fn unlimited(spec: &Spec) -> Unlimited {
    let path = spec.sysfs().join("write_limit");
    let before = fs::read_to_string(&path).ok();
    if before.is_some() {
        fs::write(&path, "0\n").expect("write_limit");
    }
    Unlimited { path, before }
}

impl Drop for Unlimited {
    fn drop(&mut self) {
        if let Some(before) = &self.before {
            // The log may be unbound by now.
            let _ = fs::write(&self.path, before);
        }
    }
}

/// The boot id of this boot.
pub fn kernel_boot_id() -> String {
    let text = fs::read_to_string("/proc/sys/kernel/random/boot_id").expect("boot_id");
    text.trim().to_owned()
}

/// Lines of the kernel's log that the driver printed about a device: what follows `fanlight
/// <device>: `.
pub fn lines_of(device: &str) -> Vec<String> {
    let prefix = format!("fanlight {device}: ");
    let messages = Messages::of_kernel().all();
    let lines = messages.iter().map(|message| text(message));
    let ours = lines.filter_map(|line| line.strip_prefix(&prefix).map(str::to_owned));
    ours.collect()
}

/// Waits until the log has what the kernel has printed so far.
pub fn kernel_has_arrived(spec: &Spec) {
    let mark = unique("all has arrived");
    kmsg(&mark);
    Messages::of_log(spec).find(&mark);
}

/// Text that no other test has written.
pub fn unique(what: &str) -> String {
    let mut now = libc::timespec {
        tv_sec: 0,
        tv_nsec: 0,
    };
    // SAFETY: room for a time.
    unsafe { libc::clock_gettime(libc::CLOCK_MONOTONIC, &mut now) };
    format!("{what} {}.{:09}", now.tv_sec, now.tv_nsec)
}

pub fn stats(fd: i32) -> LogStats {
    let mut stats = LogStats {
        reserved: [!0; 1],
        ..LogStats::default()
    };
    sys::ioctl(fd, uapi::IOC_LOG_STATS, &mut stats).expect("FANLIGHT_IOC_LOG_STATS");
    assert_eq!(stats.reserved, [0; 1]);
    stats
}
