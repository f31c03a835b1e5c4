// SPDX-License-Identifier: MIT OR Apache-2.0
//! `fanlight`: see the library of this package.

#![forbid(unsafe_code)]

fn main() -> std::process::ExitCode {
    fanlight_cli::main()
}
