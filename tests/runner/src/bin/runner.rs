// SPDX-License-Identifier: MIT OR Apache-2.0
//! `fanlight-runner guest|demo|shell|test|docs [OPTION…] [-- COMMAND]`: see
//! [`fanlight_runner::options`].

use std::fs;
use std::io::{self, Write};
use std::process::ExitCode;
use std::time::Instant;

use fanlight_runner::options::Options;
use fanlight_runner::session::{run_session, Outcome, Sink};
use fanlight_runner::{demo, shell, suite};

fn main() -> ExitCode {
    let mut arguments = std::env::args().skip(1);
    let verb = arguments.next().unwrap_or_default();
    let result = Options::read(arguments)
        .map_err(io::Error::other)
        .and_then(|options| match verb.as_str() {
            "guest" => guest(&options),
            "demo" => demo::run(&options),
            "shell" => shell::run(&options),
            "test" => suite::run(&options),
            "docs" => suite::run_documents(&options),
            _ => Err(io::Error::other(
                "unknown command: choose guest, demo, shell, test or docs",
            )),
        });
    match result {
        Ok(status) => ExitCode::from(u8::try_from(status).unwrap_or(255)),
        Err(error) => {
            eprintln!("fanlight: {error}");
            ExitCode::from(125)
        }
    }
}

/// Runs one command, with its output and exit status.
fn guest(options: &Options) -> io::Result<i32> {
    struct Through;
    impl Sink for Through {
        fn output(&mut self, bytes: &[u8]) {
            let mut out = io::stdout().lock();
            let _ = out.write_all(bytes).and_then(|()| out.flush());
        }
        fn error(&mut self, bytes: &[u8]) {
            let _ = io::stderr().write_all(bytes);
        }
    }
    let start = Instant::now();
    let Outcome { status, trouble } = run_session(options, &[], &mut Through)?;
    for line in &trouble {
        eprintln!("fanlight: {line}");
    }
    let results = options.results.display();
    eprintln!(
        "fanlight: guest ended after {:.1} s; console: {results}/console.log",
        start.elapsed().as_secs_f32()
    );
    let status = match status {
        Some(0) | None if !trouble.is_empty() => 124,
        Some(status) => status,
        None => 124,
    };
    // make exits with 2 whatever the status is; scripts/guest reads it here.
    fs::write(options.results.join("status"), format!("{status}\n"))?;
    Ok(status)
}
