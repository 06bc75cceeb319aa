(** Approvals: given by humans, each for one action and good once (section 10). *)

From Authgate Require Import Text Scope Value Constraints Grant.
Open Scope N_scope.

(** Those that stand, by the digest of their action and who gave them, with their ends; the nonces
    that are used up, by who gave them; and the latest moment at which one was taken. *)
Record approvals := Approvals {
  given : list ((string * string) * N);
  used_up : list ((string * string) * N);
  last_taken : N;
}.

Definition no_approvals : approvals := Approvals [] [] 0.

Definition end_of (given : list ((string * string) * N)) (digest who : string) : N :=
  fold_right N.max 0
    (map snd (filter (fun it => same_pair (fst it) (digest, who)) given)).

(** Who of these approved the action for longest, the first of several, and until when. *)
Fixpoint standing (them : approvals) (now : N) (digest : string) (approvers : list string)
  : option (string * N) :=
  match approvers with
  | [] => None
  | who :: approvers =>
      let mine := end_of (given them) digest who in
      match standing them now digest approvers with
      | Some (other, end_) => if mine <? end_ then Some (other, end_)
                              else if now <? mine then Some (who, mine) else Some (other, end_)
      | None => if now <? mine then Some (who, mine) else None
      end
  end.

(** Whether a grant asks for an approval that nobody gave. *)
Definition is_unapproved (them : approvals) (now : N) (digest : string) (g : grant) : bool :=
  match approvers g, standing them now digest (approvers g) with
  | [], _ | _, Some _ => false
  | _, None => true
  end.

(** The approvals that some grants rest on. *)
Definition rests_on (them : approvals) (now : N) (digest : string) (links : list grant)
  : list (string * N) :=
  flat_map (fun g => match standing them now digest (approvers g) with
                     | Some it => [it]
                     | None => []
                     end) links.

(** Uses up all approvals of an action. *)
Definition use_up (them : approvals) (digest : string) : approvals :=
  Approvals (filter (fun it => negb (fst (fst it) =? digest)%string) (given them))
    (used_up them) (last_taken them).

Record approval := Approval {
  is_ours : bool;              (* its instance is this kernel's *)
  of_action : string;          (* the digest *)
  approver : string;
  until_ : N;
  serial : string;             (* its nonce *)
  signature : string;
}.

Definition is_before (now : N) (it : (string * string) * N) : bool := now <? snd it.

(** Takes one, and forgets those that have ended, also for a clock that goes back. *)
Definition take (them : approvals) (now : N) (it : approval) : approvals :=
  let now := N.max now (last_taken them) in
  Approvals
    (((of_action it, approver it), until_ it) :: filter (is_before now) (given them))
    (((approver it, serial it), until_ it) :: filter (is_before now) (used_up them))
    now.
