import { expect, test } from "vitest";
import { durationMs, monotonicMs } from "../../protocol/kernel/time.ts";
import { createLivenessBook } from "../../protocol/view/liveness-book.ts";
import { createView } from "../../protocol/view/view.ts";
import { trustOwnDescriptor } from "../../protocol/identity/verified.ts";
import { createSeededRandom } from "../support/seeded-random.ts";
import { stubDescriptors } from "../support/stub-descriptors.ts";

const [a, b, c, d] = stubDescriptors(4);
const newer = (descriptor: typeof a) => trustOwnDescriptor({ ...descriptor!, sequence: descriptor!.sequence + 1 });

test("VIEW-1 a view holds at most its capacity, never its owner, and one neighbor per id", () => {
  const view = createView(a!.id, 2);
  expect(view.put(a!, 0)).toBe(false);
  expect(view.put(b!, 4)).toBe(true);
  expect(view.put(b!, 2)).toBe(true);
  expect(view.put(c!, 0)).toBe(true);
  expect(view.put(d!, 0)).toBe(false);
  expect(view.neighbors()).toEqual([
    { descriptor: b, age: 2 },
    { descriptor: c, age: 0 },
  ]);
});

test("VIEW-2 of two descriptors of a node the newer wins, whatever its age; an older one changes nothing", () => {
  const view = createView(a!.id, 2);
  view.put(b!, 1);
  view.put(newer(b), 9);
  expect(view.get(b!.id)).toEqual({ descriptor: newer(b), age: 9 });
  view.put(b!, 0);
  expect(view.get(b!.id)?.age).toBe(9);
});

test("VIEW-3 the oldest neighbor is found, and among equals each one sometimes", () => {
  const view = createView(a!.id, 3);
  view.put(b!, 3);
  view.put(c!, 3);
  view.put(d!, 1);
  const random = createSeededRandom("VIEW-3");
  const found = new Set(Array.from({ length: 40 }, () => view.oldest(random)!.descriptor.id));
  expect(found).toEqual(new Set([b!.id, c!.id]));
});

test("VIEW-4 ages grow once per period and stop at one byte", () => {
  const view = createView(a!.id, 2);
  view.put(b!, 254);
  view.growOlder();
  view.growOlder();
  expect(view.get(b!.id)?.age).toBe(255);
});

test("LIV-1 a buried node is not taken back on hearsay, but with a newer descriptor, after its time, or when it speaks", () => {
  const book = createLivenessBook({ addressCapacity: 4, tombstoneMs: durationMs(100) });
  const now = monotonicMs(0);
  for (const revive of [
    () => book.accepts(newer(b), now),
    () => book.accepts(b!, monotonicMs(100)),
    () => {
      book.sawAlive(b!);
      return book.accepts(b!, now);
    },
  ]) {
    book.bury(b!, now);
    expect(book.accepts(b!, now)).toBe(false);
    expect(revive()).toBe(true);
  }
});

test("LIV-2 the address book forgets the least recently proven node", () => {
  const book = createLivenessBook({ addressCapacity: 2, tombstoneMs: durationMs(100) });
  for (const descriptor of [a!, b!, a!, c!]) book.sawAlive(descriptor);
  expect(book.known().map(({ id }) => id)).toEqual([a!.id, c!.id]);
});
