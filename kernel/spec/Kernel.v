(** A kernel: a registry, a ledger, a memory of used nonces, and how long a permit lives. *)

From Authgate Require Import Text Scope Value Constraints Grant Chain Approval Budget Decide Changes Redeem.
Open Scope N_scope.

Record kernel := Kernel { reg : registry; led : ledger; mem : memory; ttl : N }.

Definition new_kernel (ttl : N) : kernel := Kernel empty_registry empty_ledger empty_memory ttl.

Section Calls.
Context {outside : Outside}.

Definition change_one (k : kernel) (now : N) (c : change) : kernel * option refusal :=
  let (reg, why) := apply (reg k) now c in (Kernel reg (led k) (mem k) (ttl k), why).

Definition approve_one (k : kernel) (now : N) (it : approval) : kernel * option refusal :=
  let (led, why) := approve (reg k) (led k) now it in (Kernel (reg k) led (mem k) (ttl k), why).

(** A batch begins with giving back what has ended; then its actions are decided one by one. *)
Definition begin_batch (k : kernel) (now : N) : kernel :=
  Kernel (reg k) (release (led k) now) (mem k) (ttl k).

Definition decide_one (k : kernel) (now : N) (nonce : string) (a : action) : kernel * verdict :=
  let latest := N.min (now + ttl k) max_int in
  let (v, led) := decide (reg k) (led k) (Moment now latest nonce) a in
  (Kernel (reg k) led (mem k) (ttl k), v).

Definition redeem_one (k : kernel) (now : N) (v : verdict) : kernel * (option unfit * bool) :=
  let '(led, mem, why, budgeted) := redeem (reg k) (led k) (mem k) (ttl k) now v in
  (Kernel (reg k) led mem (ttl k), (why, budgeted)).

Definition settle_one (k : kernel) (s : settlement) : kernel * bool :=
  let (led, done) := settle (led k) s in (Kernel (reg k) led (mem k) (ttl k), done).

End Calls.
