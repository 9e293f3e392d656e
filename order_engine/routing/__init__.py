"""Where an order's amount goes: the best plan over all pools, and the proof that no other could have got more.

Values in, values out: no engine, no daemon, no clock. `best` is what the engine asks for every order. `split` divides an
amount over the pools of one pair, `hops` over paths through other tokens, `certificate` bounds what any plan could get and
checks a receipt, `explanation` says why each pool is used or not. `best` answers as these do, from what `market` keeps of a
block of the chain, over `blocks` of the token graph (`chain`) and along `circles` and `walks`. `pieces` is all that routing
knows of the pool models; `filling`, `network` and `dual` are the search, in floats, which chooses where to look and never an
amount.
"""
