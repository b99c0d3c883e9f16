"""What CloudWatch and EventBridge would make of metrics and events, by their documented rules.

Alarms are the one part of the app that no test can run: the embedded environment evaluates them,
but its metrics are not late, it knows no metric math, and nothing in it lasts a night. So the rules
are written down here, and the alarms of the synthesized templates are held against scenarios
(``assurance.alerting.scenarios``).

Own code, because what there is does not judge this. moto stores alarms and evaluates none.
LocalStack's scheduler (Apache 2.0) evaluates alarms on single metrics only, not those on
expressions, and takes every metric to be there in time: the very things that are in question.

One subject a module:

- ``datapoint``: what a metric says of a period.
- ``definitions``: alarms, composite alarms and rules, as the templates define them.
- ``expression``: metric math.
- ``arrival``: how late each service's metrics are.
- ``evaluation``: the state that an alarm's datapoints make.
- ``composite``: rules on the states of other alarms.
- ``event_pattern``: which events a rule matches.
- ``clock``: all of it in time: states, and mails.

Sources are the pages of the Amazon CloudWatch user guide that each module names.
"""
