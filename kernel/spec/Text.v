(** Text, as the bytes of its UTF-8. *)

From Coq Require Export String Ascii List Bool NArith.
Export ListNotations.
Open Scope string_scope.
Open Scope list_scope.
Open Scope N_scope.

(** What is left of [whole] after [prefix]; [None] if it does not begin with it. *)
Fixpoint after (prefix whole : string) : option string :=
  match prefix, whole with
  | EmptyString, _ => Some whole
  | String p prefix, String w whole => if Ascii.eqb p w then after prefix whole else None
  | String _ _, EmptyString => None
  end.

Definition begins_with (prefix whole : string) : bool :=
  match after prefix whole with Some _ => true | None => false end.

Definition is_empty (text : string) : bool := (text =? "")%string.

Definition first_is (c : ascii) (text : string) : bool :=
  match text with String x _ => Ascii.eqb x c | EmptyString => false end.

Fixpoint last_is (c : ascii) (text : string) : bool :=
  match text with
  | EmptyString => false
  | String x EmptyString => Ascii.eqb x c
  | String _ rest => last_is c rest
  end.

(** The parts between the characters that [at_] picks; there is always one. *)
Fixpoint cut_at (at_ : ascii -> bool) (text : string) : list string :=
  match text with
  | EmptyString => [""]
  | String c rest =>
      let parts := cut_at at_ rest in
      if at_ c then "" :: parts
      else match parts with
           | [] => [String c ""]
           | part :: parts => String c part :: parts
           end
  end.

Definition is_slash (c : ascii) : bool := Ascii.eqb c "/".
Definition is_any_slash (c : ascii) : bool := is_slash c || Ascii.eqb c "\".

Fixpoint bytes_of (text : string) : list N :=
  match text with
  | EmptyString => []
  | String c rest => N_of_ascii c :: bytes_of rest
  end.

Fixpoint count {A} (is : A -> bool) (items : list A) : N :=
  match items with
  | [] => 0
  | item :: items => (if is item then 1 else 0) + count is items
  end.

Definition size_of {A} (items : list A) : N := count (fun _ => true) items.

Definition size (text : string) : N := size_of (bytes_of text).

(** Continuation bytes begin no code point. *)
Definition code_points (text : string) : N :=
  count (fun byte => (byte <? 128) || (192 <=? byte)) (bytes_of text).

(** U+0000-U+001F, U+007F, and U+0080-U+009F, which are 0xC2 and a byte below 0xA0. *)
Fixpoint has_control (bytes : list N) : bool :=
  match bytes with
  | [] => false
  | byte :: rest =>
      (byte <? 32) || (byte =? 127)
      || ((byte =? 194) && match rest with next :: _ => next <? 160 | [] => false end)
      || has_control rest
  end.

Definition contains (texts : list string) (text : string) : bool := existsb (String.eqb text) texts.

(** The first value under a key. *)
Fixpoint lookup {K V} (same : K -> K -> bool) (key : K) (table : list (K * V)) : option V :=
  match table with
  | [] => None
  | (k, v) :: table => if same key k then Some v else lookup same key table
  end.

Definition same_pair (a b : string * string) : bool :=
  (fst a =? fst b)%string && (snd a =? snd b)%string.
