(** Chains of grants and their faults (section 5). *)

From Authgate Require Import Text Scope Value Constraints Grant.
Open Scope N_scope.

Inductive code :=
| Malformed | ForbiddenFlag | UnownedMachine | MachineDominion | IdentityMismatch | NoGrant
| Expired | EpochStale | ChainBroken | Attenuation | Constraint | TrustDomain | Budget
| ApprovalRequired.

(** A code, and names that the sentence about it quotes. *)
Record fault := Fault { code_of : code; about : list string }.

Definition says (is : bool) (code : code) (about : list string) : list fault :=
  if is then [Fault code about] else [].

(** The least epoch of a link that counts, where the action asks for [floor]. *)
Definition least_epoch (reg : registry) (floor : N) (g : grant) : N :=
  N.max (holder_epoch reg (holder g)) floor.

Definition lapsed (reg : registry) (g : grant) (now floor : N) : list fault :=
  says (is_expired now g) Expired [id g] ++ says (epoch g <? least_epoch reg floor g) EpochStale [id g].

Definition outlives (child parent : grant) : bool :=
  negb (expires_at parent =? 0)
  && ((expires_at child =? 0) || (expires_at parent <? expires_at child)).

Definition exceeds (child parent : grant) : bool :=
  existsb (fun unit => at_ unit (limits parent) <? at_ unit (limits child)) units.

(** The dimensions in which a child is wider than its parent, in the order of the page. *)
Definition dimensions (child parent : grant) : list (bool * string) :=
  [ (negb (same_pair (resource child) (resource parent)), "resource");
    (negb (covers (scope parent) (scope child)), "scope");
    (negb (N.ldiff (rights child) (rights parent) =? 0), "rights");
    (confidence parent <? confidence child, "confidence");
    (outlives child parent, "expiry");
    (epoch parent <? epoch child, "epoch");
    (cross_domain child && negb (cross_domain parent), "trust domains");
    (exceeds child parent, "budget") ].

Definition widened (child parent : grant) : list fault :=
  flat_map (fun '(is, name) => says is Attenuation [id child; id parent; name])
    (dimensions child parent).

Definition narrows (child parent : grant) : list fault :=
  says (negb (allows (rights parent) delegate)) ChainBroken [id parent] ++ widened child parent.

Definition max_links : nat := 16.

(** From a child to the root: the links above it, and what is wrong; [room] is for how many. *)
Fixpoint climb (reg : registry) (now floor : N) (first : string) (room : nat) (child : grant)
  : list grant * list fault :=
  if is_empty (parent child) then ([], [])
  else match find reg (parent child) with
       | None => ([], [Fault ChainBroken [id child; parent child]])
       | Some above =>
           if is_revoked reg (id above) then ([], [Fault ChainBroken [id child; parent child]])
           else match room with
                | O => ([], [Fault ChainBroken [first]])
                | S room =>
                    let (links, faults) := climb reg now floor first room above in
                    (above :: links, lapsed reg above now floor ++ narrows child above ++ faults)
                end
       end.

(** The links that a walk stands on, the grant itself first, and the faults of its chain. *)
Definition walk (reg : registry) (now floor : N) (g : grant) : list grant * list fault :=
  let (links, faults) := climb reg now floor (id g) (pred max_links) g in
  (g :: links, lapsed reg g now floor ++ faults).
