//! What a cell is told: one call, as bytes that the runtime wrote.
use std::path::PathBuf;

use nix::errno::Errno;

use super::filter::Kind;
use super::grants::Grant;
use super::rules::Access;
use crate::limits::Limits;

/// A resource of the permit that lies on this machine, as the tool is told of it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Folder {
    /// The type of the resource.
    pub rtype: String,
    /// Its name.
    pub name: String,
    /// Where it lies, and what is granted there.
    pub grant: Grant,
    /// The rights, as the decision engine numbers them.
    pub rights: u8,
}

/// One call.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Told {
    /// Which tool of the template's plan.
    pub tool: u32,
    /// What the call may start.
    pub kind: Kind,
    /// What it is held to.
    pub limits: Limits,
    /// What its permit names.
    pub folders: Vec<Folder>,
    /// The tool's arguments.
    pub args: Vec<u8>,
}

impl Told {
    /// Reads a call: integers are little-endian, without gaps; the number of the tool (4 bytes), 1 if it may start programs
    /// (1), six limits in the order of [`Limits`] (8 each), how many folders (4); for each its rights (1), and type, name, path
    /// and scope as length (4) and UTF-8; all that is left are the arguments.
    ///
    /// # Errors
    /// `EBADMSG` when it is anything else.
    pub fn read(bytes: &[u8]) -> Result<Self, Errno> {
        Cursor(bytes).call().ok_or(Errno::EBADMSG)
    }

    /// What the cell has to show.
    #[must_use]
    pub fn grants(&self) -> Vec<Grant> {
        self.folders
            .iter()
            .map(|folder| folder.grant.clone())
            .collect()
    }
}

struct Cursor<'a>(&'a [u8]);

impl Cursor<'_> {
    fn call(mut self) -> Option<Told> {
        let tool = self.u32()?;
        let kind = match self.u8()? {
            0 => Kind::Python,
            1 => Kind::Programs,
            _ => return None,
        };
        let limits = self.limits()?;
        let count = self.u32()?;
        let folders = (0..count).map(|_| self.folder()).collect::<Option<_>>()?;
        Some(Told {
            tool,
            kind,
            limits,
            folders,
            args: self.0.to_vec(),
        })
    }

    fn limits(&mut self) -> Option<Limits> {
        Some(Limits {
            cpu_seconds: self.u64()?,
            memory_bytes: self.u64()?,
            file_bytes: self.u64()?,
            open_files: self.u64()?,
            processes: self.u64()?,
            scratch_bytes: self.u64()?,
        })
    }

    fn folder(&mut self) -> Option<Folder> {
        let rights = self.u8()?;
        let (rtype, name) = (self.text()?.to_owned(), self.text()?.to_owned());
        let (path, scope) = (self.path()?, self.path()?);
        let access = Access::from_rights(rights);
        Some(Folder {
            rtype,
            name,
            grant: Grant {
                path,
                scope,
                access,
            },
            rights,
        })
    }

    fn path(&mut self) -> Option<PathBuf> {
        self.text().map(PathBuf::from)
    }

    fn text(&mut self) -> Option<&str> {
        let length = usize::try_from(self.u32()?).ok()?;
        let (text, rest) = self.0.split_at_checked(length)?;
        self.0 = rest;
        std::str::from_utf8(text).ok()
    }

    fn take<const N: usize>(&mut self) -> Option<[u8; N]> {
        let (part, rest) = self.0.split_first_chunk()?;
        self.0 = rest;
        Some(*part)
    }

    fn u8(&mut self) -> Option<u8> {
        self.take().map(u8::from_le_bytes)
    }

    fn u32(&mut self) -> Option<u32> {
        self.take().map(u32::from_le_bytes)
    }

    fn u64(&mut self) -> Option<u64> {
        self.take().map(u64::from_le_bytes)
    }
}
