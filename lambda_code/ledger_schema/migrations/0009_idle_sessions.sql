-- What sleeps in a frozen sandbox cannot hang up itself. The server ends it after 330 s: later than
-- the functions trust a connection (300 s), and earlier than what lies between forgets it (350 s),
-- so that its end is told. The functions bring the same along at each sign-in.
ALTER ROLE payment_processor SET idle_session_timeout = '330s';
ALTER ROLE ledger_reader SET idle_session_timeout = '330s';
