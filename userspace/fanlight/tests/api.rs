// SPDX-License-Identifier: MIT OR Apache-2.0
//! What other programs need from the library's types. The compiler checks most of it; functions
//! that need a device are not called.
#![cfg(feature = "std")]

mod common;

use std::fmt::Debug;
use std::io::{self, Write};
use std::os::fd::{AsFd, AsRawFd};
use std::sync::atomic::AtomicU32;
use std::thread;

use fanlight::{
    AccessError, Atomics, Canvas, Error, Framebuffer, Glimpse, Info, Instance, Log, LogWriter, Map,
    MapMut, Reader, Record, Records, Result, Salvaged, Start, WallClock, Window, WindowEntry,
};
use tokio::io::unix::AsyncFd;

fn any_thread<T: Send + Sync + Debug>() {}
fn own<T: 'static>() {}
fn descriptor<T: AsFd + AsRawFd>() {}

/// The compiler checks it.
#[test]
fn log_and_window_types_can_be_shared_and_printed() {
    any_thread::<AccessError>();
    any_thread::<Atomics<AtomicU32>>();
    any_thread::<Canvas>();
    any_thread::<Error>();
    any_thread::<Framebuffer>();
    any_thread::<Glimpse<'_>>();
    any_thread::<Info>();
    any_thread::<Instance>();
    any_thread::<Log>();
    any_thread::<LogWriter>();
    any_thread::<Map>();
    any_thread::<MapMut>();
    any_thread::<Reader>();
    any_thread::<Record<'_>>();
    any_thread::<Records>();
    any_thread::<Salvaged>();
    any_thread::<WallClock>();
    any_thread::<Window>();
    any_thread::<WindowEntry>();

    own::<Reader>();
    own::<Records>();

    descriptor::<LogWriter>();
    descriptor::<Reader>();
    descriptor::<Window>();
}

/// A structure with a log and its reader, which can be moved.
#[derive(Debug)]
struct Follower {
    log: Log,
    reader: Reader,
}

impl Follower {
    fn new(log: Log) -> Result<Self> {
        let reader = log.reader(Start::Oldest)?;
        Ok(Self { log, reader })
    }

    fn texts(&mut self) -> Result<Vec<String>> {
        let mut texts = Vec::new();
        while let Some(record) = self.reader.next_record()? {
            texts.push(record.text_lossy().into_owned());
        }
        Ok(texts)
    }
}

#[test]
fn log_readers_go_to_threads_with_their_log() {
    let ring = common::Ring::new();
    for n in 0..100 {
        ring.append(6, 0, format!("record {n}").as_bytes());
    }
    let path = std::env::temp_dir().join(format!("fanlight-threads-{}", std::process::id()));
    std::fs::write(&path, ring.bytes()).unwrap();
    let log = Log::open_image(&path).unwrap();
    std::fs::remove_file(&path).unwrap();

    let follower = Follower::new(log.clone()).unwrap();
    assert_eq!(follower.log.path(), follower.reader.log().path());
    let records = log.records();
    // The last of them keeps the mapping.
    drop(log);
    let threads: Vec<_> = (0..3)
        .map(|_| {
            let mut follower = Follower::new(follower.log.clone()).unwrap();
            thread::spawn(move || follower.texts().unwrap())
        })
        .collect();
    drop(follower);
    let expected: Vec<String> = (0..100).map(|n| format!("record {n}")).collect();
    for thread in threads {
        assert_eq!(thread.join().unwrap(), expected);
    }
    let texts = records.map(|record| record.unwrap().text_lossy().into_owned());
    assert_eq!(texts.collect::<Vec<_>>(), expected);
}

/// A reader in a task that any thread may run.
fn _tokio(log: &Log) -> io::Result<()> {
    async fn follow(mut reader: AsyncFd<Reader>) -> io::Result<()> {
        loop {
            while let Some(record) = reader.get_mut().next_record()? {
                io::stdout().write_all(&record.text)?;
            }
            if !reader.get_mut().prepare_wait()? {
                reader.readable().await?.clear_ready();
            }
        }
    }
    // SAFETY: a reader owns its descriptor, and keeps it until it is dropped.
    let reader = unsafe { AsyncFd::register(log.reader(Start::Newest)?)? };
    tokio::spawn(follow(reader));
    Ok(())
}

/// Registers by a structure of safe-mmio.
fn _safe_mmio(window: &Window) -> Result<()> {
    use safe_mmio::fields::ReadWrite;
    use safe_mmio::UniqueMmioPointer;

    let mut map = window.map_range_mut(0x1000..)?;
    let register = map.ptr_at::<ReadWrite<u32>>(8)?;
    // SAFETY: inside of the map, aligned, and used by nothing else.
    unsafe { UniqueMmioPointer::new(register) }.write(1);
    Ok(map.check()?)
}

/// Registers by a structure of tock-registers.
fn _tock_registers(map: &mut MapMut) -> Result<u32> {
    use tock_registers::interfaces::{ReadWriteable, Readable};
    use tock_registers::registers::{ReadOnly, ReadWrite};
    use tock_registers::{register_bitfields, register_structs};

    register_bitfields![u32, Control [ENABLE OFFSET(0) NUMBITS(1) []]];
    register_structs! {
        Timer {
            (0x00 => control: ReadWrite<u32, Control::Register>),
            (0x04 => count: ReadOnly<u32>),
            (0x08 => @END),
        }
    }
    let timer = map.ptr_at::<Timer>(0)?;
    // SAFETY: inside of the map and aligned. Its fields are cells, which may change under a shared
    // reference.
    let timer = unsafe { timer.as_ref() };
    timer.control.modify(Control::ENABLE::SET);
    let count = timer.count.get();
    map.check()?;
    Ok(count)
}

/// The number of a descriptor, for crates that need it.
fn _mio(window: &Window, writer: &LogWriter) -> [i32; 2] {
    [window.as_raw_fd(), writer.as_raw_fd()]
}

/// Errors of the library in functions with errors of the standard library.
fn _io() -> io::Result<u64> {
    let mut writer = Instance::open(0)?.log_writer()?;
    writeln!(writer, "{} windows", Instance::open(0)?.windows()?.len())?;
    io::copy(&mut io::stdin(), &mut writer)
}
