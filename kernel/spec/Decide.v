(** What a kernel decides about one action (sections 2 to 4). *)

From Authgate Require Import Text Scope Value Constraints Grant Chain Approval Budget.
Open Scope N_scope.

Record request := Request { rtype : string; name : string; asked : string; right : N }.

Record action := Action {
  action_id : string;
  actor : string;
  kind : string;
  tool : string;
  args_size : N;
  args : option (list (string * value));   (* [None] if they cannot be read *)
  requests : list request;
  governs_humans : list string;
  flags : N;
  min_epoch : N;
  proof : string;
  proof_size : N;
  digest : string;   (* of id, actor, tool, requests, arguments and what else an approval is of *)
  salt_size : N;
  needs_wall : N;
  needs_output : N;
  needs_cost : N;
}.

Definition who (a : action) : string * string := (actor a, kind a).
Definition what (r : request) : string * string := (rtype r, name r).
Definition needs (a : action) : amounts := Amounts 1 (needs_wall a) (needs_output a) (needs_cost a).
Definition is_machine (a : action) : bool := (kind a =? "machine")%string.

(** *** Section 2: malformed fields *)

Definition is_text (most : N) (text : string) : bool :=
  (size text <=? most) && negb (has_control (bytes_of text)).
Definition is_name (text : string) : bool := negb (is_empty text) && is_text 256 text.
Definition is_kind (text : string) : bool := (text =? "human")%string || (text =? "machine")%string.
Definition is_scope (text : string) : bool :=
  is_text 4096 text && (size_of (cut_at is_slash text) <=? 64).
Definition is_right (right : N) : bool := existsb (N.eqb right) [read; write; execute; delegate].

Definition max_entries : nat := 64.
Definition entries {A} (them : list A) : bool := size_of them <=? 64.

Definition flaws (fields : list (bool * string)) : list fault :=
  flat_map (fun '(is_sound, field) => says (negb is_sound) Malformed [field]) fields.

Definition in_request (r : request) : list fault :=
  flaws [ (is_name (rtype r), "rtype"); (is_name (name r), "name"); (is_scope (asked r), "scope");
          (is_right (right r), "right") ].

Definition in_names (a : action) : list fault :=
  flaws [ (is_name (action_id a), "id"); (is_name (actor a), "actor"); (is_kind (kind a), "kind");
          (is_name (tool a), "tool") ].

Definition first_humans (a : action) : list string := firstn max_entries (governs_humans a).
Definition first_requests (a : action) : list request := firstn max_entries (requests a).

(** In a sentence, a field inside a list has its place in its name; it is not modelled. *)
Definition unnamed (faults : list fault) : list fault :=
  map (fun f => Fault (code_of f) []) faults.

Definition malformed (a : action) : list fault :=
  in_names a
  ++ flaws [ (args_size a <=? 65536, "args");
             (negb (size_of (requests a) =? 0) && entries (requests a), "requests") ]
  ++ unnamed (flat_map in_request (first_requests a))
  ++ flaws [ (entries (governs_humans a), "governs_humans") ]
  ++ unnamed (flat_map (fun human => flaws [(is_name human, "")]) (first_humans a))
  ++ flaws [ (flags a <? 2 ^ 10, "flags"); ((proof_size a =? 0) || (proof_size a =? 64), "proof");
             ((salt_size a =? 0) || (salt_size a =? 32), "salt") ].

(** *** Section 3: the whole action *)

Definition flag_names : list string :=
  [ "increases_machine_sovereignty"; "resists_human_correction"; "bypasses_verifier";
    "weakens_verifier"; "disables_corrigibility"; "machine_coalition_dominion"; "coerces";
    "deceives"; "self_modification_weakens_verifier"; "machine_coalition_reduces_freedom" ].

Fixpoint forbidden_flags (bit : N) (names : list string) (flags : N) : list fault :=
  match names with
  | [] => []
  | name :: names =>
      says (N.testbit flags bit) ForbiddenFlag [name] ++ forbidden_flags (N.succ bit) names flags
  end.

Definition is_owned (reg : registry) (machine : string) : bool :=
  match lookup String.eqb machine (owners reg) with Some _ => true | None => false end.

Section Decisions.
Context {outside : Outside}.

Definition is_impostor (reg : registry) (a : action) : bool :=
  match principal reg (who a) with
  | None => true
  | Some known =>
      negb (is_empty (key known)) && ((proof_size a =? 0) || negb (proves (key known) (proof a)))
  end.

Definition dominion (a : action) : list fault :=
  match governs_humans a with
  | human :: _ => says (is_machine a && is_name human) MachineDominion [actor a; human]
  | [] => []
  end.

Definition whole (reg : registry) (a : action) : list fault :=
  says (is_machine a && negb (is_owned reg (actor a))) UnownedMachine [actor a]
  ++ dominion a
  ++ says (is_impostor reg a) IdentityMismatch [actor a].

(** *** Section 4: each request *)

Inductive answer :=
| Open                                         (* anybody may *)
| Justified (chain : list grant)               (* the grant that justifies it, first *)
| Refused (faults : list fault).

Definition domain_of (reg : registry) (a : action) : string :=
  match principal reg (who a) with Some known => domain known | None => "" end.

(** Whether the resource is in a trust domain that is not the actor's. *)
Definition is_foreign (reg : registry) (a : action) (r : request) : bool :=
  let home := home (nature_of reg (what r)) in
  negb (is_empty home) && negb (home =? domain_of reg a)%string.

Definition is_public_read (reg : registry) (r : request) : bool :=
  (right r =? read) && public (nature_of reg (what r)).

Definition is_candidate (reg : registry) (a : action) (r : request) (g : grant) : bool :=
  negb (is_revoked reg (id g)) && same_pair (holder g) (who a) && same_pair (resource g) (what r)
  && allows (rights g) (right r) && covers (scope g) (asked r).

Definition candidates (reg : registry) (a : action) (r : request) : list grant :=
  filter (is_candidate reg a r) (grants reg).

(** Arguments that are too long are not read. *)
Definition read_args (a : action) : option (list (string * value)) :=
  if args_size a <=? 65536 then args a else None.

Definition forbidden (a : action) (links : list grant) : list fault :=
  flat_map (fun g =>
    if judges g
    then map (fun names => Fault Constraint (id g :: names))
           (breaches (clauses g) ((other_args g =? "any")%string) (read_args a))
    else []) links.

Definition trust_fault (reg : registry) (a : action) (r : request) : fault :=
  Fault TrustDomain [home (nature_of reg (what r)); actor a].

Definition unapproved (l : ledger) (now : N) (a : action) (links : list grant) : list fault :=
  map (fun g => Fault ApprovalRequired (id g :: approvers g))
    (filter (is_unapproved (approved l) now (digest a)) links).

(** A candidate's chain and all that is against it. *)
Definition judged (reg : registry) (l : ledger) (now : N) (a : action) (r : request) (g : grant)
  : list grant * list fault :=
  let (links, faults) := walk reg now (min_epoch a) g in
  (links, faults ++ forbidden a links
          ++ (if is_foreign reg a r && negb (cross_domain g) then [trust_fault reg a r] else [])
          ++ lacking l (needs a) links ++ unapproved l now a links).

(** The first of those than which no other is better. *)
Fixpoint best {A} (better : A -> A -> bool) (items : list A) : option A :=
  match items with
  | [] => None
  | item :: items =>
      match best better items with
      | Some other => if better other item then Some other else Some item
      | None => Some item
      end
  end.

Definition is_sound (case : list grant * list fault) : bool :=
  match snd case with [] => true | _ => false end.

Definition confidence_of (chain : list grant) : N :=
  match chain with g :: _ => confidence g | [] => 0 end.

Definition surer (a b : list grant * list fault) : bool :=
  confidence_of (fst b) <? confidence_of (fst a).
Definition wants_approval (f : fault) : bool :=
  match code_of f with ApprovalRequired => true | _ => false end.

(** How far from a permit: what only lacks approvals comes first. *)
Definition sounder (a b : list grant * list fault) : bool :=
  let lacks case := count wants_approval (snd case) in
  let others case := count (fun f => negb (wants_approval f)) (snd case) in
  (others a <? others b) || ((others a =? others b) && (lacks a <? lacks b)).

Definition answer_to (reg : registry) (l : ledger) (now : N) (a : action) (r : request) : answer :=
  if is_public_read reg r && negb (is_foreign reg a r) && negb (climbs (asked r)) then Open
  else
    let cases := map (judged reg l now a r) (candidates reg a r) in
    match best surer (filter is_sound cases) with
    | Some (chain, _) => Justified chain
    | None =>
        match best sounder cases with
        | Some (_, faults) => Refused faults
        | None =>
            if is_public_read reg r && is_foreign reg a r then Refused [trust_fault reg a r]
            else Refused [Fault NoGrant [actor a]]
        end
    end.

Definition faults_of (it : answer) : list fault :=
  match it with Refused faults => faults | _ => [] end.
Definition chain_of (it : answer) : list grant :=
  match it with Justified chain => chain | _ => [] end.
Definition certainty (it : answer) : N :=
  match it with Justified chain => confidence_of chain | _ => 1000000 end.

(** Whether somebody outside the chain may write there too. *)
Definition is_contested (reg : registry) (now : N) (a : action) (r : request) (chain : list grant)
  : bool :=
  let known who := existsb (same_pair who) (map holder chain) in
  existsb (fun g =>
    same_pair (resource g) (what r) && covers (scope g) (asked r) && allows (rights g) write
    && negb (is_expired now g) && (holder_epoch reg (holder g) <=? epoch g)
    && negb (same_pair (holder g) (who a)) && negb (known (holder g))) (live reg).

Definition contests (reg : registry) (now : N) (a : action) (it : request * answer) : bool :=
  match it with
  | (r, Justified chain) => (right r =? write) && is_contested reg now a r chain
  | _ => false
  end.

(** *** The verdict *)

Inductive warning := LowConfidence | ContestedWrite.

Record verdict := Verdict {
  v_action : string;
  permitted : bool;
  violations : list fault;
  warnings : list warning;
  sureness : N;
  arbitration : bool;
  chains : list (list string);
  v_epoch : N;
  v_nonce : string;
  issued_at : N;
  ends_at : N;
  v_budgeted : bool;      (* whether a grant of [chains] has a budget *)
  v_approvers : list string;
}.

(** The time and the nonce of a decision, and when a permit ends at the latest. *)
Record moment := Moment { now : N; latest : N; fresh : string }.

Definition answers (reg : registry) (l : ledger) (now : N) (a : action) : list (request * answer) :=
  match in_names a with
  | [] =>
      map (fun r => (r, answer_to reg l now a r))
        (filter (fun r => match in_request r with [] => true | _ => false end) (first_requests a))
  | _ => []
  end.

Definition all_violations (reg : registry) (l : ledger) (now : N) (a : action) : list fault :=
  malformed a
  ++ forbidden_flags 0 flag_names (flags a)
  ++ (match in_names a with [] => whole reg a | _ => [] end)
  ++ flat_map (fun it => faults_of (snd it)) (answers reg l now a).

Definition least (numbers : list N) (most : N) : N := fold_right N.min most numbers.

Definition earliest (links : list grant) (latest : N) : N :=
  least (filter (fun end_ => negb (end_ =? 0)) (map expires_at links)) latest.

Definition cut (is_sound : string -> bool) (text : string) : string :=
  if is_sound text then text else "".

(** The verdict on an action, and the ledger after it. *)
Definition decide (reg : registry) (l : ledger) (m : moment) (a : action) : verdict * ledger :=
  let found := answers reg l (now m) a in
  let violations := all_violations reg l (now m) a in
  let permitted := match violations with [] => true | _ => false end in
  let sureness := if permitted then least (map (fun it => certainty (snd it)) found) 1000000 else 0 in
  let contested := existsb (contests reg (now m) a) found in
  let links := flat_map (fun it => chain_of (snd it)) found in
  let given := rests_on (approved l) (now m) (digest a) links in
  let ends := if permitted then earliest links (least (map snd given) (latest m)) else latest m in
  let warnings :=
    (if permitted && (sureness <? 800000) then [LowConfidence] else [])
    ++ (if contested then [ContestedWrite] else []) in
  let chains := if permitted then map (fun it => map id (chain_of (snd it))) found else [] in
  let names := to_charge links in
  let approvers :=
    if permitted then map fst given
    else if forallb wants_approval violations then flat_map (fun f => tl (about f)) violations
    else [] in
  let spent := match given with [] => l | _ => with_approvals l (use_up (approved l) (digest a)) end in
  (Verdict (cut is_name (action_id a)) permitted violations warnings sureness contested chains
     (now_epoch reg) (fresh m) (now m) ends (negb (size_of names =? 0)) (once approvers),
   if permitted then reserve spent (Hold (fresh m) names (needs a) (Some ends)) else l).

End Decisions.
