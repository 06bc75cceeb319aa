(** The model as a program: oracle.ml, which oracle_main.ml reads cases for.

    Text becomes the text of OCaml; numbers stay what they are in the model. *)

From Coq Require Import Extraction ExtrOcamlBasic ExtrOcamlNativeString.
From Authgate Require Import Text Scope Value Constraints Grant Chain Approval Budget Decide Changes Redeem Kernel.

Extraction Language OCaml.
Extraction "oracle.ml" new_kernel change_one epoch_after approve_one begin_batch decide_one redeem_one settle_one
  flag_names ops units unit_text.
