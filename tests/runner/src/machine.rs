// SPDX-License-Identifier: MIT OR Apache-2.0
//! The boards QEMU knows: what differs between them, and how QEMU is called.

use std::fs;
use std::io;
use std::path::{Path, PathBuf};
use std::process::Command;

use crate::options::Options;

/// What differs between boards.
pub struct Machine {
    pub name: &'static str,
    /// QEMU's name, and what always goes with it.
    qemu: &'static [&'static str],
    /// The device tree in the kernel's source, unless QEMU makes one itself.
    tree: Option<&'static str>,
    /// What a disk's image is to this machine (`@` is its path), and which of its partitions is the root.
    disk: &'static [&'static str],
    root: u32,
    /// Whether the number of processors is what it is.
    fixed_smp: bool,
    /// How many processors and MiB it has unless told otherwise.
    pub smp: u32,
    pub memory: u32,
    /// The kernel's console, for a person at a terminal and for the runner.
    console: &'static str,
    logged_console: &'static str,
    /// Where the guest finds the control channel.
    control: &'static str,
    /// The QEMU options that put the console on this terminal.
    terminal: &'static [&'static str],
    /// The QEMU options that make console and control channel; chardev:console and chardev:control are the runner's ends.
    wires: &'static [&'static str],
    /// Overlays that every boot of it has, for the runner's sake.
    overlays: &'static [&'static str],
    /// Whether addresses and sizes are one cell each, and memory begins at 0: see [`translate`].
    one_cell: bool,
}

/// The first one is the default.
pub const MACHINES: &[Machine] = &[
    Machine {
        name: "virt-arm",
        qemu: &["virt", "-cpu", "cortex-a7", "-device", "ramfb"],
        tree: None,
        disk: &[
            "-drive",
            "file=@,format=raw,if=none,id=disk",
            "-device",
            "virtio-blk-device,drive=disk",
        ],
        root: 1,
        fixed_smp: false,
        smp: 2,
        memory: 512,
        console: "ttyAMA0",
        logged_console: "ttyAMA0",
        control: "/dev/vport0p1",
        terminal: &["-serial", "mon:stdio"],
        wires: &[
            "-serial",
            "chardev:console",
            "-device",
            "virtio-serial-device",
            "-device",
            "virtserialport,chardev=control,name=fanlight.control",
        ],
        overlays: &[],
        one_cell: false,
    },
    Machine {
        name: "raspberrypi",
        qemu: &["raspi2b"],
        tree: Some("broadcom/bcm2836-rpi-2-b.dtb"),
        disk: &["-drive", "file=@,format=raw,if=sd"],
        root: 2,
        fixed_smp: true,
        smp: 4,
        memory: 1024,
        console: "ttyAMA0",
        // The second UART as QEMU makes it never tells of what it received, so it can only be written to.
        logged_console: "ttyS1",
        control: "/dev/ttyAMA0",
        terminal: &["-serial", "mon:stdio"],
        wires: &["-serial", "chardev:control", "-serial", "chardev:console"],
        overlays: &["tests/dts/raspberrypi-control.dtso"],
        one_cell: true,
    },
    Machine {
        name: "zynq",
        qemu: &["xilinx-zynq-a9"],
        tree: Some("xilinx/zynq-zc702.dtb"),
        disk: &["-drive", "file=@,format=raw,if=sd"],
        root: 2,
        fixed_smp: true,
        smp: 1,
        memory: 512,
        console: "ttyPS0",
        logged_console: "ttyPS0",
        control: "/dev/ttyPS1",
        terminal: &["-serial", "null", "-serial", "mon:stdio"],
        // Mainline's first console is the second UART.
        wires: &["-serial", "chardev:control", "-serial", "chardev:console"],
        overlays: &["tests/dts/zynq-control.dtso"],
        one_cell: true,
    },
];

/// Where a person sees the guest's screen.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Display {
    /// Nowhere, until it is captured.
    None,
    /// In a window of QEMU's own.
    Gtk,
    /// In a viewer, by a port of this machine only.
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

    fn arguments(self) -> &'static [&'static str] {
        match self {
            Self::None => &["-display", "none"],
            Self::Gtk => &["-display", "gtk"],
            // The first port that is free, from 5900 on.
            Self::Vnc => &["-vnc", "127.0.0.1:0,to=99"],
        }
    }
}

/// How the guest's console and control channel are connected.
pub enum Wiring<'a> {
    /// Console and keyboard are standard input and output; no control channel. Somebody listens on
    /// the socket `qmp` in the directory. QEMU waits for its command to begin, and stays when the
    /// guest has powered off.
    Terminal(&'a Path),
    /// Unix sockets in a directory: `console`, `control`, `qmp`. Somebody listens on each.
    Sockets(&'a Path),
}

/// The signature of the disks' images, which names their partitions whatever the disk is called.
const SIGNATURE: &str = "66616e6c";

/// Bytes of the disk that a guest without one of its own gets. Not one of them is allocated until it is written.
const BLANK: u64 = 64 << 20;

/// What a guest's root is made from.
pub enum Media {
    /// An initramfs, and beside it a blank disk, or the one that the options name.
    Initrd(PathBuf, PathBuf),
    Disk(PathBuf),
}

impl Media {
    /// What the options ask for, made in `scratch`. A disk is a copy: the guest may write to it, and a card's size must be a
    /// power of two.
    pub fn new(options: &Options, scratch: &Path) -> io::Result<Self> {
        let Some(image) = &options.disk else {
            if let Some(data) = &options.data {
                let initrd = crate::files::initrd(options, scratch)?;
                return Ok(Self::Initrd(initrd, data.clone()));
            }
            let blank = scratch.join("blank.img");
            fs::File::create(&blank)?.set_len(BLANK)?;
            return Ok(Self::Initrd(crate::files::initrd(options, scratch)?, blank));
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

/// What the guest would have from the host: random numbers, and the time.
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
        let mut qemu = Command::new("qemu-system-arm");
        qemu.arg("-M").args(self.qemu);
        qemu.args(["-smp", &self.processors(options.smp).to_string()]);
        qemu.args(["-m", &options.memory.to_string()]);
        qemu.args(["-nodefaults", "-nic", "none"]);
        qemu.args(options.display.arguments());
        if options.icount {
            qemu.args(["-icount", "shift=0,sleep=off"]).args(SAME_TWICE);
        }
        qemu.arg("-kernel").arg(&options.kernel);
        qemu.arg("-dtb").arg(tree);
        // Before the wires: Linux numbers virtio devices from the last one, and the channel's name has the number.
        let mut root = String::new();
        let mut disk = |path: &str| {
            qemu.args(self.disk.iter().map(|option| option.replace('@', path)));
        };
        match media {
            Media::Initrd(path, blank) => {
                // The host reads it when it has time, which is another instruction each time.
                if !options.icount {
                    match &options.data {
                        // Whatever the guest writes is forgotten.
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
            // The prompt belongs to the user: of the kernel's messages only the grave ones.
            Wiring::Terminal(_) => (self.console, 4),
            Wiring::Sockets(_) => (self.logged_console, 8),
        };
        let loglevel = options.loglevel.unwrap_or(loglevel);
        let mut append = format!("console={console} loglevel={loglevel} panic=1");
        match wiring {
            Wiring::Terminal(directory) => {
                qemu.args(self.terminal).args(["-no-shutdown", "-S"]);
                qemu.arg("-qmp")
                    .arg(format!("unix:{}", directory.join("qmp").display()));
            }
            Wiring::Sockets(directory) => {
                for name in ["console", "control"] {
                    let path = directory.join(name);
                    qemu.arg("-chardev")
                        .arg(format!("socket,id={name},path={}", path.display()));
                }
                qemu.args(self.wires);
                qemu.arg("-qmp")
                    .arg(format!("unix:{}", directory.join("qmp").display()));
                append.push_str(&format!(" ask-host.channel={}", self.control));
            }
        }
        qemu.arg("-append")
            .arg(format!("{append}{root} {}", options.append));
        qemu
    }

    /// Where QEMU puts the initramfs (hw/arm/boot.c): in the middle of RAM, at 128 MiB at most.
    pub fn initrd_start(&self, options: &Options) -> u64 {
        let ram = if self.one_cell { 0 } else { 0x4000_0000 };
        ram + (u64::from(options.memory) << 20).min(256 << 20) / 2
    }

    fn processors(&self, wanted: u32) -> u32 {
        if self.fixed_smp {
            self.smp
        } else {
            wanted
        }
    }

    /// Makes the device tree of a boot: the board's own, then the overlays.
    pub fn tree(&self, options: &Options, directory: &Path) -> io::Result<PathBuf> {
        let base = if let Some(name) = self.tree {
            // Buildroot puts all of them into one directory.
            let name = Path::new(name);
            let flat = options.trees.join(name.file_name().unwrap_or_default());
            Some(options.trees.join(name))
                .filter(|path| path.exists())
                .unwrap_or(flat)
        } else {
            let base = directory.join("base.dtb");
            let mut qemu = Command::new("qemu-system-arm");
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
            base
        };
        let mut tree = base;
        let board = PathBuf::from(format!("dts/{}.dtso", self.name));
        let own = [board]
            .into_iter()
            .chain(self.overlays.iter().map(PathBuf::from));
        for (number, source) in own.chain(options.overlays.iter().cloned()).enumerate() {
            let compiled = directory.join(format!("overlay{number}.dtbo"));
            let mut dtc = Command::new("dtc");
            let translated;
            let name = source.display().to_string();
            let source = if self.one_cell && source.starts_with("tests") {
                translated = directory.join(format!("overlay{number}.dtso"));
                fs::write(
                    &translated,
                    translate(&fs::read_to_string(source)?, Cells::One),
                )?;
                &translated
            } else {
                &source
            };
            dtc.args(["-q", "-@", "-I", "dts", "-O", "dtb", "-o"])
                .arg(&compiled)
                .arg(source);
            run(&mut dtc)?;
            // One by one, because fdtoverlay does not report which of them failed.
            let merged = directory.join(format!("tree{number}.dtb"));
            let mut merge = Command::new("fdtoverlay");
            merge.arg("-i").arg(&tree).arg("-o").arg(&merged);
            run(merge.arg(compiled)).map_err(|error| {
                io::Error::other(format!(
                    "{name} does not apply to the device tree of {} (does it name a label or a path \
                     that is not there?): {error}",
                    self.name
                ))
            })?;
            tree = merged;
        }
        Ok(tree)
    }
}

/// How many cells an address has in a board's tree.
#[derive(Clone, Copy, PartialEq, Eq)]
pub enum Cells {
    One,
    Two,
}

/// Overlays of the tests are written for virt-arm, where addresses and sizes have two cells, memory begins at 0x4000_0000 and
/// the carve-outs at 0x5000_0000. Gives the same for a board whose sizes have one cell, and its addresses one or two, and
/// whose memory begins at 0, with the carve-outs at 0x2000_0000.
pub fn translate(overlay: &str, address_cells: Cells) -> String {
    if address_cells == Cells::Two {
        let mut parts = overlay.split("0x0 0x5");
        let first = parts.next().unwrap_or_default().to_owned();
        // The rest of an address, and what may be its size.
        let parts = parts.map(|part| {
            let (address, rest) = part.split_at_checked(7).unwrap_or((part, ""));
            let size = rest
                .strip_prefix(" 0x0")
                .filter(|size| size.starts_with(" 0x"));
            format!("0x0 0x2{address}{}", size.unwrap_or(rest))
        });
        let text = parts.fold(first, |text, part| text + &part);
        return text.replace("#size-cells = <2>", "#size-cells = <1>");
    }
    overlay
        .replace("<0x0 0x5", "<0x2")
        .replace("<0x0 0x4", "<0x0")
        .replace(" 0x0 0x5", " 0x2")
        .replace("<0xffffffff ", "<")
        .replace(" 0x0 0x", " 0x")
        .replace("-cells = <2>", "-cells = <1>")
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

#[cfg(test)]
mod tests {
    use super::{translate, Cells};

    #[test]
    fn build_overlay_is_translated_for_a_board_of_one_cell() {
        let two = "#size-cells = <2>; reg = <0x0 0x51700000 0x0 0x1000>; ranges = <0x0 0x0 0x51200000 0x10000>;";
        let one =
            "#size-cells = <1>; reg = <0x21700000 0x1000>; ranges = <0x0 0x21200000 0x10000>;";
        let translate = |text| translate(text, Cells::One);
        assert_eq!(translate(two), one);
        assert_eq!(
            translate("<0x0 0x44000000 0x0 0x1000>"),
            "<0x04000000 0x1000>"
        );
        assert_eq!(
            translate("<0xffffffff 0xfffff000 0x0 0x2000>"),
            "<0xfffff000 0x2000>"
        );
    }

    #[test]
    fn build_overlay_is_translated_for_a_board_with_sizes_of_one_cell() {
        let two = "#address-cells = <2>; #size-cells = <2>; reg = <0x0 0x51700000 0x0 0x1000>; ranges = <0x0 0x0 0x51200000 0x10000>;";
        let one = "#address-cells = <2>; #size-cells = <1>; reg = <0x0 0x21700000 0x1000>; ranges = <0x0 0x0 0x21200000 0x10000>;";
        assert_eq!(translate(two, Cells::Two), one);
    }
}
