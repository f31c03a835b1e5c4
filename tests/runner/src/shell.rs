// SPDX-License-Identifier: MIT OR Apache-2.0
//! A machine for a user: console and keyboard are standard input and output, the options select how
//! the screen is shown, and its last picture is saved. The guest may reboot and panic any number of
//! times and keeps its memory.

use std::fs;
use std::io;
use std::os::unix::net::UnixListener;
use std::path::{Path, PathBuf};
use std::process::Stdio;
use std::sync::mpsc::{channel, Receiver};

use serde_json::json;

use crate::files::Scratch;
use crate::machine::Display;
use crate::options::Options;
use crate::qemu::{Media, Wiring};
use crate::qmp::Qmp;
use crate::room;
use crate::session::Machine;

/// A machine that was created and does not run yet.
pub struct Shell {
    pub(crate) machine: Machine,
    qmp: Qmp,
    events: Receiver<String>,
    results: PathBuf,
    /// The command that shows the screen, if the screen is on a port.
    pub viewer: Option<String>,
    _scratch: Scratch,
}

impl Shell {
    /// Creates the machine, with its console on the given input and output.
    pub fn new(options: &Options, input: Stdio, output: Stdio) -> io::Result<Self> {
        fs::create_dir_all(&options.results)?;
        let scratch = Scratch::new()?;
        let media = Media::new(options, &scratch.0)?;
        let tree = options.target.machine.tree(options, &scratch.0)?;
        room::check(options, &media, &tree)?;

        let listener = UnixListener::bind(scratch.0.join("qmp"))?;
        let mut command =
            options
                .target
                .machine
                .command(options, &Wiring::Terminal(&scratch.0), &tree, &media);
        let child = command
            .stdin(input)
            .stdout(output)
            .stderr(fs::File::create(options.results.join("qemu.log"))?)
            .spawn()
            .map_err(|error| {
                io::Error::other(format!("{}: {error}", options.target.machine.emulator))
            })?;
        let mut machine = Machine(child);
        let stream = machine.accept(&listener, options)?;
        let (sender, events) = channel();
        let mut qmp = Qmp::new(stream, move |event| {
            let _ = sender.send(event);
        })?;
        let viewer = if options.display == Display::Vnc {
            let answer = qmp.execute("query-vnc", json!({}))?;
            let port = answer["service"].as_str().unwrap_or("?").to_owned();
            Some(format!("vncviewer localhost:{port}"))
        } else {
            None
        };
        Ok(Self {
            machine,
            qmp,
            events,
            results: options.results.clone(),
            viewer,
            _scratch: scratch,
        })
    }

    /// Starts the machine.
    pub fn start(&mut self) -> io::Result<()> {
        self.qmp.execute("cont", json!({})).map(drop)
    }

    /// Captures what the screen shows.
    pub fn capture(&mut self, path: &Path) -> io::Result<()> {
        let path = std::path::absolute(path)?;
        let arguments = json!({ "filename": path, "format": "png" });
        self.qmp.execute("screendump", arguments).map(drop)
    }

    /// Waits for the guest to power off, and saves its screen. Returns the path of the picture, or
    /// `None` if QEMU was ended by its own key (Ctrl-A X).
    pub fn wait(mut self) -> io::Result<Option<PathBuf>> {
        let path = self.results.join("screen.png");
        match fs::remove_file(&path) {
            Err(error) if error.kind() != io::ErrorKind::NotFound => return Err(error),
            _ => {}
        }
        let off = self.events.iter().any(|event| event == "SHUTDOWN");
        let picture = (off && self.capture(&path).is_ok()).then_some(path);
        let _ = self.qmp.execute("quit", json!({}));
        let status = self.machine.0.wait()?;
        if status.success() {
            return Ok(picture);
        }
        let log = fs::read_to_string(self.results.join("qemu.log")).unwrap_or_default();
        Err(io::Error::other(format!("QEMU: {status}: {}", log.trim())))
    }
}

/// Connects console and keyboard to this terminal until the guest powers off.
pub fn run(options: &Options) -> io::Result<i32> {
    let mut shell = Shell::new(options, Stdio::inherit(), Stdio::inherit())?;
    let at_the_end = options.results.join("screen.png");
    match (&shell.viewer, options.display) {
        (Some(viewer), _) => eprintln!("fanlight: to see the screen: {viewer}"),
        (None, Display::Gtk) => {}
        (None, _) => eprintln!(
            "fanlight: no display: the screen is saved as {} when you leave with poweroff \
             (DISPLAY=vnc shows it)",
            at_the_end.display()
        ),
    }
    shell.start()?;
    if let Some(path) = shell.wait()? {
        eprintln!(
            "fanlight: the last picture on the screen: {}",
            path.display()
        );
    }
    Ok(0)
}
