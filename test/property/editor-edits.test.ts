import fc from "fast-check";
import { expect, test } from "vitest";
import type { Patch } from "../../protocol/replica/types.ts";
import { composeEdits } from "../../renderer/src/editors/note-editor/replica-binding.ts";

const TEXT = "1@00";
const step = fc.record({ place: fc.nat(), removed: fc.nat(3), inserted: fc.nat(3), kind: fc.nat(3) });

test("joined edits cover every change of the patches and nothing is lost between them", () => {
  fc.assert(
    fc.property(fc.nat(1_500), fc.array(step, { maxLength: 700, size: "max" }), (length, steps) => {
      let next = length;
      const before = Array.from({ length }, (_, index) => index);
      let now = [...before];
      const patches: Patch[] = [];
      for (const { place, removed, inserted, kind } of steps) {
        const index = place % (now.length + 1);
        if (kind === 0) {
          const end = Math.min(now.length, index + removed);
          patches.push({ type: "marks", object: TEXT, start: index, end });
          now = [...now.slice(0, index), ...now.slice(index, end).map(() => next++), ...now.slice(end)];
        } else if (kind === 1) {
          patches.push({ type: "block", object: TEXT, index, inserted: true });
          now.splice(index, 0, next++);
        } else if (kind === 2) {
          const count = Math.min(removed, now.length - index);
          patches.push({ type: "text", object: TEXT, index, removed: count, inserted: "", marks: {} });
          now.splice(index, count);
        } else {
          patches.push({ type: "text", object: TEXT, index, removed: 0, inserted: "x".repeat(inserted), marks: {} });
          now.splice(index, 0, ...Array.from({ length: inserted }, () => next++));
        }
        patches.push({ type: "put", object: "2@00", key: "elsewhere" });
      }
      const edits = composeEdits(patches, TEXT);
      expect(edits.length).toBeLessThanOrEqual(256);
      const rebuilt = [...before];
      let end = -1;
      for (const { at, removed, inserted } of edits) {
        expect(at).toBeGreaterThan(end);
        rebuilt.splice(at, removed, ...now.slice(at, at + inserted));
        end = at + inserted;
      }
      expect(rebuilt).toEqual(now);
    }),
    { numRuns: 150 },
  );
});
