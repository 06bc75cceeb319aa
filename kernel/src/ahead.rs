//! What a batch asks about, looked up for all of its actions before the first is judged.
//!
//! In a large registry nearly every look-up waits for memory that is far away. Between judgements
//! these waits would add up; in a loop that does little else the processor has several at a time.

use std::hint::black_box;
use std::ops::Range;

use crate::registry::{Kind, Number, Registry};
use crate::rules::MAX_ENTRIES;
use crate::rules::malformed::MAX_SCOPE;
use crate::scope::covering;
use crate::wire::{Action, Request};

/// What is known of a batch.
#[derive(Default)]
pub(crate) struct Ahead {
    actions: Vec<(Option<Number>, Range<usize>)>,
    requests: Vec<(Option<Number>, Range<usize>)>,
    scopes: Vec<Number>,
}

/// What is known of one action.
#[derive(Clone, Copy)]
pub(crate) struct Known<'a> {
    /// The number of the actor, if it is enrolled.
    pub(crate) actor: Option<Number>,
    requests: &'a [(Option<Number>, Range<usize>)],
    scopes: &'a [Number],
}

impl Ahead {
    pub(crate) fn of(registry: &Registry, actions: &[Action<'_>]) -> Self {
        let mut ahead = Self::default();
        for action in actions {
            let kind = Kind::parse(action.kind);
            let actor = kind.and_then(|kind| registry.find_principal(kind, action.actor));
            let first = ahead.requests.len();
            for request in action.requests.iter().take(MAX_ENTRIES) {
                ahead.look_up(registry, request);
            }
            ahead.actions.push((actor, first..ahead.requests.len()));
        }
        ahead.fetch(registry);
        ahead
    }

    fn look_up(&mut self, registry: &Registry, request: &Request<'_>) {
        let resource = registry.find_resource(request.rtype, request.name);
        let first = self.scopes.len();
        // A longer one is malformed, and its request is not judged.
        if request.scope.len() <= MAX_SCOPE {
            let found = covering(request.scope).filter_map(|scope| registry.find_scope(scope));
            self.scopes.extend(found);
        }
        self.requests.push((resource, first..self.scopes.len()));
    }

    /// Has the grants in question fetched, and then their ids.
    fn fetch(&self, registry: &Registry) {
        let mut held: Vec<Number> = Vec::new();
        for index in 0..self.actions.len() {
            let known = self.get(index);
            for (resource, scopes) in (0..known.requests.len()).map(|place| known.request(place)) {
                let Some((actor, resource)) = known.actor.zip(resource) else {
                    continue;
                };
                let places = scopes.iter().map(|scope| (actor, resource, *scope));
                held.extend(places.filter_map(|place| Some(registry.grants.held(place).next()?.0)));
            }
        }
        let grants = held
            .into_iter()
            .filter_map(|grant| registry.grants.get(grant));
        let ids = grants.filter_map(|grant| registry.grants.id(grant).as_bytes().first());
        black_box(ids.fold(0, |sum: u8, byte| sum.wrapping_add(*byte)));
        let actors = self.actions.iter().filter_map(|(actor, _)| *actor);
        let owned = actors.filter_map(|actor| Some(registry.principal(actor)?.owned));
        black_box(owned.filter(|owned| *owned).count());
    }

    /// What is known of the `index`th action.
    pub(crate) fn get(&self, index: usize) -> Known<'_> {
        let known = self.actions.get(index);
        let requests = known.and_then(|(_, requests)| self.requests.get(requests.clone()));
        Known {
            actor: known.and_then(|(actor, _)| *actor),
            requests: requests.unwrap_or(&[]),
            scopes: &self.scopes,
        }
    }
}

impl<'a> Known<'a> {
    /// The resource of the `place`th request, and the scopes that cover the request's, as far as
    /// some change has named them.
    pub(crate) fn request(self, place: usize) -> (Option<Number>, &'a [Number]) {
        let Some((resource, scopes)) = self.requests.get(place) else {
            return (None, &[]);
        };
        let scopes = self.scopes.get(scopes.clone());
        (*resource, scopes.unwrap_or(&[]))
    }
}
