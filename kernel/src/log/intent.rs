//! An intent, held against the signed verdict that it carries.

use memchr::memmem;
use sha2::{Digest, Sha256};

use super::text::{Text, plain};
use crate::signing::hex;
use crate::tree::{Hash, leaf_hash, root_from_path};
use crate::wire::{Verdict, decode};

/// The shortest sealed text: an encapsulated key and a tag.
const MIN_SEALED: usize = 32 + 16;

/// What an intent that agrees with its verdict says to those who know the records before it.
#[derive(Debug, Eq, PartialEq)]
pub struct Intent {
    /// The run.
    pub run: String,
    /// Its number among the records of the run.
    pub run_seq: u64,
    /// The step.
    pub seq: u64,
    /// Who asked.
    pub agent: String,
    /// The decision.
    pub permitted: bool,
    /// In hex.
    pub action_digest: String,
    /// The grants that it rests on.
    pub grants: Vec<String>,
    /// The root of its batch, the batch's size, and what is to be the signature over both.
    pub batch: Vec<u8>,
}

/// The proof of a verdict, as it stands in a record.
struct Proof<'a> {
    written: &'a str,
    verdict: Vec<u8>,
    batch: Vec<u8>,
}

/// Reads an intent; `None` for what is none, or not plainly right.
pub(super) fn read(record: &str) -> Option<Intent> {
    // A quote behind a comma ends no string, so that this is where it looks to be.
    let at = memmem::find(record.as_bytes(), b",\"proof\":{")?;
    let proof = proof(record.get(at..)?)?;
    let verdict: Verdict<'_> = decode(&proof.verdict).ok()?;
    let (run, seq) = verdict.action_id.rsplit_once(':')?;
    let mut digits = Text::new(seq.as_bytes());
    let seq = digits.int()?;
    digits.ends()?;
    let run_seq = agrees(record.as_bytes(), &verdict, proof.written, (run, seq))?;
    Some(Intent {
        run: run.to_owned(),
        run_seq,
        seq,
        agent: verdict.actor.to_owned(),
        permitted: verdict.permitted,
        action_digest: hex(verdict.action_digest.iter()),
        grants: verdict
            .chains
            .iter()
            .flatten()
            .map(|id| (*id).to_owned())
            .collect(),
        batch: proof.batch,
    })
}

fn proof(record: &str) -> Option<Proof<'_>> {
    let mut text = Text::new(record.as_bytes());
    text.is(",\"proof\":{\"index\":")?;
    let index = text.int()?;
    text.is(",\"path\":")?;
    let path = text.bytes()?;
    text.is(",\"signature\":")?;
    let signature = text.bytes()?;
    text.is(",\"size\":")?;
    let size = text.int()?;
    text.is(",\"verdict\":")?;
    let verdict = text.bytes()?;
    let written = record.get(..record.len() - text.left())?;
    let root = root_from_path(leaf_hash(&verdict), index, size, &path)?;
    let batch = [&root, size.to_be_bytes().as_slice(), &signature].concat();
    Some(Proof {
        written,
        verdict,
        batch,
    })
}

/// Whether each word of a record is its verdict's; its `run_seq` is not, and is returned.
fn agrees(
    record: &[u8],
    verdict: &Verdict<'_>,
    proof: &str,
    (run, seq): (&str, u64),
) -> Option<u64> {
    let mut text = Text::new(record);
    text.is("{\"action_digest\":")?;
    text.hex_is(&verdict.action_digest)?;
    text.is(",\"action_id\":")?;
    text.string_is(verdict.action_id)?;
    text.is(",\"agent\":")?;
    text.string_is(verdict.actor)?;
    text.is(",\"agent_kind\":")?;
    text.string_is(verdict.kind)?;
    text.is(",\"arbitration\":")?;
    text.bit_is(verdict.requires_human_arbitration)?;
    text.is(",\"args\":")?;
    let args = text.string()?;
    text.is(",\"args_digest\":")?;
    text.hex_is(&verdict.args_digest)?;
    text.is(",\"chains\":")?;
    text.list_is(&verdict.chains, |text, chain| {
        text.list_is(chain, |text, id| text.string_is(id))
    })?;
    text.is(",\"codes\":")?;
    text.list_is(&verdict.violations, |text, (code, _)| text.string_is(code))?;
    text.is(",\"confidence\":")?;
    text.int_is(verdict.confidence)?;
    text.is(",\"epoch\":")?;
    text.big_is(verdict.epoch)?;
    text.is(",\"expires_at\":")?;
    text.big_is(verdict.expires_at)?;
    text.is(",\"issued_at\":")?;
    text.big_is(verdict.issued_at)?;
    text.is(",\"kind\":\"intent\",\"nonce\":")?;
    text.hex_is(&verdict.nonce)?;
    text.is(",\"permitted\":")?;
    text.bit_is(verdict.permitted)?;
    text.is(proof)?;
    text.is("},\"requests\":")?;
    requests(&mut text, verdict)?;
    text.is(",\"run\":")?;
    text.string_is(run)?;
    text.is(",\"run_seq\":")?;
    let run_seq = text.int()?;
    text.is(",\"sealed_args\":")?;
    let sealed = text.bytes()?;
    text.is(",\"sentences\":")?;
    text.list_is(&verdict.violations, |text, (_, why)| text.string_is(why))?;
    text.is(",\"seq\":")?;
    text.int_is(seq)?;
    text.is(",\"tool\":")?;
    text.string_is(verdict.tool)?;
    text.is(",\"warnings\":")?;
    text.list_is(&verdict.warnings, |text, (code, why)| {
        text.is("[")?;
        text.string_is(code)?;
        text.is(",")?;
        text.string_is(why)?;
        text.is("]")
    })?;
    text.is("}")?;
    text.ends()?;
    (shows(args, &verdict.args_digest)? && hides(args, &sealed)).then_some(run_seq)
}

fn requests(text: &mut Text<'_>, verdict: &Verdict<'_>) -> Option<()> {
    text.list_is(&verdict.requests, |text, request| {
        text.is("{\"name\":")?;
        text.string_is(request.name)?;
        text.is(",\"right\":")?;
        text.big_is(request.right)?;
        text.is(",\"rtype\":")?;
        text.string_is(request.rtype)?;
        text.is(",\"scope\":")?;
        text.string_is(request.scope)?;
        text.is("}")
    })
}

/// Whether arguments in clear are those of the digest; none are kept back.
fn shows(args: &[u8], digest: &[u8]) -> Option<bool> {
    let found: Hash = Sha256::digest(plain(args)?).into();
    Some(args.is_empty() || found == digest)
}

/// Whether arguments are sealed as they may be: not those in clear, too.
fn hides(args: &[u8], sealed: &[u8]) -> bool {
    sealed.is_empty() || (args.is_empty() && sealed.len() >= MIN_SEALED)
}
