//! Landlock: which paths a call may open, and how. The second wall behind the private root.
use std::os::fd::AsFd;
use std::path::Path;

use landlock::{
    ABI, Access as _, AccessFs, AccessNet, BitFlags, CompatLevel, Compatible, PathBeneath, Ruleset,
    RulesetAttr, RulesetCreated, RulesetCreatedAttr, RulesetError, RulesetStatus, Scope,
};
use nix::errno::Errno;

use super::base::hold_place;
use crate::error::{Error, Step};
use crate::sys;

/// What a call may do below a path.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Access(u8);

impl Access {
    const READ: Self = Self(1);
    const WRITE: Self = Self(2);
    const EXECUTE: Self = Self(4);
    const TEMPORARY: Self = Self(8);

    pub(super) const SYSTEM: Self = Self(1 | 4);
    pub(super) const DEVICE: Self = Self(1 | 2);
    pub(super) const SCRATCH: Self = Self(1 | 2 | 8);

    /// The rights on a file or folder as the decision engine numbers them: 1 read, 2 write, 4 execute; others are none here.
    #[must_use]
    pub const fn from_rights(rights: u8) -> Self {
        Self(rights & 7)
    }

    /// Both of two accesses.
    #[must_use]
    pub const fn and(self, other: Self) -> Self {
        Self(self.0 | other.0)
    }

    pub(super) const fn writes(self) -> bool {
        self.has(Self::WRITE)
    }

    const fn has(self, other: Self) -> bool {
        self.0 & other.0 != 0
    }

    /// Links, sockets and pipes are made in the scratch folder alone: elsewhere others could trip over them.
    fn rights(self, abi: ABI) -> BitFlags<AccessFs> {
        let mut rights = BitFlags::empty();
        if self.has(Self::READ) {
            rights |= AccessFs::ReadFile | AccessFs::ReadDir;
        }
        if self.has(Self::WRITE) {
            rights |= AccessFs::WriteFile
                | AccessFs::RemoveFile
                | AccessFs::RemoveDir
                | AccessFs::MakeReg
                | AccessFs::MakeDir
                | AccessFs::Refer
                | AccessFs::Truncate;
        }
        if self.has(Self::TEMPORARY) {
            rights |= AccessFs::MakeSym | AccessFs::MakeFifo | AccessFs::MakeSock;
        }
        if self.has(Self::EXECUTE) {
            rights |= BitFlags::from(AccessFs::Execute);
        }
        rights & AccessFs::from_all(abi)
    }
}

/// The version of Landlock that this machine enforces; 0 for none.
#[must_use]
pub fn landlock_abi() -> i32 {
    sys::landlock_abi().unwrap_or(0)
}

/// A ruleset that still grows.
#[derive(Debug)]
pub(super) struct Paths {
    ruleset: RulesetCreated,
    abi: ABI,
}

impl Paths {
    /// Rules that allow nothing: no file, no TCP port, and from the sixth version on no signal and no abstract socket to the outside.
    pub(super) fn new() -> Result<Self, Error> {
        let abi = ABI::from(landlock_abi());
        let ruleset = create(abi)
            .map_err(|_| Errno::ENOSYS)
            .step("use Landlock, which takes Linux 5.13 with `landlock` among its `lsm=`")?;
        Ok(Self { ruleset, abi })
    }

    /// Allows access to a path and all below it.
    pub(super) fn allow(&mut self, path: &Path, access: Access, folder: bool) -> Result<(), Error> {
        let place = hold_place(path).step("open a path for Landlock")?;
        self.allow_at(&place, access, folder)
    }

    /// Allows access to a place that is held, and all below it.
    pub(super) fn allow_at(
        &mut self,
        place: impl AsFd,
        access: Access,
        folder: bool,
    ) -> Result<(), Error> {
        let mut rights = access.rights(self.abi);
        if !folder {
            rights &= AccessFs::from_file(self.abi);
        }
        if rights.is_empty() {
            return Ok(());
        }
        let rule = PathBeneath::new(place, rights);
        (&mut self.ruleset)
            .add_rule(rule)
            .map(drop)
            .map_err(|_| Errno::last())
            .step("add a rule of Landlock")
    }

    /// Binds this process, and all that it starts, to the rules.
    pub(super) fn enforce(self) -> Result<(), Error> {
        let status = self
            .ruleset
            .restrict_self()
            .map_err(|_| Errno::last())
            .step("enforce Landlock")?;
        if status.ruleset == RulesetStatus::FullyEnforced {
            return Ok(());
        }
        Err(Errno::ENOSYS).step("enforce Landlock in full")
    }
}

fn create(abi: ABI) -> Result<RulesetCreated, RulesetError> {
    let mut ruleset = Ruleset::default()
        .set_compatibility(CompatLevel::HardRequirement)
        .handle_access(AccessFs::from_all(abi))?;
    if abi >= ABI::V4 {
        ruleset = ruleset.handle_access(AccessNet::from_all(abi))?;
    }
    if abi >= ABI::V6 {
        ruleset = ruleset.scope(Scope::from_all(abi))?;
    }
    ruleset.create()
}
