(** A scope that covers one that covers a third covers the third. *)

From Authgate Require Import Text Scope.

Lemma after_is : forall prefix whole below,
  after prefix whole = Some below <-> whole = (prefix ++ below)%string.
Proof.
  induction prefix as [|p prefix IH]; intros [|w whole] below; simpl; split; intros H;
    try (injection H as H; now subst); try discriminate; try now subst.
  - destruct (Ascii.eqb_spec p w) as [->|]; [|discriminate]. apply IH in H. now subst.
  - injection H as -> H. rewrite Ascii.eqb_refl. now apply IH.
Qed.

Lemma append_assoc : forall a b c, ((a ++ b) ++ c = a ++ (b ++ c))%string.
Proof. induction a; intros; simpl; congruence. Qed.

Lemma append_nil : forall a, (a ++ "" = a)%string.
Proof. induction a; simpl; congruence. Qed.

Lemma is_empty_true : forall text, is_empty text = true -> text = "".
Proof. intros text H. now apply String.eqb_eq. Qed.

Lemma first_is_append : forall c a b, first_is c a = true -> first_is c (a ++ b) = true.
Proof. intros c [|x a] b H; [discriminate|exact H]. Qed.

(** What [covers] says, apart from its order of evaluation. *)
Definition reaches (granted asked below : string) : Prop :=
  asked = (granted ++ below)%string
  /\ (granted = "" \/ below = "" \/ last_is "/" granted = true \/ first_is "/" below = true).

Lemma covers_is : forall granted asked,
  covers granted asked = true <->
  climbs granted = false /\ climbs asked = false /\ exists below, reaches granted asked below.
Proof.
  intros granted asked. unfold covers.
  destruct (climbs granted), (climbs asked); simpl;
    try (split; [discriminate|intros (?&?&_); discriminate]).
  destruct (after granted asked) as [below|] eqn:E.
  - apply after_is in E. rewrite !orb_true_iff. split.
    + intros H. repeat split; auto. exists below. split; [exact E|].
      destruct H as [[[H|H]|H]|H]; auto using is_empty_true.
    + intros (_ & _ & other & Eo & H). rewrite E in Eo.
      assert (Some below = Some other) as S.
      { transitivity (after granted (granted ++ below)); [symmetry; now apply after_is|].
        rewrite Eo. now apply after_is. }
      injection S as ->. destruct H as [->|[->|[H|H]]]; auto.
  - split; [discriminate|]. intros (_ & _ & below & Eb & _).
    apply after_is in Eb. congruence.
Qed.

Theorem covers_transitive : forall a b c,
  covers a b = true -> covers b c = true -> covers a c = true.
Proof.
  intros a b c Hab Hbc. apply covers_is in Hab, Hbc.
  destruct Hab as (Ca & _ & ab & -> & Hab), Hbc as (_ & Cc & bc & -> & Hbc).
  apply covers_is. repeat split; auto. exists (ab ++ bc)%string.
  split; [apply append_assoc|].
  destruct Hab as [->|[->|[Hab|Hab]]]; auto using first_is_append.
  rewrite append_nil in Hbc. exact Hbc.
Qed.
