//! A small world: the humans `ann` and `eve`, the machine `bot` of `ann`, and short ways to ask.

use authgate_kernel::Kernel;
use authgate_kernel::codec::MAX_INT;
use authgate_kernel::wire::{
    Action, Change, Changed, Delegate, Enrol, Grant, Own, Redeemed, Redemption, Register, Request,
    Revoke, SignedVerdict, Verdict, decode, encode,
};

pub(crate) const NOW: u64 = 1_000;
pub(crate) const TTL: u64 = 100;
pub(crate) const READ: u64 = 1;
pub(crate) const WRITE: u64 = 2;
pub(crate) const ALL: u64 = 15;

pub(crate) struct World {
    pub(crate) kernel: Kernel,
}

impl World {
    pub(crate) fn new() -> Self {
        let kernel = Kernel::new(&[1; 32], &[2; 32], TTL).unwrap();
        let world = Self { kernel };
        for (name, kind) in [("ann", "human"), ("eve", "human"), ("bot", "machine")] {
            world.done(enrol(name, kind, &[]));
        }
        world.done(Change::Own(Own {
            machine: "bot",
            owner: "ann",
        }));
        world
    }

    pub(crate) fn with(grants: &[Grant<'_>]) -> Self {
        let world = Self::new();
        for grant in grants {
            world.register(grant);
        }
        world
    }

    /// Makes one change; gives its code and sentence.
    pub(crate) fn change(&self, change: Change<'_>) -> (String, String) {
        let answer = self.kernel.change(&encode(&vec![change]), NOW).unwrap();
        let answer: Vec<Changed<'_>> = decode(&answer).unwrap();
        (answer[0].code.to_string(), answer[0].sentence.to_string())
    }

    /// Makes one change, which must be accepted.
    pub(crate) fn done(&self, change: Change<'_>) {
        assert_eq!(self.change(change), (String::new(), String::new()));
    }

    pub(crate) fn register(&self, grant: &Grant<'_>) {
        self.done(Change::Register(Register {
            grant: grant.clone(),
        }));
    }

    pub(crate) fn revoke(&self, grant_id: &str) {
        self.done(Change::Revoke(Revoke { grant_id }));
    }

    pub(crate) fn delegate(&self, grant: &Grant<'_>, by: &str, by_kind: &str) -> (String, String) {
        self.change(Change::Delegate(Delegate {
            grant: grant.clone(),
            by,
            by_kind,
        }))
    }

    /// Encoded signed verdicts.
    pub(crate) fn decide(&self, actions: &[Action<'_>]) -> Vec<Vec<u8>> {
        self.decide_at(actions, NOW)
    }

    pub(crate) fn decide_at(&self, actions: &[Action<'_>], now: u64) -> Vec<Vec<u8>> {
        let signed = self
            .kernel
            .decide(&encode(&actions.to_vec()), now, &[3; 32])
            .unwrap();
        let signed: Vec<SignedVerdict<'_>> = decode(&signed).unwrap();
        signed.iter().map(encode).collect()
    }

    /// Decides one action and shows the verdict to `look`.
    pub(crate) fn verdict<T>(&self, action: &Action<'_>, look: impl Fn(&Verdict<'_>) -> T) -> T {
        let signed = self.decide(std::slice::from_ref(action));
        let signed: SignedVerdict<'_> = decode(&signed[0]).unwrap();
        look(&decode(signed.verdict).unwrap())
    }

    pub(crate) fn permits(&self, action: &Action<'_>) -> bool {
        self.verdict(action, |verdict| verdict.permitted)
    }

    /// The codes and sentences of the violations.
    pub(crate) fn violations(&self, action: &Action<'_>) -> Vec<(String, String)> {
        self.verdict(action, |verdict| {
            let all = verdict.violations.iter();
            all.map(|(code, why)| ((*code).to_owned(), why.to_string()))
                .collect()
        })
    }

    pub(crate) fn redeem(&self, permit: &[u8], now: u64) -> String {
        self.redeem_for(permit, "tool", b"{}", now)
    }

    pub(crate) fn redeem_for(&self, permit: &[u8], tool: &str, args: &[u8], now: u64) -> String {
        let salt = &[];
        let redemption = Redemption {
            permit,
            tool,
            args,
            salt,
        };
        let answer = self.kernel.redeem(&encode(&vec![redemption]), now).unwrap();
        let answer: Vec<Redeemed<'_>> = decode(&answer).unwrap();
        answer[0].code.to_string()
    }
}

pub(crate) fn enrol<'a>(name: &'a str, kind: &'a str, key: &'a [u8]) -> Change<'a> {
    Change::Enrol(Enrol {
        name,
        kind,
        key,
        trust_domain: "",
    })
}

/// A root grant of all rights on `file:docs`.
pub(crate) fn grant<'a>(id: &'a str, holder: &'a str, scope: &'a str) -> Grant<'a> {
    Grant {
        id,
        holder,
        holder_kind: if holder == "bot" { "machine" } else { "human" },
        rtype: "file",
        name: "docs",
        scope,
        rights: ALL,
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
    }
}

/// An action of `bot` with the arguments `{}`.
pub(crate) fn action(scope: &str, right: u64) -> Action<'_> {
    Action {
        id: "run:1",
        actor: "bot",
        kind: "machine",
        tool: "tool",
        args: b"{}",
        requests: vec![Request {
            rtype: "file",
            name: "docs",
            scope,
            right,
        }],
        governs_humans: Vec::new(),
        flags: 0,
        min_epoch: 0,
        proof: &[],
        wall_us: 0,
        output_bytes: 0,
        cost: 0,
        salt: &[],
    }
}
