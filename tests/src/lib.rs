//! End-to-end tests: they run the gateway as its clients see it. Everything is in `tests/all`; this library holds nothing.
