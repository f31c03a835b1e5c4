// SPDX-License-Identifier: MIT OR Apache-2.0
//! The demonstration: the screen of the guest must equal the pictures that its tools wrote, pixel
//! by pixel.

use std::fs;
use std::io::{self, Write};
use std::time::Instant;

use crate::options::Options;
use crate::picture::Picture;
use crate::session::{run_session, Sink};

/// Writes the output of the demonstration to the terminal and to the log.
struct Tee(fs::File);

impl Sink for Tee {
    fn output(&mut self, bytes: &[u8]) {
        let _ = io::stdout().write_all(bytes);
        let _ = self.0.write_all(bytes);
    }
    fn error(&mut self, bytes: &[u8]) {
        self.output(bytes);
    }
}

/// Pictures that must equal the captured screen: the file in the results, and its meaning.
const WITNESSES: [(&str, &str); 2] = [
    ("drawn.png", "the picture of `fanlight fb pattern`"),
    ("shot.png", "the picture of `fanlight fb shot`"),
];

/// Runs the guest's demonstration and compares the pictures it leaves.
pub fn run(options: &Options) -> io::Result<i32> {
    fs::create_dir_all(&options.results)?;
    let file = |name: &str| options.results.join(name);
    for name in ["screen.png", "drawn.png", "shot.png"] {
        let _ = fs::remove_file(file(name));
    }
    let mut tee = Tee(fs::File::create(file("log.txt"))?);
    let start = Instant::now();
    let mut options = options.clone();
    options.command = "fanlight-demo".into();
    let outcome = run_session(&options, &[], &mut tee)?;
    let seconds = start.elapsed().as_secs_f32();

    let mut trouble = outcome.trouble;
    match outcome.status {
        Some(0) => {}
        Some(status) => trouble.push(format!("the demonstration ended with status {status}")),
        None => trouble.push("the demonstration did not end".into()),
    }
    let screen = Picture::read(&file("screen.png"));
    for (name, meaning) in WITNESSES {
        let witness = Picture::read(&file(name));
        let verdict = match (&screen, &witness) {
            (Ok(screen), Ok(witness)) => match screen.difference(witness) {
                None => {
                    let pixels = screen.width * screen.height;
                    tee.output(
                        format!("the screen equals {meaning}: {pixels} pixels\n").as_bytes(),
                    );
                    continue;
                }
                Some(difference) => difference,
            },
            (Err(error), _) | (_, Err(error)) => error.to_string(),
        };
        trouble.push(format!("the screen is not {meaning}: {verdict}"));
    }
    for line in &trouble {
        tee.output(format!("fanlight: {line}\n").as_bytes());
    }
    tee.output(
        format!(
            "fanlight: demonstration {} in {seconds:.1} s; see {} and {}\n",
            if trouble.is_empty() {
                "passed"
            } else {
                "FAILED"
            },
            file("screen.png").display(),
            file("log.txt").display()
        )
        .as_bytes(),
    );
    Ok(i32::from(!trouble.is_empty()))
}
