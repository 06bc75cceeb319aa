(** What grants may use in all, what is used, and what is held (section 9). *)

From Authgate Require Import Text Scope Value Constraints Grant Chain Approval.
Open Scope N_scope.

(** What one call is charged with until it has ended. [until] is when it is given back by itself;
    [None] once the call may run. *)
Record hold := Hold { nonce : string; charged : list string; held : amounts; until : option N }.

(** What is used, by the ids of grants; what is held; and the approvals that stand. *)
Record ledger := Ledger {
  used : list (string * amounts);
  holds : list hold;
  approved : approvals;
}.

Definition empty_ledger : ledger := Ledger [] [] no_approvals.

Definition with_approvals (l : ledger) (them : approvals) : ledger :=
  Ledger (used l) (holds l) them.

Definition used_of (l : ledger) (name : string) : amounts :=
  match lookup String.eqb name (used l) with Some them => them | None => nothing end.

(** Whether a grant has less left than is needed, in a unit that it limits. *)
Definition is_short (l : ledger) (needs : amounts) (g : grant) (unit : unit_) : bool :=
  negb (at_ unit (limits g) =? no_limit)
  && (at_ unit (limits g) - at_ unit (used_of l (id g)) <? at_ unit needs).

Definition unit_text (unit : unit_) : string :=
  match unit with
  | Calls => "calls"
  | Wall => "microseconds of wall time"
  | Output => "bytes of output"
  | Cost => "units of cost"
  end.

Definition lacking (l : ledger) (needs : amounts) (links : list grant) : list fault :=
  flat_map (fun g =>
    flat_map (fun unit => says (is_short l needs g unit) Budget [id g; unit_text unit]) units)
    links.

Fixpoint once (names : list string) : list string :=
  match names with
  | [] => []
  | name :: names => name :: filter (fun other => negb (other =? name)%string) (once names)
  end.

(** The grants of some chains that have a budget, each once. *)
Definition to_charge (links : list grant) : list string := once (map id (filter is_limited links)).

Definition adjusted (with_ : N -> N -> N) (by_ : amounts) (names : list string) (l : ledger)
  : list (string * amounts) :=
  map (fun name => (name, both with_ (used_of l name) by_)) names ++ used l.

Definition hold_of (l : ledger) (n : string) : option hold :=
  List.find (fun h => (nonce h =? n)%string) (holds l).

Definition others (l : ledger) (n : string) : list hold :=
  filter (fun h => negb (nonce h =? n)%string) (holds l).

(** Charges a permitted call in full. What the same nonce held before stays charged. *)
Definition reserve (l : ledger) (h : hold) : ledger :=
  match charged h with
  | [] => l
  | names => Ledger (adjusted N.add (held h) names l) (h :: others l (nonce h)) (approved l)
  end.

(** Ends what is held: charges what was spent, no more than was held, and gives back the rest. *)
Definition finish (l : ledger) (n : string) (spent : amounts) : ledger :=
  match hold_of l n with
  | None => l
  | Some h =>
      let back := both N.sub (held h) spent in
      Ledger (adjusted N.sub back (charged h) l) (others l n) (approved l)
  end.

Definition has_ended (now : N) (h : hold) : bool :=
  match until h with Some moment => moment <=? now | None => false end.

(** Gives back what is held for permits that have ended unused. *)
Definition release (l : ledger) (now : N) : ledger :=
  fold_left (fun l h => finish l (nonce h) nothing) (filter (has_ended now) (holds l)) l.

(** Lets a call run on what is held for it. *)
Definition start (l : ledger) (n : string) : option ledger :=
  match hold_of l n with
  | None => None
  | Some h => Some (Ledger (used l) (Hold n (charged h) (held h) None :: others l n) (approved l))
  end.

Record settlement := Settlement { of_nonce : string; redeemed : bool; started : bool; spent : amounts }.

Definition runs (h : hold) : bool := match until h with None => true | Some _ => false end.

(** The ledger after a settlement, and whether it ended anything. *)
Definition settle (l : ledger) (s : settlement) : ledger * bool :=
  match hold_of l (of_nonce s) with
  | None => (l, false)
  | Some h =>
      if negb (redeemed s) && runs h then (l, false)
      else (finish l (of_nonce s) (if started s then spent s else nothing), true)
  end.
