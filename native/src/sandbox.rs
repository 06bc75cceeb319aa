//! Bindings of the `sandbox` crate.
use pyo3::prelude::*;

/// Adds this room's functions to the module; there are none where the crate is empty.
pub(crate) fn register(module: &Bound<'_, PyModule>) -> PyResult<()> {
    #[cfg(target_os = "linux")]
    {
        linux::register(module)?;
        crate::jail::register(module)?;
    }
    let _ = module;
    Ok(())
}

#[cfg(target_os = "linux")]
pub(crate) use linux::refused;

#[cfg(target_os = "linux")]
mod linux {
    use std::path::PathBuf;
    use std::time::Duration;

    use authgate_sandbox::{Duty, Error, Limits, Streams};
    use pyo3::exceptions::PyOSError;
    use pyo3::prelude::*;

    pub(super) fn register(module: &Bound<'_, PyModule>) -> PyResult<()> {
        module.add_function(wrap_pyfunction!(sandbox_harden, module)?)?;
        module.add_function(wrap_pyfunction!(sandbox_freeze, module)?)?;
        module.add_function(wrap_pyfunction!(sandbox_signals, module)?)?;
        module.add_function(wrap_pyfunction!(sandbox_sweep, module)?)?;
        module.add_function(wrap_pyfunction!(sandbox_lead, module)?)?;
        module.add_function(wrap_pyfunction!(sandbox_watch, module)?)?;
        module.add_function(wrap_pyfunction!(sandbox_confine, module)?)?;
        module.add_function(wrap_pyfunction!(sandbox_hand_back, module)?)?;
        module.add_function(wrap_pyfunction!(sandbox_remove_tree, module)?)
    }

    pub(crate) fn refused(error: Error) -> PyErr {
        PyOSError::new_err((error.errno as i32, error.to_string()))
    }

    #[pyfunction]
    fn sandbox_harden() -> PyResult<()> {
        authgate_sandbox::harden().map_err(refused)
    }

    #[pyfunction]
    fn sandbox_freeze() -> PyResult<Option<usize>> {
        authgate_sandbox::freeze().map_err(refused)
    }

    #[pyfunction]
    fn sandbox_signals() -> PyResult<i32> {
        authgate_sandbox::signals().map_err(refused)
    }

    #[pyfunction]
    #[expect(clippy::needless_pass_by_value, reason = "PyO3 hands in owned values")]
    fn sandbox_sweep(keep: Vec<i32>) -> bool {
        authgate_sandbox::sweep(&keep)
    }

    #[pyfunction]
    fn sandbox_lead() -> PyResult<()> {
        authgate_sandbox::lead().map_err(refused)
    }

    #[pyfunction]
    fn sandbox_watch(
        fds: (i32, i32, i32),
        body: i32,
        processes: usize,
        wall_ms: u64,
    ) -> PyResult<()> {
        let duty =
            Duty::new(fds, body, processes, Duration::from_millis(wall_ms)).map_err(refused)?;
        let _ = duty.run();
        Ok(())
    }

    #[pyfunction]
    #[expect(clippy::needless_pass_by_value, reason = "PyO3 hands in owned values")]
    fn sandbox_confine(
        warden: i32,
        streams: (i32, i32, i32),
        folder: PathBuf,
        limits: (u64, u64, u64, u64, u64, u64),
    ) -> PyResult<()> {
        authgate_sandbox::confine(warden, streams_of(streams), &folder, &limits_of(limits))
            .map_err(refused)
    }

    #[pyfunction]
    fn sandbox_hand_back(kind: u8, content: &[u8], notes: &[u8]) {
        authgate_sandbox::hand_back(kind, content, notes)
    }

    const fn streams_of((stdout, stderr, result): (i32, i32, i32)) -> Streams {
        Streams {
            stdout,
            stderr,
            result,
        }
    }

    const fn limits_of(limits: (u64, u64, u64, u64, u64, u64)) -> Limits {
        let (cpu_seconds, memory_bytes, file_bytes, open_files, processes, scratch_bytes) = limits;
        Limits {
            cpu_seconds,
            memory_bytes,
            file_bytes,
            open_files,
            scratch_bytes,
            processes,
        }
    }

    #[pyfunction]
    #[expect(clippy::needless_pass_by_value, reason = "PyO3 hands in owned values")]
    fn sandbox_remove_tree(py: Python<'_>, path: PathBuf) -> PyResult<()> {
        py.detach(|| authgate_sandbox::remove_tree(&path))
            .map_err(refused)
    }
}
