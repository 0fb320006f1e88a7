/** Throws when our own code broke a promise. Never for input from disk, peer, link or user: those are `Result`s. */
export function invariant(condition: unknown, message: string): asserts condition {
  if (!condition) throw new Error(`invariant: ${message}`);
}

/** Ends a switch over a closed union; reaching it is a bug. */
export const exhaustive = (value: never): never => {
  throw new Error(`unhandled case: ${JSON.stringify(value)}`);
};
