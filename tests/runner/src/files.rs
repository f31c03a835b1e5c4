// SPDX-License-Identifier: MIT OR Apache-2.0
//! The temporary files of one boot.

use std::fs;
use std::io::{self, Write};
use std::path::{Path, PathBuf};
use std::process::Command;

use crate::options::Options;
use crate::process::run;

/// The initrd of a boot: the image, followed by an archive with the caller's files.
pub fn initrd(options: &Options, scratch: &Path) -> io::Result<PathBuf> {
    let Some(files) = &options.files else {
        return Ok(options.target.initrd.clone());
    };
    let archive = scratch.join("files.cpio");
    let pack = "cd \"$0\" && find . -mindepth 1 | cpio --quiet -o -H newc -R 0:0 > \"$1\"";
    run(Command::new("sh")
        .args(["-c", pack])
        .arg(files)
        .arg(&archive))?;
    let whole = scratch.join("initrd");
    fs::copy(&options.target.initrd, &whole)?;
    let mut file = fs::OpenOptions::new().append(true).open(&whole)?;
    file.write_all(&fs::read(archive)?)?;
    Ok(whole)
}

/// A temporary directory. Its path is short, because the path of a socket is limited.
pub struct Scratch(pub PathBuf);

impl Scratch {
    pub fn new() -> io::Result<Self> {
        let path = std::env::temp_dir().join(format!("fanlight-{}", std::process::id()));
        fs::create_dir_all(&path)?;
        Ok(Self(path))
    }
}

impl Drop for Scratch {
    fn drop(&mut self) {
        let _ = fs::remove_dir_all(&self.0);
    }
}
