//! Bindings of the log's tree.

use authgate_kernel::tree::{CompactRange, Hash};
use pyo3::exceptions::PyValueError;
use pyo3::prelude::*;
use pyo3::types::PyBytes;

/// The right edge of an RFC 6962 tree that grows.
#[pyclass(name = "CompactRange", module = "authgate_async._native")]
struct PyCompactRange {
    range: CompactRange,
}

#[pymethods]
impl PyCompactRange {
    #[new]
    fn new(size: u64, nodes: &[u8]) -> PyResult<Self> {
        let (hashes, rest) = nodes.as_chunks::<32>();
        let range = CompactRange::from_nodes(size, hashes.to_vec());
        let range = range.filter(|_| rest.is_empty());
        range
            .map(|range| Self { range })
            .ok_or_else(|| PyValueError::new_err("a tree of that size has not these nodes"))
    }

    #[getter]
    fn size(&self) -> u64 {
        self.range.size()
    }

    #[getter]
    fn nodes<'py>(&self, py: Python<'py>) -> Bound<'py, PyBytes> {
        PyBytes::new(py, self.range.nodes().as_flattened())
    }

    fn push(&mut self, leaf: &[u8]) -> PyResult<()> {
        let leaf: Hash = leaf
            .try_into()
            .map_err(|_| PyValueError::new_err("a leaf's hash has 32 bytes"))?;
        self.range.push(leaf);
        Ok(())
    }

    fn extend(&mut self, leaves: &[u8]) -> PyResult<()> {
        let (hashes, rest) = leaves.as_chunks::<32>();
        if !rest.is_empty() {
            return Err(PyValueError::new_err("a leaf's hash has 32 bytes"));
        }
        for leaf in hashes {
            self.range.push(*leaf);
        }
        Ok(())
    }

    fn root<'py>(&self, py: Python<'py>) -> Bound<'py, PyBytes> {
        PyBytes::new(py, &self.range.root())
    }
}

/// Adds this room's class to the module.
pub(crate) fn register(module: &Bound<'_, PyModule>) -> PyResult<()> {
    module.add_class::<PyCompactRange>()
}
