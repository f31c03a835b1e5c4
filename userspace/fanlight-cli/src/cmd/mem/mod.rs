// SPDX-License-Identifier: MIT OR Apache-2.0
//! `fanlight mem`: accesses to bytes, half-words and words of a window.

mod bits;
mod dump;
mod place;
mod read;
mod save;
mod watch;
mod write;

use clap::Args;

use super::{Entry, Run, Texts};
use crate::error::{Error, Result};
use crate::target::Target;

#[derive(Args)]
pub struct Mem {}

impl Run for Mem {
    const NAME: &'static str = "mem";
    const SUMMARY: &'static str = "Read and write the memory of a window";
    const TEXTS: Texts = Texts {
        about: &[
            "Every access is one load or store of exactly the width, aligned to it and inside \
             the window. Accesses keep their order.",
        ],
        examples: &[
            (
                "fanlight mem dump sram 0x100 64",
                "print 64 bytes as xxd -g1 does",
            ),
            ("fanlight mem read sram 0x10", "print a word"),
            (
                "fanlight mem write sram 0x10 0xcafe --width 2",
                "store a half-word",
            ),
            ("fanlight mem set regs 0x10 0x80", "set bit 7 of a register"),
            ("fanlight mem watch sram 0 32 -i 0.1", "print changes"),
        ],
        statuses: &[],
    };
    const COMMANDS: &'static [Entry] = &[
        Entry::of::<dump::Dump>(),
        Entry::of::<read::Read>(),
        Entry::of::<write::Write>(),
        Entry::of::<bits::Set>(),
        Entry::of::<bits::Clear>(),
        Entry::of::<watch::Watch>(),
        Entry::of::<save::Save>(),
    ];

    fn run(self, _: &Target) -> Result<()> {
        Err(Error::Usage("a command is missing".into()))
    }
}
