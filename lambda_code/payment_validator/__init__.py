import payments.cold_start  # noqa: F401 - before all that the handler imports
