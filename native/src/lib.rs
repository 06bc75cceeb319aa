//! The extension module `authgate_async._native`.
use pyo3::prelude::*;

#[cfg(target_os = "linux")]
mod jail;
mod kernel;
mod log;
mod sandbox;
mod tree;

/// `authgate_async._native`.
#[pymodule]
fn _native(module: &Bound<'_, PyModule>) -> PyResult<()> {
    kernel::register(module)?;
    log::register(module)?;
    tree::register(module)?;
    sandbox::register(module)
}
