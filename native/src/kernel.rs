//! Bindings of the `kernel` crate.

use authgate_kernel::codes::{Denial, FLAGS, Refusal, Warning};
use authgate_kernel::signing::parse_key;
use authgate_kernel::{Kernel, KernelError, verify_checkpoint, verify_json, verify_signed};
use pyo3::exceptions::{PyOverflowError, PyRuntimeError, PyValueError};
use pyo3::prelude::*;
use pyo3::types::{PyBytes, PyTuple};

/// A kernel, shared by any number of Python threads. The GIL is released while it works.
#[pyclass(name = "Kernel", module = "authgate_async._native", frozen)]
struct PyKernel {
    kernel: Kernel,
}

#[pymethods]
impl PyKernel {
    #[new]
    fn new(seed: &[u8], entropy: &[u8], permit_ttl: &Bound<'_, PyAny>) -> PyResult<Self> {
        let kernel =
            Kernel::new(seed, entropy, number("permit_ttl", permit_ttl)?).map_err(raised)?;
        Ok(Self { kernel })
    }

    #[getter]
    fn public_key<'py>(&self, py: Python<'py>) -> Bound<'py, PyBytes> {
        PyBytes::new(py, self.kernel.public_key().as_bytes())
    }

    #[getter]
    fn key_id(&self) -> String {
        self.kernel.key_id()
    }

    fn decide<'py>(
        &self,
        py: Python<'py>,
        actions: &[u8],
        now: &Bound<'py, PyAny>,
        entropy: &[u8],
    ) -> PyResult<Bound<'py, PyBytes>> {
        let now = number("now", now)?;
        released(py, || self.kernel.decide(actions, now, entropy))
    }

    fn redeem<'py>(
        &self,
        py: Python<'py>,
        redemptions: &[u8],
        now: &Bound<'py, PyAny>,
    ) -> PyResult<Bound<'py, PyBytes>> {
        let now = number("now", now)?;
        released(py, || self.kernel.redeem(redemptions, now))
    }

    fn change<'py>(
        &self,
        py: Python<'py>,
        changes: &[u8],
        now: &Bound<'py, PyAny>,
    ) -> PyResult<Bound<'py, PyBytes>> {
        let now = number("now", now)?;
        released(py, || self.kernel.change(changes, now))
    }

    fn stale<'py>(&self, py: Python<'py>, verdicts: &[u8]) -> PyResult<Bound<'py, PyBytes>> {
        released(py, || self.kernel.stale(verdicts))
    }

    fn settle<'py>(&self, py: Python<'py>, settlements: &[u8]) -> PyResult<Bound<'py, PyBytes>> {
        released(py, || self.kernel.settle(settlements))
    }

    fn sign_checkpoint<'py>(
        &self,
        py: Python<'py>,
        origin: &str,
        size: &Bound<'py, PyAny>,
        root: &[u8],
    ) -> PyResult<Bound<'py, PyBytes>> {
        let size = number("size", size)?;
        released(py, || {
            self.kernel
                .sign_checkpoint(origin, size, root)
                .map(Vec::from)
        })
    }

    /// How many bytes the registry's tables occupy.
    fn footprint(&self) -> PyResult<usize> {
        self.kernel.footprint().map_err(raised)
    }
}

/// An unsigned integer; one that does not fit is a wrong value like any other.
fn number(field: &'static str, value: &Bound<'_, PyAny>) -> PyResult<u64> {
    value.extract().map_err(|error: PyErr| {
        if error.is_instance_of::<PyOverflowError>(value.py()) {
            raised(KernelError::Range(field))
        } else {
            error
        }
    })
}

fn released(
    py: Python<'_>,
    work: impl FnOnce() -> Result<Vec<u8>, KernelError> + Send,
) -> PyResult<Bound<'_, PyBytes>> {
    let bytes = py.detach(work).map_err(raised)?;
    Ok(PyBytes::new(py, &bytes))
}

#[expect(
    clippy::needless_pass_by_value,
    reason = "the shape that `map_err` takes"
)]
fn raised(error: KernelError) -> PyErr {
    match error {
        KernelError::Poisoned => PyRuntimeError::new_err(error.to_string()),
        _ => PyValueError::new_err(error.to_string()),
    }
}

/// Decides one action, given as JSON with its registry; see `docs/rules.md`, section 7.
#[pyfunction]
#[pyo3(name = "verify_json")]
fn py_verify_json<'py>(
    py: Python<'py>,
    text: &str,
    seed: &[u8],
    now: &Bound<'py, PyAny>,
    entropy: &[u8],
) -> PyResult<String> {
    let now = number("now", now)?;
    py.detach(|| verify_json(text, seed, now, entropy))
        .map_err(|error| PyValueError::new_err(error.to_string()))
}

/// Whether the signature over a log's checkpoint is of the kernel with this key.
#[pyfunction]
#[pyo3(name = "verify_checkpoint")]
fn py_verify_checkpoint(
    public_key: &[u8],
    origin: &str,
    size: u64,
    root: &[u8],
    signature: &[u8],
) -> bool {
    let root = root.try_into().ok();
    parse_key(public_key)
        .zip(root)
        .is_some_and(|(key, root)| verify_checkpoint(&key, origin, size, root, signature))
}

/// Whether the bytes are a signed verdict, permit or denial, of the kernel with this key.
#[pyfunction]
#[pyo3(name = "verify_signed")]
fn py_verify_signed(public_key: &[u8], signed: &[u8]) -> bool {
    parse_key(public_key).is_some_and(|key| verify_signed(&key, signed))
}

/// Adds this room's functions and classes to the module.
pub(crate) fn register(module: &Bound<'_, PyModule>) -> PyResult<()> {
    let py = module.py();
    module.add_class::<PyKernel>()?;
    module.add_function(wrap_pyfunction!(py_verify_json, module)?)?;
    module.add_function(wrap_pyfunction!(py_verify_checkpoint, module)?)?;
    module.add_function(wrap_pyfunction!(py_verify_signed, module)?)?;
    module.add("DENIAL_CODES", PyTuple::new(py, Denial::ALL)?)?;
    module.add("WARNING_CODES", PyTuple::new(py, Warning::ALL)?)?;
    module.add("REFUSAL_CODES", PyTuple::new(py, Refusal::ALL)?)?;
    module.add("FLAGS", PyTuple::new(py, FLAGS)?)
}
