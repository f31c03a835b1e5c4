// SPDX-License-Identifier: MIT OR Apache-2.0
//! What the runner is asked to do.

use std::path::PathBuf;
use std::time::Duration;

use crate::machine::{Display, Machine, MACHINES};

/// The command line, read.
#[derive(Clone)]
pub struct Options {
    pub machine: &'static Machine,
    /// All the boards that were named; `machine` is the first of them.
    pub machines: Vec<&'static Machine>,
    pub kernel: PathBuf,
    /// What the guest's root is made from: an initramfs, or a disk's image, which stays as it is.
    pub initrd: PathBuf,
    pub disk: Option<PathBuf>,
    /// A disk that some boots have beside an initramfs. It stays as it is.
    pub data: Option<PathBuf>,
    /// Where the boards' own device trees are, for those that QEMU makes none for.
    pub trees: PathBuf,
    /// Device-tree overlays in source form, applied in this order over the board's own.
    pub overlays: Vec<PathBuf>,
    /// A directory whose files are laid over the guest's root.
    pub files: Option<PathBuf>,
    pub smp: u32,
    pub memory: u32,
    /// Count instructions instead of time: every run is the same to the digit.
    pub icount: bool,
    /// The console's loglevel: 8, and 4 for a person at a terminal, unless another one is asked
    /// for.
    pub loglevel: Option<u32>,
    /// Where a person sees the screen.
    pub display: Display,
    pub append: String,
    pub timeout: Duration,
    /// How long the guest may take until it asks for its command.
    pub boot_limit: Duration,
    /// Where the console's log and what the guest hands over are put.
    pub results: PathBuf,
    /// Capture the screen here when the command has ended.
    pub screen: Option<PathBuf>,
    /// Run the tests whose name contains this.
    pub filter: String,
    /// Also run the tests that take minutes.
    pub slow: bool,
    /// The command for the guest.
    pub command: String,
}

impl Options {
    /// The same on another board, with its results apart and as many processors as it has.
    pub fn on(&self, machine: &'static Machine) -> Self {
        let mut options = self.clone();
        if machine.name != self.machine.name {
            options.machine = machine;
            options.smp = machine.smp;
            options.memory = machine.memory;
            options.results = self.results.join(machine.name);
        }
        options
    }

    /// Reads `--name value` pairs; everything after `--` is the command.
    pub fn read(arguments: impl Iterator<Item = String>) -> Result<Self, String> {
        let mut options = Self {
            machine: &MACHINES[0],
            machines: Vec::new(),
            kernel: PathBuf::new(),
            initrd: PathBuf::new(),
            disk: None,
            data: None,
            trees: PathBuf::new(),
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
            match name.as_str() {
                "--board" => {
                    options.machines =
                        value()?.split(',').map(machine).collect::<Result<_, _>>()?;
                    options.machine = options.machines[0];
                }
                "--kernel" => options.kernel = value()?.into(),
                "--initrd" => options.initrd = value()?.into(),
                "--disk" => options.disk = Some(value()?.into()),
                "--data" => options.data = Some(value()?.into()),
                "--trees" => options.trees = value()?.into(),
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
        let machine = options.machine;
        if options.disk.is_some() && options.files.is_some() {
            return Err("OVERLAY lays files over the quick image only".into());
        }
        if options.machines.is_empty() {
            options.machines.push(machine);
        }
        if options.smp == 0 {
            options.smp = if options.icount { 1 } else { machine.smp };
        }
        if options.memory == 0 {
            options.memory = machine.memory;
        }
        if options.icount && options.smp != 1 {
            return Err("ICOUNT=1 goes with SMP=1 only".into());
        }
        Ok(options)
    }
}

fn machine(name: &str) -> Result<&'static Machine, String> {
    MACHINES
        .iter()
        .find(|machine| machine.name == name)
        .ok_or_else(|| {
            let names: Vec<_> = MACHINES.iter().map(|machine| machine.name).collect();
            format!("no board {name}: choose one of {}", names.join(", "))
        })
}

fn number(name: &str, value: &str) -> Result<u32, String> {
    value
        .parse()
        .map_err(|_| format!("{name} needs a number, not {value}"))
}
