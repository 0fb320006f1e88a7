import { afterEach, beforeEach, expect, test, vi } from "vitest";
import { createSystemClock } from "../../main/adapters/system-clock.ts";
import { durationMs } from "../../protocol/kernel/time.ts";

beforeEach(() => {
  vi.useFakeTimers();
});
afterEach(() => {
  vi.useRealTimers();
});

const hour = 3_600_000;

test.each([
  ["only the wall clock ran on, as on Linux", 0, hour],
  ["both clocks ran on, as on Windows and macOS", hour, hour],
])("P-CLOCK a wake-up is reported once: %s", (_, monotonicJump, unixJump) => {
  let [monotonic, unix] = [0, 1_700_000_000_000];
  const clock = createSystemClock({ monotonic: () => monotonic, unix: () => unix });
  let wakeUps = 0;
  const remove = clock.onResumed(() => {
    wakeUps += 1;
  });
  const pass = (ms: number): void => {
    for (let i = 0; i < ms; i += 1000) {
      monotonic += 1000;
      unix += 1000;
      vi.advanceTimersByTime(1000);
    }
  };
  pass(60_000);
  expect(wakeUps).toBe(0);
  monotonic += monotonicJump;
  unix += unixJump;
  pass(60_000);
  expect(wakeUps).toBe(1);
  unix -= hour;
  pass(10_000);
  expect(wakeUps).toBe(1);
  remove();
  unix += 2 * hour;
  pass(10_000);
  expect(wakeUps).toBe(1);
  clock.close();
});

test("P-CLOCK-2 a callback runs once after its delay, and not after it was cancelled", () => {
  const clock = createSystemClock();
  let calls = 0;
  clock.after(durationMs(100), () => {
    calls += 1;
  });
  const cancel = clock.after(durationMs(100), () => {
    calls += 10;
  });
  cancel();
  vi.advanceTimersByTime(99);
  expect(calls).toBe(0);
  vi.advanceTimersByTime(1000);
  expect(calls).toBe(1);
  clock.close();
});
