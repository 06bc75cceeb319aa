(** Principals, resources, grants, and the registry that holds them (section 1). *)

From Authgate Require Import Text Value Constraints.
Open Scope N_scope.

(** What a principal was enrolled with; an empty key is none. *)
Record enrolled := Enrolled { key : string; domain : string }.

Record nature := Nature { public : bool; home : string }.

Definition read : N := 1.
Definition write : N := 2.
Definition execute : N := 4.
Definition delegate : N := 8.

Definition allows (rights right : N) : bool := negb (N.land rights right =? 0).

(** Calls, microseconds of wall time, bytes of output, units of cost. *)
Record amounts := Amounts { calls : N; wall : N; output : N; cost : N }.

Inductive unit_ := Calls | Wall | Output | Cost.

Definition units : list unit_ := [Calls; Wall; Output; Cost].

Definition at_ (unit : unit_) (them : amounts) : N :=
  match unit with
  | Calls => calls them
  | Wall => wall them
  | Output => output them
  | Cost => cost them
  end.

Definition both (with_ : N -> N -> N) (a b : amounts) : amounts :=
  Amounts (with_ (calls a) (calls b)) (with_ (wall a) (wall b))
    (with_ (output a) (output b)) (with_ (cost a) (cost b)).

Definition nothing : amounts := Amounts 0 0 0 0.

Definition max_int : N := 2 ^ 63 - 1.

(** A limit that is none. *)
Definition no_limit : N := max_int.

Record grant := Grant {
  id : string;
  holder : string * string;      (* name and kind *)
  resource : string * string;    (* type and name *)
  scope : string;
  rights : N;
  confidence : N;
  expires_at : N;                (* 0 is never *)
  epoch : N;
  parent : string;               (* empty for a root *)
  cross_domain : bool;
  clauses : list clause;
  other_args : string;
  limits : amounts;
  approvers : list string;       (* humans *)
}.

Definition is_limited (g : grant) : bool :=
  existsb (fun unit => negb (at_ unit (limits g) =? no_limit)) units.

(** Whether a grant speaks of arguments at all. *)
Definition judges (g : grant) : bool :=
  match clauses g with [] => (other_args g =? "none")%string | _ => true end.

Record registry := Registry {
  principals : list ((string * string) * enrolled);   (* the newest first *)
  owners : list (string * string);                    (* machine, human *)
  resources : list ((string * string) * nature);
  grants : list grant;                                (* in order of entry *)
  revoked : list string;
  now_epoch : N;
  epochs : list ((string * string) * N);              (* of holders, the newest first *)
}.

Definition empty_registry : registry := Registry [] [] [] [] [] 0 [].

Definition principal (reg : registry) (who : string * string) : option enrolled :=
  lookup same_pair who (principals reg).

(** The least epoch of a holder's grants that counts. *)
Definition holder_epoch (reg : registry) (who : string * string) : N :=
  match lookup same_pair who (epochs reg) with
  | Some own => N.max (now_epoch reg) own
  | None => now_epoch reg
  end.

Definition is_enrolled (reg : registry) (who : string * string) : bool :=
  match principal reg who with Some _ => true | None => false end.

(** The nature of a resource that was never declared is private and in no domain. *)
Definition nature_of (reg : registry) (what : string * string) : nature :=
  match lookup same_pair what (resources reg) with
  | Some found => found
  | None => Nature false ""
  end.

Definition find (reg : registry) (name : string) : option grant :=
  List.find (fun g => (id g =? name)%string) (grants reg).

Definition is_revoked (reg : registry) (name : string) : bool := contains (revoked reg) name.

Definition live (reg : registry) : list grant :=
  filter (fun g => negb (is_revoked reg (id g))) (grants reg).

Definition is_expired (now : N) (g : grant) : bool :=
  negb (expires_at g =? 0) && (expires_at g <=? now).
