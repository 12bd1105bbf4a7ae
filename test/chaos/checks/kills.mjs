/** (C6) @returns for each call that a kill left without an end, how long after the end of the process the same call was made by another holder */
export function startsAfterKills(facts, windows) {
  const kills = Map.groupBy(
    windows.flatMap((window) => window.kills ?? []).sort((a, b) => a.at - b.at),
    ({ node }) => String(node),
  );
  const times = [];
  for (const { calls } of facts.executions.values()) {
    for (const mine of Map.groupBy(calls, ({ key, attempt }) => `${key} ${attempt}`).values()) {
      for (const [index, call] of mine.entries()) {
        const before = mine[index - 1];
        if (before === undefined || before.claim === null || !(call.claim > before.claim)) continue;
        const kill = kills.get(before.node)?.find(({ at }) => at >= before.at);
        if (kill !== undefined && kill.at <= call.at) times.push(call.at - kill.at);
      }
    }
  }
  return times;
}
