// SPDX-License-Identifier: MIT OR Apache-2.0
//! Reading a log ring by its map as the header's comment says, and the text form of /dev/kmsg.

use std::os::fd::{AsRawFd, OwnedFd};
use std::sync::atomic::{fence, AtomicU64, Ordering};

use crate::dev::{Spec, Window};
use crate::mem::{Map, PAGE, R};
use crate::sys::{self, Errno};
use crate::uapi::{self, LogHeader, LogStats};

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
        let mut text = format!(
            "{priority},{},{},{cont},caller={kind}{caller};",
            self.seq,
            self.ns / 1000
        );
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

/// Reads a ring through a map.
pub struct Reader {
    map: Map,
    pub position: u64,
    /// Records lost: by the writer's overtaking, or never finished.
    pub lost: u64,
    next_seq: Option<u64>,
}

impl Reader {
    /// From the oldest record.
    pub fn new(spec: &Spec) -> Self {
        let log = spec.open_with(libc::O_RDONLY);
        let map = Map::shared(log.raw(), spec.size, R).expect("a map of the log");
        let mut reader = Self {
            map,
            position: 0,
            lost: 0,
            next_seq: None,
        };
        reader.position = reader.tail();
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

    fn long(&self, offset: usize) -> u64 {
        // SAFETY: the header's page is mapped as long as the map is, and its positions are 8-byte aligned.
        unsafe { AtomicU64::from_ptr((self.map.at + offset) as *mut u64) }.load(Ordering::Acquire)
    }

    pub fn head(&self) -> u64 {
        self.long(16)
    }

    pub fn tail(&self) -> u64 {
        self.long(24)
    }

    pub fn data_size(&self) -> usize {
        self.map.len - PAGE
    }

    pub fn word_at(&self, position: u64) -> u32 {
        let place = position as usize & (self.data_size() - 1);
        self.map.load32(PAGE + place).expect("the log is mapped")
    }

    /// The next record; None at the end.
    pub fn next(&mut self) -> Option<Record> {
        loop {
            let head = self.head();
            if self.position == head {
                return None;
            }
            let len_state = self.word_at(self.position);
            let len = (len_state & 0xff_fff8) as usize;
            let place = self.position as usize & (self.data_size() - 1);
            let sane = (8..=uapi::RECORD_MAX).contains(&len) && place + len <= self.data_size();
            let filler = len_state >> 24 == uapi::RECORD_FILLER;
            let bytes = if sane && !filler {
                self.map.copy(PAGE + place, len)
            } else {
                Vec::new()
            };
            fence(Ordering::Acquire);
            let tail = self.tail();
            if (tail.wrapping_sub(self.position) as i64) > 0 {
                // Overtaken: what was copied is void.
                self.position = tail;
                continue;
            }
            if filler {
                self.position = self.position.wrapping_add(len as u64);
                continue;
            }
            assert!(
                sane,
                "a record of {len} bytes at {:#x}, state {:#x}",
                self.position,
                len_state >> 24
            );
            let position = self.position;
            self.position = position.wrapping_add(len as u64);
            if len_state >> 24 == uapi::RECORD_OPEN {
                continue;
            }
            assert_eq!(
                len_state >> 24,
                uapi::RECORD_WHOLE,
                "the state of the record at {position:#x}"
            );
            let record = Record::parse(&bytes, position);
            self.lost += record.seq - self.next_seq.unwrap_or(record.seq);
            self.next_seq = Some(record.seq + 1);
            return Some(record);
        }
    }

    pub fn next_seq(&self) -> Option<u64> {
        self.next_seq
    }

    pub fn all(&mut self) -> Vec<Record> {
        std::iter::from_fn(|| self.next()).collect()
    }

    /// Waits for a record that has this in its text.
    pub fn find(&mut self, part: &str) -> Record {
        for _ in 0..500 {
            while let Some(record) = self.next() {
                if record.text().contains(part) {
                    return record;
                }
            }
            std::thread::sleep(std::time::Duration::from_millis(10));
        }
        panic!("no record with {part:?} within 5 s");
    }
}

/// A descriptor that messages are read from: the log, or /dev/kmsg, which it must be like.
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
        for _ in 0..500 {
            if let Some(found) = self
                .all()
                .into_iter()
                .find(|message| text(message).contains(part))
            {
                return found;
            }
            std::thread::sleep(std::time::Duration::from_millis(10));
        }
        panic!("no message with {part:?} within 5 s");
    }
}

/// Writes a line to /dev/kmsg, opened anew: its rate limit is per descriptor.
///
/// Without the newline, the kernel would keep it back to see whether the next one continues it.
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

/// Reads a log, whatever is lost of it, until that fails; with what.
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
        reserved: [!0; 3],
        ..LogStats::default()
    };
    sys::ioctl(fd, uapi::IOC_LOG_STATS, &mut stats).expect("FANLIGHT_IOC_LOG_STATS");
    assert_eq!(stats.reserved, [0; 3]);
    stats
}
