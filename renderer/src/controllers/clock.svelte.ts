import { createSubscriber } from "svelte/reactivity";

/** Times are shown to the minute. */
const TICK_MS = 60_000;

const subscribe = createSubscriber((update) => {
  const timer = setInterval(update, TICK_MS);
  return () => clearInterval(timer);
});

/** The present, in Unix milliseconds; whoever reads it is rendered again every minute. */
export const currentTime = (): number => {
  subscribe();
  return Date.now();
};
