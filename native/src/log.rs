//! Bindings for reading a log fast.

use authgate_kernel::log::{Intent, Item, Outcome, Scan, Seen, scan};
use pyo3::exceptions::PyIndexError;
use pyo3::prelude::*;
use pyo3::types::{PyBytes, PyList, PyTuple};

/// Lines of a piece of a log that are whole and in order.
#[pyclass(name = "Scan", module = "authgate_async._native", frozen)]
struct PyScan {
    scan: Scan,
}

#[pymethods]
impl PyScan {
    /// How many bytes the lines have.
    #[getter]
    fn length(&self) -> usize {
        self.scan.length
    }

    /// The sums of some lines, one behind the other.
    fn sums<'py>(
        &self,
        py: Python<'py>,
        begin: usize,
        end: usize,
    ) -> PyResult<Bound<'py, PyBytes>> {
        let items = self.scan.items.get(begin..end).ok_or_else(beyond)?;
        let sums: Vec<u8> = items.iter().flat_map(|item| item.sum).collect();
        Ok(PyBytes::new(py, &sums))
    }

    /// Where a line begins, and where its record begins and ends.
    fn place(&self, index: usize) -> PyResult<(usize, usize, usize)> {
        let item = self.scan.items.get(index).ok_or_else(beyond)?;
        Ok((item.line, item.from, item.to))
    }

    /// What was seen of each line: an intent, an outcome, or None.
    fn seen<'py>(&self, py: Python<'py>) -> PyResult<Bound<'py, PyList>> {
        let list = PyList::empty(py);
        for item in &self.scan.items {
            list.append(seen(py, item)?)?;
        }
        Ok(list)
    }
}

fn seen<'py>(py: Python<'py>, item: &Item) -> PyResult<Option<Bound<'py, PyTuple>>> {
    match &item.seen {
        Seen::Intent(intent) => of_intent(py, intent).map(Some),
        Seen::Outcome(outcome) => of_outcome(py, outcome).map(Some),
        Seen::Other => Ok(None),
    }
}

fn of_intent<'py>(py: Python<'py>, intent: &Intent) -> PyResult<Bound<'py, PyTuple>> {
    let grants = PyTuple::new(py, &intent.grants)?;
    let batch = PyBytes::new(py, &intent.batch);
    let Intent {
        run,
        run_seq,
        seq,
        agent,
        permitted,
        action_digest,
        ..
    } = intent;
    let fields = (
        run,
        run_seq,
        seq,
        agent,
        permitted,
        action_digest,
        grants,
        batch,
    );
    fields.into_pyobject(py)
}

fn of_outcome<'py>(py: Python<'py>, outcome: &Outcome) -> PyResult<Bound<'py, PyTuple>> {
    let Outcome {
        run,
        run_seq,
        seq,
        action_id,
        action_digest,
    } = outcome;
    (run, run_seq, seq, action_id, action_digest).into_pyobject(py)
}

fn beyond() -> PyErr {
    PyIndexError::new_err("there are fewer lines")
}

/// Reads the lines at the beginning of a piece of a log, in order from a number and a sum.
#[pyfunction]
#[pyo3(name = "scan")]
fn py_scan(py: Python<'_>, piece: &[u8], index: u64, head: &str) -> PyScan {
    let scan = py.detach(|| scan(piece, index, head));
    PyScan { scan }
}

/// Adds this room's function to the module.
pub(crate) fn register(module: &Bound<'_, PyModule>) -> PyResult<()> {
    module.add_class::<PyScan>()?;
    module.add_function(wrap_pyfunction!(py_scan, module)?)
}
