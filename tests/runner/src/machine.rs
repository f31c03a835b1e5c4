// SPDX-License-Identifier: MIT OR Apache-2.0
//! The boards that QEMU emulates. Their differences are in `board/NAME/machine.conf`, which
//! [`description`] parses.

mod description;

use std::path::PathBuf;

/// The board of the documents, unless a comment there names another one.
pub const USUAL: &str = "virt-arm";

/// The differences between boards.
pub struct Machine {
    pub name: String,
    /// The kernel's name for the architecture.
    pub arch: String,
    /// QEMU's program, its name for the machine, and the options of every boot.
    pub emulator: String,
    pub qemu: Vec<String>,
    /// The device tree in the kernel's source, unless QEMU generates one.
    pub tree: Option<PathBuf>,
    /// QEMU's options for a disk (`@` is the path of its image), and the number of the root
    /// partition.
    pub disk: Vec<String>,
    pub root: u32,
    /// The default number of processors, and the maximum if the number can be set.
    pub smp: u32,
    fixed_smp: bool,
    /// MiB.
    pub memory: u32,
    /// The kernel's console, for a user at a terminal and for the runner.
    pub console: String,
    pub logged_console: String,
    /// Words for the kernel's command line.
    pub append: String,
    /// The device node of the control channel in the guest.
    pub control: String,
    /// The QEMU options that connect the console to this terminal.
    pub terminal: Vec<String>,
    /// The QEMU options that create console and control channel; chardev:console and
    /// chardev:control are the runner's ends.
    pub wires: Vec<String>,
    /// The address of the first byte of memory.
    pub ram: u64,
    /// The boots of tests/boots that it joins.
    pub boots: Vec<String>,
}

impl Machine {
    /// The number of processors of a boot for which `wanted` was chosen.
    pub fn processors(&self, wanted: u32) -> u32 {
        if self.fixed_smp {
            self.smp
        } else {
            wanted
        }
    }
}

/// How the guest's screen is shown.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Display {
    /// Nowhere, until it is captured.
    None,
    /// In a window of QEMU.
    Gtk,
    /// In a viewer, on a port of this machine only.
    Vnc,
}

impl Display {
    /// Reads the word of DISPLAY=.
    pub fn read(word: &str) -> Result<Self, String> {
        match word {
            "none" => Ok(Self::None),
            "gtk" => Ok(Self::Gtk),
            "vnc" => Ok(Self::Vnc),
            _ => Err(format!("no display {word}: choose gtk, vnc or none")),
        }
    }

    /// The QEMU options that show the screen so.
    pub fn arguments(self) -> &'static [&'static str] {
        match self {
            Self::None => &["-display", "none"],
            Self::Gtk => &["-display", "gtk"],
            // The first port that is free, from 5900 on.
            Self::Vnc => &["-vnc", "127.0.0.1:0,to=99"],
        }
    }
}
