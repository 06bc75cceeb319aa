(** What a grant says about arguments (section 8): twelve tests, each against its bound.

    Patterns, host names and keys are parameters: what is proven holds whatever they are. *)

From Authgate Require Import Text Value.
Open Scope N_scope.

Class Outside := {
  is_pattern : string -> bool;
  matches_whole : string -> string -> bool;  (* pattern, text *)
  matches_part : string -> string -> bool;
  is_host : string -> bool;
  is_url_on : string -> string -> bool;      (* host, URL *)
  is_key : string -> bool;
  proves : string -> string -> bool;         (* key, proof of this action *)
}.

Inductive op :=
| Eq | OneOf | AllIn | Prefix | Regex | NotRegex | Le | Ge | MaxLen | Absent | Subpath | Host.

Definition ops : list (string * op) :=
  [("eq", Eq); ("one_of", OneOf); ("all_in", AllIn); ("prefix", Prefix); ("regex", Regex);
   ("not_regex", NotRegex); ("le", Le); ("ge", Ge); ("max_len", MaxLen); ("absent", Absent);
   ("subpath", Subpath); ("host", Host)].

Definition op_of (text : string) : option op := lookup String.eqb text ops.

(** [bound] is [bound_text], read; [None] if that is not JSON. *)
Record clause := Clause { arg : string; op_text : string; bound_text : string; bound : option value }.

(** A path's components, without those that are empty or [.]; [None] if it is no path. *)
Definition path_of (text : string) : option (list string) :=
  if is_empty text || existsb (N.eqb 0) (bytes_of text) || contains (cut_at is_any_slash text) ".."
  then None
  else Some (filter (fun part => negb (is_empty part || (part =? ".")%string)) (cut_at is_slash text)).

Fixpoint begins (prefix whole : list string) : bool :=
  match prefix, whole with
  | [], _ => true
  | p :: prefix, w :: whole => (p =? w)%string && begins prefix whole
  | _ :: _, [] => false
  end.

Definition is_subpath (folder text : string) : bool :=
  match path_of folder, path_of text with
  | Some above, Some below =>
      Bool.eqb (first_is "/" folder) (first_is "/" text) && begins above below
  | _, _ => false
  end.

Definition texts_of (them : list value) : list string :=
  flat_map (fun it => match it with Text text => [text] | _ => [] end) them.

Definition is_length (number : Q) : bool :=
  let reduced := Qred number in
  Pos.eqb (Qden reduced) 1 && (0 <=? Qnum reduced)%Z && (Qnum reduced <? 2 ^ 53)%Z.

Definition length_of (it : value) : option N :=
  match it with
  | Text text => Some (code_points text)
  | Items them => Some (size_of them)
  | _ => None
  end.

Section Tests.
Context {outside : Outside}.

(** Whether the bound is one that the operator takes. *)
Definition takes (op : op) (bound : value) : bool :=
  match op, bound with
  | Eq, _ => negb (is_null bound)
  | (OneOf | AllIn), Items them => negb (size_of them =? 0) && negb (existsb is_null them)
  | Prefix, Text _ => true
  | (Regex | NotRegex), Text pattern => is_pattern pattern
  | (Le | Ge), Number _ => true
  | MaxLen, Number number => is_length number
  | Absent, Boolean it => it
  | Subpath, Text folder => match path_of folder with Some _ => true | None => false end
  | Host, Text host => is_host host
  | Host, Items them =>
      negb (size_of them =? 0)
      && forallb (fun it => match it with Text host => is_host host | _ => false end) them
  | _, _ => false
  end.

(** Whether a value that is there passes. *)
Definition passes (op : op) (bound it : value) : bool :=
  match op, bound, it with
  | Eq, _, _ => same bound it
  | OneOf, Items them, _ => existsb (fun one => same one it) them
  | AllIn, Items them, Items given =>
      negb (size_of given =? 0)
      && forallb (fun each => existsb (fun one => same one each) them) given
  | Prefix, Text prefix, Text text => begins_with prefix text
  | Regex, Text pattern, Text text => matches_whole pattern text
  | NotRegex, Text pattern, Text text => negb (matches_part pattern text)
  | Le, Number most, Number number => Qle_bool number most
  | Ge, Number least, Number number => Qle_bool least number
  | MaxLen, Number most, _ =>
      match length_of it with
      | Some length => Qle_bool (inject_Z (Z.of_N length)) most
      | None => false
      end
  | Subpath, Text folder, Text text => is_subpath folder text
  | Host, Text host, Text url => is_url_on host url
  | Host, Items hosts, Text url => existsb (fun host => is_url_on host url) (texts_of hosts)
  | _, _, _ => false
  end.

Definition given (name : string) (args : list (string * value)) : option value :=
  match member name args with
  | Some Null => None
  | found => found
  end.

Definition satisfies (clause : clause) (args : list (string * value)) : bool :=
  match op_of (op_text clause), bound clause, given (arg clause) args with
  | Some Absent, Some _, it => match it with None => true | Some _ => false end
  | Some op, Some bound, Some it => passes op bound it
  | _, _, _ => false
  end.

(** The names of the arguments that a list of constraints forbids; [None] are arguments that
    cannot be read, and are told without a name. *)
Definition breaches (clauses : list clause) (others : bool) (args : option (list (string * value)))
  : list (list string) :=
  match args with
  | None => [[]]
  | Some args =>
      let broken := filter (fun clause => negb (satisfies clause args)) clauses in
      let is_named name := contains (map arg clauses) name in
      let loose := filter (fun '(name, it) => negb (is_null it || is_named name)) args in
      map (fun clause => [arg clause]) broken
      ++ (if others then [] else match loose with [] => [] | _ => [[]] end)
  end.

End Tests.
