"""Every verb of `authgate` with its arguments. Nothing heavy is imported, so that help is fast."""

from __future__ import annotations

from argparse import ArgumentParser, ArgumentTypeError, RawDescriptionHelpFormatter
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import TYPE_CHECKING, Any, NoReturn

from authgate_async.cli.exits import Exit

if TYPE_CHECKING:
    from argparse import _SubParsersAction

__all__ = ["make_parser"]

_MOST = 1_000_000
_DIGITS = 17
_STATUS = """\
exit status: 0 done, 1 a bug of ours, 2 bad input (then nothing ran), 3 some denied,
4 some runs or tools failed, 5 interrupted, 6 something outside is missing;
the highest that applies"""
_DECIDE = """\
Decide actions; nothing runs and nothing is recorded. Each line of stdin is one JSON object:
  {"id": "1", "actor": "alice-bot", "tool": "calculator", "args": {"expression": "1 + 1"}}
In place of what a known tool needs for its arguments, "requests" says what is asked:
  [{"resource": "file:workspace", "scope": "reports", "right": "read"}]
Also "kind" (machine), "min_epoch" (0), "governs_humans" (names), "flags" (names), "proof" (hex).
The answers are JSON lines on stdout, in the same order."""

_REPLAY = """\
Verify a log, and decide every intent in it again as if the policy had stood in place of what each
session had granted before its first run; changes recorded later are made again. Nothing runs.
Tells what would be denied or permitted, which grants nothing needed, and the fewest that would
have been enough. Status 3: something that was permitted would be denied. 4: something cannot be
decided again, for the log does not hold what decides it."""


class _Parser(ArgumentParser):
    def __init__(self, **options: Any) -> None:
        ours: dict[str, Any] = {"formatter_class": RawDescriptionHelpFormatter, "epilog": _STATUS}
        super().__init__(**ours | options)

    def error(self, message: str) -> NoReturn:
        line = f"{self.prog}: {message}; see `{self.prog} --help`"
        self.exit(Exit.BAD_INPUT, "".join(map(_visible, line)) + "\n")


def _visible(char: str) -> str:
    plain = char.isascii() and char.isprintable()
    return char if plain else char.encode("unicode_escape", "surrogatepass").decode()


def make_parser() -> ArgumentParser:
    """Return the parser; what it parses has `verb`, the module of this package to run."""
    parser = _Parser(prog="authgate", description="Run agents without trusting them.")
    verbs = parser.add_subparsers(title="verbs", metavar="VERB", required=True)
    for declare in (
        _run,
        _batch,
        _decide,
        _explain,
        _replay,
        _policy,
        _audit,
        _approvals,
        _keygen,
        _doctor,
        _redteam,
    ):
        declare(verbs)
    return parser


if TYPE_CHECKING:
    _Verbs = _SubParsersAction[_Parser]


def _run(verbs: _Verbs) -> None:
    parser = verbs.add_parser("run", help="run one task")
    parser.set_defaults(verb="run")
    parser.add_argument("intent", metavar="INTENT", help="what is wanted, in English")
    _policy_option(parser)
    parser.add_argument("--agent", metavar="NAME", help="the machine; needed if there are several")
    parser.add_argument("--log", type=Path, default=Path("authgate-log"), metavar="DIR")
    _runtime_options(parser)


def _batch(verbs: _Verbs) -> None:
    parser = verbs.add_parser("batch", help="run many tasks, results as they finish")
    parser.set_defaults(verb="batch")
    parser.add_argument("tasks", type=Path, metavar="TASKS.jsonl", help="one JSON object a line")
    _policy_option(parser)
    parser.add_argument(
        "--out", required=True, metavar="RESULTS.jsonl", help="one result a line; - is stdout"
    )
    parser.add_argument("--force", action="store_true", help="replace what is in --out")
    parser.add_argument("--log", required=True, type=Path, metavar="DIR")
    parser.add_argument(
        "--concurrency", type=_count, metavar="N", help="agents at once; the policy's, else 256"
    )
    parser.add_argument("--loop", choices=("asyncio", "trio"), default="asyncio")
    _runtime_options(parser)


def _decide(verbs: _Verbs) -> None:
    parser = verbs.add_parser("decide", help="decide actions; nothing runs", description=_DECIDE)
    parser.set_defaults(verb="decide")
    _policy_option(parser)
    _backend_option(parser)


def _explain(verbs: _Verbs) -> None:
    about = "Say why an action, as `decide` takes it, is permitted or denied; nothing runs."
    parser = verbs.add_parser("explain", help="say why an action is decided so", description=about)
    parser.set_defaults(verb="explain")
    _policy_option(parser)
    parser.add_argument("action", type=Path, metavar="ACTION.json", help="one JSON object")
    _backend_option(parser)
    _json_option(parser)


def _replay(verbs: _Verbs) -> None:
    parser = verbs.add_parser(
        "replay", help="decide a log's intents again, under other grants", description=_REPLAY
    )
    parser.set_defaults(verb="replay")
    _log_argument(parser)
    _policy_option(parser)
    _public_key_option(parser)
    _backend_option(parser)
    parser.add_argument("--json", action="store_true", help="print JSON lines, the summary last")


def _policy(verbs: _Verbs) -> None:
    parser = verbs.add_parser("policy", help="check a policy file, or describe the format")
    parser.set_defaults(verb="policy")
    parts = parser.add_subparsers(title="parts", metavar="PART", dest="part", required=True)
    check = parts.add_parser("check", help="tell everything that is wrong with a policy file")
    check.add_argument("file", type=Path, metavar="FILE")
    _json_option(check)
    _backend_option(check)
    parts.add_parser("schema", help="print the JSON Schema of policy files")


def _audit(verbs: _Verbs) -> None:
    parser = verbs.add_parser("audit", help="check a log, show it, or prove what it holds")
    parts = parser.add_subparsers(title="parts", metavar="PART", dest="part", required=True)
    for declare in (
        _verify,
        _show,
        _tail,
        _open,
        _claim,
        _complete,
        _checkpoint,
        _prove,
        _check_proof,
        _export,
        _schema,
        _hand_over,
    ):
        declare(parts)


def _verify(parts: _Verbs) -> None:
    verify = parts.add_parser("verify", help="read a log from end to end and check every record")
    verify.set_defaults(verb="audit")
    _log_argument(verify)
    _public_key_option(verify)
    verify.add_argument(
        "--against", type=Path, metavar="FILE", help="a checkpoint that the log must contain"
    )
    _json_option(verify)


def _show(parts: _Verbs) -> None:
    show = parts.add_parser("show", help="list records, without checking signatures")
    show.set_defaults(verb="audit_show")
    _record_options(show)


def _tail(parts: _Verbs) -> None:
    tail = parts.add_parser("tail", help="print the last records, without checking signatures")
    tail.set_defaults(verb="audit_show")
    tail.add_argument("-f", "--follow", action="store_true", help="go on as the log grows")
    tail.add_argument("-n", "--lines", type=_count, default=10, metavar="N", help="how many (10)")
    _record_options(tail)


def _record_options(show: ArgumentParser) -> None:
    _log_argument(show)
    for name in ("run", "agent", "tool", "code", "kind"):
        show.add_argument(f"--{name}", help=f"only records with this {name}")
    for name, which in (("since", "from"), ("until", "before")):
        show.add_argument(
            f"--{name}", type=_moment, metavar="TIME", help=f"only records {which} then; ISO 8601"
        )
    show.add_argument("--json", action="store_true", help="print one JSON object a record")


def _open(parts: _Verbs) -> None:
    about = "Show what is sealed for the auditor, and hold it against the digests of its record."
    show = parts.add_parser("open", help="show what is sealed for the auditor", description=about)
    show.set_defaults(verb="audit_open")
    show.add_argument(
        "--key", type=Path, metavar="FILE", required=True, help="the auditor's private key"
    )
    _record_options(show)


def _claim(parts: _Verbs) -> None:
    about = (
        "Check that FILE holds what a record keeps a digest of: the arguments, the result or a "
        "stream of a call, or the task's sentence of a run."
    )
    claim = parts.add_parser("claim", help="hold a text against a digest", description=about)
    claim.set_defaults(verb="audit_open")
    claim.add_argument("index", type=_index, metavar="N", help="the record's index, from 0")
    claim.add_argument("file", type=Path, metavar="FILE", help="the text")
    _log_argument(claim)
    claim.add_argument(
        "--key", type=Path, metavar="FILE", help="the log's private key, which makes its salts"
    )


def _complete(parts: _Verbs) -> None:
    complete = parts.add_parser("complete", help="check that no record of a run is missing")
    complete.set_defaults(verb="audit")
    complete.add_argument("run", metavar="RUN", help="the run's id")
    _log_argument(complete)
    _public_key_option(complete)
    _json_option(complete)


def _checkpoint(parts: _Verbs) -> None:
    checkpoint = parts.add_parser(
        "checkpoint", help="print the last checkpoint, to be kept elsewhere"
    )
    checkpoint.set_defaults(verb="audit")
    _log_argument(checkpoint)
    _public_key_option(checkpoint)


def _prove(parts: _Verbs) -> None:
    prove = parts.add_parser("prove", help="print a proof (tlog-proof) of one record")
    prove.set_defaults(verb="audit_proof")
    prove.add_argument("index", type=_index, metavar="N", help="the record's index, from 0")
    _log_argument(prove)


def _check_proof(parts: _Verbs) -> None:
    check = parts.add_parser(
        "check-proof", help="check a proof, and print the record that it is of"
    )
    check.set_defaults(verb="audit_proof")
    check.add_argument("file", type=Path, metavar="FILE")
    check.add_argument(
        "--key", type=Path, metavar="FILE", required=True, help="the log's public key"
    )
    _json_option(check)


def _export(parts: _Verbs) -> None:
    export = parts.add_parser("export", help="write a log as static files for a web server")
    export.set_defaults(verb="audit_proof")
    _log_argument(export)
    export.add_argument(
        "--tiles", type=Path, metavar="FOLDER", required=True, help="a new folder (tlog-tiles)"
    )


def _schema(parts: _Verbs) -> None:
    schema = parts.add_parser("schema", help="print the JSON Schema of one kind of record, or all")
    schema.set_defaults(verb="audit_show")
    schema.add_argument("kind", nargs="?", metavar="KIND")


def _hand_over(parts: _Verbs) -> None:
    hand_over = parts.add_parser("hand-over", help="record that the log's next key is another one")
    hand_over.set_defaults(verb="audit")
    _log_argument(hand_over)
    hand_over.add_argument(
        "--key", type=Path, metavar="FILE", required=True, help="the log's private key until now"
    )
    hand_over.add_argument(
        "--to", type=Path, metavar="FILE.pub", required=True, help="the public key from then on"
    )


def _approvals(verbs: _Verbs) -> None:
    parser = verbs.add_parser("approvals", help="show what waits for a human, and approve it")
    parser.set_defaults(verb="approvals")
    parts = parser.add_subparsers(title="parts", metavar="PART", dest="part", required=True)
    listed = parts.add_parser("list", help="list the calls of a running runtime that wait")
    _log_argument(listed)
    listed.add_argument("--json", action="store_true", help="print one JSON object a call")
    sign = parts.add_parser("sign", help="show one call, and approve exactly that")
    sign.add_argument("action", metavar="CALL", help="the call's id, RUN:SEQ")
    _log_argument(sign)
    sign.add_argument(
        "--key", type=Path, metavar="FILE", required=True, help="the approver's private key"
    )
    sign.add_argument("--as", dest="approver", metavar="NAME", help="which of the approvers")
    sign.add_argument(
        "--to",
        type=Path,
        metavar="FOLDER",
        help="where the runtime takes approvals (its --approvals); stdout by default",
    )


def _keygen(verbs: _Verbs) -> None:
    parser = verbs.add_parser("keygen", help="make a key for signing logs and verdicts")
    parser.set_defaults(verb="keygen")
    parser.add_argument("file", type=Path, metavar="FILE", help="private; FILE.pub will be public")
    parser.add_argument(
        "--auditor", action="store_true", help="a key that opens what a log has sealed (X25519)"
    )
    _json_option(parser)


def _doctor(verbs: _Verbs) -> None:
    parser = verbs.add_parser("doctor", help="tell what this machine has and can enforce")
    parser.set_defaults(verb="doctor")
    _json_option(parser)


def _redteam(verbs: _Verbs) -> None:
    # All that follows is for the red team's own parser: no sign of an option is one here.
    parser = verbs.add_parser(
        "redteam", help="attack the runtime (in a clone)", add_help=False, prefix_chars="\0"
    )
    parser.set_defaults(verb="redteam")
    parser.add_argument("words", nargs="*")


def _policy_option(parser: ArgumentParser) -> None:
    parser.add_argument("--policy", required=True, type=Path, metavar="FILE", help="TOML")


def _backend_option(parser: ArgumentParser) -> None:
    parser.add_argument(
        "--backend",
        choices=("rust", "python", "auto"),
        default="rust",
        help="the kernel: rust (default), python (the reference), auto (rust where it is there)",
    )


def _log_argument(parser: ArgumentParser) -> None:
    parser.add_argument(
        "log",
        type=Path,
        nargs="?",
        default=Path("authgate-log"),
        metavar="DIR",
        help="the folder that holds the log (authgate-log)",
    )


def _public_key_option(parser: ArgumentParser) -> None:
    parser.add_argument(
        "--key", type=Path, metavar="FILE", help="the public key that must have signed"
    )


def _json_option(parser: ArgumentParser) -> None:
    parser.add_argument("--json", action="store_true", help="print one JSON object to stdout")


def _runtime_options(parser: ArgumentParser) -> None:
    parser.add_argument(
        "--approvals", type=Path, metavar="FOLDER", help="take signed approvals from this folder"
    )
    parser.add_argument("--key", type=Path, metavar="FILE", help="the private key that signs")
    parser.add_argument(
        "--auditor", type=Path, metavar="FILE.pub", help="the public key that texts are sealed to"
    )
    _backend_option(parser)
    _json_option(parser)
    parser.add_argument(
        "--log-level",
        choices=("debug", "info", "warning", "error", "critical"),
        help="the least level of operator log lines on stderr (warning on a terminal, else info)",
    )


def _count(text: str) -> int:
    if not (text.isascii() and text.isdigit() and 1 <= int(text[:8]) <= _MOST):
        raise ArgumentTypeError(f"give a whole number from 1 to {_MOST}")
    return int(text)


def _index(text: str) -> int:
    if not (text.isascii() and text.isdigit() and len(text) < _DIGITS):
        raise ArgumentTypeError("give a whole number from 0 on")
    return int(text)


def _moment(text: str) -> int:
    """Return microseconds since the epoch; a time without a zone is UTC."""
    try:
        moment = datetime.fromisoformat(text)
        zoned = moment if moment.tzinfo else moment.replace(tzinfo=UTC)
        return (zoned - datetime.fromtimestamp(0, UTC)) // timedelta(microseconds=1)
    except (ValueError, OverflowError):
        raise ArgumentTypeError(
            "give a time like 2026-11-30 or 2026-11-30T08:00:00+01:00"
        ) from None
