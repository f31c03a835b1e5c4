// SPDX-License-Identifier: MIT OR Apache-2.0
//! The boards QEMU knows: what differs between them, and how QEMU is called.

use std::io;
use std::path::{Path, PathBuf};
use std::process::Command;

use crate::options::Options;

/// What differs between boards.
pub struct Machine {
    pub name: &'static str,
    /// QEMU's name, and what always goes with it.
    qemu: &'static [&'static str],
    /// Whether QEMU makes the device tree itself.
    makes_tree: bool,
    /// How many processors and MiB it has unless told otherwise.
    pub smp: u32,
    pub memory: u32,
    /// The kernel's console.
    console: &'static str,
    /// Where the guest finds the control channel, and the QEMU options that put it there (`@` is the chardev's name).
    control: &'static str,
    control_options: &'static [&'static str],
}

/// The first one is the default.
pub const MACHINES: &[Machine] = &[
    Machine {
        name: "virt-arm",
        qemu: &["virt", "-cpu", "cortex-a7", "-device", "ramfb"],
        makes_tree: true,
        smp: 2,
        memory: 512,
        console: "ttyAMA0",
        control: "/dev/vport0p1",
        control_options: &[
            "-device",
            "virtio-serial-device",
            "-device",
            "virtserialport,chardev=@,name=fanlight.control",
        ],
    },
    Machine {
        name: "raspberrypi",
        qemu: &["raspi2b"],
        makes_tree: false,
        smp: 4,
        memory: 1024,
        console: "ttyAMA0",
        control: "/dev/ttyS0",
        control_options: &["-serial", "chardev:@"],
    },
];

/// How the guest's console and control channel are connected.
pub enum Wiring<'a> {
    /// Console and keyboard are this terminal; no control channel.
    Terminal,
    /// Unix sockets in a directory: `console`, `control`, `qmp`. Somebody listens on each.
    Sockets(&'a Path),
}

impl Machine {
    /// The whole QEMU command for a boot.
    pub fn command(
        &self,
        options: &Options,
        wiring: &Wiring<'_>,
        tree: &Path,
        initrd: &Path,
    ) -> Command {
        let mut qemu = Command::new("qemu-system-arm");
        qemu.arg("-M").args(self.qemu);
        qemu.args(["-smp", &options.smp.to_string()]);
        qemu.args(["-m", &options.memory.to_string()]);
        qemu.args(["-nodefaults", "-nic", "none", "-display", "none"]);
        if options.icount {
            qemu.args(["-icount", "shift=0,sleep=off"]);
        }
        qemu.arg("-kernel").arg(&options.kernel);
        qemu.arg("-initrd").arg(initrd);
        qemu.arg("-dtb").arg(tree);
        let mut append = format!("console={} loglevel=8 panic=1", self.console);
        match wiring {
            Wiring::Terminal => {
                // The prompt belongs to the user: of the kernel's messages only the grave ones.
                append = format!("console={} loglevel=4 panic=1", self.console);
                qemu.args(["-serial", "mon:stdio", "-no-reboot"]);
            }
            Wiring::Sockets(directory) => {
                for name in ["console", "control"] {
                    let path = directory.join(name);
                    qemu.arg("-chardev")
                        .arg(format!("socket,id={name},path={}", path.display()));
                }
                qemu.args(["-serial", "chardev:console"]);
                for option in self.control_options {
                    qemu.arg(option.replace('@', "control"));
                }
                qemu.arg("-qmp")
                    .arg(format!("unix:{}", directory.join("qmp").display()));
                append.push_str(&format!(" fanlight.control={}", self.control));
            }
        }
        qemu.arg("-append")
            .arg(format!("{append} {}", options.append));
        qemu
    }

    /// Makes the device tree of a boot: the board's own, then the overlays.
    pub fn tree(&self, options: &Options, directory: &Path) -> io::Result<PathBuf> {
        let base = if self.makes_tree {
            let base = directory.join("base.dtb");
            let mut qemu = Command::new("qemu-system-arm");
            let (machine, rest) = self.qemu.split_first().expect("a machine has a name");
            qemu.arg("-M")
                .arg(format!("{machine},dumpdtb={}", base.display()))
                .args(rest)
                .args(["-smp", &options.smp.to_string()])
                .args(["-m", &options.memory.to_string()])
                .args(["-nodefaults", "-nic", "none", "-display", "none"]);
            run(&mut qemu)?;
            base
        } else {
            options
                .dtb
                .clone()
                .ok_or_else(|| io::Error::other(format!("{} needs --dtb", self.name)))?
        };
        let tree = directory.join("tree.dtb");
        let mut merge = Command::new("fdtoverlay");
        merge.arg("-i").arg(base).arg("-o").arg(&tree);
        for (number, source) in options.overlays.iter().enumerate() {
            let compiled = directory.join(format!("overlay{number}.dtbo"));
            let mut dtc = Command::new("dtc");
            dtc.args(["-q", "-@", "-I", "dts", "-O", "dtb", "-o"])
                .arg(&compiled)
                .arg(source);
            run(&mut dtc)?;
            merge.arg(compiled);
        }
        run(&mut merge)?;
        Ok(tree)
    }
}

/// Runs a small program to its end. Its complaint is the error.
pub fn run(command: &mut Command) -> io::Result<()> {
    let name = command.get_program().to_string_lossy().into_owned();
    let output = command
        .output()
        .map_err(|error| io::Error::other(format!("{name}: {error}")))?;
    if output.status.success() {
        return Ok(());
    }
    let complaint = String::from_utf8_lossy(&output.stderr);
    Err(io::Error::other(format!("{name}: {}", complaint.trim())))
}
