//! Delegation only narrows, in every dimension, along any chain.

use authgate_kernel::codec::MAX_INT;
use authgate_kernel::wire::Grant;
use proptest::prelude::*;

use crate::world::{ALL, World, action, grant};

const SCOPES: [&str; 5] = ["", "a", "a/b", "a/b/c", "b"];
const HOLDERS: [&str; 3] = ["bot", "ann", "eve"];

/// What a link may say: small values, so that both narrower and wider ones come up.
#[derive(Clone, Debug)]
struct Link {
    holder: usize,
    scope: usize,
    rights: u64,
    confidence: u64,
    expires_at: u64,
    epoch: u64,
    cross_domain: bool,
    limits: [u64; 4],
}

fn link() -> impl Strategy<Value = Link> {
    let expiries = prop::sample::select(vec![0, 2_000, 3_000]);
    (
        0..3_usize,
        0..5_usize,
        1..=ALL,
        1..4_u64,
        expiries,
        0..3_u64,
        any::<bool>(),
        // Mostly none, so that the other dimensions decide too.
        [0, 1, 2, 3].map(|_| prop::sample::select(vec![5, 6, MAX_INT, MAX_INT, MAX_INT])),
    )
        .prop_map(
            |(holder, scope, rights, confidence, expires_at, epoch, cross_domain, limits)| Link {
                holder,
                scope,
                rights,
                confidence,
                expires_at,
                epoch,
                cross_domain,
                limits,
            },
        )
}

impl Link {
    fn grant<'a>(&self, id: &'a str, parent: &'a str) -> Grant<'a> {
        Grant {
            rights: self.rights,
            confidence: self.confidence,
            expires_at: self.expires_at,
            epoch: self.epoch,
            parent,
            cross_domain: self.cross_domain,
            max_calls: self.limits[0],
            max_wall_us: self.limits[1],
            max_output_bytes: self.limits[2],
            max_cost: self.limits[3],
            ..grant(id, HOLDERS[self.holder], SCOPES[self.scope])
        }
    }

    fn is_within(&self, parent: &Self) -> bool {
        let lasts = |link: &Self| {
            if link.expires_at == 0 {
                u64::MAX
            } else {
                link.expires_at
            }
        };
        authgate_kernel::scope::covers(SCOPES[parent.scope], SCOPES[self.scope])
            && self.rights & parent.rights == self.rights
            && self.confidence <= parent.confidence
            && lasts(self) <= lasts(parent)
            && self.epoch <= parent.epoch
            && (parent.cross_domain || !self.cross_domain)
            && self
                .limits
                .iter()
                .zip(parent.limits)
                .all(|(own, above)| *own <= above)
            && parent.rights & 8 != 0
    }
}

fn kind(holder: usize) -> &'static str {
    if HOLDERS[holder] == "bot" {
        "machine"
    } else {
        "human"
    }
}

proptest! {
    #[test]
    fn a_delegation_is_entered_if_and_only_if_it_narrows(parent in link(), child in link()) {
        let world = World::with(&[parent.grant("p", "")]);
        let (code, _) = world.delegate(&child.grant("c", "p"), HOLDERS[parent.holder], kind(parent.holder));
        prop_assert_eq!(code.is_empty(), child.is_within(&parent), "{}", code);
    }

    #[test]
    fn a_registered_chain_permits_only_what_every_link_gives(
        links in prop::collection::vec(link(), 1..5),
        right in prop::sample::select(vec![1_u64, 2, 4, 8]),
        scope in 0..5_usize,
    ) {
        let world = World::new();
        let ids: Vec<String> = (0..links.len()).map(|link| format!("g{link}")).collect();
        for (place, link) in links.iter().enumerate() {
            let parent = ids.get(place + 1).map_or("", String::as_str);
            let holder = if place == 0 { 0 } else { 1 + link.holder % 2 };
            world.register(&Link { holder, ..link.clone() }.grant(&ids[place], parent));
        }
        if world.permits(&action(SCOPES[scope], right)) {
            for link in &links {
                prop_assert!(link.rights & right != 0);
                prop_assert!(authgate_kernel::scope::covers(SCOPES[link.scope], SCOPES[scope]));
            }
            prop_assert!(links.windows(2).all(|pair| pair[0].is_within(&pair[1])));
        }
    }
}

#[test]
fn each_dimension_is_named() {
    let parent = Grant {
        expires_at: 5_000,
        confidence: 500_000,
        rights: 9,
        ..grant("p", "ann", "a")
    };
    let child = |change: fn(&mut Grant<'_>)| {
        let mut child = Grant {
            id: "c",
            holder: "bot",
            holder_kind: "machine",
            parent: "p",
            rights: 1,
            ..parent.clone()
        };
        change(&mut child);
        World::with(std::slice::from_ref(&parent))
            .delegate(&child, "ann", "human")
            .1
    };
    assert_eq!(child(|_| ()), "");
    assert_eq!(
        child(|child| child.name = "x"),
        "grant `c` is on another resource than its parent `p`"
    );
    assert_eq!(
        child(|child| child.scope = "ab"),
        "grant `c` is wider than its parent `p` in scope, at most `a`"
    );
    assert_eq!(
        child(|child| child.rights = 3),
        "grant `c` is wider than its parent `p` in rights, at most read, delegate"
    );
    assert_eq!(
        child(|child| child.confidence = 500_001),
        "grant `c` is wider than its parent `p` in confidence, at most 500000"
    );
    assert_eq!(
        child(|child| child.expires_at = 0),
        "grant `c` is wider than its parent `p` in expiry, at most 5000"
    );
    assert_eq!(
        child(|child| child.epoch = 1),
        "grant `c` is wider than its parent `p` in epoch, at most 0"
    );
    assert_eq!(
        child(|child| child.cross_domain = true),
        "grant `c` is wider than its parent `p` in trust domains, at most its own"
    );
}

#[test]
fn a_chain_ends_at_sixteen_links() {
    let world = World::with(&[grant("g1", "bot", "")]);
    let ids: Vec<String> = (1..=17).map(|link| format!("g{link}")).collect();
    let hand_on = |link: usize| {
        let child = Grant {
            parent: &ids[link - 1],
            ..grant(&ids[link], "bot", "")
        };
        world.delegate(&child, "bot", "machine").1
    };
    assert!((1..16).all(|link| hand_on(link).is_empty()));
    assert_eq!(hand_on(16), "grant `g17` has a chain of more than 16 links");
}

#[test]
fn a_chain_that_leads_in_a_circle_permits_nothing() {
    let round = |id, parent| Grant {
        parent,
        ..grant(id, "bot", "")
    };
    let world = World::with(&[round("one", "two"), round("two", "one")]);
    let sentences = world.violations(&action("a", 1));
    assert_eq!(
        sentences[0].1,
        "grant `one` has a chain of more than 16 links"
    );
}
