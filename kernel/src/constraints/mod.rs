//! Argument constraints of a grant (`docs/rules.md`, section 8): read and compiled when the grant is
//! entered, judged at each decision that rests on it.
//!
//! - `arguments`: the argument bytes of an action, read strictly
//! - `test`: the twelve tests, from their bounds
//! - `pattern`: the dialect of `regex` and `not_regex`
//! - `host`, `path`: hosts of URLs, paths in folders

mod arguments;
mod host;
mod path;
mod pattern;
mod test;

pub(crate) use arguments::Arguments;
use test::Test;

use crate::rules::malformed::is_name;
use crate::wire::{Constraint, Grant};

/// How many bytes the arguments of an action have at most.
pub(crate) const MAX_ARGS: usize = 64 * 1024;

/// How many characters of a bound a sentence shows.
const MAX_SHOWN: usize = 200;

/// One constraint, compiled.
struct Clause {
    arg: Box<str>,
    bound: Box<str>,
    test: Test,
}

/// What a grant says about arguments.
pub(crate) struct Constraints {
    clauses: Vec<Clause>,
    others: bool,
}

/// What is wrong with the arguments of an action; told in words only if it matters.
#[derive(Clone, Copy)]
pub(crate) enum Breach {
    /// They cannot be read.
    Unreadable,
    /// The clause at this place does not hold.
    Clause(usize),
    /// The argument at this place is not named.
    Other(usize),
}

/// Why a constraint's bound is none, if it is.
pub(crate) fn flaw(constraint: &Constraint<'_>) -> Option<&'static str> {
    Test::read(constraint.op, constraint.bound).err()
}

/// Whether a constraint's operator is known.
pub(crate) fn is_operator(op: &str) -> bool {
    test::OPERATORS.contains(&op)
}

/// Whether a grant leaves arguments alone: it names none and does not speak of others.
pub(crate) fn leaves_free(grant: &Grant<'_>) -> bool {
    grant.constraints.is_empty() && grant.other_args != "none"
}

/// A text that only this set of constraints has; no part of it has a control character.
pub(crate) fn signature(grant: &Grant<'_>) -> String {
    let mut text = grant.other_args.to_owned();
    for Constraint { arg, op, bound } in &grant.constraints {
        for part in [arg, op, bound] {
            text.push('\n');
            text.push_str(part);
        }
    }
    text
}

impl Constraints {
    /// Compiles a well-formed grant's constraints; the place and flaw of one that is too large.
    pub(crate) fn compile(grant: &Grant<'_>) -> Result<Self, (usize, &'static str)> {
        let mut clauses = Vec::with_capacity(grant.constraints.len());
        for (place, constraint) in grant.constraints.iter().enumerate() {
            let test = Test::read(constraint.op, constraint.bound).and_then(Test::compiled);
            clauses.push(Clause {
                arg: constraint.arg.into(),
                bound: constraint.bound.into(),
                test: test.map_err(|why| (place, why))?,
            });
        }
        let others = grant.other_args == "any";
        Ok(Self { clauses, others })
    }

    /// What is wrong with some arguments; `None` are those that cannot be read.
    pub(crate) fn breaches<'a>(
        &'a self,
        args: Option<&'a Arguments>,
    ) -> impl Iterator<Item = Breach> + 'a {
        let unreadable = args.is_none().then_some(Breach::Unreadable);
        let broken = args.into_iter().flat_map(|args| {
            let clauses = self.clauses.iter().enumerate();
            let broken = clauses.filter(|(_, clause)| !clause.test.holds(args.get(&clause.arg)));
            broken.map(|(place, _)| Breach::Clause(place))
        });
        let other = args.and_then(|args| self.other(args));
        unreadable.into_iter().chain(broken).chain(other)
    }

    /// The first argument that is not named, if such are refused.
    fn other(&self, args: &Arguments) -> Option<Breach> {
        let named = |name: &str| self.clauses.iter().any(|clause| *clause.arg == *name);
        let mut given = args.given().filter(|(_, name)| !named(name));
        let (place, _) = given.next().filter(|_| !self.others)?;
        Some(Breach::Other(place))
    }

    /// Says which grant forbids which argument, and what it would have allowed.
    pub(crate) fn sentence(&self, breach: Breach, grant: &str, args: Option<&Arguments>) -> String {
        match breach {
            Breach::Unreadable => format!(
                "grant `{grant}` judges arguments, and those of this call are no JSON object"
            ),
            Breach::Clause(place) => self.clauses.get(place).map_or_else(String::new, |clause| {
                let Clause { arg, bound, test } = clause;
                let allowed = test.allowed(&shown(bound));
                let got = args.map_or("missing", |args| args.kind(arg));
                format!("grant `{grant}` allows argument `{arg}` only {allowed}; it is {got}")
            }),
            Breach::Other(place) => {
                let name = args.and_then(|args| args.name(place)).unwrap_or_default();
                let what = if is_name(name) {
                    format!("argument `{name}`")
                } else {
                    "an argument whose name is malformed".to_owned()
                };
                format!("grant `{grant}` does not allow {what}; {}", self.allowed())
            }
        }
    }

    /// The names that a grant allows, each once.
    fn allowed(&self) -> String {
        let mut names: Vec<&str> = Vec::new();
        for clause in &self.clauses {
            if !names.contains(&&*clause.arg) {
                names.push(&clause.arg);
            }
        }
        if names.is_empty() {
            return "it allows none".to_owned();
        }
        format!("it allows only `{}`", names.join("`, `"))
    }

    /// How many bytes it occupies, without its compiled patterns.
    pub(crate) fn footprint(&self) -> usize {
        let texts = self.clauses.iter();
        let texts = texts.map(|clause| clause.arg.len() + 2 * clause.bound.len());
        self.clauses.capacity() * size_of::<Clause>() + texts.sum::<usize>()
    }
}

/// A bound as a sentence quotes it.
fn shown(bound: &str) -> String {
    match bound.char_indices().nth(MAX_SHOWN) {
        Some((end, _)) => format!("`{}...`", bound.get(..end).unwrap_or_default()),
        None => format!("`{bound}`"),
    }
}
