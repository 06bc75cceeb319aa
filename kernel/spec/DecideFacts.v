(** What a permit rests on, and what no registry can permit. *)

From Coq Require Import Lia.
From Authgate Require Import Text Scope Value Constraints Grant Chain Approval Budget Decide ChainFacts.
Open Scope N_scope.

Lemma best_in : forall {A} (better : A -> A -> bool) items item,
  best better items = Some item -> In item items.
Proof.
  intros A better items. induction items as [|x items IH]; intros item H; simpl in H; [discriminate|].
  destruct (best better items) as [other|]; [|injection H as ->; now left].
  destruct (better other x); injection H as ->; [right; now apply IH|now left].
Qed.

Lemma best_none : forall {A} (better : A -> A -> bool) items, best better items = None -> items = [].
Proof.
  intros A better [|x items] H; [reflexivity|]. simpl in H.
  destruct (best better items) as [other|]; [destruct (better other x)|]; discriminate.
Qed.

Lemma size_is : forall {A} (items : list A), size_of items = N.of_nat (length items).
Proof.
  intros A items. unfold size_of. induction items as [|x items IH]; [reflexivity|].
  cbn [count length]. rewrite IH, Nat2N.inj_succ. lia.
Qed.

Lemma flat_map_none : forall {A B} (f : A -> list B) items,
  flat_map f items = [] -> forall item, In item items -> f item = [].
Proof.
  intros A B f items H. induction items as [|x items IH]; intros item I; [destruct I|].
  simpl in H. apply app_eq_nil in H. destruct H as [X H], I as [->|I]; auto.
Qed.

Lemma filter_all : forall {A} (keep : A -> bool) items,
  (forall item, In item items -> keep item = true) -> filter keep items = items.
Proof.
  intros A keep items H. induction items as [|x items IH]; [reflexivity|]. simpl.
  rewrite H by now left. f_equal. apply IH. intros. apply H. now right.
Qed.

Section Facts.
Context {outside : Outside}.

Definition is_permitted (reg : registry) (l : ledger) (m : moment) (a : action) : Prop :=
  permitted (fst (decide reg l m a)) = true.

(** Anybody of the resource's trust domain may, without a grant. *)
Definition is_open (reg : registry) (a : action) (r : request) : Prop :=
  is_public_read reg r = true /\ is_foreign reg a r = false /\ climbs (asked r) = false.

(** A request's justification: a grant of the actor that covers it, and its chain. *)
Record justifies (reg : registry) (l : ledger) (now : N) (a : action) (r : request) (g : grant)
  (above : list grant) : Prop := {
  is_there : In g (grants reg);
  not_gone : is_revoked reg (id g) = false;
  of_actor : holder g = who a;
  on_resource : resource g = what r;
  gives_right : allows (rights g) (right r) = true;
  reaches_scope : covers (scope g) (asked r) = true;
  lives : is_live reg now (min_epoch a) g;
  sound_above : Forall (sound_link reg now (min_epoch a) g) above;
  all_above : forall p, ancestor reg g p -> In p above;
  up_to_root : parent (last above g) = "";
  args_pass : forbidden a (g :: above) = [];
  domains_meet : is_foreign reg a r = false \/ cross_domain g = true;
  budgets_suffice : lacking l (needs a) (g :: above) = [];
  approvals_stand : unapproved l now a (g :: above) = [];
  is_judged : judged reg l now a r g = (g :: above, []);
}.

Lemma judged_sound : forall reg l now a r g chain,
  judged reg l now a r g = (chain, []) <->
  walk reg now (min_epoch a) g = (chain, []) /\ forbidden a chain = []
  /\ (is_foreign reg a r = false \/ cross_domain g = true) /\ lacking l (needs a) chain = []
  /\ unapproved l now a chain = [].
Proof.
  intros. unfold judged. destruct (walk reg now (min_epoch a) g) as [links faults]. split.
  - intros H. injection H as -> H. repeat (apply app_eq_nil in H; destruct H as [? H]).
    subst faults. repeat split; auto.
    destruct (is_foreign reg a r), (cross_domain g); simpl in *; auto; discriminate.
  - intros (W & F & D & L & Y). injection W as -> ->. rewrite F, L, Y.
    destruct D as [->| ->]; [|rewrite andb_false_r]; reflexivity.
Qed.

Lemma candidate_is : forall reg a r g, In g (candidates reg a r) <->
  In g (grants reg) /\ is_revoked reg (id g) = false /\ holder g = who a /\ resource g = what r
  /\ allows (rights g) (right r) = true /\ covers (scope g) (asked r) = true.
Proof.
  intros. unfold candidates, is_candidate. rewrite filter_In, !andb_true_iff, negb_true_iff, !same_pair_is.
  tauto.
Qed.

Lemma sound_in : forall reg l now a r case,
  In case (filter is_sound (map (judged reg l now a r) (candidates reg a r))) <->
  exists g chain, In g (candidates reg a r) /\ judged reg l now a r g = (chain, []) /\ case = (chain, []).
Proof.
  intros. rewrite filter_In, in_map_iff. split.
  - intros [(g & <- & I) S]. destruct (judged reg l now a r g) as [chain [|f faults]] eqn:J;
      [|discriminate S]. now exists g, chain.
  - intros (g & chain & I & J & ->). split; [now exists g|reflexivity].
Qed.

Lemma answer_is : forall reg l now a r,
  match answer_to reg l now a r with
  | Open => is_open reg a r
  | Justified chain => exists g above, chain = g :: above /\ justifies reg l now a r g above
  | Refused faults => faults <> [] /\ ~ is_open reg a r
      /\ forall g chain, In g (candidates reg a r) -> judged reg l now a r g <> (chain, [])
  end.
Proof.
  intros. unfold answer_to, is_open.
  destruct (is_public_read reg r && negb (is_foreign reg a r) && negb (climbs (asked r))) eqn:O.
  { rewrite !andb_true_iff, !negb_true_iff in O. tauto. }
  assert (~ (is_public_read reg r = true /\ is_foreign reg a r = false /\ climbs (asked r) = false)) as N.
  { intros (P & F & C). rewrite P, F, C in O. discriminate. }
  set (cases := map (judged reg l now a r) (candidates reg a r)).
  destruct (best surer (filter is_sound cases)) as [[chain faults]|] eqn:S.
  - apply best_in, sound_in in S. destruct S as (g & other & I & J & E). injection E as -> ->.
    pose proof J as Judged. apply judged_sound in J. destruct J as (W & F & D & L & Y).
    apply candidate_is in I. destruct I as (? & ? & ? & ? & ? & ?).
    destruct (walk_sound _ _ _ _ _ W) as (above & -> & Live & Up & All & Root).
    exists g, above. split; [reflexivity|]. now split.
  - apply best_none in S.
    assert (forall g chain, In g (candidates reg a r) -> judged reg l now a r g <> (chain, [])) as None_.
    { intros g chain I J. assert (In (chain, @nil fault) (filter is_sound cases)) as X.
      { apply sound_in. now exists g, chain. }
      rewrite S in X. destruct X. }
    destruct (best sounder cases) as [[chain faults]|] eqn:B.
    + repeat split; auto. intros ->. apply best_in, in_map_iff in B. destruct B as (g & J & I).
      now apply (None_ g chain).
    + destruct (is_public_read reg r && is_foreign reg a r); repeat split; auto; discriminate.
Qed.

Theorem permitted_iff : forall reg l m a,
  is_permitted reg l m a <-> all_violations reg l (now m) a = [].
Proof.
  intros. unfold is_permitted, decide. simpl.
  destruct (all_violations reg l (now m) a); split; congruence.
Qed.

Lemma flaws_none : forall fields, flaws fields = [] ->
  forall is_sound field, In (is_sound, field) fields -> is_sound = true.
Proof.
  intros fields H is_sound field I. apply (flat_map_none _ _ H) in I.
  apply says_none in I. now apply negb_false_iff.
Qed.

Lemma well_formed : forall a, malformed a = [] ->
  in_names a = [] /\ requests a <> [] /\ first_requests a = requests a
  /\ (forall r, In r (requests a) -> in_request r = [])
  /\ (forall human, In human (first_humans a) -> is_name human = true) /\ flags a < 2 ^ 10.
Proof.
  intros a H. unfold malformed in H. repeat (apply app_eq_nil in H; destruct H as [? H]).
  match goal with E : flaws [(_, "args"); _] = [] |- _ => pose proof (flaws_none _ E) as Sizes end.
  specialize (Sizes _ "requests" (or_intror (or_introl eq_refl))).
  rewrite andb_true_iff, negb_true_iff, N.eqb_neq in Sizes. unfold entries in Sizes.
  rewrite N.leb_le, size_is in Sizes. destruct Sizes as [Some_ Few].
  assert (first_requests a = requests a) as All.
  { unfold first_requests, max_entries. apply firstn_all2. lia. }
  assert (forall A (f : A -> list fault) items, unnamed (flat_map f items) = [] ->
          forall item, In item items -> f item = []) as Each.
  { intros A f items E. apply map_eq_nil in E. now apply flat_map_none. }
  repeat split; auto.
  - intros E. rewrite E in Some_. now apply Some_.
  - intros r I. rewrite <- All in I. eapply Each; eauto.
  - intros human I.
    match goal with E : unnamed (flat_map _ (first_humans a)) = [] |- _ =>
      pose proof (Each _ _ _ E _ I) as Named end.
    eapply flaws_none; [exact Named|now left].
  - match goal with E : says (negb (flags a <? _)) _ _ = [] |- _ => apply says_none in E end.
    apply N.ltb_lt. now apply negb_false_iff.
Qed.

(** All that a permit means, in one place. *)
Theorem permit_means : forall reg l m a, is_permitted reg l m a ->
  malformed a = [] /\ forbidden_flags 0 flag_names (flags a) = [] /\ whole reg a = []
  /\ answers reg l (now m) a = map (fun r => (r, answer_to reg l (now m) a r)) (requests a)
  /\ forall r, In r (requests a) ->
     is_open reg a r \/ exists g above, justifies reg l (now m) a r g above.
Proof.
  intros reg l m a P. apply permitted_iff in P. unfold all_violations in P.
  repeat (apply app_eq_nil in P; destruct P as [? P]).
  destruct (well_formed a) as (Names & _ & All & Requests & _); [assumption|].
  rewrite Names in *.
  assert (answers reg l (now m) a = map (fun r => (r, answer_to reg l (now m) a r)) (requests a)) as A.
  { unfold answers. rewrite Names, All. f_equal. apply filter_all.
    intros r I. now rewrite (Requests r I). }
  repeat split; auto. intros r I.
  assert (faults_of (answer_to reg l (now m) a r) = []) as F.
  { rewrite A in P. apply (flat_map_none _ _ P (r, _)). apply in_map_iff. now exists r. }
  pose proof (answer_is reg l (now m) a r) as Is.
  destruct (answer_to reg l (now m) a r) as [|chain|faults]; [now left| |].
  - right. destruct Is as (g & above & _ & J). now exists g, above.
  - simpl in F. subst. now destruct Is.
Qed.

(** Conversely: what is well formed, and has an answer to each request, is permitted. *)
Lemma permit_when : forall reg l m a,
  malformed a = [] -> forbidden_flags 0 flag_names (flags a) = [] -> whole reg a = [] ->
  (forall r, In r (requests a) -> faults_of (answer_to reg l (now m) a r) = []) ->
  is_permitted reg l m a.
Proof.
  intros reg l m a M F W A. apply permitted_iff. unfold all_violations.
  rewrite M, F. destruct (well_formed a M) as (Names & _ & All & _). unfold answers. rewrite Names, W, All.
  simpl. assert (forall keep items, (forall r, In r items -> In r (requests a)) ->
    flat_map (fun it => faults_of (snd it))
      (map (fun r => (r, answer_to reg l (now m) a r)) (filter keep items)) = []) as G.
  { intros keep items. induction items as [|r items IH]; intros I; [reflexivity|]. simpl.
    assert (forall r, In r items -> In r (requests a)) as I' by (intros; apply I; now right).
    destruct (keep r); [simpl; rewrite A by (apply I; now left)|]; now apply IH. }
  now apply G.
Qed.

End Facts.
