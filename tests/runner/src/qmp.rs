// SPDX-License-Identifier: MIT OR Apache-2.0
//! The part of QEMU's machine protocol (QMP) that the runner needs.

use std::io::{self, BufRead, BufReader, Write};
use std::os::unix::net::UnixStream;
use std::sync::mpsc::{channel, Receiver, Sender};
use std::time::Duration;

use serde_json::{json, Value};

/// A connection to a running QEMU.
pub struct Qmp {
    stream: UnixStream,
    replies: Receiver<Result<Value, String>>,
}

impl Qmp {
    /// Negotiates the protocol. Calls `on_event` from a separate thread with the names of events
    /// (`RESET`, `SHUTDOWN`, …).
    pub fn new(stream: UnixStream, on_event: impl Fn(String) + Send + 'static) -> io::Result<Self> {
        let reader = BufReader::new(stream.try_clone()?);
        let (sender, replies) = channel();
        std::thread::spawn(move || read(reader, &sender, &on_event));
        let mut qmp = Self { stream, replies };
        qmp.execute("qmp_capabilities", json!({}))?;
        Ok(qmp)
    }

    /// Runs a command and waits for the reply.
    pub fn execute(&mut self, command: &str, arguments: Value) -> io::Result<Value> {
        let message = json!({ "execute": command, "arguments": arguments });
        self.stream.write_all(format!("{message}\n").as_bytes())?;
        self.replies
            .recv_timeout(Duration::from_secs(120))
            .map_err(|_| io::Error::other(format!("QEMU did not answer {command}")))?
            .map_err(|error| io::Error::other(format!("QEMU refused {command}: {error}")))
    }
}

fn read(
    reader: BufReader<UnixStream>,
    replies: &Sender<Result<Value, String>>,
    on_event: &impl Fn(String),
) {
    for line in reader.lines().map_while(Result::ok) {
        let Ok(message) = serde_json::from_str::<Value>(&line) else {
            continue;
        };
        if let Some(event) = message["event"].as_str() {
            on_event(event.to_owned());
        } else if let Some(value) = message.get("return") {
            let _ = replies.send(Ok(value.clone()));
        } else if let Some(error) = message.get("error") {
            let _ = replies.send(Err(error["desc"].to_string()));
        }
    }
}
