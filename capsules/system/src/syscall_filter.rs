//! Which calls a process may make, from its TBF's Permissions.
//!
//! A process without that list may make all. One with it may subscribe to and share with the
//! drivers that are listed at all, and command them what their bits say; anything else finds no
//! such driver. The kernel never asks about yield, memop and exit.

use kernel::ErrorCode;
use kernel::platform::SyscallFilter;
use kernel::process::Process;
use kernel::syscall::Syscall;
use tock_tbf::types::CommandPermissions;

/// Whether a process's Permissions list `command` of `driver` by name: what is not for all.
pub fn lists_command(process: &dyn Process, driver: usize, command: usize) -> bool {
    matches!(
        process.get_command_permissions(driver, command / 64),
        CommandPermissions::Mask(bits) if bits >> (command % 64) & 1 == 1
    )
}

/// Allows what nobody forbade.
pub struct TbfHeaderFilterDefaultAllow {}

impl SyscallFilter for TbfHeaderFilterDefaultAllow {
    fn filters(&self, process: &dyn Process) -> bool {
        process.has_permissions()
    }

    fn filter_syscall(&self, process: &dyn Process, syscall: &Syscall) -> Result<(), ErrorCode> {
        let Some(driver) = syscall.driver_number() else {
            return Ok(());
        };
        let allowed = match *syscall {
            Syscall::Command {
                subdriver_number, ..
            } => match process.get_command_permissions(driver, subdriver_number / 64) {
                CommandPermissions::NoPermsAtAll => true,
                CommandPermissions::NoPermsThisDriver => false,
                CommandPermissions::Mask(bits) => bits >> (subdriver_number % 64) & 1 == 1,
            },
            _ => !matches!(
                process.get_command_permissions(driver, 0),
                CommandPermissions::NoPermsThisDriver
            ),
        };
        if allowed {
            Ok(())
        } else {
            Err(ErrorCode::NODEVICE)
        }
    }
}
