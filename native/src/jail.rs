//! Bindings of the jail of the `sandbox` crate.
use std::path::PathBuf;

use authgate_sandbox::jail::{
    Access, Base, Cell, Grant, Kind, Server, Shown, Waiting, denied, divide, landlock_abi,
};
use pyo3::exceptions::PyRuntimeError;
use pyo3::prelude::*;
use pyo3::types::PyBytes;

use crate::sandbox::{limits_of, refused};

pub(crate) fn register(module: &Bound<'_, PyModule>) -> PyResult<()> {
    module.add_function(wrap_pyfunction!(jail_divide, module)?)?;
    module.add_function(wrap_pyfunction!(jail_denied, module)?)?;
    module.add_function(wrap_pyfunction!(jail_landlock_abi, module)?)?;
    module.add_class::<JailBase>()?;
    module.add_class::<JailCell>()
}

#[pyfunction]
fn jail_divide() -> PyResult<()> {
    divide().map_err(refused)
}

#[pyfunction]
fn jail_denied() -> Vec<(String, u32)> {
    denied()
        .into_iter()
        .map(|denied| {
            let name = denied
                .name
                .map_or_else(|| denied.number.to_string(), str::to_owned);
            (name, denied.argument)
        })
        .collect()
}

#[pyfunction]
fn jail_landlock_abi() -> i32 {
    landlock_abi()
}

#[pyclass(frozen)]
struct JailBase(Base);

#[pymethods]
impl JailBase {
    #[new]
    fn enter(
        paths: Vec<PathBuf>,
        devices: Vec<PathBuf>,
        links: Vec<(PathBuf, PathBuf)>,
    ) -> PyResult<Self> {
        let paths = paths.into_iter().map(Shown::Path);
        let devices = devices.into_iter().map(Shown::Device);
        let links = links.into_iter().map(|(at, to)| Shown::Link(at, to));
        let shown: Vec<_> = paths.chain(devices).chain(links).collect();
        Base::enter(&shown).map(Self).map_err(refused)
    }

    #[getter]
    fn bounds_tasks(&self) -> bool {
        self.0.bounds_tasks
    }

    /// Returns in each new cell, with its number, and at the end, with none.
    ///
    /// Not by `os.fork`: the hooks that modules leave there cost as much again as the fork, in memory that they touch.
    #[expect(clippy::needless_pass_by_value, reason = "PyO3 hands in owned values")]
    fn serve(&self, control: i32, watched: Vec<i32>, armed: usize) -> PyResult<Option<u64>> {
        Server::new(&self.0, control, &watched, armed)
            .and_then(|mut server| server.serve())
            .map_err(refused)
    }

    fn arm(&self, scratch_bytes: u64) -> PyResult<JailCell> {
        let cell = Cell::arm(&self.0, scratch_bytes).map_err(refused)?;
        Ok(JailCell(Some(cell), None))
    }
}

/// Locked once.
#[pyclass]
struct JailCell(Option<Cell>, Option<Waiting>);

#[pymethods]
impl JailCell {
    fn announce(&mut self, control: i32, message: &[u8]) -> PyResult<()> {
        self.1 = Some(Waiting::announce(control, message).map_err(refused)?);
        Ok(())
    }

    fn wait<'py>(&self, py: Python<'py>) -> PyResult<Option<Bound<'py, PyBytes>>> {
        let said = self.1.as_ref().map_or(Ok(None), Waiting::wait);
        Ok(said.map_err(refused)?.map(|said| PyBytes::new(py, &said)))
    }

    fn refuse(&self, word: &[u8]) -> PyResult<()> {
        self.1
            .as_ref()
            .map_or(Ok(()), |waiting| waiting.refuse(word))
            .map_err(refused)
    }

    fn lock(
        &mut self,
        base: &JailBase,
        grants: Vec<(PathBuf, PathBuf, u8)>,
        limits: (u64, u64, u64, u64, u64, u64),
        programs: bool,
    ) -> PyResult<()> {
        let (Some(cell), Some(waiting)) = (self.0.take(), self.1.as_ref()) else {
            return Err(PyRuntimeError::new_err(
                "this cell has no call, or is locked already",
            ));
        };
        let grants: Vec<_> = grants.into_iter().map(grant_of).collect();
        let kind = if programs {
            Kind::Programs
        } else {
            Kind::Python
        };
        cell.lock(
            &base.0,
            &grants,
            waiting.streams(),
            &limits_of(limits),
            kind,
        )
        .map_err(refused)
    }
}

fn grant_of((path, scope, rights): (PathBuf, PathBuf, u8)) -> Grant {
    Grant {
        path,
        scope,
        access: Access::from_rights(rights),
    }
}
