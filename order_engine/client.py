"""The Python client: every call of the contract as a method that returns the contract's records as plain dicts.

It stands on the standard library alone and imports what is slow only where it is needed, because the command line starts it
for every order. An answer that gets lost on the way is asked for again under the same key, so one call is never two orders.
"""

import http.client
import json
import os
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from typing import Any, NamedTuple
from urllib.parse import quote as in_path
from urllib.parse import urlencode, urlsplit

from order_engine import __version__, errors
from order_engine.home import Home
from order_engine.server_proof import NONCE_CHARACTERS, NONCE_HEADER, PROOF_HEADER, is_proof, secret_of

Record = dict[str, Any]

TRIES = 4  # of one call whose connection breaks
BLOCK = 500  # orders in one request of a batch
PAGE = 500  # records in one request of a listing


class Daemon(NamedTuple):
    """Where a daemon says it is, read from its home."""

    url: str
    pid: int
    version: str

    @property
    def address(self) -> tuple[str, int]:
        """Host and port."""
        parts = urlsplit(self.url)
        return parts.hostname or "127.0.0.1", parts.port or 80


def find_daemon(home: Home) -> Daemon | None:
    """The daemon that this home's file names, or None where there is no file or its process is gone."""
    try:
        found = json.loads(home.daemon_file.read_bytes())
        daemon = Daemon(str(found["url"]), int(found["pid"]), str(found["version"]))
        if daemon.pid <= 0:  # to the kernel that would be a whole group of processes
            return None
        os.kill(daemon.pid, 0)
    except (FileNotFoundError, ProcessLookupError, ValueError, KeyError, TypeError):
        return None
    except PermissionError as error:
        if error.filename is None:  # a process of another user: there, and not ours to signal
            return daemon
        raise errors.EngineError(
            f"{home.daemon_file} cannot be read.", code="unauthorized", hint="Run: oee doctor"
        ) from error
    return daemon


def new_key() -> str:
    """A client order id that nobody else has."""
    return f"oee-{os.urandom(12).hex()}"


class Client:
    """A connection to the daemon of one home. For one thread; make another for another thread.

    The daemon is started when none runs, unless `autostart` is false or `OEE_AUTOSTART=0`. `tell` hears of such things; by
    default they go to standard error when that is a terminal. Every method raises a class of `order_engine.errors`: Refused
    and Malformed mean that nothing happened, OutcomeUnknown that it must be looked up, Unreachable that no daemon answered.
    """

    def __init__(
        self,
        home: Home | None = None,
        autostart: bool = True,
        *,
        timeout_s: float = 30.0,
        tell: Callable[[str], None] | None = None,
    ) -> None:
        self.home = home or Home.from_environment()
        self.autostart = autostart and os.environ.get("OEE_AUTOSTART") != "0"
        self._timeout_s = timeout_s
        self._tell = tell or _tell_a_terminal
        self._connection: http.client.HTTPConnection | None = None
        self._headers: dict[str, str] = {}

    def __enter__(self) -> "Client":
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    def close(self) -> None:
        """Lets go of the connection. The next call makes a new one."""
        if self._connection is not None:
            self._connection.close()
            self._connection = None

    # orders

    def submit(self, order: Mapping[str, Any], *, key: str | None = None) -> Record:
        """Places one order and returns it, committed. The same `key` with the same order returns that order again.

        `order` has inputToken, outputToken, amount (what is sold, exactly) or receive (what is got, exactly), and optionally
        slippageBps, minOutput (with amount), maxInput (with receive), maxImpactBps, routing ("best" or "single"), type. With
        no key (here or as clientOrderId) one is made up, so that a repeated request can never place a second order.
        """
        return self.place(order, key=key)[0]

    def place(self, order: Mapping[str, Any], *, key: str | None = None) -> tuple[Record, bool]:
        """As `submit`, and whether the order is new: False when this key had brought it before."""
        key = str(key or order.get("clientOrderId") or new_key())
        record, response = self._answer("POST", "/api/orders", order, key=key)
        record.pop("message", None)
        return record, response.getheader("Idempotent-Replayed") is None

    def batch(self, orders: Iterable[Mapping[str, Any]]) -> Iterator[Record]:
        """Places many orders; yields, in their order, each one's record or an `oee.error/1` with its `line` (from 1).

        They are sent in blocks, each as soon as it is full, and every answer is yielded as soon as it is there.
        """
        first = 1
        block: list[bytes] = []
        for order in orders:
            block.append(_line(order))
            if len(block) == BLOCK:
                yield from self._block(block, first)
                first, block = first + len(block), []
        if block:
            yield from self._block(block, first)

    def order(self, order_id: str) -> Record:
        """The order with this id. Raises NotFound."""
        return self._call("GET", f"/api/orders/{in_path(order_id, safe='')}")

    def find(self, suffix: str) -> Record:
        """The one order whose id is, or ends in, these four or more characters. Raises NotFound, also when there are several."""
        text = suffix.lower()
        if len(text) == 36:
            return self.order(text)
        if len(text) < 4 or text.strip("0123456789abcdef-"):
            raise errors.NotFound(
                f"{suffix[:40]!a} is not an order id, nor the last 4 or more characters of one.",
                hint="See them: oee list",
            )
        found = self._call("GET", "/api/orders", query={"suffix": text, "limit": 3})["items"]
        if not found:
            raise errors.NotFound(f"No order id ends in {text}.", hint="See them: oee list")
        if len(found) > 1:
            several = ", ".join(order["orderId"] for order in found)
            raise errors.NotFound(f"More than one order id ends in {text}: {several}.", code="ambiguous_id")
        return dict(found[0])

    def orders(
        self,
        *,
        status: str | None = None,
        pair: str | None = None,
        dex: str | None = None,
        since: str | None = None,
        key: str | None = None,
        limit: int | None = None,
    ) -> Iterator[Record]:
        """The orders that match, newest last; the newest `limit` of them, or all. Asks for as many pages as that takes.

        `status` is a comma list (`open` means every order that is not final), `pair` is A/B in either direction, `since` a
        time or a duration back such as 1h.
        """
        query = {"status": status, "pair": pair, "dex": dex, "since": since, "key": key}
        pages: list[list[Record]] = []
        wanted = limit
        while wanted is None or wanted > 0:
            page = self._call("GET", "/api/orders", query=query | {"limit": min(wanted or PAGE, PAGE)})
            pages.append(page["items"])
            if page["next"] is None:
                break
            query["cursor"] = page["next"]
            wanted = None if wanted is None else wanted - len(page["items"])
        for items in reversed(pages):  # the pages come newest first, each with its newest last
            yield from items

    def cancel(self, order_id: str) -> Record:
        """The order, cancelled. Raises TooLateToCancel, and changes nothing, when it was sent or is otherwise final."""
        try:
            return self._call("DELETE", f"/api/orders/{in_path(order_id, safe='')}")
        except errors.TooLateToCancel:
            order = self.order(order_id)
            if order["status"] == "cancelled":  # by us, when only the answer was lost; or before, which is as good
                return order
            raise

    def retry(self, order_id: str, *, slippage_bps: int | None = None, key: str | None = None) -> Record:
        """A new order like one that definitely was not executed, with `retryOf` set. Raises Refused for any other."""
        body = {} if slippage_bps is None else {"slippageBps": slippage_bps}
        record = self._call("POST", f"/api/orders/{in_path(order_id, safe='')}/retry", body, key=key or new_key())
        record.pop("message", None)
        return record

    # what happened

    def order_events(self, order_id: str) -> list[Record]:
        """The whole history of one order."""
        return list(self._pages(f"/api/orders/{in_path(order_id, safe='')}/events", {}))

    def events(self, since: int | str = 0, *, limit: int | None = None) -> Iterator[Record]:
        """The log after `since` (a seq, a time, or a duration back such as 1h) up to now, or `limit` events of it."""
        query: dict[str, Any] = {"since": since}
        left = limit
        while left is None or left > 0:
            page = self._call("GET", "/api/events", query=query | {"limit": min(left or PAGE, PAGE)})
            yield from page["items"]
            if not page["items"] or page["next"] is None:
                return
            query["since"] = page["items"][-1]["seq"]
            left = None if left is None else left - len(page["items"])

    def follow(
        self, order_ids: Sequence[str] | None = None, since: int | None = None, *, timeout_s: float | None = None
    ) -> Iterator[Record]:
        """Events as they happen, each once and in order, across lost connections and restarts of the daemon.

        For the given orders: their history after `since` (default: all of it), then live. For None: the whole log, from
        after `since` or from now. Ends when `timeout_s` have passed; the caller stops it otherwise.
        """
        from order_engine.following import follow  # noqa: PLC0415 - websockets and asyncio, 40 ms

        return follow(self, order_ids, since, timeout_s, self._tell)

    # the market and the daemon

    def quote(
        self,
        input_token: str,
        output_token: str,
        amount: str | None = None,
        *,
        receive: str | None = None,
        routing: str | None = None,
        explain: bool = False,
        receipt: bool = False,
    ) -> Record:
        """Every venue's quote and the route that an order would get, for selling `amount` or for receiving `receive`.

        Nothing is stored. With `explain` the record says of every pool why it is used or not, with `receipt` it has the
        receipt of the route.
        """
        query = {
            "inputToken": input_token, "outputToken": output_token, "amount": amount, "receive": receive, "routing": routing,
            "explain": "true" if explain else None, "receipt": "true" if receipt else None,
        }  # fmt: skip
        return self._call("GET", "/api/quote", query=query)

    def receipt(self, order_id: str) -> Record:
        """The receipt of the order's route: the plan, how good it is, and the states of all pools. Raises NotFound."""
        return self._call("GET", f"/api/orders/{in_path(order_id, safe='')}/receipt")

    def venues(self) -> list[Record]:
        """The venues, and how they served."""
        return list(self._pages("/api/venues", {}))

    def pools(self, pair: str | None = None, curve: str | None = None) -> list[Record]:
        """The pools; of one pair where `pair` is given as A/B, and then with how deep each is for whoever sells `curve`."""
        return list(self._pages("/api/pools", {"pair": pair, "curve": curve}))

    def tokens(self) -> list[Record]:
        """The tokens that orders can name."""
        return list(self._pages("/api/tokens", {}))

    def balances(self) -> list[Record]:
        """What the wallet has of each token: free, reserved, total."""
        return list(self._pages("/api/balances", {}))

    def status(self) -> Record:
        """How the engine is doing."""
        return self._call("GET", "/api/status")

    def daemon(self) -> Record:
        """Where the daemon is and since when."""
        return self._call("GET", "/api/daemon")

    def halt(self, *, cancel_open: bool = False) -> Record:
        """Stops trading at once and until `resume`: no order is accepted, nothing is sent. The status after it.

        A daemon that has to be started for it starts halted, and so sends nothing first.
        """
        if find_daemon(self.home) is None:
            from order_engine import halt  # noqa: PLC0415 - needed almost never

            self.home.make()
            halt.write(self.home.halted)
        return self._call("POST", "/api/halt", {"cancelOpen": cancel_open})

    def resume(self) -> Record:
        """Lets trading go on after a halt. The status after it."""
        return self._call("POST", "/api/resume")

    # what goes wrong on purpose in the simulated world

    def add_fault(self, fault: Mapping[str, Any]) -> Record:
        """Makes something go wrong from now on, such as {"kind": "land-late", "slots": 20, "pattern": "bot-*", "times": 1}."""
        return self._call("POST", "/api/sim/faults", fault, key=new_key())

    def faults(self) -> list[Record]:
        """The faults that were added and not cleared, with how often each struck."""
        return list(self._pages("/api/sim/faults", {}))

    def clear_fault(self, fault_id: str) -> Record:
        """Ends one fault and returns it as it stood. Raises NotFound."""
        return self._call("DELETE", f"/api/sim/faults/{in_path(fault_id, safe='')}")

    def clear_faults(self) -> list[Record]:
        """Ends all faults and returns them as they stood."""
        return list(self._call("DELETE", "/api/sim/faults")["items"])

    # the rest of the simulated market

    def market(self) -> Record:
        """The regime that holds, what tokens are worth by it, and the pools to come."""
        return self._call("GET", "/api/sim/market")

    def choose_market(self, regime: str | None = None, *, rules: str | None = None) -> Record:
        """From the next block on the market behaves so: one of our regimes, or rules of your own as JSON or TOML."""
        return self._call("PUT", "/api/sim/market", query={"regime": regime, "rules": rules})

    def import_pools(self, text: str, height: int | None = None) -> Record:
        """Opens the pools of a file of public records, now or at a height. Raises Malformed or Refused, by line and field."""
        return self._call("POST", "/api/sim/pools", {"text": text} | ({} if height is None else {"height": height}))

    # how

    def where(self, *, start: bool = True) -> tuple[Daemon, dict[str, str]]:
        """A daemon to talk to (started if there was none, and `start` and `autostart` hold) and the headers that open it."""
        connection, daemon, headers = self._meet(start and self.autostart)
        connection.close()
        return daemon, headers

    def _connect(self) -> http.client.HTTPConnection:
        if self._connection is None:
            self._connection, _, self._headers = self._meet(self.autostart)
        return self._connection

    def _meet(self, start: bool) -> tuple[http.client.HTTPConnection, Daemon, dict[str, str]]:
        """A connection to a daemon that has proved itself, and the headers that open it: the token goes to nobody else."""
        trouble: errors.EngineError
        for again in (False, True):  # one that started again is elsewhere and has a new token: read both, once
            daemon = find_daemon(self.home)
            if start and (again or daemon is None or daemon.version != __version__):
                from order_engine.autostart import ensure  # noqa: PLC0415 - subprocess and filelock, 30 ms

                daemon = ensure(self.home, self._tell)
            if daemon is None:
                raise no_daemon(self.home)
            token = self._token()
            connection = http.client.HTTPConnection(*daemon.address, timeout=self._timeout_s)
            try:
                if _proves_itself(connection, daemon, token):
                    return connection, daemon, {"Authorization": f"Bearer {token}"}
                trouble = _a_stranger(self.home, daemon)
            except (OSError, http.client.HTTPException):
                trouble = no_daemon(self.home)
            connection.close()
        raise trouble

    def _token(self) -> str:
        try:
            return self.home.token_file.read_text("ascii").strip()
        except OSError as error:
            raise errors.EngineError(
                f"The daemon's token {self.home.token_file} cannot be read: {error.strerror}.",
                code="unauthorized",
                hint="Run: oee doctor",
            ) from error

    def _send(self, method: str, path: str, body: bytes | None, headers: Mapping[str, str]) -> http.client.HTTPResponse:
        """The head of the answer. Raises OSError or HTTPException when the connection broke: nothing is known then."""
        for _ in range(2):
            connection = self._connect()
            try:
                connection.request(method, path, body, {**self._headers, "Accept": "application/json", **headers})
                response = connection.getresponse()
                if response.length is None and not response.chunked:  # our daemon always says how much follows:
                    response.close()
                    raise http.client.IncompleteRead(b"")  # the head was cut off, which http.client takes for its end
            except (OSError, http.client.HTTPException):
                self.close()
                raise
            if response.status != 401:
                return response
            response.read()
            self.close()  # a daemon that started again has a new token: read it, once
        raise _token_refused(self.home)

    def _call(
        self,
        method: str,
        path: str,
        body: Mapping[str, Any] | None = None,
        *,
        query: Mapping[str, Any] | None = None,
        key: str | None = None,
    ) -> Record:
        """The record of an answer; see `_answer`."""
        return self._answer(method, path, body, query=query, key=key)[0]

    def _answer(
        self,
        method: str,
        path: str,
        body: Mapping[str, Any] | None = None,
        *,
        query: Mapping[str, Any] | None = None,
        key: str | None = None,
    ) -> tuple[Record, http.client.HTTPResponse]:
        """One answer. Asked again when the connection breaks: reading is harmless, what writes has a key or may be done twice."""
        if query and (given := {name: value for name, value in query.items() if value is not None}):
            path = f"{path}?{urlencode(given)}"
        headers = {"Content-Type": "application/json"} if body is not None else {}
        if key is not None:
            headers["Idempotency-Key"] = key
        content = None if body is None else json.dumps(body).encode()
        trouble: Exception | None = None
        for attempt in range(TRIES):
            if attempt > 1:
                _pause(100 * attempt)
            try:
                response = self._send(method, path, content, headers)
                answer = response.read()
            except (OSError, http.client.HTTPException) as error:
                self.close()
                trouble = error
                continue
            record = _decoded(answer, response.status)
            if response.status >= 400:
                raise error_from(record, response.status, response.headers.get("Retry-After"))
            return record, response
        raise _lost(method, key, trouble) from trouble

    def _pages(self, path: str, query: Mapping[str, Any]) -> Iterator[Record]:
        more: dict[str, Any] = dict(query)
        while True:
            page = self._call("GET", path, query=more)
            yield from page["items"]
            if page.get("next") is None:
                return
            more["cursor"] = page["next"]

    def _block(self, lines: list[bytes], first: int) -> Iterator[Record]:
        """The answers to one block. What a broken connection left unanswered is sent again, each line under its own key."""
        answered = tries = 0
        while answered < len(lines):
            before = answered
            body = b"\n".join(lines[answered:]) + b"\n"
            try:
                response = self._send("POST", "/api/orders/batch", body, {"Content-Type": "application/x-ndjson"})
                if response.status >= 400:
                    raise error_from(
                        _decoded(response.read(), response.status), response.status, response.headers.get("Retry-After")
                    )
                while line := response.readline():
                    if not line.endswith(b"\n"):
                        break  # cut off in the middle
                    record = _decoded(line, 200)
                    if "line" in record:
                        record["line"] = first + answered
                    answered += 1
                    yield record
            except (OSError, http.client.HTTPException) as error:
                trouble: Exception = error
            else:
                trouble = ConnectionError("the answer ended early")
            if answered < len(lines):
                self.close()
                tries = 1 if answered > before else tries + 1
                if tries == TRIES:
                    raise _lost("POST", None, trouble) from trouble
                _pause(100 * tries)


def error_from(record: Mapping[str, Any], status: int = 500, retry_after: str | None = None) -> errors.EngineError:
    """The exception that a problem document or an `oee.error/1` record stands for, with its code, hint and field."""
    code = str(record.get("code") or ("internal" if status >= 500 else "invalid_request"))
    message = str(record.get("message") or record.get("detail") or record.get("title") or f"HTTP status {status}")
    if code not in errors.ERROR_CODES:  # from a newer daemon
        code, message = ("internal" if status >= 500 else "invalid_request"), f"{code}: {message}"
    kind = _KINDS.get(code, errors.EngineError)
    error = kind.__new__(kind)  # some of them word their own message, and this one is worded already
    errors.EngineError.__init__(error, message, code=code, hint=record.get("hint"), field=record.get("field"))
    if isinstance(error, errors.Busy):
        error.retry_after_s = int(retry_after) if retry_after and retry_after.isdigit() else 1
    return error


_KINDS: dict[str, type[errors.EngineError]] = {
    "invalid_request": errors.Malformed,
    "invalid_amount": errors.Malformed,
    "same_token": errors.Malformed,
    "unknown_token": errors.UnknownToken,
    "insufficient_balance": errors.Refused,
    "no_route": errors.Refused,
    "price_impact_too_high": errors.Refused,
    "not_retryable": errors.Refused,
    "halted": errors.Halted,
    "order_too_large": errors.Refused,
    "duplicate_client_order_id": errors.DuplicateKey,
    "too_late_to_cancel": errors.TooLateToCancel,
    "over_capacity": errors.Busy,
    "too_many_orders": errors.Busy,
    "too_many_requests": errors.Busy,
    "draining": errors.Draining,
    "not_found": errors.NotFound,
    "ambiguous_id": errors.NotFound,
    "venue_unavailable": errors.VenueUnavailable,
    "outcome_unknown": errors.OutcomeUnknown,
    "storage_unavailable": errors.StorageUnavailable,
    "unreachable": errors.Unreachable,
}


def no_daemon(home: Home) -> errors.Unreachable:
    """Why there is nobody to talk to: with the address and the cause, as far as they are known."""
    hint = "Start it: oee daemon start"
    try:
        found = json.loads(home.daemon_file.read_bytes())
        url, pid = found["url"], int(found["pid"])
    except (OSError, ValueError, KeyError, TypeError):
        return errors.Unreachable(f"No daemon runs for {home.name}.", hint=hint)
    state = "does not answer there" if find_daemon(home) else "is not running"
    return errors.Unreachable(f"No daemon at {url}: {home.daemon_file} says pid {pid}, which {state}.", hint=hint)


def _proves_itself(connection: http.client.HTTPConnection, daemon: Daemon, token: str) -> bool:
    """True when the daemon that wrote this token listens at the other end. Raises OSError or HTTPException as it connects."""
    nonce = os.urandom(NONCE_CHARACTERS // 2).hex()
    connection.request("GET", "/", headers={NONCE_HEADER: nonce})
    response = connection.getresponse()
    response.read()
    return is_proof(response.headers.get(PROOF_HEADER), secret_of(token), daemon.address[1], nonce)


def _a_stranger(home: Home, daemon: Daemon) -> errors.EngineError:
    return errors.EngineError(
        f"What listens at {daemon.url} did not prove that it knows the token in {home.token_file}{_odd_mode(home)}, so it is "
        f"not the daemon of this home. The token was not sent. If no daemon of yours runs, remove {home.daemon_file}.",
        code="unauthorized",
        hint="Run: oee doctor",
    )


def _token_refused(home: Home) -> errors.EngineError:
    return errors.EngineError(
        f"The daemon refused the token in {home.token_file}{_odd_mode(home)}.",
        code="unauthorized",
        hint="Run: oee doctor",
    )


def _odd_mode(home: Home) -> str:
    try:
        mode = home.token_file.stat().st_mode & 0o777
    except OSError:
        return " (which is missing by now)"
    return "" if mode == 0o600 else f" (mode {mode:04o}, should be 0600)"


def _lost(method: str, key: str | None, trouble: Exception | None) -> errors.EngineError:
    why = f"The connection to the daemon broke {TRIES} times ({trouble or 'no answer'})."
    if method == "GET":
        return errors.Unreachable(why, hint="See how it is: oee daemon status")
    if method == "DELETE":
        return errors.OutcomeUnknown(f"{why} The order may be cancelled or not.", hint="Look: oee show ID")
    look = f"oee list --key {key}" if key else "oee list"
    return errors.OutcomeUnknown(
        f"{why} It may have taken the order. Do not send it again under another key.", hint=f"Look: {look}"
    )


def _line(order: Mapping[str, Any]) -> bytes:
    """One line of a batch. An order without a key gets one here, so that sending the line twice is harmless."""
    return json.dumps(order if order.get("clientOrderId") else {**order, "clientOrderId": new_key()}).encode()


def _decoded(answer: bytes, status: int) -> Record:
    try:
        record = json.loads(answer)
    except ValueError:
        record = None
    if isinstance(record, dict):
        return record
    raise errors.EngineError(
        f"The daemon answered something that is not a record (HTTP status {status}, {answer[:60]!a}).",
        hint="Is another program on its port? Run: oee doctor",
    )


def _pause(delay_ms: float) -> None:
    from order_engine.clock import SystemClock  # noqa: PLC0415 - datetime, on a path that waits anyway

    SystemClock().sleep_ms(delay_ms)


def _tell_a_terminal(text: str) -> None:
    import sys  # noqa: PLC0415 - only for this

    if sys.stderr is not None and sys.stderr.isatty():
        print(text, file=sys.stderr, flush=True)
