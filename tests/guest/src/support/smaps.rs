// SPDX-License-Identifier: MIT OR Apache-2.0
//! The entry of a mapping in /proc/self/smaps.

/// The entry of one mapping.
#[derive(Debug)]
pub struct Entry {
    pub permissions: String,
    /// The two-letter flags of the VmFlags line.
    pub flags: Vec<String>,
    pub rss_kib: u64,
}

impl Entry {
    /// The entry of the mapping that begins at this address.
    pub fn at(address: usize) -> Self {
        let text = std::fs::read_to_string("/proc/self/smaps").expect("smaps (PROC_PAGE_MONITOR)");
        let start = format!("{address:08x}-");
        let mut lines = text.lines().skip_while(|line| !line.starts_with(&start));
        let head = lines
            .next()
            .unwrap_or_else(|| panic!("no mapping at {address:#x} in smaps:\n{text}"));
        let words: Vec<&str> = head.split_whitespace().collect();
        let mut entry = Self {
            permissions: words[1].to_owned(),
            flags: Vec::new(),
            rss_kib: 0,
        };
        for line in lines {
            if let Some(size) = line.strip_prefix("Rss:") {
                entry.rss_kib = size.trim().trim_end_matches(" kB").parse().expect("a size");
            }
            if let Some(flags) = line.strip_prefix("VmFlags:") {
                entry.flags = flags.split_whitespace().map(str::to_owned).collect();
                break;
            }
        }
        entry
    }

    pub fn has(&self, flag: &str) -> bool {
        self.flags.iter().any(|f| f == flag)
    }

    /// Which of these flags are set, in this order.
    pub fn of(&self, interesting: &str) -> String {
        interesting
            .split(' ')
            .filter(|flag| self.has(flag))
            .collect::<Vec<_>>()
            .join(" ")
    }
}

/// The file offset that /proc/self/maps shows of the mapping at this address.
pub fn offset_of(address: usize) -> u64 {
    let text = std::fs::read_to_string("/proc/self/maps").expect("maps");
    let start = format!("{address:08x}-");
    let line = text.lines().find(|line| line.starts_with(&start));
    let line = line.unwrap_or_else(|| panic!("no mapping at {address:#x} in maps:\n{text}"));
    let offset = line.split_whitespace().nth(2).expect("an offset");
    u64::from_str_radix(offset, 16).expect("a number")
}
