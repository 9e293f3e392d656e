-- A transaction may be several swaps: what each of them took, paid and cost. `pool`, `fee` and `fee_token` say it of one swap, or
-- of the first pool and the common token.

ALTER TABLE ledger ADD COLUMN fills TEXT;         -- as JSON; NULL when it failed, or landed before there were several
