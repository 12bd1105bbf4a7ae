const TERMINAL = { execution_completed: 'completed', execution_failed: 'failed', execution_cancelled: 'cancelled' };
const SETTLES = new Set([
  'step_completed',
  'step_failed',
  'step_timed_out',
  'step_skipped',
  'compensation_completed',
  'compensation_failed',
]);

/** (b) one terminal event, equal to the row's state; (c) seq without gaps, times that never fall, transitions that the state machine has. */
export function checkHistories(facts) {
  for (const [id, { row, events }] of facts.executions) {
    const terminal = events.filter(({ type }) => type in TERMINAL);
    if (terminal.length !== 1) facts.violation('b', id, `${terminal.length} terminal events`, { status: row.status });
    else if (TERMINAL[terminal[0].type] !== row.status)
      facts.violation('b', id, `the row says ${row.status}, the history ${terminal[0].type}`);
    if (terminal.length === 1 && events.at(-1) !== terminal[0]) facts.violation('b', id, 'events after the terminal one');
    if (terminal.length === 1 && row.ended !== terminal[0].at)
      facts.violation('b', id, 'ended_at is not the time of the terminal event', { ended: row.ended, at: terminal[0].at });
    events.forEach((event, index) => {
      if (event.seq !== index + 1) facts.violation('c', id, `seq ${event.seq} where ${index + 1} was due`);
      if (index > 0 && event.at < events[index - 1].at)
        facts.violation('c', id, `time falls at seq ${event.seq}`, { event, before: events[index - 1] });
    });
    if (row.last_seq !== events.length) facts.violation('c', id, `last_seq is ${row.last_seq}, there are ${events.length} events`);
    if (events[0]?.type !== 'execution_started') facts.violation('c', id, `the first event is ${events[0]?.type}`);
    checkSteps(facts, id, events);
  }
}

/** A step run starts before it settles, settles once, and its attempts count up. */
function checkSteps(facts, id, events) {
  const runs = new Map();
  for (const event of events) {
    if (event.step === null) continue;
    const key = `${event.step}/${event.wave}`;
    const run = runs.get(key) ?? { settled: false, attempt: 0 };
    runs.set(key, run);
    // A decision that came too late to change anything is told all the same.
    if (run.settled && event.type !== 'approval_decided')
      facts.violation('c', id, `${event.type} of ${key} after it had settled`, { event });
    if (event.type === 'step_started' || event.type === 'compensation_started') {
      if (event.attempt < run.attempt)
        facts.violation('c', id, `attempt ${event.attempt} of ${key} after attempt ${run.attempt}`, { event });
      run.attempt = event.attempt;
    }
    if (SETTLES.has(event.type)) run.settled = true;
  }
}
