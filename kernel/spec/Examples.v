(** The two ways in which one grant more can be felt, each by an example that is computed.

    No grant makes a permit a denial ([adding_a_grant_keeps_a_permit]). But the surest grant is the
    one that justifies and is charged, so that a new one can use up a budget that others share; and a
    new writer makes a write contested, which is a warning and asks for a human. *)

From Authgate Require Import Text Scope Value Constraints Grant Chain Budget Decide.
Open Scope N_scope.

#[local] Instance nobody : Outside := {|
  is_pattern _ := false; matches_whole _ _ := false; matches_part _ _ := false;
  is_host _ := false; is_url_on _ _ := false; is_key _ := false; proves _ _ := false |}.

Definition human (name : string) : string * string := (name, "human").

Definition give (id : string) (to above : string) (sure calls : N) : grant :=
  Grant id (human to) ("file", "notes") "" 15 sure 0 0 above false [] ""
    (Amounts calls no_limit no_limit no_limit) [].

Definition people : list ((string * string) * enrolled) :=
  map (fun name => (human name, Enrolled "" "")) ["ann"; "bob"; "eve"].

(** Eve's budget is one call; Bob's grant hangs on it, and Ann has one of her own. *)
Definition before : registry :=
  Registry people [] [] [give "root" "eve" "" 900000 1; give "bobs" "bob" "root" 900000 1;
                         give "anns" "ann" "" 800000 no_limit] [] 0 [].

(** A surer grant for Ann, out of Eve's budget. *)
Definition afterwards : registry :=
  Registry people [] [] (grants before ++ [give "more" "ann" "root" 900000 1]) [] 0 [].

Definition ask (actor : string) (right : N) : action :=
  Action "a-1" actor "human" "tool" 2 (Some []) [Request "file" "notes" "" right] [] 0 0 "" 0 "d" 0 0 0 0.

(** Whether Bob may read after Ann did. *)
Definition bob_after_ann (reg : registry) : bool :=
  let (_, l) := decide reg empty_ledger (Moment 1 9 "n1") (ask "ann" read) in
  permitted (fst (decide reg l (Moment 1 9 "n2") (ask "bob" read))).

Example budgets_are_the_exception : bob_after_ann before = true /\ bob_after_ann afterwards = false.
Proof. split; vm_compute; reflexivity. Qed.

Definition alone : registry := Registry people [] [] [give "anns" "ann" "" 1000000 no_limit] [] 0 [].
Definition joined : registry :=
  Registry people [] [] [give "anns" "ann" "" 1000000 no_limit; give "eves" "eve" "" 1 no_limit] [] 0 [].

Definition verdict_on (reg : registry) : bool * bool :=
  let v := fst (decide reg empty_ledger (Moment 1 9 "n") (ask "ann" write)) in
  (permitted v, arbitration v).

Example a_second_writer_contests :
  verdict_on alone = (true, false) /\ verdict_on joined = (true, true).
Proof. split; vm_compute; reflexivity. Qed.
