(** JSON values: the arguments of an action and the bounds of constraints (section 8).

    Reading JSON text is no part of the model. A number is a double, and every finite double is a
    fraction, so that comparing fractions is comparing doubles. *)

From Coq Require Export QArith.
From Authgate Require Import Text.
Open Scope N_scope.

Inductive value :=
| Null
| Boolean (it : bool)
| Number (it : Q)
| Text (it : string)
| Items (them : list value)
| Members (them : list (string * value)).

Definition is_null (it : value) : bool := match it with Null => true | _ => false end.

Definition member (name : string) (members : list (string * value)) : option value :=
  lookup String.eqb name members.

(** Of one type and the same: lists element by element, objects name by name in any order. *)
Fixpoint same (a b : value) {struct a} : bool :=
  match a, b with
  | Null, Null => true
  | Boolean a, Boolean b => Bool.eqb a b
  | Number a, Number b => Qeq_bool a b
  | Text a, Text b => String.eqb a b
  | Items a, Items b =>
      (fix each (a b : list value) : bool :=
         match a, b with
         | [], [] => true
         | x :: a, y :: b => same x y && each a b
         | _, _ => false
         end) a b
  | Members a, Members b =>
      (size_of a =? size_of b)
      && (fix each (a : list (string * value)) : bool :=
            match a with
            | [] => true
            | (name, x) :: a =>
                match member name b with Some y => same x y | None => false end && each a
            end) a
  | _, _ => false
  end.
