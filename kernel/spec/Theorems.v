(** What the rules promise. Each theorem is one sentence of docs/assurance.md. *)

From Coq Require Import Lia.
From Authgate Require Import Text Scope Value Constraints Grant Chain Approval Budget Decide Changes Redeem.
From Authgate Require Import ScopeFacts ChainFacts DecideFacts BudgetFacts.
Open Scope N_scope.

Section Theorems.
Context {outside : Outside}.

(** *** Default deny *)

Theorem default_deny : forall reg l m a r, In r (requests a) -> ~ is_open reg a r ->
  (forall g, In g (grants reg) -> is_candidate reg a r g = false) -> ~ is_permitted reg l m a.
Proof.
  intros reg l m a r I Closed None_ P. destruct (permit_means _ _ _ _ P) as (_ & _ & _ & _ & Each).
  destruct (Each r I) as [O|(g & above & [])]; [contradiction|].
  assert (In g (candidates reg a r)) as C by (apply candidate_is; repeat split; assumption).
  apply filter_In in C. destruct C as [_ C]. rewrite None_ in C; [discriminate|assumption].
Qed.

Theorem empty_registry_permits_nothing : forall l m a, ~ is_permitted empty_registry l m a.
Proof.
  intros l m a P. destruct (permit_means _ _ _ _ P) as (_ & _ & W & _). unfold whole in W.
  apply app_eq_nil in W. destruct W as [_ W]. apply app_eq_nil in W. destruct W as [_ W].
  apply says_none in W. discriminate.
Qed.

Theorem asking_for_nothing_is_denied : forall reg l m a, requests a = [] -> ~ is_permitted reg l m a.
Proof.
  intros reg l m a E P. destruct (permit_means _ _ _ _ P) as (M & _).
  destruct (well_formed a M) as (_ & Some_ & _). contradiction.
Qed.

(** *** Any error denies *)

Theorem any_violation_denies : forall reg l m a,
  permitted (fst (decide reg l m a)) = true <-> violations (fst (decide reg l m a)) = [].
Proof.
  intros. unfold decide. simpl. destruct (all_violations reg l (now m) a); split; congruence.
Qed.

Theorem malformed_denies : forall reg l m a, malformed a <> [] -> ~ is_permitted reg l m a.
Proof. intros reg l m a E P. now destruct (permit_means _ _ _ _ P) as (M & _). Qed.

(** A grant that judges arguments justifies nothing if they cannot be read. *)
Theorem unreadable_arguments_pass_no_judge : forall reg l now a r g above,
  justifies reg l now a r g above -> forall p, In p (g :: above) -> judges p = true -> read_args a <> None.
Proof.
  intros reg l now a r g above [] p I J E. pose proof (flat_map_none _ _ args_pass p I) as F.
  simpl in F. rewrite J, E in F. discriminate.
Qed.

Theorem arguments_pass_every_link : forall reg l now a r g above args_,
  justifies reg l now a r g above -> read_args a = Some args_ ->
  forall p c, In p (g :: above) -> In c (clauses p) -> satisfies c args_ = true.
Proof.
  intros reg l now a r g above args_ [] E p c I C. pose proof (flat_map_none _ _ args_pass p I) as F.
  assert (judges p = true) as J by (unfold judges; destruct (clauses p); [destruct C|reflexivity]).
  simpl in F. rewrite J, E in F. apply map_eq_nil in F. unfold breaches in F. apply app_eq_nil in F.
  destruct F as [F _]. apply map_eq_nil in F. destruct (satisfies c args_) eqn:H; [reflexivity|].
  assert (In c []) as X by (rewrite <- F; apply filter_In; now rewrite H). destruct X.
Qed.

(** *** What is never permitted, whatever the registry holds *)

Theorem no_flag_is_ever_permitted : forall reg l m a, flags a <> 0 -> ~ is_permitted reg l m a.
Proof.
  intros reg l m a Set_ P. destruct (permit_means _ _ _ _ P) as (M & F & _).
  destruct (well_formed a M) as (_ & _ & _ & _ & _ & Small). apply Set_. clear - F Small.
  simpl in F. repeat (apply app_eq_nil in F; let E := fresh "Bit" in destruct F as [E F];
    apply says_none in E).
  apply N.bits_inj_0. intros bit. destruct (N.lt_ge_cases bit 10) as [Low|High].
  - assert (bit = 0 \/ bit = 1 \/ bit = 2 \/ bit = 3 \/ bit = 4 \/ bit = 5 \/ bit = 6 \/ bit = 7
            \/ bit = 8 \/ bit = 9) as Each by lia.
    destruct Each as [->|[->|[->|[->|[->|[->|[->|[->|[->| ->]]]]]]]]]; assumption.
  - destruct (N.eq_dec (flags a) 0) as [->|Some_]; [apply N.bits_0|].
    apply N.bits_above_log2. apply N.log2_lt_pow2; [lia|].
    eapply N.lt_le_trans; [exact Small|]. now apply N.pow_le_mono_r.
Qed.

Lemma whole_means : forall reg l m a, is_permitted reg l m a ->
  is_machine a && negb (is_owned reg (actor a)) = false /\ dominion a = [] /\ is_impostor reg a = false.
Proof.
  intros reg l m a P. destruct (permit_means _ _ _ _ P) as (_ & _ & W & _). unfold whole in W.
  apply app_eq_nil in W. destruct W as [O W]. apply app_eq_nil in W. destruct W as [D I].
  apply says_none in O, I. auto.
Qed.

Theorem no_unowned_machine_is_ever_permitted : forall reg l m a,
  is_machine a = true -> is_owned reg (actor a) = false -> ~ is_permitted reg l m a.
Proof.
  intros reg l m a Machine Unowned P. destruct (whole_means _ _ _ _ P) as (O & _).
  rewrite Machine, Unowned in O. discriminate.
Qed.

Theorem no_dominion_of_a_machine_is_ever_permitted : forall reg l m a,
  is_machine a = true -> governs_humans a <> [] -> ~ is_permitted reg l m a.
Proof.
  intros reg l m a Machine Some_ P. destruct (whole_means _ _ _ _ P) as (_ & D & _).
  destruct (permit_means _ _ _ _ P) as (M & _).
  destruct (well_formed a M) as (_ & _ & _ & _ & Humans & _). unfold first_humans, max_entries in Humans.
  unfold dominion in D. destruct (governs_humans a) as [|human humans]; [contradiction|].
  rewrite Machine, Humans in D by now left. discriminate.
Qed.

Theorem nobody_acts_as_another : forall reg l m a, is_permitted reg l m a ->
  exists known, principal reg (who a) = Some known
  /\ (key known = "" \/ (proof_size a <> 0 /\ proves (key known) (proof a) = true)).
Proof.
  intros reg l m a P. destruct (whole_means _ _ _ _ P) as (_ & _ & I). unfold is_impostor in I.
  destruct (principal reg (who a)) as [known|]; [|discriminate]. exists known. split; [reflexivity|].
  apply andb_false_iff in I. rewrite !negb_false_iff, orb_false_iff, negb_false_iff, N.eqb_neq in I.
  destruct I; auto using is_empty_true.
Qed.

(** *** Chains: a lapsed link anywhere denies, and nothing exceeds its root *)

(** A grant and all that it hangs on, however many steps up. *)
Definition link (reg : registry) (g p : grant) : Prop := p = g \/ ancestor reg g p.

Definition is_lapsed (reg : registry) (now floor : N) (p : grant) : Prop :=
  is_expired now p = true \/ is_revoked reg (id p) = true \/ epoch p < least_epoch reg floor p.

Theorem a_lapsed_link_anywhere_denies : forall reg l m a r, In r (requests a) -> ~ is_open reg a r ->
  (forall g, In g (candidates reg a r) ->
     exists p, link reg g p /\ is_lapsed reg (now m) (min_epoch a) p) -> ~ is_permitted reg l m a.
Proof.
  intros reg l m a r I Closed Lapsed P. destruct (permit_means _ _ _ _ P) as (_ & _ & _ & _ & Each).
  destruct (Each r I) as [O|(g & above & J)]; [contradiction|]. destruct J.
  destruct (Lapsed g) as (p & Link & L); [apply candidate_is; repeat split; assumption|].
  assert (is_live reg (now m) (min_epoch a) p /\ is_revoked reg (id p) = false) as [[X E] R].
  { destruct Link as [->|A]; [now split|]. apply all_above in A.
    eapply Forall_forall in sound_above; [|exact A]. destruct sound_above. auto. }
  destruct L as [L|[L|L]]; [congruence|congruence|lia].
Qed.

Theorem attenuation_is_transitive : forall a b c, narrower a b -> narrower b c -> narrower a c.
Proof. exact narrower_transitive. Qed.

Theorem no_chain_exceeds_any_of_its_links : forall reg l now a r g above,
  justifies reg l now a r g above ->
  forall p, In p above -> narrower g p /\ allows (rights p) delegate = true.
Proof.
  intros reg l now a r g above [] p I. eapply Forall_forall in sound_above; [|exact I].
  now destruct sound_above.
Qed.

(** The root is the last link: it has no parent, and the grant is narrower in every dimension. *)
Theorem no_chain_exceeds_its_root : forall reg l now a r g above,
  justifies reg l now a r g above ->
  parent (last above g) = "" /\ (last above g = g \/ narrower g (last above g)).
Proof.
  intros reg l now a r g above J. split; [now destruct J|].
  destruct above as [|p above]; [now left|]. right.
  eapply no_chain_exceeds_any_of_its_links; [exact J|].
  rewrite last_cons. clear J. revert p. induction above as [|q above IH]; intros p; [now left|].
  right. rewrite last_cons. apply IH.
Qed.

Theorem delegation_only_narrows : forall reg moment g by_ reg',
  apply reg moment (Delegate g by_) = (reg', None) ->
  exists above, find reg (parent g) = Some above /\ narrower g above
  /\ holder above = by_ /\ allows (rights above) delegate = true /\ is_revoked reg (id above) = false.
Proof.
  intros reg moment g by_ reg' H. unfold apply in H.
  destruct (refused reg moment (Delegate g by_)) eqn:R; [discriminate|]. clear H. unfold refused in R.
  destruct (is_well_formed _); [|discriminate]. simpl in R. destruct (may_enter reg g); [discriminate|].
  unfold may_delegate in R. destruct (find reg (parent g)) as [above|]; [|discriminate].
  destruct (walk reg moment 0 above) as [links faults].
  destruct (is_revoked reg (id above)) eqn:Gone; [discriminate|].
  destruct (same_pair (holder above) by_) eqn:By; [|discriminate]. destruct faults; [|discriminate].
  cbn [orb negb first] in R. destruct (allows (rights above) delegate) eqn:D; [|discriminate].
  cbn [negb first] in R.
  destruct (Nat.leb max_links (length links)); [discriminate|].
  destruct (size_of (widened g above) =? 0) eqn:W; [|discriminate].
  exists above. apply same_pair_is in By. repeat split; auto; apply narrows_none.
  all: unfold narrows; rewrite D; apply N.eqb_eq in W; rewrite size_is in W;
    destruct (widened g above); [reflexivity|simpl in W; lia].
Qed.

(** *** Adding a grant *)

Lemma climb_added : forall new reg now floor first room child links,
  climb reg now floor first room child = (links, []) ->
  climb (add_grant reg new) now floor first room child = (links, []).
Proof.
  intros new reg now floor first room. induction room as [|room IH]; intros child links H; simpl in H |- *;
    destruct (is_empty (parent child)); try exact H; rewrite find_added;
    (destruct (find reg (parent child)) as [above|]; [|discriminate]);
    change (is_revoked (add_grant reg new) (id above)) with (is_revoked reg (id above));
    (destruct (is_revoked reg (id above)); [discriminate|]); [exact H|].
  destruct (climb reg now floor first room above) as [up faults] eqn:C. injection H as <- H.
  pose proof H as None_. apply app_eq_nil in None_. destruct None_ as [_ None_].
  apply app_eq_nil in None_. destruct None_ as [_ ->]. rewrite (IH _ _ C).
  change (lapsed (add_grant reg new) above now floor) with (lapsed reg above now floor). now rewrite H.
Qed.

Lemma judged_added : forall new reg l now a r g chain,
  judged reg l now a r g = (chain, []) -> judged (add_grant reg new) l now a r g = (chain, []).
Proof.
  intros new reg l now a r g chain H. apply judged_sound in H. destruct H as (W & Rest).
  apply judged_sound. split; [|exact Rest]. unfold walk in *.
  destruct (climb reg now (min_epoch a) (id g) (pred max_links) g) as [up faults] eqn:C.
  injection W as <- W. pose proof W as None_. apply app_eq_nil in None_. destruct None_ as [_ ->].
  rewrite (climb_added _ _ _ _ _ _ _ _ C).
  change (lapsed (add_grant reg new) g now (min_epoch a)) with (lapsed reg g now (min_epoch a)).
  now rewrite W.
Qed.

(** For one decision, whatever is used of budgets: a new grant never makes a permit a denial. *)
Theorem adding_a_grant_keeps_a_permit : forall new reg l m a,
  is_permitted reg l m a -> is_permitted (add_grant reg new) l m a.
Proof.
  intros new reg l m a P. destruct (permit_means _ _ _ _ P) as (M & F & W & _ & Each).
  apply permit_when; auto. intros r I.
  pose proof (answer_is (add_grant reg new) l (now m) a r) as Is.
  destruct (answer_to (add_grant reg new) l (now m) a r) as [| |faults]; [reflexivity|reflexivity|].
  exfalso. destruct Is as (_ & Closed & None_). destruct (Each r I) as [O|(g & above & J)].
  - now apply Closed.
  - destruct J. apply (None_ g (g :: above)); [|now apply judged_added].
    apply candidate_is. repeat split; auto. simpl. apply in_or_app. now left.
Qed.

Corollary registering_keeps_permits : forall reg moment g reg' l m a,
  apply reg moment (Register g) = (reg', None) -> is_permitted reg l m a -> is_permitted reg' l m a.
Proof.
  intros reg moment g reg' l m a H P. unfold apply in H.
  destruct (refused reg moment (Register g)); [discriminate|]. injection H as <-.
  destruct reg. now apply adding_a_grant_keeps_a_permit.
Qed.

(** *** Budgets *)

(** In every state that changes, decisions, starts, settlements and time can lead to: what the calls
    that rest on a grant were charged, and what is held for those that have not ended, are together
    no more than any limit of that grant. *)
Theorem budgets_are_never_exceeded : forall reg l charges g unit,
  reached (reg, l, charges) -> In g (grants reg) -> at_ unit (limits g) <> no_limit ->
  paid charges (id g) unit + outstanding l (id g) unit <= at_ unit (limits g).
Proof.
  intros reg l charges g unit R I L. apply reached_in_bounds in R. simpl in R. destruct R as [_ _ B C].
  specialize (B g unit I L). specialize (C (id g) unit). lia.
Qed.

(** A permit is held, in full, against every grant with a budget in each of its chains. *)
Theorem a_permit_is_charged_to_its_whole_chain : forall reg l m a r chain g,
  is_permitted reg l m a -> In r (requests a) -> answer_to reg l (now m) a r = Justified chain ->
  In g chain -> is_limited g = true ->
  exists h, hold_of (snd (decide reg l m a)) (fresh m) = Some h
  /\ In (id g) (charged h) /\ held h = needs a.
Proof.
  intros reg l m a r chain g P I J G Limited.
  destruct (permit_means _ _ _ _ P) as (_ & _ & _ & A & _). apply permitted_iff in P.
  unfold decide. simpl. rewrite P.
  set (names := to_charge _).
  assert (In (id g) names) as N.
  { subst names. unfold to_charge. apply once_same, in_map, filter_In. split; [|exact Limited].
    apply in_flat_map. exists (r, answer_to reg l (now m) a r). split; [|now rewrite J].
    rewrite A. apply in_map_iff. now exists r. }
  clearbody names. unfold reserve. simpl. destruct names as [|n names]; [destruct N|].
  eexists. split; [unfold hold_of; simpl; now rewrite String.eqb_refl|]. now split.
Qed.

(** *** Approvals *)

Lemma end_of_given : forall given digest who moment, moment < end_of given digest who ->
  exists end_, In ((digest, who), end_) given /\ moment < end_.
Proof.
  intros given digest who moment. unfold end_of. induction given as [|[k e] given IH]; simpl; [lia|].
  destruct (same_pair k (digest, who)) eqn:K; simpl; intros H.
  - apply same_pair_is in K. subst k. destruct (N.max_spec e (fold_right N.max 0
      (map snd (filter (fun it => same_pair (fst it) (digest, who)) given)))) as [[_ M]|[_ M]];
      rewrite M in H; [destruct IH as (x & I & L); eauto|eauto].
  - destruct IH as (x & I & L); eauto.
Qed.

Lemma standing_is : forall them moment digest names who end_,
  standing them moment digest names = Some (who, end_) ->
  In who names /\ moment < end_of (given them) digest who.
Proof.
  intros them moment digest names. induction names as [|n names IH]; intros who end_ H; simpl in H;
    [discriminate|].
  destruct (standing them moment digest names) as [[other e]|].
  - destruct (IH _ _ eq_refl) as [I L].
    destruct (end_of (given them) digest n <? e); [injection H as <- <-; split; [now right|exact L]|].
    destruct (moment <? end_of (given them) digest n) eqn:T; injection H as <- <-;
      [split; [now left|now apply N.ltb_lt]|split; [now right|exact L]].
  - destruct (moment <? end_of (given them) digest n) eqn:T; [|discriminate].
    injection H as <- <-. split; [now left|now apply N.ltb_lt].
Qed.

(** Each link that names approvers rests on an approval, by one of them, of this very action, that
    has not ended. *)
Theorem a_demanded_approval_is_there : forall reg l moment a r g above p,
  justifies reg l moment a r g above -> In p (g :: above) -> approvers p <> [] ->
  exists who end_, In who (approvers p) /\ In ((digest a, who), end_) (given (approved l)) /\ moment < end_.
Proof.
  intros reg l moment a r g above p [] I Some_. unfold unapproved in approvals_stand.
  apply map_eq_nil in approvals_stand.
  assert (is_unapproved (approved l) moment (digest a) p = false) as U.
  { apply not_true_iff_false. intros U. assert (In p []) as X by (rewrite <- approvals_stand; now apply filter_In).
    destruct X. }
  unfold is_unapproved in U. destruct (standing _ _ _ (approvers p)) as [[who end_]|] eqn:S;
    [|destruct (approvers p); [contradiction|discriminate]].
  destruct (standing_is _ _ _ _ _ _ S) as [In_ L]. destruct (end_of_given _ _ _ _ L) as (e & G & T).
  now exists who, e.
Qed.

(** A permit that rests on an approval leaves none of its action: each is good for one call. *)
Theorem an_approval_is_used_once : forall reg l m a,
  is_permitted reg l m a ->
  rests_on (approved l) (now m) (digest a)
    (flat_map (fun it => chain_of (snd it)) (answers reg l (now m) a)) <> [] ->
  forall who end_, ~ In ((digest a, who), end_) (given (approved (snd (decide reg l m a)))).
Proof.
  intros reg l m a P Some_ who end_ I. apply permitted_iff in P. unfold decide in I. simpl in I.
  rewrite P in I. destruct (rests_on _ _ _ _); [contradiction|]. clear Some_.
  unfold reserve in I. simpl in I. destruct (to_charge _); simpl in I;
    apply filter_In in I; destruct I as [_ I]; simpl in I; rewrite String.eqb_refl in I; discriminate.
Qed.

(** *** The decision is a function *)

Theorem same_input_same_output : forall reg l m a first second,
  decide reg l m a = first -> decide reg l m a = second -> first = second.
Proof. congruence. Qed.

(** *** Permits are used once, and lapse *)

Theorem a_denial_is_never_redeemed : forall reg l mem ttl moment v,
  permitted v = false -> snd (fst (redeem reg l mem ttl moment v)) = Some PermitDenied.
Proof. intros reg l mem ttl moment v D. unfold redeem, against. now rewrite D. Qed.

(** A nonce of a permit that ended at [e]: it is remembered, or its generation is past. *)
Definition barred (ttl : N) (n : string) (e : N) (m : memory) : Prop :=
  generation ttl e < present m \/ In (n, e) (nonces m).

(** Another redemption: its nonce, its permit's end, its moment. *)
Definition spent_also (ttl : N) (m : memory) (other : string * N * N) : memory :=
  let '(n, e, moment) := other in fst (spend ttl moment n e m).

Lemma barred_stays : forall ttl moment n e m n' e',
  barred ttl n e m -> barred ttl n e (fst (spend ttl moment n' e' m)).
Proof.
  intros ttl moment n e m n' e' B.
  assert (barred ttl n e (aged ttl moment m)) as A.
  { unfold barred, aged in *. simpl. destruct B as [B|B]; [left; lia|].
    destruct (N.le_gt_cases (N.max (present m) (generation ttl moment)) (generation ttl e)); [|now left].
    right. apply filter_In. split; [exact B|now apply N.leb_le]. }
  unfold spend. destruct (_ || _); simpl; [exact A|].
  unfold barred in *. simpl. destruct A; auto.
Qed.

(** Whatever is redeemed in between, and whatever the clock says: not a second time. *)
Theorem a_permit_is_used_once : forall ttl moment n e m m' others moment',
  spend ttl moment n e m = (m', true) -> moment' < e ->
  snd (spend ttl moment' n e (fold_left (spent_also ttl) others m')) = false.
Proof.
  intros ttl moment n e m m' others moment' S Before.
  assert (barred ttl n e m') as B.
  { unfold spend in S. destruct (_ || _); [discriminate|]. injection S as <-. right. now left. }
  clear S. revert m' B. induction others as [|[[n' e'] t] others IH]; intros m' B.
  - pose proof (barred_stays ttl moment' n e m' n e B) as B'. unfold spend in *.
    destruct (_ || _) eqn:U; [reflexivity|]. exfalso. apply orb_false_iff in U. destruct U as [Old New].
    apply N.ltb_ge in Old. clear B'. destruct B as [B|B]; unfold aged in *; simpl in *; [lia|].
    apply not_true_iff_false in New. apply New, existsb_exists. exists (n, e). split.
    + apply filter_In. split; [exact B|now apply N.leb_le].
    + rewrite String.eqb_refl. now apply N.ltb_lt.
  - apply IH. now apply barred_stays.
Qed.

End Theorems.
