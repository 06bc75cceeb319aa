//! What a cell of the sandbox is told: one call.
#![cfg_attr(fuzzing, no_main)]

use authgate_sandbox::jail::{Folder, Kind, Told};

#[cfg(fuzzing)]
libfuzzer_sys::fuzz_target!(|data: &[u8]| check(data));

/// What is read is what was written: put down again it has the same bytes.
pub(crate) fn check(data: &[u8]) {
    let Ok(told) = Told::read(data) else {
        return;
    };
    assert_eq!(told.grants().len(), told.folders.len());
    assert_eq!(written(&told), data);
}

fn written(told: &Told) -> Vec<u8> {
    let limits = told.limits;
    let limits = [
        limits.cpu_seconds,
        limits.memory_bytes,
        limits.file_bytes,
        limits.open_files,
        limits.processes,
        limits.scratch_bytes,
    ];
    let mut bytes = told.tool.to_le_bytes().to_vec();
    bytes.push(u8::from(told.kind == Kind::Programs));
    bytes.extend(limits.iter().flat_map(|limit| limit.to_le_bytes()));
    put_length(&mut bytes, told.folders.len());
    told.folders
        .iter()
        .for_each(|folder| put(&mut bytes, folder));
    bytes.extend(&told.args);
    bytes
}

fn put(bytes: &mut Vec<u8>, folder: &Folder) {
    bytes.push(folder.rights);
    let (path, scope) = (&folder.grant.path, &folder.grant.scope);
    let texts = [&folder.rtype, &folder.name].map(String::as_bytes);
    let paths = [path, scope].map(|path| path.as_os_str().as_encoded_bytes());
    for text in texts.into_iter().chain(paths) {
        put_length(bytes, text.len());
        bytes.extend(text);
    }
}

fn put_length(bytes: &mut Vec<u8>, length: usize) {
    bytes.extend(u32::try_from(length).unwrap_or(u32::MAX).to_le_bytes());
}
