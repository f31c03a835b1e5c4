// SPDX-License-Identifier: GPL-2.0-only

//! A value with a try-only lock. It never waits, so it can be used in any context, NMI included.

use core::{
    cell::UnsafeCell,
    ops::{
        Deref,
        DerefMut, //
    }, //
};
use kernel::sync::atomic::{
    Acquire,
    Atomic,
    Release, //
};

/// # Invariants
///
/// `taken` is 1 exactly while a [`Claim`] exists, and there is one at most.
pub(crate) struct TryCell<T> {
    taken: Atomic<i32>,
    value: UnsafeCell<T>,
}

// SAFETY: only the one claim gives access to the value.
unsafe impl<T: Send> Sync for TryCell<T> {}

impl<T> TryCell<T> {
    /// An unclaimed cell.
    pub(crate) const fn new(value: T) -> Self {
        Self {
            taken: Atomic::<i32>::new(0),
            value: UnsafeCell::new(value),
        }
    }

    /// Claims the value; `None` if it is claimed, perhaps by the context that this one interrupted.
    pub(crate) fn claim(&self) -> Option<Claim<'_, T>> {
        // INVARIANT: only one can change 0 to 1.
        self.taken.cmpxchg(0, 1, Acquire).ok()?;
        Some(Claim(self))
    }
}

/// Exclusive access to the value until it is dropped.
pub(crate) struct Claim<'a, T>(&'a TryCell<T>);

impl<T> Deref for Claim<'_, T> {
    type Target = T;

    fn deref(&self) -> &T {
        // SAFETY: this is the only claim, by the invariant of the cell.
        unsafe { &*self.0.value.get() }
    }
}

impl<T> DerefMut for Claim<'_, T> {
    fn deref_mut(&mut self) -> &mut T {
        // SAFETY: this is the only claim, by the invariant of the cell.
        unsafe { &mut *self.0.value.get() }
    }
}

impl<T> Drop for Claim<'_, T> {
    fn drop(&mut self) {
        self.0.taken.store(0, Release);
    }
}
