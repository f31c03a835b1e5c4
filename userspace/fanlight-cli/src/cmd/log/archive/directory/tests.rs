// SPDX-License-Identifier: MIT OR Apache-2.0
use fanlight::WallClock;

use super::filed::Ended;
use super::*;

const BOOT: &str = "0fb8a0b2-d94a-4d1b-8a2b-8e0a0f6a3c1";

fn name(boot: u32, ending: &str) -> Name {
    Name {
        instance: "fanlight0".into(),
        boot: format!("{BOOT}{boot:x}"),
        ending: ending.to_owned(),
    }
}

struct Scratch(Archive);

impl Scratch {
    fn new(name: &str) -> Self {
        let directory =
            std::env::temp_dir().join(format!("fanlight-archive-{}-{name}", std::process::id()));
        let _ = fs::remove_dir_all(&directory);
        Self(Archive::open(directory, true).unwrap())
    }

    /// Files a log of that many bytes.
    fn file(&self, boot: u32, ending: &str, bytes: usize) -> String {
        let name = name(boot, ending);
        let file = name.file(None);
        let write = |out: &mut io::BufWriter<fs::File>| out.write_all(&vec![b'x'; bytes]);
        self.0.store(&file, &name, write).unwrap();
        file
    }

    fn names(&self) -> Vec<String> {
        let files = self.0.files().unwrap();
        files.into_iter().map(|filed| filed.file).collect()
    }
}

impl Drop for Scratch {
    fn drop(&mut self) {
        let _ = fs::remove_dir_all(&self.0.directory);
    }
}

#[test]
fn log_archive_twice_makes_no_second_file() {
    let scratch = Scratch::new("twice");
    let first = scratch.file(1, "panic", 10);
    assert_eq!(scratch.file(1, "panic", 10), first);
    assert_eq!(scratch.names(), [first]);
    // The same boot with another name: the old file is removed.
    let other = scratch.file(1, "unknown", 10);
    assert_eq!(scratch.names().join(" "), other);
    // The same boot's log of another instance is another log.
    let second = Name {
        instance: "fanlight1".into(),
        ..name(1, "unknown")
    };
    let file = second.file(None);
    scratch.0.store(&file, &second, |_| Ok(())).unwrap();
    assert_eq!(scratch.names(), [other, file]);
}

#[test]
fn log_archive_limits_take_the_oldest_and_panics_last() {
    let scratch = Scratch::new("limits");
    let panic = scratch.file(1, "panic", 100);
    let clean: Vec<String> = (2..6)
        .map(|boot| scratch.file(boot, "clean", 100))
        .collect();
    fs::write(scratch.0.directory.join("notes.txt"), "not ours").unwrap();
    let limits = |files, bytes| Limits { files, bytes };

    let removed = scratch.0.prune(&limits(Some(5), None), &[]).unwrap();
    assert_eq!(removed, [""; 0]);
    let removed = scratch.0.prune(&limits(Some(3), None), &[]).unwrap();
    assert_eq!(removed, clean[..2]);
    let removed = scratch.0.prune(&limits(None, Some(250)), &[]).unwrap();
    assert_eq!(removed, clean[2..3]);
    // Files of this run stay, whatever the limits are.
    let written = clean[3..].to_vec();
    let removed = scratch
        .0
        .prune(&limits(Some(0), Some(0)), &written)
        .unwrap();
    assert_eq!(removed, [panic]);
    assert_eq!(scratch.names(), written);
    assert!(scratch.0.directory.join("notes.txt").exists());
}

#[test]
fn log_archive_limits_remove_a_panic_only_for_a_later_one() {
    let scratch = Scratch::new("panics");
    let panics: Vec<String> = (1..4)
        .map(|boot| scratch.file(boot, "panic", 100))
        .collect();
    let limits = Limits {
        files: Some(3),
        bytes: Some(300),
    };
    let prune = |written: &str| scratch.0.prune(&limits, &[written.to_owned()]).unwrap();
    // A file of this run stays until the next one.
    let clean = scratch.file(4, "clean", 100);
    assert_eq!(prune(&clean), [""; 0]);
    let reset = scratch.file(5, "reset", 100);
    assert_eq!(prune(&reset), [clean]);
    let panic = scratch.file(6, "panic", 100);
    assert_eq!(prune(&panic), [reset, panics[0].clone()]);
}

#[test]
fn log_archive_is_read_by_a_group_only_where_it_may_read_the_node() {
    let restrict = |value: &str| mode(Some(value.to_owned()));
    assert_eq!(restrict("0\n"), SHARED);
    assert_eq!(restrict("1\n"), PRIVATE);
    assert_eq!(mode(None), PRIVATE);
    let scratch = Scratch::new("restricted");
    let file = scratch.file(1, "panic", 10);
    let path = scratch.0.directory.join(file);
    let other = scratch.0.directory.join("notes.txt");
    fs::write(&other, "not ours").unwrap();
    for path in [&path, &other] {
        fs::set_permissions(path, fs::Permissions::from_mode(SHARED)).unwrap();
    }
    scratch.0.withdraw().unwrap();
    let mode = |path: &Path| fs::metadata(path).unwrap().mode() & 0o777;
    assert_eq!((mode(&path), mode(&other)), (PRIVATE, SHARED));
}

#[test]
fn log_archive_does_not_wait_for_who_can_only_read_the_directory() {
    let scratch = Scratch::new("locked");
    let directory = scratch.0.directory.clone();
    drop(scratch);
    fs::create_dir(&directory).unwrap();
    let held = fs::File::open(&directory).unwrap();
    flock(&held, FlockOperation::LockExclusive).unwrap();
    let (sender, receiver) = std::sync::mpsc::channel();
    let at = directory.clone();
    std::thread::spawn(move || sender.send(Archive::open(at, true).is_ok()));
    let opened = receiver.recv_timeout(Duration::from_secs(60));
    assert_eq!(opened, Ok(true));
    let lock = fs::metadata(directory.join(Archive::LOCK)).unwrap();
    assert_eq!(lock.mode() & 0o777, PRIVATE);
    fs::remove_dir_all(directory).unwrap();
}

#[test]
fn log_archive_ages_do_not_depend_on_the_clock() {
    let scratch = Scratch::new("clock");
    let old = scratch.file(1, "clean", 1);
    // The clock was an hour ahead at that time.
    let later = SystemTime::now() + Duration::from_secs(3600);
    let file = fs::File::options()
        .write(true)
        .open(scratch.0.directory.join(&old))
        .unwrap();
    file.set_modified(later).unwrap();
    let new = scratch.file(2, "clean", 1);
    assert_eq!(scratch.names(), [old, new]);
}

#[test]
fn log_archive_leaves_nothing_of_a_file_that_failed() {
    let scratch = Scratch::new("full");
    let name = name(1, "panic");
    let file = name.file(None);
    let full = |out: &mut io::BufWriter<fs::File>| {
        out.write_all(b"half")?;
        Err(io::Error::from_raw_os_error(28))
    };
    let error = scratch.0.store(&file, &name, full);
    assert_eq!(error.unwrap_err().raw_os_error(), Some(28));
    let left = fs::read_dir(&scratch.0.directory).unwrap().flatten();
    let left = left.filter(|entry| entry.file_name() != Archive::LOCK);
    assert_eq!(left.count(), 0);
    // The next run removes what a power failure has left.
    let directory = scratch.0.directory.clone();
    let left = directory.join(format!("{}1", Archive::TEMPORARY));
    drop(scratch);
    fs::create_dir(&directory).unwrap();
    fs::write(&left, "half").unwrap();
    drop(Archive::open(directory.clone(), true).unwrap());
    assert!(!left.exists());
    fs::remove_dir_all(directory).unwrap();
}

fn records(numbers: std::ops::Range<u64>) -> Vec<Record<'static>> {
    let text = |n: u64| format!("record {n}\nand \\ its second line").into_bytes();
    numbers
        .map(|n| {
            let mut record = Record::new(n, n * 1_000_000, fanlight::Level::Info, b"");
            record.text = text(n).into();
            record
        })
        .collect()
}

fn header(ending: &str) -> Header {
    Header {
        boot_id: None,
        wall: Some(WallClock::from_offset(7)),
        callers: None,
        ended: Some(Ended {
            ending: ending.parse().unwrap(),
            missing: 0,
            damaged: 0,
            reason: None,
        }),
    }
}

fn numbers(scratch: &Scratch, file: &str) -> Vec<u64> {
    let (records, _) = scratch.0.read(file).unwrap();
    records.iter().map(|record| record.seq).collect()
}

#[test]
fn log_archive_never_shrinks_a_file() {
    let scratch = Scratch::new("shrink");
    let file = |ending: &str, numbers| {
        let filed = scratch
            .0
            .file(name(1, ending), header(ending), records(numbers), None);
        filed.unwrap()
    };
    let (panic, count) = file("panic", 10..30);
    assert_eq!(count, 20);
    // Forgetting failed, and a later boot has taken the oldest blocks, or all but one record,
    // or the block with the ending.
    for (ending, numbers) in [("panic", 15..30), ("panic", 29..30), ("reset", 12..20)] {
        assert_eq!(file(ending, numbers), (panic.clone(), 20));
    }
    assert_eq!(
        self::numbers(&scratch, &panic),
        (10..30).collect::<Vec<_>>()
    );
    // A damaged file gets the records that the log still has.
    let path = scratch.0.directory.join(&panic);
    let whole = fs::read(&path).unwrap();
    fs::write(&path, &whole[..whole.len() / 2]).unwrap();
    let (again, count) = file("panic", 15..30);
    assert_eq!(count, 20);
    assert_eq!(
        self::numbers(&scratch, &again),
        (10..30).collect::<Vec<_>>()
    );
    assert_eq!(fs::read(scratch.0.directory.join(&again)).unwrap(), whole);
    fs::write(scratch.0.directory.join(&again), "").unwrap();
    let (again, count) = file("panic", 15..30);
    assert_eq!((count, scratch.names()), (15, vec![again]));
}

#[test]
fn log_archive_without_locks_leaves_the_files_of_others() {
    let mut scratch = Scratch::new("no-lock");
    scratch.0.lock = None;
    let at = |process: &str| {
        let name = format!("{}{process}", Archive::TEMPORARY);
        scratch.0.directory.join(name)
    };
    // Process 1 runs; there is no process with the other number.
    let (running, gone) = (at("1"), at("4194305"));
    for path in [&running, &gone] {
        fs::write(path, "half").unwrap();
    }
    scratch.0.remove_temporaries();
    assert!(running.exists() && !gone.exists());
}

#[test]
fn log_archive_runs_wait_for_each_other() {
    let scratch = Scratch::new("lock");
    let directory = scratch.0.directory.clone();
    let (sender, receiver) = std::sync::mpsc::channel();
    let thread = std::thread::spawn(move || {
        let archive = Archive::open(directory, true);
        sender.send("the second has it").unwrap();
        archive.map(drop).unwrap();
    });
    // Its temporary file still exists, and the run continues.
    let left = scratch.0.directory.join(format!("{}1", Archive::TEMPORARY));
    fs::write(&left, "half").unwrap();
    let early = receiver.recv_timeout(Duration::from_millis(300));
    assert!(early.is_err(), "{early:?}");
    assert!(left.exists());
    let Scratch(archive) = &scratch;
    flock(archive.lock.as_ref().unwrap(), FlockOperation::Unlock).unwrap();
    assert_eq!(receiver.recv(), Ok("the second has it"));
    thread.join().unwrap();
    assert!(!left.exists());
}

#[test]
fn log_archive_makes_one_directory_and_none_in_memory() {
    let scratch = Scratch::new("where");
    let deep = scratch.0.directory.join("missing/crash");
    assert!(Archive::open(deep, true).is_err());
    let shm = Path::new("/dev/shm");
    if in_memory(shm) {
        let error = Archive::open(shm.join("fanlight-crash"), false).err();
        assert!(matches!(error, Some(Error::Message(text)) if text.contains("--volatile")));
        assert!(!shm.join("fanlight-crash").exists());
    }
    assert!(!in_memory(Path::new("/proc")));
}
