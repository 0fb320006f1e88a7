/** Least processor time in milliseconds that `run` took in five runs: what it costs, not what else the machine was doing. */
export const leastCpuMs = (run: () => void): number => {
  let least = Number.POSITIVE_INFINITY;
  for (let i = 0; i < 5; i++) {
    const before = process.cpuUsage();
    run();
    const { user, system } = process.cpuUsage(before);
    least = Math.min(least, (user + system) / 1000);
  }
  return least;
};
