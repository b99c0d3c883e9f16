"""What may happen to production, as data, and who must be told of it.

- ``world``: production as it is when nothing is wrong, as metrics and events.
- ``scenario``: how a scenario is written down.
- ``catalogue``: all scenarios.
- ``verdict``: what the alarms make of a scenario, held against what it asks for.
"""
