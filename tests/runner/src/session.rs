// SPDX-License-Identifier: MIT OR Apache-2.0
//! One QEMU from start to end: passes the command to the guest, serves the guest's requests, and
//! determines the result.
//!
//! The machine may be reset while it runs, as often as the guest has announced it; memory survives,
//! and the command is run again with the next stage's number.

use std::fs;
use std::io::{self, Read};
use std::os::unix::net::{UnixListener, UnixStream};
use std::path::{Path, PathBuf};
use std::process::{Child, Stdio};
use std::sync::mpsc::{channel, Receiver, RecvTimeoutError, Sender};
use std::thread;
use std::time::{Duration, Instant};

use serde_json::json;

use crate::console::Console;
use crate::files::Scratch;
use crate::options::Options;
use crate::picture::Picture;
use crate::qemu::{Media, Wiring};
use crate::qmp::Qmp;
use crate::room;
use fanlight_runner_link::{Decoder, Frame, Kind};

/// The destination of the command's output.
pub trait Sink {
    fn output(&mut self, bytes: &[u8]);
    fn error(&mut self, bytes: &[u8]);
}

/// How a session ended.
pub struct Outcome {
    /// The command's exit status, if it ended.
    pub status: Option<i32>,
    /// Other faults, one line each.
    pub trouble: Vec<String>,
}

enum Event {
    Console(Vec<u8>),
    Control(Vec<u8>),
    Machine(String),
    /// The guest has requested a reset.
    Reset,
}

/// Boots the machine, runs the command in it, and powers it off. Errors are those of the host:
/// QEMU is missing, an overlay does not compile.
pub fn run_session(
    options: &Options,
    environment: &[(&str, &str)],
    sink: &mut dyn Sink,
) -> io::Result<Outcome> {
    fs::create_dir_all(&options.results)?;
    let scratch = Scratch::new()?;
    let media = Media::new(options, &scratch.0)?;
    let tree = options.target.machine.tree(options, &scratch.0)?;
    room::check(options, &media, &tree)?;

    let (events, inbox) = channel();
    let listeners =
        ["console", "control", "qmp"].map(|name| UnixListener::bind(scratch.0.join(name)));
    let [console, control, qmp] = listeners;
    let qemu_log = fs::File::create(options.results.join("qemu.log"))?;
    let mut command =
        options
            .target
            .machine
            .command(options, &Wiring::Sockets(&scratch.0), &tree, &media);
    let child = command
        .stdin(Stdio::null())
        .stdout(qemu_log.try_clone()?)
        .stderr(qemu_log)
        .spawn()
        .map_err(|error| {
            io::Error::other(format!("{}: {error}", options.target.machine.emulator))
        })?;
    let mut qemu = Machine(child);
    let console = qemu.accept(&console?, options)?;
    let control = qemu.accept(&control?, options)?;
    let qmp = qemu.accept(&qmp?, options)?;
    pump(console, events.clone(), Event::Console);
    pump(control.try_clone()?, events.clone(), Event::Control);
    let later = events.clone();
    let qmp = Qmp::new(qmp, move |event| {
        let _ = events.send(Event::Machine(event));
    })?;

    let mut session = Session {
        options,
        environment,
        sink,
        control,
        qmp,
        events: later,
        console: Console::default(),
        decoder: Decoder::default(),
        trouble: Vec::new(),
        stage: 0,
        note: String::new(),
        reset_expected: false,
        greeted: false,
    };
    let status = session.serve(&inbox);
    if let (Some(path), Some(_)) = (&options.screen, status) {
        if let Err(error) = session.capture(path) {
            session
                .trouble
                .push(format!("screen not captured: {error}"));
        }
    }
    let _ = session.qmp.execute("quit", json!({}));
    let trouble = session.finish()?;
    Ok(Outcome { status, trouble })
}

struct Session<'a> {
    options: &'a Options,
    environment: &'a [(&'a str, &'a str)],
    sink: &'a mut dyn Sink,
    control: UnixStream,
    qmp: Qmp,
    events: Sender<Event>,
    console: Console,
    decoder: Decoder,
    trouble: Vec<String>,
    stage: u32,
    note: String,
    reset_expected: bool,
    greeted: bool,
}

impl Session<'_> {
    /// Runs all stages; returns the command's exit status, or `None` if the command did not end.
    fn serve(&mut self, inbox: &Receiver<Event>) -> Option<i32> {
        let mut deadline = Instant::now() + self.options.timeout;
        let mut boot_deadline = Instant::now() + self.options.boot_limit;
        let mut status = None;
        loop {
            // The lines of the panic report it. The guest will send nothing else.
            if self.console.died() && status.is_none() {
                deadline = deadline.min(Instant::now() + Duration::from_secs(1));
                status = Some(None);
            }
            let until = if self.greeted {
                deadline
            } else {
                deadline.min(boot_deadline)
            };
            let event = match inbox.recv_timeout(until.saturating_duration_since(Instant::now())) {
                Ok(event) => event,
                Err(RecvTimeoutError::Timeout) => {
                    if status.is_none() {
                        self.out_of_time();
                    }
                    return status.flatten();
                }
                Err(RecvTimeoutError::Disconnected) => return status.flatten(),
            };
            match event {
                Event::Console(bytes) => {
                    for line in self.console.push(&bytes) {
                        // The last output of the guest: all earlier messages of the kernel
                        // have arrived.
                        if line.contains(&self.last_words()) && status.is_some() {
                            return status.flatten();
                        }
                    }
                }
                Event::Control(bytes) => {
                    self.decoder.push(&bytes);
                    while let Some(frame) = self.decoder.next_frame() {
                        if let Some(code) = self.frame(frame) {
                            status = Some(Some(code));
                            deadline = Instant::now() + Duration::from_secs(3);
                            if self.said_last_words() {
                                return Some(code);
                            }
                        }
                    }
                }
                Event::Machine(event) if event == "RESET" && self.greeted => {
                    if !self.reset_expected {
                        self.trouble.push("the guest went down by itself".into());
                        return None;
                    }
                    self.stage += 1;
                    self.reset_expected = false;
                    self.greeted = false;
                    self.decoder.reset();
                    boot_deadline = Instant::now() + self.options.boot_limit;
                }
                Event::Machine(event) if event == "SHUTDOWN" => {
                    if status.is_none() {
                        self.trouble
                            .push("the guest powered off before its command ended".into());
                    }
                    return status.flatten();
                }
                Event::Machine(_) => {}
                Event::Reset => {
                    if let Err(error) = self.qmp.execute("system_reset", json!({})) {
                        self.trouble.push(format!("no reset: {error}"));
                        return None;
                    }
                }
            }
        }
    }

    fn last_words(&self) -> String {
        format!("fanlight: end of stage {}", self.stage)
    }

    fn said_last_words(&self) -> bool {
        String::from_utf8_lossy(self.console.bytes()).contains(&self.last_words())
    }

    fn out_of_time(&mut self) {
        let limit = self.options.timeout.as_secs();
        self.trouble.push(if self.greeted {
            format!("the command did not end within {limit} s (TIMEOUT={limit})")
        } else {
            "the guest did not boot; its last output:".into()
        });
        if !self.greeted {
            self.trouble.push(self.console.tail(15));
        }
        if let Err(error) = self.processors() {
            self.trouble.push(format!("no registers: {error}"));
        }
    }

    /// The registers of each processor, for a guest that hangs. The kernel's `vmlinux` has the
    /// symbols of the addresses.
    fn processors(&mut self) -> io::Result<()> {
        let ask = json!({ "command-line": "info registers -a" });
        let answer = self.qmp.execute("human-monitor-command", ask)?;
        let registers = answer.as_str().unwrap_or_default();
        let path = self.options.results.join("registers.txt");
        fs::write(&path, registers)?;
        let at = registers
            .lines()
            .filter(|line| {
                ["CPU#", "R12=", "PSR="]
                    .iter()
                    .any(|word| line.starts_with(word))
            })
            .map(str::trim)
            .collect::<Vec<_>>();
        self.trouble
            .push(format!("registers ({}): {}", path.display(), at.join(" ")));
        Ok(())
    }

    /// Handles a frame; returns the exit status if the command has ended.
    fn frame(&mut self, frame: Frame) -> Option<i32> {
        match frame.kind {
            Kind::Hello => {
                self.greeted = true;
                self.console.expect_panic(false);
                self.send(&Frame::new(Kind::Job, self.job()));
            }
            Kind::Output => self.sink.output(&frame.payload),
            Kind::Error => self.sink.error(&frame.payload),
            Kind::Request => {
                if let Some((number, line)) = frame.number() {
                    let reply = self
                        .request(line)
                        .unwrap_or_else(|error| format!("error {error}"));
                    self.send(&Frame::numbered(Kind::Reply, number, reply.as_bytes()));
                }
            }
            Kind::Exit => {
                let text = String::from_utf8_lossy(&frame.payload);
                return Some(text.trim().parse().unwrap_or(255));
            }
            Kind::Job | Kind::Reply => {}
        }
        None
    }

    fn job(&self) -> Vec<u8> {
        let mut job = format!(
            "FANLIGHT_STAGE={}\0FANLIGHT_NOTE={}\0",
            self.stage, self.note
        );
        for (name, value) in self.environment {
            job.push_str(&format!("{name}={value}\0"));
        }
        job.push_str(&self.options.command);
        job.push('\0');
        job.into_bytes()
    }

    fn send(&mut self, frame: &Frame) {
        // The channel closes when the machine powers off, which QMP reports.
        let _ = frame.write(&mut self.control);
    }

    fn request(&mut self, request: &[u8]) -> io::Result<String> {
        let end = request.iter().position(|byte| *byte == b'\n');
        let (line, data) = match end {
            Some(end) => (&request[..end], &request[end + 1..]),
            None => (request, &[][..]),
        };
        let line = String::from_utf8_lossy(line);
        let (verb, rest) = line.split_once(' ').unwrap_or((&line, ""));
        match verb {
            "screen" => {
                let path = self.result(rest, ".png")?;
                let picture = self.capture(&path)?;
                return Ok(format!(
                    "ok {} {} {:08x}",
                    picture.width,
                    picture.height,
                    picture.crc32()
                ));
            }
            "put" => {
                let name = rest.split(' ').next().unwrap_or_default();
                fs::write(self.result(name, "")?, data)?;
            }
            "note" => self.note = rest.to_owned(),
            "allow" if !rest.is_empty() => self.console.allow(rest),
            "expect-reset" => self.reset_expected = true,
            "expect-panic" => {
                self.reset_expected = true;
                self.console.expect_panic(true);
            }
            "reset" => {
                self.reset_expected = true;
                // After the requested number of seconds, if the guest is about to hang.
                let Ok(seconds) = rest.parse() else {
                    self.qmp.execute("system_reset", json!({}))?;
                    return Ok("ok".into());
                };
                let events = self.events.clone();
                thread::spawn(move || {
                    thread::sleep(Duration::from_secs(seconds));
                    let _ = events.send(Event::Reset);
                });
            }
            _ => return Err(io::Error::other(format!("no such request: {line}"))),
        }
        Ok("ok".into())
    }

    /// A file in the results that the guest names. A plain name, so that it cannot leave the
    /// directory.
    fn result(&self, name: &str, suffix: &str) -> io::Result<PathBuf> {
        let plain = |c: char| c.is_ascii_alphanumeric() || "._-".contains(c);
        if name.is_empty() || name.starts_with('.') || !name.chars().all(plain) {
            return Err(io::Error::other(format!("not a plain file name: {name}")));
        }
        Ok(self.options.results.join(format!("{name}{suffix}")))
    }

    fn capture(&mut self, path: &Path) -> io::Result<Picture> {
        let path = std::path::absolute(path)?;
        self.qmp
            .execute("screendump", json!({ "filename": path, "format": "png" }))?;
        Picture::read(&path)
    }

    fn finish(mut self) -> io::Result<Vec<String>> {
        fs::write(
            self.options.results.join("console.log"),
            self.console.bytes(),
        )?;
        let kernel = self.console.trouble().iter();
        self.trouble
            .extend(kernel.map(|line| format!("kernel: {line}")));
        Ok(self.trouble)
    }
}

/// QEMU, which never outlives the runner.
pub(crate) struct Machine(pub Child);

impl Machine {
    /// Waits for QEMU to connect. If QEMU exits, its output is the error.
    pub fn accept(&mut self, listener: &UnixListener, options: &Options) -> io::Result<UnixStream> {
        listener.set_nonblocking(true)?;
        loop {
            match listener.accept() {
                Ok((stream, _)) => {
                    stream.set_nonblocking(false)?;
                    return Ok(stream);
                }
                Err(error) if error.kind() == io::ErrorKind::WouldBlock => {}
                Err(error) => return Err(error),
            }
            if let Some(status) = self.0.try_wait()? {
                let log = options.results.join("qemu.log");
                let said = fs::read_to_string(log).unwrap_or_default();
                return Err(io::Error::other(format!("QEMU: {status}: {}", said.trim())));
            }
            thread::sleep(Duration::from_millis(5));
        }
    }
}

impl Drop for Machine {
    fn drop(&mut self) {
        let patience = Instant::now() + Duration::from_secs(2);
        while Instant::now() < patience {
            if let Ok(Some(_)) = self.0.try_wait() {
                return;
            }
            thread::sleep(Duration::from_millis(5));
        }
        let _ = self.0.kill();
        let _ = self.0.wait();
    }
}

fn pump(
    mut stream: UnixStream,
    events: Sender<Event>,
    event: impl Fn(Vec<u8>) -> Event + Send + 'static,
) {
    thread::spawn(move || {
        let mut bytes = [0; 65536];
        while let Ok(count) = stream.read(&mut bytes) {
            if count == 0 || events.send(event(bytes[..count].to_vec())).is_err() {
                break;
            }
        }
    });
}
