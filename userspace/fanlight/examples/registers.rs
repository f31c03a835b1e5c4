// SPDX-License-Identifier: MIT OR Apache-2.0
//! Registers by a structure of the crate safe-mmio: reads the identification registers of an ARM
//! PrimeCell (PL011 UART, PL061 GPIO, PL031 clock and others) from a window with `reg`.
//!
//! `cargo run --example registers -- /dev/fanlight0/regs`

use fanlight::Window;
use safe_mmio::fields::ReadPure;
use safe_mmio::{field_shared, SharedMmioPointer, UniqueMmioPointer};

/// The last registers of a PrimeCell's page.
#[repr(C)]
struct Identification {
    peripheral: [ReadPure<u32>; 4],
    cell: [ReadPure<u32>; 4],
}

fn main() -> Result<(), Box<dyn std::error::Error>> {
    let node = std::env::args().nth(1);
    let node = node.unwrap_or_else(|| "/dev/fanlight0/regs".into());
    // If no device responds at the address, this returns an error instead of ending the program.
    fanlight::survive_revocation()?;
    // Maps only the needed part, whatever the size of the window.
    let mut map = Window::open(&node)?.map_range_mut(0xfe0..0x1000)?;
    let pointer = map.ptr_at::<Identification>(0)?;
    // SAFETY: the structure is inside of the map and aligned, and nothing else in this program uses
    // the map.
    let registers = unsafe { UniqueMmioPointer::new(pointer) };

    let peripheral = bytes(field_shared!(registers, peripheral));
    let cell = bytes(field_shared!(registers, cell));
    // Check that the loads have reached the device.
    map.check()?;
    if cell != 0xb105_f00d {
        return Err(
            format!("{node} is not a PrimeCell: its identification is {cell:#010x}").into(),
        );
    }
    let (part, revision) = (peripheral & 0xfff, (peripheral >> 20) & 0xf);
    println!("{node}: part {part:#05x}, revision {revision}");
    Ok(())
}

/// Each of the registers has one byte.
fn bytes(registers: SharedMmioPointer<'_, [ReadPure<u32>; 4]>) -> u32 {
    let words = registers.split().map(|register| register.read());
    u32::from_le_bytes(words.map(|word| word as u8))
}
