(** Scopes (docs/rules.md, section 4): which one covers which. *)

From Authgate Require Import Text.

Definition climbs (scope : string) : bool := contains (cut_at is_any_slash scope) "..".

(** Nothing is normalised and nothing case-folded. *)
Definition covers (granted asked : string) : bool :=
  if climbs granted || climbs asked then false
  else match after granted asked with
       | None => false
       | Some below =>
           is_empty granted || is_empty below || last_is "/" granted || first_is "/" below
       end.
