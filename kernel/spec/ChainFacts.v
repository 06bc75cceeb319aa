(** Attenuation, and what a chain without faults is. *)

From Coq Require Import Lia.
From Authgate Require Import Text Scope Value Constraints Grant Chain ScopeFacts.
Open Scope N_scope.

(** A child is in no dimension wider than its parent. *)
Record narrower (child parent : grant) : Prop := {
  same_resource : resource child = resource parent;
  in_scope : covers (scope parent) (scope child) = true;
  in_rights : forall bit, N.testbit (rights child) bit = true -> N.testbit (rights parent) bit = true;
  in_confidence : confidence child <= confidence parent;
  in_expiry : expires_at parent = 0 \/ (expires_at child <> 0 /\ expires_at child <= expires_at parent);
  in_epoch : epoch child <= epoch parent;
  in_domains : cross_domain child = true -> cross_domain parent = true;
  in_budget : forall unit, at_ unit (limits child) <= at_ unit (limits parent);
}.

Theorem narrower_transitive : forall a b c, narrower a b -> narrower b c -> narrower a c.
Proof.
  intros a b c [R1 S1 B1 C1 X1 E1 D1 L1] [R2 S2 B2 C2 X2 E2 D2 L2]. split; auto.
  - congruence.
  - eauto using covers_transitive.
  - lia.
  - lia.
  - lia.
  - intros unit. specialize (L1 unit). specialize (L2 unit). lia.
Qed.

Lemma says_none : forall is code about, says is code about = [] <-> is = false.
Proof. intros [|] code about; simpl; split; congruence. Qed.

Lemma same_pair_is : forall a b, same_pair a b = true <-> a = b.
Proof.
  intros [a1 a2] [b1 b2]. unfold same_pair. simpl.
  rewrite andb_true_iff, !String.eqb_eq. split; [intros []|intros H; injection H]; split || f_equal; auto.
Qed.

Lemma ldiff_none : forall a b,
  N.ldiff a b = 0 -> forall bit, N.testbit a bit = true -> N.testbit b bit = true.
Proof.
  intros a b H bit Ha. assert (N.testbit (N.ldiff a b) bit = false) as F by (rewrite H; apply N.bits_0).
  rewrite N.ldiff_spec, Ha in F. destruct (N.testbit b bit); auto.
Qed.

Lemma exceeds_not : forall child parent,
  exceeds child parent = false -> forall unit, at_ unit (limits child) <= at_ unit (limits parent).
Proof.
  intros child parent H unit. unfold exceeds, units in H. simpl in H.
  rewrite !orb_false_iff, !N.ltb_ge in H. destruct unit; simpl; tauto.
Qed.

Lemma outlives_not : forall child parent, outlives child parent = false ->
  expires_at parent = 0 \/ (expires_at child <> 0 /\ expires_at child <= expires_at parent).
Proof.
  intros child parent H. unfold outlives in H.
  rewrite andb_false_iff, negb_false_iff, orb_false_iff, N.eqb_eq, N.eqb_neq, N.ltb_ge in H. exact H.
Qed.

Lemma narrows_none : forall child parent,
  narrows child parent = [] -> narrower child parent /\ allows (rights parent) delegate = true.
Proof.
  intros child parent H. unfold narrows, widened, dimensions in H. simpl in H.
  repeat (apply app_eq_nil in H; destruct H as [? H]).
  repeat match goal with E : says _ _ _ = [] |- _ => apply says_none in E end.
  rewrite ?negb_false_iff, ?N.ltb_ge in *. split; [split|]; auto.
  - now apply same_pair_is.
  - apply ldiff_none. now apply N.eqb_eq.
  - now apply outlives_not.
  - intros C. match goal with E : cross_domain child && _ = false |- _ => rewrite C in E end.
    now apply negb_false_iff.
  - now apply exceeds_not.
Qed.

(** Not expired, and of no past epoch. *)
Definition is_live (reg : registry) (now floor : N) (g : grant) : Prop :=
  is_expired now g = false /\ least_epoch reg floor g <= epoch g.

Lemma lapsed_none : forall reg g now floor, lapsed reg g now floor = [] -> is_live reg now floor g.
Proof.
  intros reg g now floor H. unfold lapsed in H. apply app_eq_nil in H. destruct H as [X E].
  apply says_none in X, E. split; [exact X|]. now apply N.ltb_ge.
Qed.

Definition parent_of (reg : registry) (child above : grant) : Prop :=
  is_empty (parent child) = false /\ find reg (parent child) = Some above.

(** A link of a grant's chain, however many steps up. *)
Inductive ancestor (reg : registry) : grant -> grant -> Prop :=
| Parent : forall g p, parent_of reg g p -> ancestor reg g p
| Further : forall g p q, parent_of reg g p -> ancestor reg p q -> ancestor reg g q.

Lemma find_is : forall reg name g, find reg name = Some g -> In g (grants reg) /\ id g = name.
Proof.
  intros reg name g H. apply List.find_some in H. destruct H as [I E].
  split; [exact I|now apply String.eqb_eq].
Qed.

(** What holds of every link above a grant whose chain has no faults. *)
Record sound_link (reg : registry) (now floor : N) (child p : grant) : Prop := {
  narrows_to : narrower child p;
  may_delegate_it : allows (rights p) delegate = true;
  is_live_link : is_live reg now floor p;
  not_revoked : is_revoked reg (id p) = false;
  is_known : find reg (id p) = Some p;
}.

Lemma last_cons : forall (links : list grant) above child,
  last (above :: links) child = last links above.
Proof.
  induction links as [|g links IH]; intros above child; [reflexivity|].
  change (last (g :: links) child = last (g :: links) above). now rewrite !IH.
Qed.

Lemma climb_sound : forall reg now floor first room child links,
  climb reg now floor first room child = (links, []) ->
  Forall (sound_link reg now floor child) links /\ (forall p, ancestor reg child p -> In p links)
  /\ parent (last links child) = "".
Proof.
  intros reg now floor first room. induction room as [|room IH]; intros child links H; simpl in H;
    destruct (is_empty (parent child)) eqn:Root; try (injection H as <-);
    try (destruct (find reg (parent child)) as [above|] eqn:F; [|discriminate];
         destruct (is_revoked reg (id above)) eqn:R; [discriminate|]); try discriminate;
    try (repeat split; [constructor|intros p A; inversion A as [? ? [N _]|? ? ? [N _] _]; congruence|
         now apply is_empty_true]).
  destruct (climb reg now floor first room above) as [up faults] eqn:C. injection H as <- H.
  apply app_eq_nil in H. destruct H as [L H]. apply app_eq_nil in H. destruct H as [W ->].
  apply narrows_none in W. destruct W as [W D]. apply lapsed_none in L.
  destruct (IH _ _ C) as (Up & In_up & End). repeat split.
  - constructor.
    + split; auto. destruct (find_is _ _ _ F) as [_ E]. congruence.
    + eapply Forall_impl; [|exact Up]. intros p []. split; eauto using narrower_transitive.
  - intros p A. inversion A as [g q [_ Q]|g q r [_ Q] A']; subst; rewrite Q in F; injection F as <-.
    + now left.
    + right. auto.
  - now rewrite last_cons.
Qed.

(** A walk without faults stands on the whole chain, up to a root, and each link of it is sound. *)
Theorem walk_sound : forall reg now floor g links,
  walk reg now floor g = (links, []) ->
  exists above, links = g :: above /\ is_live reg now floor g
  /\ Forall (sound_link reg now floor g) above
  /\ (forall p, ancestor reg g p -> In p above) /\ parent (last above g) = "".
Proof.
  intros reg now floor g links H. unfold walk in H.
  destruct (climb reg now floor (id g) (pred max_links) g) as [above faults] eqn:C.
  injection H as <- H. apply app_eq_nil in H. destruct H as [L ->].
  destruct (climb_sound _ _ _ _ _ _ _ C) as (Up & In_up & End).
  exists above. split; [reflexivity|]. split; [now apply lapsed_none|]. now repeat split.
Qed.
