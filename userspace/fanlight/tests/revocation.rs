// SPDX-License-Identifier: MIT OR Apache-2.0
//! Mappings whose memory is removed: a truncated file raises the same SIGBUS as an unbound driver.
#![cfg(feature = "std")]

mod common;

use std::fs::{self, File, OpenOptions};
use std::os::unix::process::ExitStatusExt;
use std::path::PathBuf;
use std::process::Command;

use embedded_graphics::pixelcolor::Rgb888;
use embedded_graphics::prelude::*;
use fanlight::{AccessError, Error, Framebuffer, Geometry, PixelFormat};

fn scratch(name: &str, len: u64) -> (PathBuf, File) {
    let path = std::env::temp_dir().join(format!("fanlight-revoked-{}-{name}", std::process::id()));
    let file = OpenOptions::new()
        .read(true)
        .write(true)
        .create(true)
        .truncate(true)
        .open(&path)
        .unwrap();
    file.set_len(len).unwrap();
    (path, file)
}

fn geometry() -> Geometry {
    // Some pages, so that more than the first one is accessed.
    Geometry::packed(128, 64, PixelFormat::X8R8G8B8).unwrap()
}

fn screen(name: &str) -> (Framebuffer, File, PathBuf) {
    let (path, file) = scratch(name, geometry().bytes() as u64);
    let screen = Framebuffer::over_file(file.try_clone().unwrap(), &path, geometry()).unwrap();
    (screen, file, path)
}

#[test]
fn fb_drawing_on_a_revoked_mapping_is_an_error() {
    fanlight::survive_revocation().unwrap();
    let (mut screen, file, path) = screen("draw");
    screen.clear(Rgb888::WHITE).unwrap();
    file.set_len(0).unwrap();
    assert_eq!(screen.clear(Rgb888::RED), Err(AccessError::Revoked));
    // The error stays, for every access.
    assert_eq!(screen.pixel(3, 3), Err(AccessError::Revoked));
    assert_eq!(screen.to_rgb(), Err(AccessError::Revoked));
    let error = screen.present().unwrap_err();
    assert!(error.is_gone());
    assert!(error.to_string().contains("unbound"), "{error}");
    fs::remove_file(path).unwrap();
}

#[test]
fn fb_revocation_of_one_mapping_leaves_others_alone() {
    fanlight::survive_revocation().unwrap();
    let mut all: Vec<_> = (0..40).map(|i| screen(&format!("many-{i}"))).collect();
    for (i, (screen, file, _)) in all.iter_mut().enumerate() {
        if i % 3 == 0 {
            file.set_len(0).unwrap();
            assert!(screen.clear(Rgb888::RED).is_err());
        }
    }
    for (i, (screen, ..)) in all.iter_mut().enumerate() {
        assert_eq!(screen.clear(Rgb888::GREEN).is_err(), i % 3 == 0, "{i}");
    }
    for (screen, _, path) in all {
        drop(screen);
        fs::remove_file(path).unwrap();
    }
    // A reused slot starts without the old state.
    let (mut screen, _, path) = screen("again");
    screen.clear(Rgb888::BLUE).unwrap();
    fs::remove_file(path).unwrap();
}

#[test]
fn fb_revocation_in_the_middle_of_threads() {
    fanlight::survive_revocation().unwrap();
    let threads: Vec<_> = (0..4)
        .map(|i| {
            std::thread::spawn(move || {
                for round in 0..25 {
                    let (mut screen, file, path) = screen(&format!("thread-{i}-{round}"));
                    let cutter = std::thread::spawn(move || file.set_len(0).unwrap());
                    let mut drawn = 0u64;
                    let error = loop {
                        match screen.clear(Rgb888::WHITE) {
                            Ok(()) => drawn += 1,
                            Err(error) => break error,
                        }
                    };
                    assert_eq!(error, AccessError::Revoked, "after {drawn}");
                    cutter.join().unwrap();
                    fs::remove_file(path).unwrap();
                }
            })
        })
        .collect();
    threads
        .into_iter()
        .for_each(|thread| thread.join().unwrap());
}

#[test]
fn log_of_a_revoked_mapping_is_an_error() {
    fanlight::survive_revocation().unwrap();
    let (path, file) = scratch("log", 0);
    drop(file);
    let writer = common::Ring::new();
    writer.append(3, 0, b"one");
    fs::write(&path, writer.bytes()).unwrap();
    let log = fanlight::Log::open_image(&path).unwrap();
    let mut reader = log.reader(fanlight::Start::Oldest).unwrap();
    assert!(reader.next_record().unwrap().is_some());
    OpenOptions::new()
        .write(true)
        .open(&path)
        .unwrap()
        .set_len(0)
        .unwrap();
    assert!(matches!(
        reader.next_record(),
        Err(Error::Access {
            source: AccessError::Revoked,
            ..
        })
    ));
    assert!(reader
        .wait(Some(std::time::Duration::ZERO))
        .unwrap_err()
        .is_gone());
    fs::remove_file(path).unwrap();
}

/// Without the call, SIGBUS ends the program as before.
#[test]
fn fb_without_asking_a_revoked_mapping_is_fatal() {
    if std::env::var_os("FANLIGHT_TEST_DIE").is_some() {
        let (path, file) = scratch("die", geometry().bytes() as u64);
        let mut screen =
            Framebuffer::over_file(file.try_clone().unwrap(), &path, geometry()).unwrap();
        let _ = fs::remove_file(&path);
        file.set_len(0).unwrap();
        let _ = screen.clear(Rgb888::WHITE);
        std::process::exit(0);
    }
    let program = std::env::current_exe().unwrap();
    let status = Command::new(program)
        .args(["--exact", "fb_without_asking_a_revoked_mapping_is_fatal"])
        .env("FANLIGHT_TEST_DIE", "1")
        .output()
        .unwrap()
        .status;
    if cfg!(target_arch = "arm") && status.code() == Some(127) {
        // Under an emulator that cannot start programs of its own architecture.
        return;
    }
    // SIGBUS
    assert_eq!(status.signal(), Some(7), "{status:?}");
}
