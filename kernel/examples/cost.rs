//! What a decision costs at 100 and at 1,000,000 grants, and what a grant occupies.
//!
//! `cargo run --release -p authgate-kernel --example cost`
#![expect(clippy::print_stdout, reason = "this program prints its figures")]

use std::hint::black_box;
use std::time::Instant;

use authgate_kernel::codec::MAX_INT;
use authgate_kernel::wire::{
    Action, Change, Enrol, Grant, Own, Redemption, Register, Request, SignedVerdict, decode, encode,
};
use authgate_kernel::{Kernel, KernelError};

const BATCH: usize = 256;

fn main() -> Result<(), KernelError> {
    for grants in [100, 1_000_000] {
        measure(grants)?;
    }
    Ok(())
}

fn measure(grants: usize) -> Result<(), KernelError> {
    let kernel = Kernel::new(&[1; 32], &[2; 32], 60_000_000)?;
    let agents: Vec<String> = (0..(grants / 10))
        .map(|n| format!("agent-{n:06}"))
        .collect();
    enrol(&kernel, &agents)?;
    let start = Instant::now();
    enter(&kernel, &agents)?;
    let entering = start.elapsed().as_nanos() / grants as u128;
    let actions = actions(&agents);
    let mut fastest = u128::MAX;
    let mut signed = Vec::new();
    for round in 0_u8..40 {
        let start = Instant::now();
        signed = black_box(kernel.decide(black_box(&actions), 1_000, &[round; 32])?);
        fastest = fastest.min(start.elapsed().as_nanos() / BATCH as u128);
    }
    let permits: Vec<SignedVerdict<'_>> = decode(&signed)?;
    let permits: Vec<Vec<u8>> = permits.iter().map(encode).collect();
    let uses = permits.iter().map(|permit| Redemption {
        permit,
        tool: "file_read",
        args: b"{}",
        salt: &[],
    });
    let uses = encode(&uses.collect::<Vec<_>>());
    let start = Instant::now();
    black_box(kernel.redeem(&uses, 2_000)?);
    let redeeming = start.elapsed().as_nanos() / BATCH as u128;
    let bytes = kernel.footprint()? / grants;
    println!(
        "{grants:>8} grants: {fastest:>6} ns a decision, {redeeming:>6} ns a redemption, \
         {entering:>6} ns a grant entered, {bytes:>4} bytes a grant"
    );
    Ok(())
}

fn enrol(kernel: &Kernel, agents: &[String]) -> Result<(), KernelError> {
    let machines = agents.iter().flat_map(|name| {
        let enrol = Enrol {
            name,
            kind: "machine",
            key: &[],
            trust_domain: "",
        };
        [
            Change::Enrol(enrol),
            Change::Own(Own {
                machine: name,
                owner: "ann",
            }),
        ]
    });
    let owner = Enrol {
        name: "ann",
        kind: "human",
        key: &[],
        trust_domain: "",
    };
    let changes: Vec<Change<'_>> = std::iter::once(Change::Enrol(owner))
        .chain(machines)
        .collect();
    kernel.change(&encode(&changes), 0).map(|_| ())
}

/// Ten grants an agent: each may read and write its own folder of ten shared resources.
fn enter(kernel: &Kernel, agents: &[String]) -> Result<(), KernelError> {
    for (number, agent) in agents.iter().enumerate() {
        let texts: Vec<(String, String, String)> = (0..10)
            .map(|n| {
                (
                    format!("grant-{number:06}-{n}"),
                    format!("share-{n}"),
                    format!("home/{agent}"),
                )
            })
            .collect();
        let changes: Vec<Change<'_>> = texts
            .iter()
            .map(|(id, name, scope)| {
                let grant = Grant {
                    id,
                    holder: agent,
                    holder_kind: "machine",
                    rtype: "file",
                    name,
                    scope,
                    rights: 3,
                    confidence: 1_000_000,
                    expires_at: 0,
                    epoch: 0,
                    parent: "",
                    cross_domain: false,
                    constraints: Vec::new(),
                    other_args: "",
                    max_calls: MAX_INT,
                    max_wall_us: MAX_INT,
                    max_output_bytes: MAX_INT,
                    max_cost: MAX_INT,
                    approvers: Vec::new(),
                };
                Change::Register(Register { grant })
            })
            .collect();
        kernel.change(&encode(&changes), 0)?;
    }
    Ok(())
}

/// One batch: each action reads one file and writes another in its own folder.
fn actions(agents: &[String]) -> Vec<u8> {
    let picks: Vec<(String, &String, String)> = (0..BATCH)
        .filter_map(|n| {
            let agent = agents.get(n * 7919 % agents.len())?;
            Some((
                format!("run-{n:06}:3"),
                agent,
                format!("home/{agent}/notes/today.txt"),
            ))
        })
        .collect();
    let actions: Vec<Action<'_>> = picks
        .iter()
        .map(|(id, actor, scope)| Action {
            id,
            actor,
            kind: "machine",
            tool: "file_read",
            args: b"{}",
            requests: vec![
                Request {
                    rtype: "file",
                    name: "share-3",
                    scope,
                    right: 1,
                },
                Request {
                    rtype: "file",
                    name: "share-4",
                    scope,
                    right: 2,
                },
            ],
            governs_humans: Vec::new(),
            flags: 0,
            min_epoch: 0,
            proof: &[],
            wall_us: 0,
            output_bytes: 0,
            cost: 0,
            salt: &[],
        })
        .collect();
    encode(&actions)
}
