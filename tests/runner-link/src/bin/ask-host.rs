// SPDX-License-Identifier: MIT OR Apache-2.0
//! The guest's end of the control channel.
//!
//! `ask-host --serve DEVICE` is started by the quick image's init: it requests the job from the
//! runner, runs it, and forwards the command's output, its requests and its exit status. `ask-host
//! REQUEST…` makes one request, for shell scripts.

use std::collections::HashMap;
use std::fs::{self, File, OpenOptions};
use std::io::{self, BufRead, BufReader, Read, Write};
use std::os::unix::net::{UnixListener, UnixStream};
use std::process::{Command, ExitCode, Stdio};
use std::sync::atomic::{AtomicU32, Ordering};
use std::sync::mpsc::{channel, RecvTimeoutError, Sender};
use std::sync::{Arc, Mutex};
use std::thread;
use std::time::Duration;

use fanlight_runner_link::{Frame, Kind};

/// The socket of the runner for tests, unless the environment names another one.
const SOCKET: &str = "/run/host.sock";

fn main() -> ExitCode {
    let arguments: Vec<String> = std::env::args().skip(1).collect();
    let result = match arguments.as_slice() {
        [serve, device] if serve == "--serve" => serve_host(device).map(|()| true),
        [] => Err(io::Error::other("usage: ask-host REQUEST…")),
        request => ask(request),
    };
    match result {
        Ok(true) => ExitCode::SUCCESS,
        Ok(false) => ExitCode::FAILURE,
        Err(error) => {
            eprintln!("ask-host: {error}");
            ExitCode::FAILURE
        }
    }
}

/// Makes one request; `put NAME` sends standard input.
fn ask(request: &[String]) -> io::Result<bool> {
    let path = std::env::var("FANLIGHT_HOST").unwrap_or(SOCKET.into());
    let mut host = UnixStream::connect(path)?;
    let mut line = request.join(" ");
    let mut data = Vec::new();
    if request[0] == "put" {
        io::stdin().read_to_end(&mut data)?;
        line.push_str(&format!(" {}", data.len()));
    }
    host.write_all(format!("{line}\n").as_bytes())?;
    host.write_all(&data)?;
    let mut reply = String::new();
    BufReader::new(host).read_line(&mut reply)?;
    println!("{}", reply.trim_end());
    Ok(reply.starts_with("ok"))
}

/// The data that all threads share: the channel, and the senders of pending requests.
struct Host {
    channel: Mutex<File>,
    waiting: Mutex<HashMap<u32, Sender<Vec<u8>>>>,
    next: AtomicU32,
}

impl Host {
    fn send(&self, frame: &Frame) -> io::Result<()> {
        frame.write(&mut *self.channel.lock().unwrap())
    }

    /// Passes a request on and waits for the answer.
    fn request(&self, request: &[u8]) -> io::Result<Vec<u8>> {
        let number = self.next.fetch_add(1, Ordering::Relaxed);
        let (sender, reply) = channel();
        self.waiting.lock().unwrap().insert(number, sender);
        self.send(&Frame::numbered(Kind::Request, number, request))?;
        reply.recv().map_err(io::Error::other)
    }
}

fn serve_host(device: &str) -> io::Result<()> {
    let mut channel = OpenOptions::new().read(true).write(true).open(device)?;
    let host = Arc::new(Host {
        channel: Mutex::new(channel.try_clone()?),
        waiting: Mutex::default(),
        next: AtomicU32::new(0),
    });
    host.send(&Frame::new(Kind::Hello, ""))?;
    let job = loop {
        match Frame::read(&mut channel)? {
            Some(frame) if frame.kind == Kind::Job => break frame.payload,
            Some(_) => {}
            None => return Err(io::Error::other("the host closed the channel")),
        }
    };
    let listener = UnixListener::bind(SOCKET)?;
    thread::spawn({
        let host = host.clone();
        move || listen(&listener, &host)
    });
    thread::spawn({
        let host = host.clone();
        move || replies(channel, &host)
    });
    let status = run(&job, &host)?;
    look_for_leaks();
    let stage = setting(&job, "FANLIGHT_STAGE").unwrap_or_default();
    // Printed after all messages of the kernel: when the runner reads this line, it has read all of
    // them. The console prints this level at every loglevel. With printk.devkmsg=off,
    // /dev/kmsg cannot be opened.
    let end = format!("fanlight: end of stage {stage}\n");
    fs::write("/dev/kmsg", format!("<0>{end}")).or_else(|_| fs::write("/dev/console", end))?;
    host.send(&Frame::new(Kind::Exit, status.to_string()))?;
    // The host ends the machine.
    loop {
        thread::park();
    }
}

/// The job's parts: settings, then the command.
fn parts(job: &[u8]) -> Vec<String> {
    job.strip_suffix(b"\0")
        .unwrap_or(job)
        .split(|byte| *byte == 0)
        .map(|part| String::from_utf8_lossy(part).into_owned())
        .collect()
}

fn setting(job: &[u8], name: &str) -> Option<String> {
    parts(job)
        .iter()
        .filter_map(|part| part.split_once('='))
        .find(|(key, _)| *key == name)
        .map(|(_, value)| value.to_owned())
}

fn run(job: &[u8], host: &Arc<Host>) -> io::Result<i32> {
    let parts = parts(job);
    let (command, settings) = parts
        .split_last()
        .ok_or_else(|| io::Error::other("an empty job"))?;
    let mut child = Command::new("/bin/sh")
        .args(["-c", command])
        .envs(settings.iter().filter_map(|part| part.split_once('=')))
        .env("FANLIGHT_HOST", SOCKET)
        .stdin(Stdio::null())
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .spawn()?;
    let (sender, drained) = channel();
    let output = child.stdout.take().expect("piped");
    let error = child.stderr.take().expect("piped");
    forward(output, Kind::Output, host.clone(), sender.clone());
    forward(error, Kind::Error, host.clone(), sender);
    let status = child.wait()?;
    // Both streams end with the command, unless a process that it started keeps them open.
    for _ in 0..2 {
        if drained.recv_timeout(Duration::from_secs(1)) == Err(RecvTimeoutError::Timeout) {
            break;
        }
    }
    use std::os::unix::process::ExitStatusExt;
    Ok(status
        .code()
        .unwrap_or_else(|| 128 + status.signal().unwrap_or(0)))
}

fn forward(mut from: impl Read + Send + 'static, kind: Kind, host: Arc<Host>, ended: Sender<()>) {
    thread::spawn(move || {
        let mut bytes = [0; 16384];
        while let Ok(count @ 1..) = from.read(&mut bytes) {
            if host.send(&Frame::new(kind, &bytes[..count])).is_err() {
                break;
            }
        }
        let _ = ended.send(());
    });
}

/// Starts a scan of kmemleak, if the kernel has it. The kernel reports leaks on the console.
fn look_for_leaks() {
    const KMEMLEAK: &str = "/sys/kernel/debug/kmemleak";
    if fs::metadata(KMEMLEAK).is_err() {
        return;
    }
    // kmemleak reports an object only if it is five seconds old and was found twice.
    thread::sleep(Duration::from_secs(5));
    for _ in 0..2 {
        let _ = fs::write(KMEMLEAK, "scan");
    }
    if let Ok(report) = fs::read_to_string(KMEMLEAK) {
        eprint!("{report}");
    }
}

fn replies(mut channel: File, host: &Host) {
    while let Ok(Some(frame)) = Frame::read(&mut channel) {
        let Some((number, reply)) = frame.number() else {
            continue;
        };
        if let Some(sender) = host.waiting.lock().unwrap().remove(&number) {
            let _ = sender.send(reply.to_vec());
        }
    }
}

fn listen(listener: &UnixListener, host: &Arc<Host>) {
    for client in listener.incoming().map_while(Result::ok) {
        let host = host.clone();
        thread::spawn(move || {
            if let Err(error) = answer(client, &host) {
                eprintln!("ask-host: {error}");
            }
        });
    }
}

/// Serves one client, request by request.
fn answer(client: UnixStream, host: &Host) -> io::Result<()> {
    let mut to = client.try_clone()?;
    let mut from = BufReader::new(client);
    let mut request = Vec::new();
    while from.read_until(b'\n', &mut request)? > 0 {
        if request.last() == Some(&b'\n') {
            request.pop();
        }
        let line = String::from_utf8_lossy(&request).into_owned();
        if let Some(length) = line
            .strip_prefix("put ")
            .and_then(|rest| rest.split(' ').nth(1))
        {
            let length: usize = length.parse().map_err(io::Error::other)?;
            request.push(b'\n');
            let start = request.len();
            request.resize(start + length, 0);
            from.read_exact(&mut request[start..])?;
        }
        let mut reply = host.request(&request)?;
        reply.push(b'\n');
        to.write_all(&reply)?;
        request.clear();
    }
    Ok(())
}
