"""Where orders are executed: the venue contract, the pool models, and the venues built from them."""
