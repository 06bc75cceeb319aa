(** Redeeming a genuine permit for the call that it is for (section 6).

    That forged and mismatched ones are refused rests on Ed25519 and SHA-256, which are no part of
    the model. *)

From Authgate Require Import Text Scope Value Constraints Grant Chain Budget Decide.
Open Scope N_scope.

Inductive unfit := PermitDenied | PermitExpired | PermitStale | PermitReplayed.

(** Used nonces with the ends of their permits, and the present generation. *)
Record memory := Memory { nonces : list (string * N); present : N }.

Definition empty_memory : memory := Memory [] 0.

Definition generation (ttl time : N) : N := time / N.max ttl 1.

(** Raises the present generation, and forgets what ended in one below it. *)
Definition aged (ttl now : N) (m : memory) : memory :=
  let present := N.max (present m) (generation ttl now) in
  Memory (filter (fun '(_, end_) => present <=? generation ttl end_) (nonces m)) present.

(** Uses a nonce up; [None] if it was used, or if nobody can tell any more. *)
Definition spend (ttl now : N) (nonce : string) (end_ : N) (m : memory) : memory * bool :=
  let m := aged ttl now m in
  let is_used := existsb (fun '(other, end_) => (other =? nonce)%string && (now <? end_)) (nonces m) in
  if (generation ttl end_ <? present m) || is_used then (m, false)
  else (Memory ((nonce, end_) :: nonces m) (present m), true).

Definition is_gone (reg : registry) (name : string) : bool :=
  match find reg name with
  | Some g => is_revoked reg name || (epoch g <? holder_epoch reg (holder g))
  | None => true
  end.

Definition against (reg : registry) (now : N) (v : verdict) : option unfit :=
  if negb (permitted v) then Some PermitDenied
  else if (now <? issued_at v) || (ends_at v <=? now) then Some PermitExpired
  else if (v_epoch v <? now_epoch reg) || existsb (is_gone reg) (List.concat (chains v))
  then Some PermitStale
  else None.

(** The ledger and memory after it, why it is refused, and whether its end must be told. *)
Definition redeem (reg : registry) (l : ledger) (m : memory) (ttl now : N) (v : verdict)
  : ledger * memory * option unfit * bool :=
  match against reg now v with
  | Some why => (l, m, Some why, false)
  | None =>
      let (m, is_fresh) := spend ttl now (v_nonce v) (ends_at v) m in
      if negb is_fresh then (l, m, Some PermitReplayed, false)
      else if negb (v_budgeted v) then (l, m, None, false)
      else match start l (v_nonce v) with
           | Some l => (l, m, None, true)
           | None => (l, m, Some PermitStale, false)
           end
  end.
