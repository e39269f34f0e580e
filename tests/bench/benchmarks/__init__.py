"""One module per benchmark: each has NAME and `measure(bench) -> Section`. They measure; they know no server's command line."""
