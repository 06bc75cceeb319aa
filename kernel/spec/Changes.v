(** Changes of the registry, and when one is refused (section 1). *)

From Authgate Require Import Text Scope Value Constraints Grant Chain Approval Budget Decide.
Open Scope N_scope.

Inductive refusal :=
| Denied (why : code)   (* a code that verdicts have too *)
| Conflict | UnknownPrincipal | TooMany | ApprovalForged | ApprovalExpired | ApprovalUsed.

Inductive change :=
| Enrol (who : string * string) (key domain : string)
| Own (machine owner : string)
| Declare (what : string * string) (public : bool) (home : string)
| Register (g : grant)
| Delegate (g : grant) (by_ : string * string)
| Revoke (id : string)
| RevokeHolder (who : string * string)
| RevokeHeld (who what : string * string)
| AdvanceEpoch (to : N)
| AdvanceHolderEpoch (who : string * string) (to : N).

Section Changing.
Context {outside : Outside}.

Definition is_clause (c : clause) : bool :=
  is_name (arg c) && is_text 4096 (bound_text c)
  && match op_of (op_text c), bound c with
     | Some op, Some bound => takes op bound
     | _, _ => false
     end.

Definition is_pair (pair : string * string) : bool := is_name (fst pair) && is_name (snd pair).
Definition is_who (who : string * string) : bool := is_name (fst who) && is_kind (snd who).

Definition is_grant (g : grant) : bool :=
  is_name (id g) && is_who (holder g) && is_pair (resource g) && is_scope (scope g)
  && negb (rights g =? 0) && (rights g <=? 15) && (confidence g <=? 1000000)
  && is_text 256 (parent g) && entries (clauses g) && forallb is_clause (clauses g)
  && contains [""; "any"; "none"] (other_args g)
  && (size_of (approvers g) <=? 16) && forallb is_name (approvers g).

Definition is_well_formed (c : change) : bool :=
  match c with
  | Enrol who key domain => is_who who && (is_empty key || is_key key) && is_text 256 domain
  | Own machine owner => is_name machine && is_name owner
  | Declare what _ home => is_pair what && is_text 256 home
  | Register g => is_grant g
  | Delegate g by_ => is_grant g && is_who by_
  | Revoke id => is_name id
  | RevokeHolder who | AdvanceHolderEpoch who _ => is_who who
  | RevokeHeld who what => is_who who && is_pair what
  | AdvanceEpoch _ => true
  end.

(** All that somebody holds, revoked or not. *)
Definition holdings (gs : list grant) (who : string * string) : list grant :=
  filter (fun g => same_pair (holder g) who) gs.

Definition holdings_on (gs : list grant) (who what : string * string) : list grant :=
  filter (fun g => same_pair (resource g) what) (holdings gs who).

(** The epoch to rise to: one more for 0. *)
Definition next_epoch (now to : N) : N := if to =? 0 then N.succ now else to.

(** The first of some refusals whose condition holds. *)
Fixpoint first (cases : list (bool * refusal)) : option refusal :=
  match cases with
  | [] => None
  | (true, why) :: _ => Some why
  | (false, _) :: cases => first cases
  end.

Definition is_no_rise (now to : N) : bool :=
  (next_epoch now to <=? now) || (max_int <? next_epoch now to).

Definition beside (reg : registry) (g : grant) : N :=
  count (fun other => same_pair (holder other) (holder g) && same_pair (resource other) (resource g)
                      && (scope other =? scope g)%string) (live reg).

(** Whether somebody is an enrolled human with a key. *)
Definition can_approve (reg : registry) (name : string) : bool :=
  match principal reg (name, "human") with
  | Some known => negb (is_empty (key known))
  | None => false
  end.

Definition may_enter (reg : registry) (g : grant) : option refusal :=
  first [ (match find reg (id g) with Some _ => true | None => false end, Conflict);
          (negb (is_enrolled reg (holder g)), UnknownPrincipal);
          (negb (forallb (can_approve reg) (approvers g)), UnknownPrincipal);
          (64 <=? beside reg g, TooMany) ].

Definition may_delegate (reg : registry) (now : N) (g : grant) (by_ : string * string)
  : option refusal :=
  match find reg (parent g) with
  | None => Some (Denied NoGrant)
  | Some above =>
      let (links, faults) := walk reg now 0 above in
      if is_revoked reg (id above) || negb (same_pair (holder above) by_) then Some (Denied NoGrant)
      else match faults with
           | f :: _ => Some (Denied (code_of f))
           | [] =>
               first [ (negb (allows (rights above) delegate), Denied ChainBroken);
                       (Nat.leb max_links (length links), Denied ChainBroken);
                       (negb (size_of (widened g above) =? 0), Denied Attenuation) ]
           end
  end.

Definition may_enrol (reg : registry) (who : string * string) (key_ : string) : option refusal :=
  match principal reg who with
  | Some known => if (key known =? key_)%string then None else Some Conflict
  | None => None
  end.

Definition refused (reg : registry) (now : N) (c : change) : option refusal :=
  if negb (is_well_formed c) then Some (Denied Malformed)
  else match c with
  | Enrol who key _ => may_enrol reg who key
  | Own machine owner =>
      first [ (negb (is_enrolled reg (machine, "machine")), UnknownPrincipal);
              (negb (is_enrolled reg (owner, "human")), UnknownPrincipal) ]
  | Declare _ _ _ => None
  | Register g => may_enter reg g
  | Delegate g by_ =>
      match may_enter reg g with
      | Some why => Some why
      | None => may_delegate reg now g by_
      end
  | Revoke id =>
      match find reg id with Some _ => None | None => Some (Denied NoGrant) end
  | AdvanceEpoch to =>
      first [ (is_no_rise (now_epoch reg) to, Denied Malformed) ]
  | RevokeHolder who => first [ (negb (is_enrolled reg who), UnknownPrincipal) ]
  | RevokeHeld who what =>
      first [ (negb (is_enrolled reg who), UnknownPrincipal);
              (size_of (holdings_on (grants reg) who what) =? 0, Denied NoGrant) ]
  | AdvanceHolderEpoch who to =>
      first [ (negb (is_enrolled reg who), UnknownPrincipal);
              (is_no_rise (holder_epoch reg who) to, Denied Malformed) ]
  end.

Definition add_grant (reg : registry) (g : grant) : registry :=
  Registry (principals reg) (owners reg) (resources reg) (grants reg ++ [g]) (revoked reg)
    (now_epoch reg) (epochs reg).

Definition entered (reg : registry) (c : change) : registry :=
  match reg with Registry ps os rs gs gone epoch own =>
    match c with
    | Enrol who key domain => Registry ((who, Enrolled key domain) :: ps) os rs gs gone epoch own
    | Own machine owner => Registry ps ((machine, owner) :: os) rs gs gone epoch own
    | Declare what public home =>
        Registry ps os ((what, Nature public home) :: rs) gs gone epoch own
    | Register g | Delegate g _ => add_grant reg g
    | Revoke id => Registry ps os rs gs (id :: gone) epoch own
    | RevokeHolder who => Registry ps os rs gs (map id (holdings gs who) ++ gone) epoch own
    | RevokeHeld who what => Registry ps os rs gs (map id (holdings_on gs who what) ++ gone) epoch own
    | AdvanceEpoch to => Registry ps os rs gs gone (next_epoch epoch to) own
    | AdvanceHolderEpoch who to =>
        Registry ps os rs gs gone epoch ((who, next_epoch (holder_epoch reg who) to) :: own)
    end
  end.

(** The epoch that is told after a change. *)
Definition epoch_after (reg : registry) (c : change) : N :=
  match c with AdvanceHolderEpoch who _ => holder_epoch reg who | _ => now_epoch reg end.

(** The registry after a change, whole or not at all, and why it was refused. *)
Definition apply (reg : registry) (now : N) (c : change) : registry * option refusal :=
  match refused reg now c with
  | Some why => (reg, Some why)
  | None => (entered reg c, None)
  end.

Definition longest : N := 86400000000.
Definition most : N := 16384.

(** Why an approval is not taken. *)
Definition unfit_approval (reg : registry) (them : approvals) (now : N) (it : approval)
  : option refusal :=
  let now := N.max now (last_taken them) in
  let signed := match principal reg (approver it, "human") with
                | Some known => proves (key known) (signature it)
                | None => false
                end in
  let is_used := existsb (fun one => same_pair (fst one) (approver it, serial it) && is_before now one)
                   (used_up them) in
  first [ (negb (is_name (approver it)), Denied Malformed);
          (negb (can_approve reg (approver it)), UnknownPrincipal);
          (negb (is_ours it) || negb signed, ApprovalForged);
          (until_ it <=? now, ApprovalExpired);
          (longest <? until_ it - now, Denied Malformed);
          (is_used, ApprovalUsed);
          (most <=? count (is_before now) (used_up them), TooMany) ].

Definition approve (reg : registry) (l : ledger) (now : N) (it : approval) : ledger * option refusal :=
  match unfit_approval reg (approved l) now it with
  | Some why => (l, Some why)
  | None => (with_approvals l (take (approved l) now it), None)
  end.

End Changing.
