(* Reads cases on standard input, a call a line, and writes what the model answers, a line each.
   Fields stand between tabs, items of a list between spaces, parts of an item between commas, and
   parts of a JSON value between bars. In a text, everything but plain letters, digits and
   . / - _ is written %XX; the empty text is %. *)

open Oracle

(* Texts and numbers *)

let decoded text =
  if text = "%" then ""
  else begin
    let out = Buffer.create (String.length text) in
    let rec go i =
      if i < String.length text then
        if text.[i] = '%' then begin
          Buffer.add_char out (Char.chr (int_of_string ("0x" ^ String.sub text (i + 1) 2)));
          go (i + 3)
        end
        else begin Buffer.add_char out text.[i]; go (i + 1) end
    in
    go 0;
    Buffer.contents out
  end

let encoded text =
  let plain c =
    (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9')
    || c = '.' || c = '/' || c = '-' || c = '_' in
  let one c = if plain c then String.make 1 c else Printf.sprintf "%%%02X" (Char.code c) in
  if text = "" then "%" else String.concat "" (List.map one (List.of_seq (String.to_seq text)))

let rec positive_of i =
  let half () = positive_of (Int64.shift_right_logical i 1) in
  if i = 1L then XH else if Int64.logand i 1L = 1L then XI (half ()) else XO (half ())

let number text = match Int64.of_string text with 0L -> N0 | i -> Npos (positive_of i)

let rec int_of_positive = function
  | XH -> 1L
  | XO p -> Int64.mul 2L (int_of_positive p)
  | XI p -> Int64.add 1L (Int64.mul 2L (int_of_positive p))

let shown = function N0 -> "0" | Npos p -> Printf.sprintf "%Lu" (int_of_positive p)

let rec shifted p by = if by = 0 then p else shifted (XO p) (by - 1)

(* MANTISSA^EXPONENT of a double, exactly. *)
let fraction text =
  match String.split_on_char '^' text with
  | [ mantissa; exponent ] ->
      let mantissa = Int64.of_string mantissa and exponent = int_of_string exponent in
      let size = positive_of (Int64.abs (if mantissa = 0L then 1L else mantissa)) in
      let size = if exponent > 0 then shifted size exponent else size in
      let qden = if exponent < 0 then shifted XH (-exponent) else XH in
      let qnum = if mantissa = 0L then Z0 else if mantissa < 0L then Zneg size else Zpos size in
      { qnum; qden }
  | _ -> failwith ("no number: " ^ text)

let bool = function "1" -> true | "0" -> false | other -> failwith ("no truth value: " ^ other)
let items text = if text = "" then [] else String.split_on_char ' ' text
let texts text = List.map decoded (items text)
let parts text = String.split_on_char ',' text

(* JSON values, each part telling how many follow that belong to it *)

let rest part = String.sub part 1 (String.length part - 1)

let rec value = function
  | [] -> failwith "a value is cut short"
  | part :: parts -> (
      match part.[0] with
      | 'n' -> (Null, parts)
      | 't' -> (Boolean true, parts)
      | 'f' -> (Boolean false, parts)
      | '#' -> (Number (fraction (rest part)), parts)
      | '"' -> (Text (decoded (rest part)), parts)
      | '[' ->
          let them, parts = several (int_of_string (rest part)) value parts in
          (Items them, parts)
      | '{' ->
          let them, parts = several (int_of_string (rest part)) member_ parts in
          (Members them, parts)
      | _ -> failwith ("no value: " ^ part))

and member_ = function
  | [] -> failwith "a member is cut short"
  | name :: parts ->
      let it, parts = value parts in
      ((decoded (rest name), it), parts)

and several : 'a. int -> (string list -> 'a * string list) -> string list -> 'a list * string list =
 fun count one parts ->
  if count = 0 then ([], parts)
  else
    let it, parts = one parts in
    let them, parts = several (count - 1) one parts in
    (it :: them, parts)

let json text = if text = "-" then None else Some (fst (value (String.split_on_char '|' text)))

(* The fields of a line *)

let fields = ref []

let next () =
  match !fields with
  | [] -> failwith "a field is missing"
  | field :: more -> fields := more; field

let text () = decoded (next ())
let n () = number (next ())
let pair () = let first = text () in (first, text ())
let amounts calls = let wall = n () in let output = n () in { calls; wall; output; cost = n () }

let clause item =
  match parts item with
  | [ arg; op; bound; it ] ->
      { arg = decoded arg; op_text = decoded op; bound_text = decoded bound; bound = json it }
  | _ -> failwith ("no constraint: " ^ item)

let request item =
  match parts item with
  | [ rtype; name; asked; right ] ->
      { rtype = decoded rtype; name = decoded name; asked = decoded asked; right = number right }
  | _ -> failwith ("no request: " ^ item)

let grant () =
  let id = text () in
  let holder = pair () in
  let resource = pair () in
  let scope = text () in
  let rights = n () in
  let confidence = n () in
  let expires_at = n () in
  let epoch = n () in
  let parent = text () in
  let cross_domain = bool (next ()) in
  let clauses = List.map clause (items (next ())) in
  let other_args = text () in
  let limits = amounts (n ()) in
  let approvers = texts (next ()) in
  { id; holder; resource; scope; rights; confidence; expires_at; epoch; parent; cross_domain;
    clauses; other_args; limits; approvers }

let action () =
  let action_id = text () in
  let actor = text () in
  let kind = text () in
  let tool = text () in
  let args_size = n () in
  let args = match json (next ()) with Some (Members them) -> Some them | _ -> None in
  let requests = List.map request (items (next ())) in
  let governs_humans = texts (next ()) in
  let flags = n () in
  let min_epoch = n () in
  let proof = text () in
  let proof_size = n () in
  let digest = text () in
  let salt_size = n () in
  let needs_wall = n () in
  let needs_output = n () in
  let needs_cost = n () in
  { action_id; actor; kind; tool; args_size; args; requests; governs_humans; flags; min_epoch;
    proof; proof_size; digest; salt_size; needs_wall; needs_output; needs_cost }

let change = function
  | "enrol" -> let who = pair () in let key = text () in Enrol (who, key, text ())
  | "own" -> let machine = text () in Own (machine, text ())
  | "declare" -> let what = pair () in let public = bool (next ()) in Declare (what, public, text ())
  | "register" -> Register (grant ())
  | "delegate" -> let it = grant () in Delegate (it, pair ())
  | "revoke" -> Revoke (text ())
  | "revoke_holder" -> RevokeHolder (pair ())
  | "revoke_held" -> let who = pair () in RevokeHeld (who, pair ())
  | "epoch" -> AdvanceEpoch (n ())
  | "holder_epoch" -> let who = pair () in AdvanceHolderEpoch (who, n ())
  | other -> failwith ("no call: " ^ other)

(* What the model takes from outside: facts that the caller states first *)

let facts : (string list, bool) Hashtbl.t = Hashtbl.create 1024

let fact about =
  match Hashtbl.find_opt facts about with
  | Some it -> it
  | None -> failwith ("nothing was said of " ^ String.concat " " (List.map encoded about))

let outside =
  { is_pattern = (fun it -> fact [ "pattern"; it ]);
    matches_whole = (fun pattern it -> fact [ "whole"; pattern; it ]);
    matches_part = (fun pattern it -> fact [ "part"; pattern; it ]);
    is_host = (fun it -> fact [ "host"; it ]);
    is_url_on = (fun host it -> fact [ "url"; host; it ]);
    is_key = (fun it -> fact [ "key"; it ]);
    proves = (fun key proof -> key = proof) }

(* Answers *)

let code = function
  | Malformed -> "malformed"
  | ForbiddenFlag -> "forbidden_flag"
  | UnownedMachine -> "unowned_machine"
  | MachineDominion -> "machine_dominion"
  | IdentityMismatch -> "identity_mismatch"
  | NoGrant -> "no_grant"
  | Expired -> "expired"
  | EpochStale -> "epoch_stale"
  | ChainBroken -> "chain_broken"
  | Attenuation -> "attenuation"
  | Constraint -> "constraint"
  | TrustDomain -> "trust_domain"
  | Budget -> "budget"
  | ApprovalRequired -> "approval_required"

let refusal = function
  | None -> "%"
  | Some (Denied why) -> code why
  | Some Conflict -> "conflict"
  | Some UnknownPrincipal -> "unknown_principal"
  | Some TooMany -> "too_many"
  | Some ApprovalForged -> "approval_forged"
  | Some ApprovalExpired -> "approval_expired"
  | Some ApprovalUsed -> "approval_used"

let unfit = function
  | None -> "%"
  | Some PermitDenied -> "permit_denied"
  | Some PermitExpired -> "permit_expired"
  | Some PermitStale -> "permit_stale"
  | Some PermitReplayed -> "permit_replayed"

let warning = function LowConfidence -> "low_confidence" | ContestedWrite -> "contested_write"
let flag it = if it then "1" else "0"
let list one them = String.concat " " (List.map one them)
let fault { code_of; about } = String.concat "," (code code_of :: List.map encoded about)
let chain ids = String.concat "," (flag (ids <> []) :: List.map encoded ids)

let verdict v =
  String.concat "\t"
    [ flag v.permitted; list fault v.violations; list warning v.warnings; shown v.sureness;
      flag v.arbitration; list chain v.chains; shown v.v_epoch; shown v.issued_at; shown v.ends_at;
      list encoded v.v_approvers ]

(* Calls *)

let kernel = ref (new_kernel N0)
let verdicts : (string, verdict) Hashtbl.t = Hashtbl.create 64
let moment = ref N0
let label = ref ""
let place = ref 0

let changed epoch_of (now_kernel, why) =
  kernel := now_kernel;
  Some (refusal why ^ "\t" ^ shown (epoch_of now_kernel.reg))

let nonce_of index =
  match Hashtbl.find_opt verdicts index with Some v -> v.v_nonce | None -> "none"

let decided it =
  let now_kernel, v = decide_one outside !kernel !moment (Printf.sprintf "%s:%d" !label !place) it in
  kernel := now_kernel;
  incr place;
  Hashtbl.replace verdicts (string_of_int (Hashtbl.length verdicts)) v;
  Some (verdict v)

let approval () =
  let is_ours = bool (next ()) in
  let of_action = text () in
  let approver = text () in
  let until_ = n () in
  let serial = text () in
  { is_ours; of_action; approver; until_; serial; signature = text () }

let settlement () =
  let of_nonce = nonce_of (next ()) in
  let redeemed = bool (next ()) in
  let started = bool (next ()) in
  { of_nonce; redeemed; started; spent = amounts (Npos XH) }

let call = function
  | "fact" ->
      let it = bool (next ()) in
      Hashtbl.replace facts (List.map decoded !fields) it;
      None
  | "kernel" ->
      kernel := new_kernel (n ());
      Hashtbl.reset verdicts;
      None
  | "batch" ->
      moment := n ();
      label := next ();
      place := 0;
      kernel := begin_batch !kernel !moment;
      None
  | "act" -> decided (action ())
  | "approve" -> let now = n () in
      changed (fun reg -> reg.now_epoch) (approve_one outside !kernel now (approval ()))
  | "redeem" ->
      let now = n () in
      let now_kernel, (why, budgeted) = redeem_one !kernel now (Hashtbl.find verdicts (next ())) in
      kernel := now_kernel;
      Some (unfit why ^ "\t" ^ flag budgeted)
  | "settle" ->
      let now_kernel, found = settle_one !kernel (settlement ()) in
      kernel := now_kernel;
      Some (flag found)
  | other ->
      let now = n () in
      let it = change other in
      changed (fun reg -> epoch_after reg it) (change_one outside !kernel now it)

let () =
  try
    while true do
      fields := String.split_on_char '\t' (input_line stdin);
      match call (next ()) with Some answer -> print_string (answer ^ "\n") | None -> ()
    done
  with End_of_file -> ()
