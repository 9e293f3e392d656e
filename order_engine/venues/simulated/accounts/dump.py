"""The accounts of a file: what `solana account` and the calls of an RPC node answer, decoded and told apart.

A pool asks here for the accounts that belong to it. Everything comes with the line it stands on, so that whatever is missing,
too much or not what it claims to be is refused by line and field. Lengths are checked before anything is decoded.
"""

import binascii
from collections.abc import Callable, Iterator, Mapping, Sequence
from typing import NamedTuple

from order_engine.errors import Malformed
from order_engine.tokens import TOKENS
from order_engine.venues.simulated.accounts import addresses
from order_engine.venues.simulated.accounts.layouts import Fields, Layout, bits
from order_engine.venues.simulated.located import Digits, Record, Value

ACCOUNTS_MAX = 4_000
BYTES_MAX = 16_384  # the longest account that is understood has 10 240
NAMED_MAX = 8  # of the accounts that are missing
ARRAYS_IN_BITMAP = 512  # on either side of price 1: Raydium's tick_array_bit_map.rs, Meteora's constants.rs

TOKEN_PROGRAM = "TokenkegQfeZyiNwAJbNbGKPFXCWuBvf9Ss623VQ5DA"
TOKEN_2022 = "TokenzQdBNbLqP5VEhdkAS6EPFLC1PHnBqCXEpPxuEb"
TOKEN_ACCOUNT = Layout(  # spl-token, state.rs Account
    "token account", "mint:key owner:key amount:u64 _:36 state:u8 _:56", TOKEN_PROGRAM, marked=False
)

_INITIALIZED = 1  # spl-token, state.rs AccountState
_SYMBOLS = {token.mint: token.symbol for token in TOKENS.values()}


class Account(NamedTuple):
    """An account of a file: its address, what kind it is, and where it stands."""

    address: str
    layout: Layout
    fields: Fields
    content: bytes
    record: Record
    path: str

    def wrong(self, why: str) -> Malformed:
        """The refusal of what is in this account."""
        return self.record.wrong(f"{self.layout.name} {self.address}: {why}", self.path)


class Wanted(NamedTuple):
    """An account that a pool cannot do without: in words, of which kind, and where."""

    what: str
    layout: Layout
    address: str


class Dump:
    """The accounts of a file by address. One that is there twice must be the same both times."""

    def __init__(self, records: Sequence[Record], layouts: Sequence[Layout]) -> None:
        if len(records) > ACCOUNTS_MAX:
            raise records[0].wrong(f"{len(records)} accounts, the limit is {ACCOUNTS_MAX}")
        self._accounts: dict[str, Account] = {}
        self._nothing: set[str] = set()
        self._used: set[str] = set()
        self._of_pool: dict[tuple[Layout, bytes], list[Account]] = {}
        for record in records:
            if "pubkey" not in record.fields:
                raise record.wrong('the account does not say its address: "pubkey", or "pubkeys" beside the list')
            address = _address(record, "pubkey")
            if "account" in record.fields and record.fields["account"].content is None:
                self._nothing.add(address)
                continue
            found = _account(record, address, layouts)
            before = self._accounts.setdefault(address, found)
            if before.content != found.content or before.layout is not found.layout:
                raise record.wrong(f"the account {address} is there twice, and not the same")
        for account in self:
            if "pool" in account.layout.places:
                self._of_pool.setdefault((account.layout, account.fields.raw("pool")), []).append(account)
        for address in self._nothing & self._accounts.keys():
            raise self._accounts[address].wrong("another line says that there is no such account")

    def __iter__(self) -> Iterator[Account]:
        return iter(self._accounts.values())

    def is_nothing(self, address: str) -> bool:
        """True when the file says that no such account exists: {"pubkey": ADDRESS, "account": null}."""
        return address in self._nothing

    def take(self, pool: Account, wanted: Sequence[Wanted]) -> list[Account]:
        """These accounts, in that order. Raises Malformed that names those that are not in the file."""
        missing = [each for each in wanted if each.address not in self._accounts]
        if missing:
            raise self.missing(pool, missing)
        found = [self._accounts[each.address] for each in wanted]
        for account, each in zip(found, wanted, strict=True):
            if account.layout is not each.layout:
                raise account.wrong(f"it is to be {each.what} of the pool {pool.address}, a {each.layout.name}")
            self._used.add(account.address)
        return found

    def maybe(self, layout: Layout, address: str) -> Account | None:
        """This account if the file has it."""
        account = self._accounts.get(address)
        if account is None or account.layout is not layout:
            return None
        self._used.add(address)
        return account

    def of_pool(self, layout: Layout, pool: Account) -> list[Account]:
        """All accounts of a kind that say that they belong to this pool."""
        found = self._of_pool.get((layout, addresses.read(pool.address)), [])
        self._used.update(each.address for each in found)
        return found

    def filled(
        self, pool: Account, bitmap: str, extension: Layout, address: str, below: Callable[[int], int]
    ) -> Iterator[int]:
        """The numbers of the arrays that hold something: 0 begins at price 1, -1 ends there.

        The pool's own bitmap has those nearest to it on either side, the extension at `address` the others, if the file has it;
        `below` gives the number for a place in its negative part, which each program counts in its own way.
        """
        for place in bits(pool.fields.raw(bitmap)):
            yield place - ARRAYS_IN_BITMAP
        further = self.maybe(extension, address)
        if further is not None:
            if further.fields.key("pool") != pool.address:
                raise further.wrong(f"it is not of the pool {pool.address}")
            for place in bits(further.fields.raw("positive")):
                yield place + ARRAYS_IN_BITMAP
            for place in bits(further.fields.raw("negative")):
                yield below(place)

    def missing(
        self, pool: Account, wanted: Sequence[Wanted], why: str = "", also: int = 0, advice: str = ""
    ) -> Malformed:
        """The refusal of a pool because of these accounts and `also` so many more that are not in the file.

        `why` stands before them, and what else could be done about it after them.
        """
        named = ", ".join(f"{each.what} at {each.address}" for each in wanted[:NAMED_MAX])
        more = max(len(wanted) - NAMED_MAX, 0) + also
        and_more = f" and {more} more" if more else ""
        verb = "is" if len(wanted) + also == 1 else "are"
        return pool.record.wrong(
            f"{pool.layout.name} {pool.address}: {why}{named}{and_more} {verb} not in the file{advice}"
        )

    def vaults(self, pool: Account, *sides: tuple[str, str], beside: Sequence[Wanted] = ()) -> tuple[int, int]:
        """What lies in the vaults of A and B, each given as (vault, mint), in base units.

        Raises Malformed for those that are missing, and names what is needed `beside` them and missing too.
        """
        wanted = [Wanted(f"the vault of {token_of(pool, mint)}", TOKEN_ACCOUNT, vault) for vault, mint in sides]
        found = self.take(pool, [*wanted, *beside])
        a, b = (_amount(account, mint) for account, (_, mint) in zip(found, sides, strict=False))
        return a, b

    def check_vaults(self, pool: Account, reserves: Sequence[int], *sides: tuple[str, str]) -> None:
        """Raises Malformed where a vault, given as (vault, mint), is in the file and has less than its side of the pool."""
        for reserve, (vault, mint) in zip(reserves, sides, strict=True):
            account = self.maybe(TOKEN_ACCOUNT, vault)
            if account is not None and _amount(account, mint) < reserve:
                raise account.wrong(
                    f"{_amount(account, mint)} base units, and the pool {pool.address} can pay {reserve}: "
                    "the accounts are of different moments"
                )

    def check_all_used(self) -> None:
        """Raises Malformed for an account that belongs to no pool of the file."""
        for account in self:
            if account.address not in self._used:
                raise account.wrong("it belongs to no pool that is in the file")

    def use(self, account: Account) -> None:
        """Marks a pool as read."""
        self._used.add(account.address)


def is_account(content: Mapping[str, Value]) -> bool:
    """True for what stands for an account: as `solana account` writes it, or bare as in an answer of getMultipleAccounts."""
    return "account" in content or {"owner", "data", "lamports"} <= content.keys()


def token_of(pool: Account, mint: str) -> str:
    """The symbol of a mint. Raises Malformed for one that is not in our list."""
    if mint not in _SYMBOLS:
        raise pool.wrong(f"the mint {mint} is not a known token")
    return _SYMBOLS[mint]


def _account(record: Record, address: str, layouts: Sequence[Layout]) -> Account:
    """The account of a record, if it is of one of these kinds."""
    inner = "account." if "account" in record.fields else ""
    owner = _address(record, inner + "owner")
    content = _content(record, address, inner + "data")
    if owner == TOKEN_2022:
        raise record.wrong("a token account of Token-2022, whose transfer fees are not modelled", inner + "owner")
    kinds = [layout for layout in layouts if layout.program == owner]
    if not kinds:
        raise record.wrong(f"{owner} is no program whose pools are understood", inner + "owner")
    for layout in kinds:
        if layout.fits(content):
            return Account(address, layout, Fields(layout, content), content, record, inner + "data")
    named = next((layout for layout in kinds if layout.mark and content.startswith(layout.mark)), None)
    if named is None and not kinds[0].mark:
        named = kinds[0]
    if named is not None:
        needed = f"{named.size} to {named.size_max}" if named.size_max > named.size else f"{named.size}"
        raise record.wrong(f"{len(content)} bytes; {named.name} has {needed}", inner + "data")
    known = ", ".join(layout.name for layout in kinds)
    raise record.wrong(
        f"an account of another kind (it begins with {content[:8].hex() or 'nothing'}); known are {known}",
        inner + "data",
    )


def _address(record: Record, path: str) -> str:
    text = record.text(path)
    try:
        addresses.read(text)
    except ValueError as error:
        raise record.wrong(str(error), path) from error
    return text


def _content(record: Record, address: str, path: str) -> bytes:
    """The bytes of an account, which are base64. What is encoded otherwise is refused with the way to get it right."""
    found = record.get(path).content
    texts = [each.content for each in found] if isinstance(found, list) else []
    text, encoding = texts if len(texts) == 2 else (None, "base58 or parsed")
    if not isinstance(text, str) or isinstance(text, Digits) or encoding != "base64":
        raise record.wrong(
            f"{str(encoding)[:20]!a} instead of base64. Get it by: solana account {address} --output json "
            '(or with "encoding": "base64" from an RPC node)',
            path,
        )
    if len(text) > BYTES_MAX * 2:
        raise record.wrong(f"longer than {BYTES_MAX} bytes, which no account of a pool is", path)
    try:
        return binascii.a2b_base64(text.encode(), strict_mode=True)
    except (binascii.Error, UnicodeEncodeError) as error:
        raise record.wrong("not valid base64", path) from error


def _amount(vault: Account, mint: str) -> int:
    """What is in a vault, in base units."""
    if vault.fields.key("mint") != mint:
        raise vault.wrong(f"it holds {vault.fields.key('mint')}, and the pool trades {mint}")
    if vault.fields["state"] != _INITIALIZED:
        raise vault.wrong("it is frozen or was never initialised")
    return vault.fields["amount"]
