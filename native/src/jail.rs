//! Bindings of the jail of the `sandbox` crate.
use std::ffi::OsString;
use std::path::PathBuf;

use authgate_sandbox::jail::{
    Base, Folder, Kind, Server, Shown, Told, denied, divide, forks_into_groups, keep, landlock_abi,
};
use pyo3::prelude::*;
use pyo3::types::PyBytes;

use crate::sandbox::refused;

pub(crate) fn register(module: &Bound<'_, PyModule>) -> PyResult<()> {
    module.add_function(wrap_pyfunction!(jail_divide, module)?)?;
    module.add_function(wrap_pyfunction!(jail_keep, module)?)?;
    module.add_function(wrap_pyfunction!(jail_denied, module)?)?;
    module.add_function(wrap_pyfunction!(jail_landlock_abi, module)?)?;
    module.add_function(wrap_pyfunction!(jail_forks_into_groups, module)?)?;
    module.add_class::<JailBase>()
}

#[pyfunction]
fn jail_divide() -> PyResult<()> {
    divide().map_err(refused)
}

#[pyfunction]
fn jail_keep(from: u64) -> PyResult<()> {
    keep(from).map_err(refused)
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

#[pyfunction]
fn jail_forks_into_groups() -> bool {
    forks_into_groups()
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
        programs: bool,
    ) -> PyResult<Self> {
        let paths = paths.into_iter().map(Shown::Path);
        let devices = devices.into_iter().map(Shown::Device);
        let links = links.into_iter().map(|(at, to)| Shown::Link(at, to));
        let shown: Vec<_> = paths.chain(devices).chain(links).collect();
        Base::enter(&shown, kind_of(programs))
            .map(Self)
            .map_err(refused)
    }

    #[getter]
    fn bounds_tasks(&self) -> bool {
        self.0.bounds_tasks
    }

    /// Returns in each cell that has its call and is locked, with the call, and at the end, with none.
    ///
    /// Not by `os.fork`: the hooks that modules leave there cost as much again as the fork, in memory that they touch.
    #[expect(clippy::needless_pass_by_value, reason = "PyO3 hands in owned values")]
    fn serve<'py>(
        &self,
        control: i32,
        watched: Vec<i32>,
        armed: usize,
        scratch_bytes: u64,
        group: Option<i32>,
        warm_cell: &Bound<'py, PyAny>,
    ) -> PyResult<Option<Given<'py>>> {
        let rehearse = || warm_cell.call0().is_ok();
        let told = Server::new(&self.0, control, &watched, armed, scratch_bytes, group)
            .and_then(|server| server.serve(rehearse))
            .map_err(refused)?;
        Ok(told.map(|told| given(warm_cell.py(), told)))
    }
}

const fn kind_of(programs: bool) -> Kind {
    if programs {
        Kind::Programs
    } else {
        Kind::Python
    }
}

/// A call: the number of its tool, arguments, folders, and whether it may start programs.
type Given<'py> = (u32, Bound<'py, PyBytes>, Vec<Named>, bool);

/// A folder: type, name, path, scope, rights.
type Named = (String, String, OsString, OsString, u8);

fn given(py: Python<'_>, told: Told) -> Given<'_> {
    let folders = told.folders.into_iter().map(named).collect();
    let programs = told.kind == Kind::Programs;
    (told.tool, PyBytes::new(py, &told.args), folders, programs)
}

fn named(folder: Folder) -> Named {
    let Folder {
        rtype,
        name,
        grant,
        rights,
    } = folder;
    let (path, scope) = (grant.path.into_os_string(), grant.scope.into_os_string());
    (rtype, name, path, scope, rights)
}
