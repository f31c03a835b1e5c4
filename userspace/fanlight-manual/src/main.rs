// SPDX-License-Identifier: MIT OR Apache-2.0
//! `fanlight-manual DIRECTORY`: generates the files that a package of the tool installs in
//! /usr/share: man pages, and completions for bash, zsh and fish. It runs on the build machine, and
//! uses the command line definition of the tool's library.

#![forbid(unsafe_code)]

mod completion;
mod page;

use std::path::{Path, PathBuf};
use std::process::ExitCode;
use std::{env, fs, io};

fn main() -> ExitCode {
    let mut arguments = env::args_os().skip(1);
    let (Some(directory), None) = (arguments.next(), arguments.next()) else {
        eprintln!("fanlight-manual: usage: fanlight-manual DIRECTORY");
        return ExitCode::FAILURE;
    };
    for (name, text) in files() {
        let path = Path::new(&directory).join(name);
        if let Err(error) = write(&path, &text) {
            eprintln!("fanlight-manual: cannot write {}: {error}", path.display());
            return ExitCode::FAILURE;
        }
    }
    ExitCode::SUCCESS
}

fn write(path: &Path, text: &str) -> io::Result<()> {
    if let Some(directory) = path.parent() {
        fs::create_dir_all(directory)?;
    }
    fs::write(path, text)
}

/// All files, with their paths below /usr/share.
fn files() -> Vec<(PathBuf, String)> {
    let man = Path::new("man/man1");
    let mut files: Vec<(PathBuf, String)> = page::all()
        .into_iter()
        .map(|(name, text)| (man.join(format!("{name}.1")), text))
        .collect();
    // What no command line defines: the devices, and the format of the log.
    files.push((
        "man/man4/fanlight.4".into(),
        include_str!("../man/fanlight.4").into(),
    ));
    files.push((
        "man/man5/fanlight-log.5".into(),
        include_str!("../man/fanlight-log.5").into(),
    ));
    files.push((
        "bash-completion/completions/fanlight".into(),
        completion::bash(),
    ));
    files.push(("zsh/site-functions/_fanlight".into(), completion::zsh()));
    files.push((
        "fish/vendor_completions.d/fanlight.fish".into(),
        completion::fish(),
    ));
    files
}
