//! What the jail promises where nobody is in it yet; the rest is tested through Python, from the inside.
#![cfg(target_os = "linux")]

use authgate_sandbox::jail::{Access, Kind, Told, denied, divide, landlock_abi};

/// Rights that are none on files give no access, whatever else stands in the number.
#[test]
fn rights() {
    for rights in 0..=u8::MAX {
        assert_eq!(
            Access::from_rights(rights),
            Access::from_rights(rights & 0b111)
        );
    }
    assert_eq!(Access::from_rights(8), Access::from_rights(0));
}

/// Two accesses together are what either gives: in any order, and no more.
#[test]
fn accesses_add_up() {
    for (one, other) in (0..8).flat_map(|one| (0..8).map(move |other| (one, other))) {
        let both = Access::from_rights(one).and(Access::from_rights(other));
        assert_eq!(both, Access::from_rights(one | other));
        assert_eq!(
            both,
            Access::from_rights(other).and(Access::from_rights(one))
        );
    }
}

/// A process with threads is not divided, and is told at which step that showed.
#[test]
fn threads_are_not_divided() {
    std::thread::scope(|scope| {
        let other = scope.spawn(std::thread::park);
        let refused = divide();
        other.thread().unpark();
        assert!(refused.is_err_and(|error| error.to_string().contains("user namespace")));
    });
}

/// Where nothing was filtered, nothing was refused.
#[test]
fn nothing_was_denied() {
    assert!(denied().is_empty());
}

/// The version of Landlock is a small number, or none.
#[test]
fn landlock() {
    assert!((0..100).contains(&landlock_abi()));
}

const TEXTS: [&str; 4] = ["file", "w", "/srv/w", "a.txt"];

/// A call as the runtime writes it, up to its arguments.
fn call(programs: u8, folders: u32) -> Vec<u8> {
    let mut bytes = 7u32.to_le_bytes().to_vec();
    bytes.push(programs);
    bytes.extend((1u64..=6).flat_map(u64::to_le_bytes));
    bytes.extend(folders.to_le_bytes());
    for _ in 0..folders {
        bytes.extend([0x83]);
        for text in TEXTS {
            bytes.extend(u32::try_from(text.len()).unwrap_or(0).to_le_bytes());
            bytes.extend(text.bytes());
        }
    }
    bytes
}

/// Everything that is said of a call arrives, and what is left over are its arguments.
#[test]
fn calls_are_read() -> Result<(), nix::errno::Errno> {
    for (folders, args) in [(0, &b""[..]), (1, b"{}"), (3, b"\xff\0")] {
        let mut bytes = call(1, folders);
        bytes.extend(args);
        let told = Told::read(&bytes)?;
        assert_eq!(
            (told.tool, told.kind, &*told.args),
            (7, Kind::Programs, args)
        );
        let limits = told.limits;
        assert_eq!(
            [limits.cpu_seconds, limits.memory_bytes, limits.file_bytes],
            [1, 2, 3]
        );
        assert_eq!(
            [limits.open_files, limits.processes, limits.scratch_bytes],
            [4, 5, 6]
        );
        assert_eq!(told.folders.len(), folders as usize);
        for folder in &told.folders {
            let (path, scope) = (folder.grant.path.to_str(), folder.grant.scope.to_str());
            let texts = [Some(&*folder.rtype), Some(&*folder.name), path, scope];
            assert_eq!(texts, TEXTS.map(Some));
            assert_eq!(
                (folder.rights, folder.grant.access),
                (0x83, Access::from_rights(3))
            );
        }
    }
    Ok(())
}

/// A call that is cut anywhere, is of no kind, or holds what is no text, is none.
#[test]
fn broken_calls_are_refused() {
    let whole = call(0, 2);
    for length in 0..whole.len() {
        assert!(
            Told::read(whole.get(..length).unwrap_or_default()).is_err(),
            "{length}"
        );
    }
    assert!(Told::read(&whole).is_ok());
    assert!(Told::read(&call(2, 0)).is_err());
    let broken = whole
        .iter()
        .map(|byte| if *byte == b'f' { 0xFF } else { *byte });
    assert!(Told::read(&broken.collect::<Vec<_>>()).is_err());
    let mut endless = call(0, 0);
    let count = endless.len() - 4;
    endless.splice(count.., u32::MAX.to_le_bytes());
    assert!(Told::read(&endless).is_err());
}
