// SPDX-License-Identifier: MIT OR Apache-2.0
//! `fanlight log archive` and the service that runs it at boot: each earlier boot becomes one file,
//! and is forgotten only when that is written. A test in stages. The file system is one in memory,
//! as this machine has no disk.

use std::fs;
use std::os::unix::fs::{MetadataExt, PermissionsExt};

use crate::log::boots::forget_all;
use crate::log::prev::{everything, nowhere};
use crate::support::dev::{Unbound, UnboundLogs, LOG, SCRATCH};
use crate::support::earlier::{self, arrived, Earlier, PREVIOUS};
use crate::support::log::{append, kmsg, Loglevel};
use crate::support::module::TestModule;
use crate::support::program::{needs, run, shell, Ran};
use crate::support::stages::{go_down, staged, Down, Staged};

pub const STAGED: &[Staged] = staged! {
    log_archive_files_a_boot_once_and_forgets_it,
    log_archive_runs_at_once_lose_nothing,
    log_archive_files_the_others_when_one_log_cannot_be_opened,
};

const MARK: &str = "to be filed";
const CONTINUED: &str = "a line that is continued";
const FLOOD: &str = "from every context";
const RESTRICT: &str = "/proc/sys/kernel/dmesg_restrict";
const DATED: &str = "the last one is of";
const DISK: &str = "/tmp/fanlight-disk";
const DIRECTORY: &str = "/tmp/fanlight-disk/crash";

/// A file system as long as this lives.
struct Disk;

impl Disk {
    fn new(options: &str) -> Self {
        fs::create_dir_all(DISK).expect(DISK);
        shell(&format!("mount -t tmpfs -o {options} tmpfs {DISK}")).success();
        Self
    }
}

impl Drop for Disk {
    fn drop(&mut self) {
        let _ = shell(&format!("umount {DISK}"));
    }
}

fn archive(options: &[&str]) -> Ran {
    let args = [&["log", "archive", "-d", "0", DIRECTORY], options].concat();
    run("fanlight", &args)
}

/// It fails with one line, and every earlier boot is as before.
fn costs_nothing(what: &str, options: &[&str]) {
    let before = everything();
    let ran = archive(options);
    assert_eq!(ran.status, 1, "{what}: {ran:?}");
    assert_eq!(ran.err.lines().count(), 1, "{what}: {}", ran.err);
    assert_eq!(everything(), before, "{what}");
    let names = names();
    assert!(
        !names.iter().any(|name| name.ends_with(".log")),
        "{what}: {names:?}"
    );
}

/// What is in the directory, but for what is hidden.
fn names() -> Vec<String> {
    let mut names = crate::support::dev::names_in(DIRECTORY);
    names.retain(|name| !name.starts_with('.'));
    names
}

/// Runs the service's script as at a boot that is not one of the tests.
fn service() -> Ran {
    let settings =
        format!("FANLIGHT_ARCHIVE={DIRECTORY}\nFANLIGHT_ARCHIVE_ARGS=\"--volatile -d 0\"\n");
    fs::write("/tmp/fanlight-settings", settings).expect("the settings");
    fs::write("/tmp/fanlight-cmdline", "fanlight-archive=on\n").expect("the command line");
    shell(
        "exec unshare -m sh -c 'mount --bind /tmp/fanlight-settings /etc/default/fanlight && \
         mount --bind /tmp/fanlight-cmdline /proc/cmdline && \
         exec sh /etc/init.d/S20fanlight-archive start'",
    )
}

fn log_archive_files_a_boot_once_and_forgets_it(stage: u32) {
    needs("unshare");
    if stage == 0 {
        forget_all();
        // The boards have no clock of their own, and one that was never set is not kept.
        shell("date -u -s '2026-11-20 13:36:33'").success();
        kmsg(&format!("<5>{MARK}"));
        arrived();
        let others = UnboundLogs::all_but(&LOG);
        // A suppressed message has no flag that it continues another one.
        let level = Loglevel::set(8);
        let module = TestModule::load();
        module.cont(CONTINUED);
        module.flood(3, 0, FLOOD);
        arrived();
        drop((module, others, level));
        let date = date(&["-d", "0"], MARK);
        append(&LOG.open(), &format!("<5>{DATED} {date}"));
        go_down(Down::Panic);
    }
    assert!(PREVIOUS.has(MARK));
    let texts = PREVIOUS.texts();
    let live = texts.iter().find_map(|text| text.strip_prefix(DATED));
    let live = live.expect("the date when it was live").trim();
    assert_eq!(date(&["-d", "0", "--boot=-1"], MARK), live);
    let id = PREVIOUS.attribute("boot_id");
    let printed = in_every_form(&["-d", "0", "--boot=-1"]);
    for part in [
        r#""emergency":true"#,
        r#""module":true"#,
        r#""continuation":true"#,
        r#""user":true"#,
    ] {
        assert!(printed.concat().contains(part), "there is {part}");
    }
    {
        let _disk = Disk::new("size=1m");
        costs_nothing("in memory", &[]);
    }
    {
        let _disk = Disk::new("size=1m");
        let overlay = shell(&format!(
            "cd {DISK} && mkdir -p low up work crash && \
             mount -t overlay -o lowerdir={DISK}/low,upperdir={DISK}/up,workdir={DISK}/work \
             overlay {DIRECTORY}"
        ));
        overlay.success();
        costs_nothing("an overlay in memory", &[]);
        shell(&format!("umount {DIRECTORY}")).success();
    }
    {
        let _disk = Disk::new("size=4k");
        costs_nothing("a full disk", &["--volatile"]);
    }
    {
        let _disk = Disk::new("size=1m");
        fs::create_dir(DIRECTORY).expect(DIRECTORY);
        shell(&format!("mount -o remount,ro {DISK}")).success();
        costs_nothing("a disk that cannot be written", &["--volatile"]);
        let before = everything();
        let ran = service();
        assert_eq!((ran.status, ran.err.lines().count()), (1, 1), "{ran:?}");
        assert_eq!(everything(), before);
    }
    let _disk = Disk::new("size=4m");
    for round in ["the first time", "the second time"] {
        let ran = service();
        assert_eq!((ran.status, ran.err.as_str()), (0, ""), "{round}");
        let names = names();
        let [name] = &names[..] else {
            panic!("{round}: {names:?}");
        };
        assert!(name.contains(&id) && name.ends_with("-panic.log"), "{name}");
        // The region does not have it any more, and the node keeps it.
        assert_eq!(PREVIOUS.texts(), texts, "{round}");
        assert_eq!(PREVIOUS.attribute("persisted"), "no", "{round}");
        assert_eq!(PREVIOUS.attribute("ending"), "panic", "{round}");
        let again = run("fanlight", &["log", "-d", "0", "--boot=-1", "-g", MARK]);
        assert!(again.success().text().contains(MARK), "{round}");
        let path = format!("{DIRECTORY}/{name}");
        let found = fs::metadata(&path).expect(&path);
        let node = fs::metadata(PREVIOUS.path()).expect("the node");
        assert_eq!((found.mode() & 0o777, found.gid()), (0o640, node.gid()));
        // A later run takes back what may not be read any more.
        fs::write(RESTRICT, "1\n").expect(RESTRICT);
        service().success();
        let found = fs::metadata(&path).expect(&path);
        assert_eq!(found.mode() & 0o777, 0o600, "{round}");
        fs::write(RESTRICT, "0\n").expect(RESTRICT);
        fs::set_permissions(&path, fs::Permissions::from_mode(0o640)).expect(&path);
        let filed = run("fanlight", &["log", "-o", "cat", "--file", &path]).success();
        let filed = filed.text();
        assert_eq!(date(&["--file", &path], MARK), live, "{round}");
        for (filed, before) in in_every_form(&["--file", &path]).iter().zip(&printed) {
            let lines = filed.lines().zip(before.lines());
            let differs = lines.clone().find(|(filed, before)| filed != before);
            assert_eq!(differs, None, "{round}");
            assert_eq!(filed.len(), before.len(), "{round}");
        }
        let ran = run("fanlight", &["log", "--file", &path]);
        assert!(ran.err.contains("ended in a panic"), "{ran:?}");
        for words in ["Booting Linux", MARK, "Kernel panic - not syncing"] {
            assert!(filed.lines().any(|line| line.starts_with(words)), "{words}");
        }
    }
    drop(Unbound::new(LOG.node));
    nowhere(MARK);
}

/// What is printed of a log, in all forms.
fn in_every_form(log: &[&str]) -> Vec<String> {
    let forms: [&[&str]; 7] = [
        &[],
        &["-x", "-T"],
        &["--time-format=iso"],
        &["-H"],
        &["--raw"],
        &["--json"],
        &["-o", "export"],
    ];
    let printed = |form: &&[&str]| {
        run("fanlight", &[&["log"], log, form].concat())
            .success()
            .text()
    };
    forms.iter().map(printed).collect()
}

/// The date that is printed of the record with these words.
fn date(log: &[&str], words: &str) -> String {
    let args = ["-Q", "-g", words, "--time-format=iso"];
    let ran = run("fanlight", &[&["log"], log, &args].concat()).success();
    let text = ran.text();
    let line = text.lines().find(|line| line.ends_with(words));
    let line = line.unwrap_or_else(|| panic!("no {words:?} in {text}"));
    line.split(' ').next().expect("a date").to_owned()
}

fn log_archive_runs_at_once_lose_nothing(stage: u32) {
    earlier::needed(stage);
    let boots: Vec<(String, usize)> = earlier::all()
        .into_iter()
        .map(|boot| (boot.attribute("boot_id"), boot.messages().len()))
        .filter(|(_, records)| *records > 0)
        .collect();
    let _disk = Disk::new("size=8m");
    let ran = shell(&format!(
        "for i in 1 2 3 4; do fanlight log archive --volatile -d 0 {DIRECTORY} & done; wait"
    ));
    assert_eq!((ran.status, ran.err.as_str()), (0, ""));
    let names = names();
    assert_eq!(names.len(), boots.len(), "{names:?}");
    for (id, records) in &boots {
        let name = names.iter().find(|name| name.contains(id));
        let path = format!("{DIRECTORY}/{}", name.expect("its file"));
        let filed = run("fanlight", &["log", "--json", "--file", &path]).success();
        assert_eq!(filed.text().lines().count(), *records, "{path}");
    }
    for boot in earlier::all() {
        let name = boot.name();
        assert_eq!(boot.attribute("persisted"), "no", "{name} is forgotten");
    }
}

fn log_archive_files_the_others_when_one_log_cannot_be_opened(stage: u32) {
    needs("unshare");
    if stage == 0 {
        forget_all();
    }
    if stage < 2 {
        kmsg(&format!("<5>of stage {stage}"));
        arrived();
        go_down(Down::Reset);
    }
    let (hidden, other) = (PREVIOUS, Earlier(2));
    assert!(hidden.has("of stage 1") && other.has("of stage 0"));
    let id = other.attribute("boot_id");
    let _disk = Disk::new("size=1m");
    let ran = shell(&format!(
        "exec unshare -m sh -c 'mount --bind {} {} && \
         exec fanlight log archive --volatile -d 0 {DIRECTORY}'",
        // A window, but no log.
        SCRATCH.path(),
        hidden.path()
    ));
    assert_eq!((ran.status, ran.err.lines().count()), (1, 1), "{ran:?}");
    assert!(ran.err.contains(&hidden.path()), "{ran:?}");
    let names = names();
    assert_eq!(names.len(), 1, "{names:?}");
    assert!(names[0].contains(&id), "{names:?}");
    assert_eq!(other.attribute("persisted"), "no");
    assert_eq!(hidden.attribute("persisted"), "yes");
}
