(** What calls were charged and what is held for others is never more than a limit, whatever the
    order of changes, decisions, starts, settlements and the passing of time. *)

From Coq Require Import Lia.
From Authgate Require Import Text Scope Value Constraints Grant Chain Approval Budget Decide Changes.
From Authgate Require Import ChainFacts DecideFacts.
Open Scope N_scope.

Lemma at_both : forall with_ unit a b, at_ unit (both with_ a b) = with_ (at_ unit a) (at_ unit b).
Proof. now intros with_ [] a b. Qed.

Lemma at_nothing : forall unit, at_ unit nothing = 0.
Proof. now intros []. Qed.

Lemma used_after : forall with_ by_ names l hs them name,
  used_of (Ledger (adjusted with_ by_ names l) hs them) name =
  if contains names name then both with_ (used_of l name) by_ else used_of l name.
Proof.
  intros. unfold adjusted, used_of. simpl. induction names as [|n names IH]; [reflexivity|]. simpl.
  destruct (String.eqb_spec name n) as [->|]; [reflexivity|exact IH].
Qed.

(** What one hold keeps of a grant. *)
Definition share (name : string) (unit : unit_) (h : hold) : N :=
  if contains (charged h) name then at_ unit (held h) else 0.

Definition sum (numbers : list N) : N := fold_right N.add 0 numbers.

Definition outstanding (l : ledger) (name : string) (unit : unit_) : N :=
  sum (map (share name unit) (holds l)).

Lemma others_less : forall l n name unit,
  outstanding (Ledger (used l) (others l n) (approved l)) name unit <= outstanding l name unit.
Proof.
  intros. unfold outstanding, others. simpl. induction (holds l) as [|h hs IH]; simpl; [lia|].
  destruct (negb (nonce h =? n)%string); simpl; lia.
Qed.

Lemma others_without : forall l n h name unit, hold_of l n = Some h ->
  share name unit h + sum (map (share name unit) (others l n)) <= outstanding l name unit.
Proof.
  intros l n h name unit H. unfold hold_of, outstanding, others in *.
  induction (holds l) as [|x hs IH]; simpl in *; [discriminate|].
  destruct (nonce x =? n)%string eqn:E; simpl.
  - injection H as ->. clear IH. induction hs as [|y hs IH]; simpl; [lia|].
    destruct (negb (nonce y =? n)%string); simpl; lia.
  - specialize (IH H). lia.
Qed.

(** What calls that have ended were charged, of each grant: kept beside the ledger to speak of. *)
Definition charges := list (string * amounts).

Definition paid (them : charges) (name : string) (unit : unit_) : N :=
  sum (map (fun '(n, by_) => if (name =? n)%string then at_ unit by_ else 0) them).

Definition charge (h : hold) (spent : amounts) : charges :=
  map (fun n => (n, both N.min (held h) spent)) (nodup string_dec (charged h)).

Lemma sum_app : forall a b, sum (a ++ b) = sum a + sum b.
Proof. intros. induction a; simpl; lia. Qed.

Lemma paid_app : forall a b name unit, paid (a ++ b) name unit = paid a name unit + paid b name unit.
Proof. intros. unfold paid. now rewrite map_app, sum_app. Qed.

Lemma contains_is : forall names name, contains names name = true <-> In name names.
Proof.
  intros. unfold contains. rewrite existsb_exists. split.
  - intros (x & I & E). apply String.eqb_eq in E. now subst.
  - intros I. exists name. now rewrite String.eqb_refl.
Qed.

Lemma paid_charge : forall h spent name unit, paid (charge h spent) name unit =
  if contains (charged h) name then N.min (at_ unit (held h)) (at_ unit spent) else 0.
Proof.
  intros. unfold charge, paid. rewrite map_map, <- at_both.
  pose proof (NoDup_nodup string_dec (charged h)) as D.
  assert (contains (charged h) name = contains (nodup string_dec (charged h)) name) as ->.
  { apply eq_true_iff_eq. now rewrite !contains_is, nodup_In. }
  induction D as [|n names Out D IH]; [reflexivity|]. simpl.
  destruct (String.eqb_spec name n) as [->|]; simpl.
  - rewrite IH. destruct (contains names n) eqn:C; [apply contains_is in C; contradiction|]. lia.
  - exact IH.
Qed.

(** A registry of unique ids, a ledger that keeps to the limits of its grants, and charges that the
    ledger knows of. *)
Record in_bounds (reg : registry) (l : ledger) (c : charges) : Prop := {
  unique : forall g, In g (grants reg) -> find reg (id g) = Some g;
  known : forall name unit, find reg name = None -> at_ unit (used_of l name) = 0;
  bounded : forall g unit, In g (grants reg) -> at_ unit (limits g) <> no_limit ->
    at_ unit (used_of l (id g)) <= at_ unit (limits g);
  counted : forall name unit,
    paid c name unit + outstanding l name unit <= at_ unit (used_of l name);
}.

Lemma finish_in_bounds : forall reg l c n h spent, in_bounds reg l c -> hold_of l n = Some h ->
  in_bounds reg (finish l n spent) (charge h spent ++ c).
Proof.
  intros reg l c n h spent [U K B C] H. unfold finish. rewrite H. split; auto; intros;
    rewrite used_after.
  - specialize (K name unit). destruct (contains _ _); rewrite ?at_both, K; auto.
  - specialize (B g unit). destruct (contains _ _); rewrite ?at_both; specialize (B H0 H1); lia.
  - rewrite paid_app, paid_charge. specialize (C name unit).
    pose proof (others_without l n h name unit H) as O. unfold outstanding at 1. simpl.
    unfold share at 1 in O. destruct (contains _ _); rewrite ?at_both; lia.
Qed.

(** Approvals are another matter. *)
Lemma same_books : forall reg l c them, in_bounds reg l c -> in_bounds reg (with_approvals l them) c.
Proof. intros reg l c them [U K B C]. now split. Qed.

Lemma lacking_none : forall l needs links, lacking l needs links = [] ->
  forall g unit, In g links -> is_short l needs g unit = false.
Proof.
  intros l needs links H g unit I. pose proof (flat_map_none _ _ H g I) as G.
  assert (In unit units) as Iu by (destruct unit; simpl; tauto).
  apply (flat_map_none _ _ G) in Iu. now apply says_none in Iu.
Qed.

Lemma once_same : forall names name, In name (once names) <-> In name names.
Proof.
  induction names as [|n names IH]; intros name; [tauto|]. simpl. rewrite filter_In, IH.
  split; [tauto|]. destruct (String.eqb_spec name n) as [->|]; simpl; intuition.
Qed.

Section Steps.
Context {outside : Outside}.

Lemma charged_links_suffice : forall reg l m a name, is_permitted reg l m a ->
  (forall g, In g (grants reg) -> find reg (id g) = Some g) ->
  In name (to_charge (flat_map (fun it => chain_of (snd it)) (answers reg l (now m) a))) ->
  exists g, find reg name = Some g /\ forall unit, is_short l (needs a) g unit = false.
Proof.
  intros reg l m a name P U I. unfold to_charge in I. apply once_same, in_map_iff in I.
  destruct I as (g & <- & I). apply filter_In in I. destruct I as [I _].
  apply in_flat_map in I. destruct I as ([r it] & I & G). simpl in G.
  destruct (permit_means _ _ _ _ P) as (_ & _ & _ & A & _). rewrite A, in_map_iff in I.
  destruct I as (r' & E & I). injection E as <- <-.
  pose proof (answer_is reg l (now m) a r') as Is.
  destruct (answer_to reg l (now m) a r') as [|chain|]; simpl in G; try contradiction.
  destruct Is as (first & above & -> & J). destruct J. exists g. split.
  - destruct G as [->|G]; [now apply U|]. eapply Forall_forall in sound_above; [|exact G].
    now destruct sound_above.
  - intros unit. eapply lacking_none; eauto.
Qed.

Lemma reserve_in_bounds : forall reg l c m a, in_bounds reg l c ->
  in_bounds reg (snd (decide reg l m a)) c.
Proof.
  intros reg l c m a In_bounds. pose proof (charged_links_suffice reg l m a) as Suffice.
  unfold is_permitted in Suffice. unfold decide in *. simpl in *.
  destruct (all_violations reg l (now m) a); [|exact In_bounds].
  set (spent := match rests_on _ _ _ _ with [] => l | _ => _ end).
  assert (exists them, spent = with_approvals l them) as [them Same].
  { subst spent. destruct (rests_on _ _ _ _); [exists (approved l); now destruct l|].
    eexists. reflexivity. }
  rewrite Same. clearbody spent. clear Same.
  set (names := to_charge _) in *. clearbody names.
  set (ends := earliest _ _). clearbody ends.
  destruct In_bounds as [U K B C]. specialize (fun name => Suffice name eq_refl U).
  unfold reserve. simpl. destruct names as [|n0 names0] eqn:E; [now split|]. rewrite <- E in *. clear E.
  split; auto; intros; rewrite used_after; change (used_of (with_approvals l them)) with (used_of l).
  - destruct (contains names name) eqn:I; [|now apply K]. apply contains_is in I.
    destruct (Suffice name I) as (g & F & _). congruence.
  - destruct (contains names (id g)) eqn:I; [|now apply B]. apply contains_is in I.
    destruct (Suffice _ I) as (g' & F & Short). rewrite (U g H) in F. injection F as <-.
    specialize (Short unit). specialize (B g unit H H0). unfold is_short in Short.
    rewrite at_both. apply andb_false_iff in Short. rewrite negb_false_iff, N.eqb_eq, N.ltb_ge in Short.
    destruct Short; [contradiction|lia].
  - specialize (C name unit). pose proof (others_less l (fresh m) name unit) as O.
    change (others (with_approvals l them)) with (others l).
    unfold outstanding in *. simpl in *. unfold share at 1. simpl.
    destruct (contains names name); rewrite ?at_both; lia.
Qed.

Lemma start_in_bounds : forall reg l c n l', in_bounds reg l c -> start l n = Some l' ->
  in_bounds reg l' c.
Proof.
  intros reg l c n l' [U K B C] S. unfold start in S. destruct (hold_of l n) as [h|] eqn:H; [|discriminate].
  injection S as <-. split; auto. intros name unit. specialize (C name unit).
  pose proof (others_without l n h name unit H) as O. unfold outstanding at 1. simpl.
  unfold share in O at 1. unfold share at 1. simpl. unfold used_of in *. simpl. lia.
Qed.

Lemma paid_nothing : forall h name unit, paid (charge h nothing) name unit = 0.
Proof. intros. rewrite paid_charge, at_nothing. destruct (contains _ _); lia. Qed.

Lemma release_in_bounds : forall reg l c moment, in_bounds reg l c -> in_bounds reg (release l moment) c.
Proof.
  intros reg l c moment. unfold release. generalize (filter (has_ended moment) (holds l)) as ended.
  intros ended. revert l. induction ended as [|h ended IH]; intros l In_bounds; [exact In_bounds|].
  simpl. apply IH. destruct (hold_of l (nonce h)) as [it|] eqn:H.
  - destruct (finish_in_bounds _ _ _ _ _ nothing In_bounds H) as [U K B C]. split; auto.
    intros name unit. specialize (C name unit). rewrite paid_app, paid_nothing in C. lia.
  - unfold finish. now rewrite H.
Qed.

Lemma find_added : forall reg g name,
  find (add_grant reg g) name =
  match find reg name with Some it => Some it | None => if (id g =? name)%string then Some g else None end.
Proof.
  intros. unfold find, add_grant. simpl. induction (grants reg) as [|x gs IH]; simpl; [reflexivity|].
  destruct (id x =? name)%string; auto.
Qed.

Lemma entry_in_bounds : forall reg l c g, in_bounds reg l c -> find reg (id g) = None ->
  in_bounds (add_grant reg g) l c.
Proof.
  intros reg l c g [U K B C] New. split; auto.
  - intros x I. rewrite find_added. simpl in I. apply in_app_iff in I.
    destruct I as [I|[<-|[]]]; [now rewrite U|]. now rewrite New, String.eqb_refl.
  - intros name unit F. apply K. rewrite find_added in F. now destruct (find reg name).
  - intros x unit I L. simpl in I. apply in_app_iff in I. destruct I as [I|[<-|[]]]; auto.
    rewrite K by assumption. lia.
Qed.


Lemma apply_in_bounds : forall reg l c moment it reg', in_bounds reg l c ->
  apply reg moment it = (reg', None) -> in_bounds reg' l c.
Proof.
  intros reg l c moment it reg' In_bounds H. unfold apply in H.
  destruct (refused reg moment it) eqn:R; [discriminate|]. injection H as <-.
  assert (forall g, may_enter reg g = None -> find reg (id g) = None) as Free.
  { intros g M. unfold may_enter in M. destruct (find reg (id g)); [discriminate|reflexivity]. }
  unfold refused in R. destruct (is_well_formed it); [|discriminate]. simpl in R.
  destruct reg as [ps os rs gs gone epoch]. destruct it; simpl in *;
    try (destruct In_bounds; now split).
  - apply entry_in_bounds; auto.
  - destruct (may_enter _ g) eqn:M; [discriminate|]. apply entry_in_bounds; auto.
Qed.

(** Everything that can happen to a registry and its ledger, in any order. *)
Inductive step : registry * ledger * charges -> registry * ledger * charges -> Prop :=
| Changing : forall reg l c moment it reg',
    apply reg moment it = (reg', None) -> step (reg, l, c) (reg', l, c)
| Deciding : forall reg l c m a, step (reg, l, c) (reg, snd (decide reg l m a), c)
| Approving : forall reg l c moment it l',
    approve reg l moment it = (l', None) -> step (reg, l, c) (reg, l', c)
| Starting : forall reg l c n l', start l n = Some l' -> step (reg, l, c) (reg, l', c)
| Releasing : forall reg l c moment, step (reg, l, c) (reg, release l moment, c)
| Settling : forall reg l c s h, hold_of l (of_nonce s) = Some h -> snd (settle l s) = true ->
    step (reg, l, c) (reg, fst (settle l s), charge h (if started s then spent s else nothing) ++ c).

Inductive reached : registry * ledger * charges -> Prop :=
| Beginning : reached (empty_registry, empty_ledger, [])
| Onward : forall before after, reached before -> step before after -> reached after.

Lemma reached_in_bounds : forall state, reached state ->
  in_bounds (fst (fst state)) (snd (fst state)) (snd state).
Proof.
  intros state R. induction R as [|before after R IH S].
  - split; simpl; try contradiction; intros; unfold used_of; simpl; rewrite at_nothing; reflexivity || lia.
  - destruct S as [reg l c moment it reg' A|reg l c m a|reg l c moment it l' A|reg l c n l' S|reg l c moment|reg l c s h H S];
      simpl in *.
    + eauto using apply_in_bounds.
    + now apply reserve_in_bounds.
    + unfold approve in A. destruct (unfit_approval _ _ _ _); [discriminate|]. injection A as <-.
      now apply same_books.
    + eauto using start_in_bounds.
    + now apply release_in_bounds.
    + unfold settle in *. rewrite H in *.
      destruct (negb (redeemed s) && runs h); [discriminate|]. now apply finish_in_bounds.
Qed.

End Steps.
