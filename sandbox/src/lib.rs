//! Process confinement.
