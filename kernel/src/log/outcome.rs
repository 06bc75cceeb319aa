//! An outcome of a call, in the form that most have: its outputs kept as digests only.

use super::text::Text;

/// What an outcome says to those who know the intent that it ends.
#[derive(Debug, Eq, PartialEq)]
pub struct Outcome {
    /// The run.
    pub run: String,
    /// Its number among the records of the run.
    pub run_seq: u64,
    /// The step.
    pub seq: u64,
    /// The call.
    pub action_id: String,
    /// In hex.
    pub action_digest: String,
}

/// How calls end that no later session had to end.
const CAUSES: [&[u8]; 11] = [
    b"returned",
    b"raised",
    b"deadline",
    b"output_cap",
    b"cpu_limit",
    b"memory_limit",
    b"process_limit",
    b"killed",
    b"cancelled",
    b"revoked",
    b"sandbox_died",
];

/// Reads an outcome; `None` for what is none, or not plainly right.
pub(super) fn read(record: &str) -> Option<Outcome> {
    let mut text = Text::new(record.as_bytes());
    text.is("{\"action_digest\":")?;
    let action_digest = owned(text.digest()?)?;
    text.is(",\"action_id\":")?;
    let action_id = owned(text.string()?)?;
    text.is(",\"capped\":")?;
    strings(&mut text)?;
    text.is(",\"cause\":")?;
    text.string().filter(|cause| CAUSES.contains(cause))?;
    text.is(",\"cpu_us\":")?;
    text.int()?;
    text.is(",\"denials\":")?;
    strings(&mut text)?;
    text.is(",\"error\":")?;
    text.string()?;
    text.is(",\"kind\":\"outcome\",\"layers\":")?;
    strings(&mut text)?;
    text.is(",\"memory_bytes\":")?;
    text.int()?;
    text.is(",\"outputs\":\"checksum\",\"result\":\"\",\"result_digest\":")?;
    text.digest()?;
    text.is(",\"run\":")?;
    let run = owned(text.string()?)?;
    text.is(",\"run_seq\":")?;
    let run_seq = text.int()?;
    text.is(",\"sealed_outputs\":\"\",\"seq\":")?;
    let seq = text.int()?;
    text.is(",\"stderr\":\"\",\"stderr_digest\":")?;
    text.digest()?;
    text.is(",\"stdout\":\"\",\"stdout_digest\":")?;
    text.digest()?;
    text.is(",\"time\":")?;
    text.int()?;
    text.is(",\"wall_us\":")?;
    text.int()?;
    text.is("}")?;
    text.ends()?;
    Some(Outcome {
        run,
        run_seq,
        seq,
        action_id,
        action_digest,
    })
}

fn strings(text: &mut Text<'_>) -> Option<()> {
    text.list(|text| text.string().map(drop))
}

/// A string that is spelled as itself.
fn owned(text: &[u8]) -> Option<String> {
    let plain = !text.contains(&b'\\');
    String::from_utf8(text.to_vec()).ok().filter(|_| plain)
}
