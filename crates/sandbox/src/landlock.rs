//! File rules of the Landlock backend.

use crate::python::Python;
use crate::{Backend, SandboxError};
use landlock::{
    ABI, Access, AccessFs, AccessNet, BitFlags, CompatLevel, Compatible, Ruleset, RulesetAttr, RulesetCreatedAttr,
    RulesetError, Scope, path_beneath_rules,
};
use std::os::fd::OwnedFd;

/// Rules that let a program read Python's files and start Python; nothing else. They are in force once a child
/// restricts itself by them.
///
/// The first version's rights (all that reads, writes, makes and removes files) are required. Later rights (moving and
/// truncating, TCP, device control, signals, abstract sockets) are added where the kernel knows them; the system call
/// filter refuses the same things on every kernel.
///
/// # Errors
///
/// The kernel has no Landlock, or it is switched off.
pub(crate) fn rules(python: &Python) -> Result<OwnedFd, SandboxError> {
    let unusable = |why: String| SandboxError::Unusable { backend: Backend::Landlock, why };
    if crate::system::landlock_abi().is_none() {
        return Err(unusable(
            "this kernel offers no Landlock (Linux 5.13 and later can; `landlock` must be in its `lsm=` list)".into(),
        ));
    }
    let made = build(python).map_err(|e| unusable(format!("its rules are not enforced in full ({e})")))?;
    made.ok_or_else(|| unusable("its rules are not enforced".into()))
}

fn build(python: &Python) -> Result<Option<OwnedFd>, RulesetError> {
    let read: BitFlags<AccessFs> = AccessFs::ReadFile | AccessFs::ReadDir;
    let start: BitFlags<AccessFs> = AccessFs::ReadFile | AccessFs::Execute;
    let rules = Ruleset::default()
        .set_compatibility(CompatLevel::HardRequirement)
        .handle_access(AccessFs::from_all(ABI::V1))?
        .set_compatibility(CompatLevel::BestEffort)
        .handle_access(AccessFs::from_all(ABI::V9))?
        .handle_access(AccessNet::from_all(ABI::V4))?
        .scope(Scope::from_all(ABI::V6))?
        .create()?
        .add_rules(path_beneath_rules(&python.stdlib, read))?
        .add_rules(path_beneath_rules(python.files(), read))?
        .add_rules(path_beneath_rules(python.loaders(), start))?
        .add_rules(path_beneath_rules([&python.executable], start))?;
    Ok(rules.into())
}
