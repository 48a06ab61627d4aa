//! Request and token windows, quotas and the counters they are kept in: the arithmetic only.
