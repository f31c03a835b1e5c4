// SPDX-License-Identifier: MIT OR Apache-2.0
//! A window as a slice of atomics, for structures that programs share.

use core::fmt;
use core::mem::size_of;
use core::ops::Deref;
use core::ptr::NonNull;
use core::sync::atomic::{AtomicI32, AtomicU16, AtomicU32, AtomicU64, AtomicU8};

use super::memory::Rules;
use super::Memory;
use crate::access_error::AccessError;

mod sealed {
    /// # Safety
    ///
    /// An atomic integer: every bit pattern is valid, and it may change behind a shared reference.
    pub unsafe trait Atomic {}
}

/// An atomic integer of the standard library that can be in a window.
///
/// ```
/// fn bytes<A: fanlight::Atomic>() -> usize {
///     size_of::<A>()
/// }
/// assert_eq!(bytes::<std::sync::atomic::AtomicU32>(), 4);
/// ```
pub trait Atomic: sealed::Atomic + fmt::Debug + Sync + 'static {}

macro_rules! atomic {
    ($($type:ty)*) => {
        $(
            // SAFETY: an atomic integer of the standard library.
            unsafe impl sealed::Atomic for $type {}
            impl Atomic for $type {}
        )*
    };
}
atomic!(AtomicU8 AtomicU16 AtomicU32 AtomicI32 AtomicU64);

/// A window as a slice of atomics: for counters, flags and rings that programs share. See
/// [`MapMut::into_atomics`](crate::MapMut::into_atomics).
///
/// ```no_run
/// use std::sync::atomic::{AtomicU32, Ordering};
///
/// let map = fanlight::Instance::open(0)?.window("shared")?.map_mut()?;
/// let words = map.into_atomics::<AtomicU32>()?;
/// let visits = words[16].fetch_add(1, Ordering::Relaxed) + 1;
/// words.check()?;
/// println!("visit {visits}");
/// # Ok::<(), fanlight::Error>(())
/// ```
#[derive(Debug)]
pub struct Atomics<A: Atomic> {
    memory: Memory,
    first: NonNull<A>,
    len: usize,
}

// SAFETY: `first` points into `memory`, which is `Send`, and atomics may be used by any thread.
unsafe impl<A: Atomic> Send for Atomics<A> {}
// SAFETY: `memory` is `Sync`. A shared reference to `Atomics` only provides shared references to
// atomics, which threads may use concurrently.
unsafe impl<A: Atomic> Sync for Atomics<A> {}

impl<A: Atomic> Atomics<A> {
    pub(crate) fn new(memory: Memory) -> Result<Self, AccessError> {
        if !memory.is_writable() {
            return Err(AccessError::ReadOnly);
        }
        if memory.rules() != Rules::Cached {
            return Err(AccessError::NotCached);
        }
        let len = memory.len() / size_of::<A>();
        let first = memory.pointer::<A>(0)?;
        Ok(Self { memory, first, len })
    }

    /// Checks that the memory was not revoked; see
    /// [`survive_revocation`](crate::survive_revocation). If it was, loaded values may be zeroes,
    /// and stores may be lost.
    ///
    /// # Errors
    ///
    /// The memory was revoked.
    pub fn check(&self) -> Result<(), AccessError> {
        self.memory.check()
    }
}

/// The atomics. Bytes at the end that are not a whole atomic are left out.
impl<A: Atomic> Deref for Atomics<A> {
    type Target = [A];

    fn deref(&self) -> &[A] {
        // SAFETY: `len` atomics are inside of the memory and aligned, since `new` has checked the
        // first one. The memory lives as long as `self` and does not move. Nothing else in this
        // program uses it: `self` has taken it over. It is replaced by zero pages at most, and
        // every bit pattern is a value.
        unsafe { core::slice::from_raw_parts(self.first.as_ptr(), self.len) }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::access_error::WindowName;
    use crate::sys::{fault, Place};
    use core::sync::atomic::Ordering;
    use rustix::fd::AsFd;

    fn memory(rules: Rules, place: Place) -> Memory {
        let fd = rustix::fs::memfd_create("shared", rustix::fs::MemfdFlags::CLOEXEC).unwrap();
        rustix::fs::ftruncate(&fd, 8192).unwrap();
        let name = WindowName::new("shared");
        Memory::map(fd.as_fd(), name, 4098, true, rules, place).unwrap()
    }

    #[test]
    fn window_atomics_lose_no_count_between_threads() {
        let words = Atomics::<AtomicU32>::new(memory(Rules::Cached, Place::default())).unwrap();
        // The last two bytes are left out.
        assert_eq!(words.len(), 1024);
        std::thread::scope(|scope| {
            for _ in 0..4 {
                scope.spawn(|| {
                    (0..1000).for_each(|_| {
                        words[7].fetch_add(1, Ordering::Relaxed);
                    })
                });
            }
        });
        assert_eq!(words[7].load(Ordering::Relaxed), 4000);
        assert_eq!(words.check(), Ok(()));
        assert!(fault::handle(
            libc::BUS_ADRERR,
            words.as_ptr() as usize,
            false
        ));
        assert_eq!(words[7].load(Ordering::Relaxed), 0);
        assert_eq!(words.check(), Err(AccessError::Revoked));
    }

    #[test]
    fn window_atomics_need_cached_memory_that_is_aligned() {
        for rules in [Rules::Uncached, Rules::Ordered, Rules::Width(4)] {
            let error = Atomics::<AtomicU32>::new(memory(rules, Place::default())).unwrap_err();
            assert_eq!(error, AccessError::NotCached);
        }
        let place = Place {
            lead: 4,
            ..Place::default()
        };
        let error = Atomics::<AtomicU64>::new(memory(Rules::Cached, place)).unwrap_err();
        let wrong = AccessError::Misaligned {
            offset: 0,
            width: 8,
        };
        assert_eq!(error, wrong);
    }
}
