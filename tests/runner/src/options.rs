// SPDX-License-Identifier: MIT OR Apache-2.0
//! The command line of the runner.

use std::path::PathBuf;
use std::sync::Arc;
use std::time::Duration;

use crate::machine::{Display, Machine, USUAL};

/// A board, and the files that were built for it.
#[derive(Clone)]
pub struct Target {
    pub machine: Arc<Machine>,
    pub kernel: PathBuf,
    /// The guest's root: an initramfs, or a disk's image, which is not changed.
    pub initrd: PathBuf,
    /// The initramfs of `make run`, which has no files of tests.
    pub run_initrd: PathBuf,
    pub disk: Option<PathBuf>,
    /// The directory of the board's device trees, if QEMU generates none.
    pub trees: PathBuf,
}

impl Target {
    fn new(board: &str) -> Result<Self, String> {
        Ok(Self {
            machine: Arc::new(Machine::read(board)?),
            kernel: PathBuf::new(),
            initrd: PathBuf::new(),
            run_initrd: PathBuf::new(),
            disk: None,
            trees: PathBuf::new(),
        })
    }
}

/// The parsed command line.
#[derive(Clone)]
pub struct Options {
    /// The board of this boot.
    pub target: Target,
    /// All the boards that were named; `target` is the first of them.
    pub targets: Vec<Target>,
    /// A disk that some boots have in addition to an initramfs. It is not changed.
    pub data: Option<PathBuf>,
    /// Device-tree overlays in source form, applied in this order over the board's own.
    pub overlays: Vec<PathBuf>,
    /// A directory whose files are copied over the guest's root.
    pub files: Option<PathBuf>,
    pub smp: u32,
    pub memory: u32,
    /// Count instructions instead of time, so that all runs have equal results.
    pub icount: bool,
    /// The console's loglevel. The default is 8, and 4 for a user at a terminal.
    pub loglevel: Option<u32>,
    /// How the screen is shown.
    pub display: Display,
    pub append: String,
    pub timeout: Duration,
    /// The time limit until the guest requests its command.
    pub boot_limit: Duration,
    /// The directory for the console's log and for the files of the guest.
    pub results: PathBuf,
    /// Save the screen as this file when the command has ended.
    pub screen: Option<PathBuf>,
    /// Run the tests whose name contains this.
    pub filter: String,
    /// Also run the tests that take minutes.
    pub slow: bool,
    /// The command for the guest.
    pub command: String,
}

impl Options {
    /// The same options for another board, with its number of processors and its own results.
    pub fn on(&self, target: &Target) -> Self {
        let mut options = self.clone();
        let machine = &target.machine;
        if machine.name != self.target.machine.name {
            options.smp = machine.smp;
            options.memory = machine.memory;
            options.results = self.results.join(&machine.name);
            options.target = target.clone();
        }
        options
    }

    /// Reads `--name value` pairs; everything after `--` is the command. `--kernel` and
    /// similar options belong to the preceding `--board`.
    pub fn read(arguments: impl Iterator<Item = String>) -> Result<Self, String> {
        let mut options = Self {
            target: Target::new(USUAL)?,
            targets: Vec::new(),
            data: None,
            overlays: Vec::new(),
            files: None,
            smp: 0,
            memory: 0,
            icount: false,
            loglevel: None,
            display: Display::None,
            append: String::new(),
            timeout: Duration::from_secs(60),
            boot_limit: Duration::from_secs(600),
            results: PathBuf::from("build/guest"),
            screen: None,
            filter: String::new(),
            slow: false,
            command: String::new(),
        };
        let mut arguments = arguments.peekable();
        while let Some(name) = arguments.next() {
            if name == "--" {
                options.command = arguments.collect::<Vec<_>>().join(" ");
                break;
            }
            let mut value = || arguments.next().ok_or(format!("{name} needs a value"));
            let target = options.targets.last_mut();
            let target = target.unwrap_or(&mut options.target);
            match name.as_str() {
                "--board" => options.targets.push(Target::new(&value()?)?),
                "--kernel" => target.kernel = value()?.into(),
                "--initrd" => target.initrd = value()?.into(),
                "--run-initrd" => target.run_initrd = value()?.into(),
                "--disk" => target.disk = Some(value()?.into()),
                "--trees" => target.trees = value()?.into(),
                "--data" => options.data = Some(value()?.into()),
                "--dt" => options.overlays.push(value()?.into()),
                "--files" => options.files = Some(value()?.into()),
                "--smp" => options.smp = number(&name, &value()?)?,
                "--memory" => options.memory = number(&name, &value()?)?,
                "--icount" => options.icount = true,
                "--loglevel" => options.loglevel = Some(number(&name, &value()?)?),
                "--display" => options.display = Display::read(&value()?)?,
                "--append" => options.append = value()?,
                "--timeout" => {
                    options.timeout = Duration::from_secs(number(&name, &value()?)?.into());
                }
                "--boot-limit" => {
                    options.boot_limit = Duration::from_secs(number(&name, &value()?)?.into());
                }
                "--results" => options.results = value()?.into(),
                "--screen" => options.screen = Some(value()?.into()),
                "--filter" => options.filter = value()?,
                "--slow" => options.slow = true,
                _ => return Err(format!("unknown option {name}")),
            }
        }
        match options.targets.first() {
            Some(first) => options.target = first.clone(),
            None => options.targets.push(options.target.clone()),
        }
        let machine = &options.target.machine;
        if options.target.disk.is_some() && options.files.is_some() {
            return Err("OVERLAY copies files into the quick image only".into());
        }
        if options.smp == 0 {
            options.smp = if options.icount { 1 } else { machine.smp };
        }
        if options.memory == 0 {
            options.memory = machine.memory;
        }
        if options.icount && options.smp != 1 {
            return Err("ICOUNT=1 is possible with SMP=1 only".into());
        }
        Ok(options)
    }
}

fn number(name: &str, value: &str) -> Result<u32, String> {
    value
        .parse()
        .map_err(|_| format!("{name} needs a number, not {value}"))
}
