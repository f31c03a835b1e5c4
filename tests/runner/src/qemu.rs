// SPDX-License-Identifier: MIT OR Apache-2.0
//! QEMU's command line for a boot of a board, and the device tree and the disks of that boot.

use std::fs;
use std::io;
use std::path::{Path, PathBuf};
use std::process::Command;

use crate::files;
use crate::machine::Machine;
use crate::options::Options;
use crate::process::run;

/// How the guest's console and control channel are connected.
pub enum Wiring<'a> {
    /// Console and keyboard are standard input and output; no control channel. The caller listens
    /// on the socket `qmp` in the directory. QEMU waits for the command to start the guest, and
    /// keeps running after the guest has powered off.
    Terminal(&'a Path),
    /// Unix sockets in a directory: `console`, `control`, `qmp`. The caller listens on each.
    Sockets(&'a Path),
}

/// The signature of the disks' images, which names their partitions whatever the disk is called.
const SIGNATURE: &str = "66616e6c";

/// The size of the disk of a guest that names none. It is a sparse file.
const BLANK: u64 = 64 << 20;

/// The root file system of a guest.
pub enum Media {
    /// An initramfs, and beside it a blank disk, or the one that the options name.
    Initrd(PathBuf, PathBuf),
    Disk(PathBuf),
}

impl Media {
    /// Creates the files that the options require, in `scratch`. A disk is a copy: the guest may
    /// write to it, and the size of a card must be a power of two.
    pub fn new(options: &Options, scratch: &Path) -> io::Result<Self> {
        let Some(image) = &options.target.disk else {
            if let Some(data) = &options.data {
                let initrd = files::initrd(options, scratch)?;
                return Ok(Self::Initrd(initrd, data.clone()));
            }
            let blank = scratch.join("blank.img");
            fs::File::create(&blank)?.set_len(BLANK)?;
            return Ok(Self::Initrd(files::initrd(options, scratch)?, blank));
        };
        let copy = scratch.join("disk.img");
        run(Command::new("cp")
            .arg("--sparse=always")
            .arg(image)
            .arg(&copy))?;
        let file = fs::OpenOptions::new().write(true).open(&copy)?;
        file.set_len(file.metadata()?.len().next_power_of_two())?;
        Ok(Self::Disk(copy))
    }
}

/// The inputs of the guest from the host: random numbers, and the time.
const SAME_TWICE: [&str; 4] = ["-seed", "1", "-rtc", "base=2026-01-01,clock=vm"];

impl Machine {
    /// The whole QEMU command for a boot.
    pub fn command(
        &self,
        options: &Options,
        wiring: &Wiring<'_>,
        tree: &Path,
        media: &Media,
    ) -> Command {
        let mut qemu = Command::new(&self.emulator);
        qemu.arg("-M").args(&self.qemu);
        qemu.args(["-smp", &self.processors(options.smp).to_string()]);
        qemu.args(["-m", &options.memory.to_string()]);
        qemu.args(["-nodefaults", "-nic", "none"]);
        qemu.args(options.display.arguments());
        if options.icount {
            qemu.args(["-icount", "shift=0,sleep=off"]).args(SAME_TWICE);
        }
        qemu.arg("-kernel").arg(&options.target.kernel);
        qemu.arg("-dtb").arg(tree);
        // Before the wires: Linux numbers virtio devices from the last one, and the name of the
        // channel contains the number.
        let mut root = String::new();
        let mut disk = |path: &str| {
            qemu.args(self.disk.iter().map(|option| option.replace('@', path)));
        };
        match media {
            Media::Initrd(path, blank) => {
                // The host reads the channel at times that vary in instructions.
                if !options.icount {
                    match &options.data {
                        // Writes of the guest are discarded.
                        Some(data) => disk(&format!("{},snapshot=on", data.display())),
                        None => disk(&blank.display().to_string()),
                    }
                }
                qemu.arg("-initrd").arg(path);
            }
            Media::Disk(path) => {
                disk(&path.display().to_string());
                root = format!(" root=PARTUUID={SIGNATURE}-{:02} rootwait", self.root);
            }
        }
        let (console, loglevel) = match wiring {
            // Only severe messages of the kernel are printed beside the user's prompt.
            Wiring::Terminal(_) => (&self.console, 4),
            Wiring::Sockets(_) => (&self.logged_console, 8),
        };
        let loglevel = options.loglevel.unwrap_or(loglevel);
        let mut append = format!("console={console} loglevel={loglevel} panic=1");
        match wiring {
            Wiring::Terminal(directory) => {
                qemu.args(&self.terminal).args(["-no-shutdown", "-S"]);
                qemu.arg("-qmp")
                    .arg(format!("unix:{}", directory.join("qmp").display()));
            }
            Wiring::Sockets(directory) => {
                for name in ["console", "control"] {
                    let path = directory.join(name);
                    qemu.arg("-chardev")
                        .arg(format!("socket,id={name},path={}", path.display()));
                }
                qemu.args(&self.wires);
                qemu.arg("-qmp")
                    .arg(format!("unix:{}", directory.join("qmp").display()));
                append.push_str(&format!(" ask-host.channel={}", self.control));
            }
        }
        qemu.arg("-append")
            .arg(format!("{append}{root} {} {}", self.append, options.append));
        qemu
    }

    /// Where QEMU puts the initramfs (hw/arm/boot.c): in the middle of RAM, at 128 MiB at most.
    pub fn initrd_start(&self, options: &Options) -> u64 {
        self.ram + (u64::from(options.memory) << 20).min(256 << 20) / 2
    }

    /// Makes the device tree of a boot: the board's own, then the overlays.
    pub fn tree(&self, options: &Options, directory: &Path) -> io::Result<PathBuf> {
        let mut tree = self.base(options, directory)?;
        // The board's own overlay, and the one for the control channel.
        let board = Path::new("board").join(&self.name);
        let own = [
            board.join(format!("dts/{}.dtso", self.name)),
            board.join("control.dtso"),
        ];
        let own = own.into_iter().filter(|path| path.exists());
        for (number, source) in own.chain(options.overlays.iter().cloned()).enumerate() {
            let compiled = directory.join(format!("overlay{number}.dtbo"));
            run(Command::new("scripts/dtc")
                .arg(&self.name)
                .args([&source, &compiled]))?;
            // One by one, because fdtoverlay does not report which of them failed.
            let merged = directory.join(format!("tree{number}.dtb"));
            let mut merge = Command::new("fdtoverlay");
            merge.arg("-i").arg(&tree).arg("-o").arg(&merged);
            run(merge.arg(compiled)).map_err(|error| {
                io::Error::other(format!(
                    "{} does not apply to the device tree of {} (does it name a label or a path \
                     that is not there?): {error}",
                    source.display(),
                    self.name
                ))
            })?;
            tree = merged;
        }
        Ok(tree)
    }

    /// The tree that the overlays are applied to: the kernel's, or the one that QEMU generates.
    fn base(&self, options: &Options, directory: &Path) -> io::Result<PathBuf> {
        if let Some(name) = &self.tree {
            let path = options.target.trees.join(name);
            // Buildroot puts all of them into one directory.
            let flat = options
                .target
                .trees
                .join(name.file_name().unwrap_or_default());
            return Ok(if path.exists() { path } else { flat });
        }
        let base = directory.join("base.dtb");
        let mut qemu = Command::new(&self.emulator);
        let (machine, rest) = self.qemu.split_first().expect("a machine has a name");
        qemu.arg("-M")
            .arg(format!("{machine},dumpdtb={}", base.display()))
            .args(rest)
            .args(["-smp", &self.processors(options.smp).to_string()])
            .args(["-m", &options.memory.to_string()])
            .args(["-nodefaults", "-nic", "none", "-display", "none"]);
        if options.icount {
            // The tree has the kernel's first random numbers in it.
            qemu.args(SAME_TWICE);
        }
        run(&mut qemu)?;
        Ok(base)
    }
}
