// SPDX-License-Identifier: MIT OR Apache-2.0
//! 7: the records that are found after a warm reboot, with intact memory and with flipped bits:
//! fanlight's log of the previous boot, pmsg and ftrace's persistent ring.
//!
//! Each boot first searches for the lines of the boot before (`found`), and then writes lines of 64
//! bytes for the next one (`leave`). Their addresses are stored in a carve-out that is otherwise
//! unused in this guest.

use std::collections::HashSet;
use std::fs;
use std::os::fd::AsRawFd;

use crate::device::{self, Kind, BOOT_MAP, BOOT_MAP_ONLY, FANLIGHT};
use crate::meter::Sheet;
use crate::persist::{memory, only_ramoops, PERSIST, PMSG, PMSG_NODE, RAMOOPS, REGION};
use crate::sys::{self, Map};

/// Few enough that no ring and no share of one is full.
const LINES: usize = 2000;
const LEN: usize = 64;
const OURS: &str = "fanlight";
const FTRACE: &str = "ftrace's persistent ring";
/// The values of bench/dts/bench.dtso and bench/run.
const FTRACE_REGION: usize = 0x54e0_0000;
/// The place of pmsg in ramoops' memory: after sixteen dumps.
const PMSG_ZONE: usize = 0x1_0000;
/// The carve-out for notes, and how long they may be.
const NOTES: (usize, usize) = (0x5500_0000, 1 << 20);
const PREVIOUS: &str = "/dev/fanlight0/log.prev";

/// What happens to the memory between two boots.
const CASES: [(&str, Flips); 4] = [
    ("0 flips", Flips::None),
    ("1 flip, in the first word", Flips::First),
    ("1 flip, in a record's text", Flips::Text),
    ("64 flips", Flips::Many(64)),
];

#[derive(Clone, Copy)]
enum Flips {
    None,
    /// In the first word, where headers and signatures are.
    First,
    /// In the text in the middle of all.
    Text,
    /// Anywhere from the beginning of the memory to the last line.
    Many(usize),
}

/// A line that was found in memory.
struct Line {
    number: usize,
    /// What belongs to it: from the header of its record to the end.
    from: usize,
    text: usize,
    to: usize,
}

/// The number of this boot of the guest, from 0 on.
fn stage() -> usize {
    let stage = std::env::var("FANLIGHT_STAGE").ok();
    stage.and_then(|stage| stage.parse().ok()).unwrap_or(0)
}

/// The numbers of the lines that a boot writes: no two boots use the same.
fn numbers(stage: usize) -> std::ops::Range<usize> {
    let first = (stage + 1) * 0x1_0000;
    first..first + LINES
}

/// Finds the lines of this boot in memory. Their records have headers of `header` bytes.
fn find(memory: &Map, header: usize) -> Vec<Line> {
    let mut bytes = vec![0; REGION];
    memory.copy_out(0, &mut bytes);
    let mut found = Vec::new();
    let mut at = 0;
    while let Some(next) = bytes[at..]
        .windows(6)
        .position(|window| window == b"bench ")
    {
        at += next;
        let number = number(&bytes[at..]).filter(|number| numbers(stage()).contains(number));
        if let Some(number) = number.filter(|_| at >= header) {
            // With its end: a newline, or a byte that is not checked.
            found.push(Line {
                number,
                from: at - header,
                text: at,
                to: (at + LEN + 1).min(REGION),
            });
        }
        at += 6;
    }
    found
}

/// The number of the line that these bytes begin with, if they are exactly that line. Its last byte
/// may be a newline.
fn number(bytes: &[u8]) -> Option<usize> {
    let digits = std::str::from_utf8(bytes.get(6..14)?).ok()?;
    let number = usize::from_str_radix(digits, 16).ok()?;
    (bytes.get(..LEN - 1)? == &device::text(number, LEN)[..LEN - 1]).then_some(number)
}

/// Pseudo-random numbers, the same each time.
struct Random(u32);

impl Random {
    fn next(&mut self, below: usize) -> usize {
        self.0 ^= self.0 << 13;
        self.0 ^= self.0 >> 17;
        self.0 ^= self.0 << 5;
        self.0 as usize % below
    }
}

/// Flips bits of a memory with these lines; returns their bytes.
fn flip(memory: &Map, lines: &[Line], flips: Flips) -> Vec<usize> {
    let mut random = Random(0x1234_5678);
    let bits: Vec<usize> = match flips {
        Flips::None => Vec::new(),
        Flips::First => vec![3],
        Flips::Text => vec![(lines[lines.len() / 2].text + LEN / 2) * 8],
        Flips::Many(count) => {
            let end = lines.iter().map(|line| line.to).max().unwrap_or(1);
            (0..count).map(|_| random.next(end * 8)).collect()
        }
    };
    for bit in &bits {
        memory.store(bit / 32, memory.load(bit / 32) ^ (1 << (bit % 32)));
    }
    bits.iter().map(|bit| bit / 8).collect()
}

/// Damages the memory of a peer as this boot is to do, and notes which lines must be found.
fn damage(notes: &mut String, peer: &str, address: usize, header: usize) {
    let memory = memory(address, REGION);
    let lines = find(&memory, header);
    assert!(!lines.is_empty(), "{peer} has no line in its memory");
    let flips = flip(&memory, &lines, CASES[stage()].1);
    let whole = |line: &&Line| !flips.iter().any(|flip| (line.from..line.to).contains(flip));
    let undamaged = lines.iter().filter(whole).map(|line| line.number);
    let undamaged: Vec<String> = undamaged.map(|number| number.to_string()).collect();
    *notes += &format!("{peer}\t{}\n", undamaged.join(" "));
}

pub fn leave(_sheet: &mut Sheet) {
    if stage() >= CASES.len() {
        return;
    }
    let first = numbers(stage()).start;
    let mut notes = String::new();
    // Unbound, it writes nothing more into its memory.
    device::emit(Kind::FanlightKept, LEN, first, LINES);
    device::unbind("fanlight", FANLIGHT);
    damage(&mut notes, OURS, PERSIST, 32);

    let lines = |path: &str| {
        let file = sys::open_wo(path);
        for number in numbers(stage()) {
            let mut line = device::text(number, LEN);
            line[LEN - 1] = b'\n';
            sys::write(file.as_raw_fd(), &line);
        }
    };
    for (name, address) in RAMOOPS {
        let device = only_ramoops(address);
        lines(PMSG_NODE);
        device::unbind("ramoops", &device);
        damage(&mut notes, name, address + PMSG_ZONE, 0);
    }
    if device::has(BOOT_MAP_ONLY) {
        device::put(&format!("{BOOT_MAP}/trace"), "");
        lines(&format!("{BOOT_MAP}/trace_marker"));
        // An event's length and time, its type, and where it was written.
        damage(&mut notes, FTRACE, FTRACE_REGION, 20);
    }
    notes.push('\0');
    let (address, size) = NOTES;
    assert!(notes.len() <= size, "too many notes");
    memory(address, size).copy_in(0, notes.as_bytes());
}

/// Runs before any driver is bound again, which would discard the previous boot's lines.
pub fn found(sheet: &mut Sheet) {
    let Some(case) = stage().checked_sub(1) else {
        return;
    };
    let case = CASES[case].0;
    let (address, size) = NOTES;
    let mut notes = vec![0; size];
    memory(address, size).copy_out(0, &mut notes);
    let notes = notes.split(|&byte| byte == 0).next().unwrap_or_default();
    let notes = std::str::from_utf8(notes).expect("notes");
    let mut judge = |peer: &str, got: Vec<Vec<u8>>| {
        let expected = notes
            .lines()
            .find_map(|line| line.strip_prefix(peer)?.strip_prefix('\t'));
        let Some(expected) = expected else {
            return;
        };
        let expected = expected.split_whitespace().map(|number| number.parse());
        let expected: HashSet<usize> = expected.map(|number| number.expect("a number")).collect();
        let found: HashSet<usize> = got.iter().filter_map(|text| number(text)).collect();
        let wrong = got.iter().filter(|text| number(text).is_none()).count();
        let case = format!("{peer}, {case}");
        sheet.put(&case, "undamaged records", expected.len() as f64);
        let count = found.intersection(&expected).count();
        sheet.put(&case, "of these found", count as f64);
        sheet.put(&case, "damaged ones accepted", wrong as f64);
    };

    judge(OURS, previous());
    // The bound driver has read the previous boot's lines; those of the other one are still in its
    // memory.
    let mut ramoops = RAMOOPS;
    ramoops
        .sort_by_key(|(_, address)| !device::bound("ramoops", &device::node(*address, "ramoops")));
    for (name, address) in ramoops {
        if !device::bound("ramoops", &device::node(address, "ramoops")) {
            only_ramoops(address);
        }
        let text = fs::read(PMSG).unwrap_or_default();
        judge(name, lines(&text));
        let _ = fs::remove_file(PMSG);
    }
    let text = fs::read(format!("{BOOT_MAP}/trace")).unwrap_or_default();
    // After the task, the time and the name of the function that wrote it.
    let events = lines(&text).into_iter().map(|line| {
        let colon = line.windows(2).rposition(|window| window == b": ");
        line[colon.map_or(0, |colon| colon + 2)..].to_vec()
    });
    judge(FTRACE, events.collect());
}

/// The lines of a text that this program wrote, damaged or not: most of each is the same letter.
fn lines(text: &[u8]) -> Vec<Vec<u8>> {
    let lines = text.split(|&byte| byte == b'\n').map(<[u8]>::to_vec);
    lines.filter(|line| is_ours(line)).collect()
}

fn is_ours(line: &[u8]) -> bool {
    line.windows(8).any(|window| window == b"xxxxxxxx")
}

/// The same of the log of the previous boot.
fn previous() -> Vec<Vec<u8>> {
    let log = fanlight::Log::open(PREVIOUS).expect("the previous boot's log");
    let mut reader = log.reader(fanlight::Start::Oldest).expect("a reader");
    let mut texts = Vec::new();
    while let Some(record) = reader.next_record().expect("a record") {
        texts.push(record.text.to_vec());
    }
    texts.retain(|text| is_ours(text));
    texts
}
