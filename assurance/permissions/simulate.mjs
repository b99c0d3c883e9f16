// Reads simulations from standard input (JSON: a list) and writes a decision for each (JSON: a list
// of strings). A request or policy that the engine cannot judge ends the process with status 1,
// so that it never counts as denied.

import { text } from 'node:stream/consumers'

import { runSimulation } from '@cloud-copilot/iam-simulate'

const simulations = JSON.parse(await text(process.stdin))
const decisions = []
for (const simulation of simulations) {
  const { title, ...input } = simulation
  const outcome = await runSimulation(input, { simulationMode: 'Strict' })
  if (outcome.resultType !== 'single') {
    const reason = outcome.resultType === 'error' ? outcome.errors : 'the resource is a pattern'
    console.error(`${title}: ${JSON.stringify(reason)}`)
    process.exitCode = 1
    continue
  }
  // A circumstance that the engine drops, because AWS never sends it with this action, decides
  // nothing: a row that rests on it would prove nothing.
  const dropped = outcome.result.ignoredContextKeys
  if (dropped.length > 0) {
    console.error(`${title}: the action knows no ${dropped.join(', ')}`)
    process.exitCode = 1
  }
  decisions.push(outcome.overallResult)
}
process.stdout.write(JSON.stringify(decisions))
